"""Lottery tickets: sparse networks that learn as well as the dense one, if they start from its own initial weights.

Train, prune the weights that ended nearest to zero, put the others back to where they began, and repeat: iterative
magnitude pruning with rewinding. The hypothesis is that the initial weights matter: the same mask with newly drawn
weights should learn worse, and a random mask worse still.

Paper to code: theta_0 (or theta_k after k steps, for large networks) `start`, m `masks`, p `share` (of what is left, in
each round), n `rounds`, P_m `density`, j the length of the user's own `train`.

Source: Frankle, Carbin: The Lottery Ticket Hypothesis (ICLR 2019, arXiv 1803.03635), section 1 and strategy 1 of the
appendix on iterative pruning; Frankle, Dziugaite, Roy, Carbin: Linear Mode Connectivity and the Lottery Ticket
Hypothesis (ICML 2020, arXiv 1912.05671) for rewinding to a later step.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from cupel.methods.pruners.magnitude import Magnitude
from cupel.methods.weight_masks import MaskGuard, Masks, Pruner, all_kept, check_share, density, prunable_weights
from cupel.spec.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

Train: TypeAlias = Callable[["nn.Module", MaskGuard], Any]


@dataclass(frozen=True)
class Schedule:
    """How often and how much is pruned, and where to weights go back.

    Args:
        rounds: n, prunings; the network is trained once more than that.
        share: p, the share of the weights left in a layer that goes in a round.
        shares: other shares for weights by name; the paper takes half of `share` for the output layer, and 0 leaves a
            layer whole.
        rewind_step: k, the step of the first training that weights go back to; 0 is where they were drawn. Large
            networks need some hundred steps.

    Raises:
        UsageError: a number is out of range.
    """

    rounds: int
    share: float = 0.2
    shares: Mapping[str, float] = field(default_factory=dict)
    rewind_step: int = 0

    def __post_init__(self) -> None:
        if self.rounds < 0 or self.rewind_step < 0:
            raise UsageError(
                f"rounds={self.rounds} and rewind_step={self.rewind_step} were asked; expected both to be 0 or more."
            )
        for share in (self.share, *self.shares.values()):
            check_share(share)

    def by_name(self, weights: Mapping[str, Tensor]) -> dict[str, float]:
        """The share of each weight.

        Raises:
            UnknownNameError: a share is named for no weight that can be pruned.
        """
        for name in self.shares:
            if name not in weights:
                raise UnknownNameError("weight that can be pruned", name, weights)
        return {name: self.shares.get(name, self.share) for name in weights}


@dataclass(frozen=True, eq=False)
class Round:
    """One training: what was kept in it, and what the user's `train` returned.

    Attributes:
        masks: the masks that it was trained with.
        density: share of the prunable weights that they keep.
        result: what `train` returned.
    """

    masks: dict[str, Tensor]
    density: float
    result: Any


@dataclass(frozen=True, eq=False)
class LotteryTicket:
    """What was found: where to start, and what to keep.

    Attributes:
        start: the state of the model that weights go back to, by value.
        start_step: k, the step of training it is of.
        rounds: the trainings, round 0 dense; the masks of each keep a part of those of the one before.
    """

    start: dict[str, Any]
    start_step: int
    rounds: tuple[Round, ...]

    @property
    def masks(self) -> dict[str, Tensor]:
        """The masks of the last round."""
        return self.rounds[-1].masks

    @property
    def density(self) -> float:
        """Share of the prunable weights that the last round kept."""
        return self.rounds[-1].density

    def guard(self, model: nn.Module, *, masks: Masks | None = None) -> MaskGuard:
        """Put a model at the start, and give the guard to train it under, in a `with` block.

        Args:
            model: of the same architecture.
            masks: those of the last round where left out; those of an earlier round, or permuted ones as a control.
        """
        model.load_state_dict(self.start)
        model.zero_grad()  # a gradient that the last training left would be added to the first of this one
        return MaskGuard(model, self.masks if masks is None else masks, start=self.start_step)


def lottery_ticket(
    model: nn.Module, train: Train, *, schedule: Schedule, pruner: Pruner | None = None
) -> LotteryTicket:
    """Find a lottery ticket of a model by iterative pruning with rewinding.

    Args:
        model: at its initial weights. It is trained in place and ends as the trained ticket.
        train: called as `train(model, guard)` for each round; trains from step `guard.start` on to the end of its own
            schedule, with an optimiser that it makes anew. Pruned weights are held at zero after each step of any
            optimiser of torch; other loops call `guard.after_step()`. What it returns, such as an accuracy, is kept.
            Rounds are comparable only if it draws the same batches each time: seed its own generators inside.
        schedule: how often and how much is pruned, and where to weights go back.
        pruner: which weights go; `Magnitude()`, layer by layer, where left out.

    Returns:
        The masks of each round, the start, and the results.

    Raises:
        UsageError: training ended before `rewind_step`, weights are not finite, a pruner brought weights back, or a
            pruned weight was moved.
        UnknownNameError: the schedule names a weight that the model does not have.

    Cost:
        rounds + 1 trainings. Memory: a copy of the model's state, and a byte per weight and round.

    Source: Frankle, Carbin (ICLR 2019, arXiv 1803.03635), strategy 1.

    Example:
        >>> import torch
        >>> from cupel.methods.lottery_ticket import Schedule, lottery_ticket
        >>> inputs = torch.randn(32, 6, generator=torch.Generator().manual_seed(0))
        >>> model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
        >>> def train(model, guard):
        ...     optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        ...     for step in range(guard.start, 20):
        ...         optimizer.zero_grad()
        ...         loss = (model(inputs).squeeze() - inputs[:, 0]).square().mean()
        ...         loss.backward()
        ...         optimizer.step()
        ...     return float(loss.detach())
        >>> ticket = lottery_ticket(model, train, schedule=Schedule(rounds=3, share=0.2, shares={"2.weight": 0.1}))
        >>> [round(r.density, 3) for r in ticket.rounds]
        [1.0, 0.804, 0.643, 0.518]
        >>> with ticket.guard(model) as guard:  # the ticket once more, or another model of its shape
        ...     again = train(model, guard)
        >>> again == ticket.rounds[-1].result
        True
    """
    weights = prunable_weights(model)
    shares = schedule.by_name(weights)
    chooser = Magnitude() if pruner is None else pruner
    masks = all_kept(weights)
    start, result = _first_training(model, train, schedule.rewind_step)
    found = LotteryTicket(start, schedule.rewind_step, (Round(masks, 1.0, result),))
    for _ in range(schedule.rounds):
        fewer = chooser.prune(dict(weights), masks, shares=shares)
        _refuse_revived(masks, fewer)
        masks = fewer
        with found.guard(model, masks=masks) as guard:
            result = train(model, guard)
        done = Round(masks, density(masks), result)
        found = LotteryTicket(found.start, found.start_step, (*found.rounds, done))
    return found


def _first_training(model: nn.Module, train: Train, rewind_step: int) -> tuple[dict[str, Any], Any]:
    """Train the dense model; its state after `rewind_step` steps, by value, and what `train` returned."""
    start = copy.deepcopy(model.state_dict()) if rewind_step == 0 else None

    def keep(num_steps: int) -> None:
        nonlocal start
        if num_steps == rewind_step:
            start = copy.deepcopy(model.state_dict())

    with MaskGuard(model, {}, on_step=keep) as guard:
        result = train(model, guard)
    if start is None:
        raise UsageError(
            f"Weights were to go back to step {rewind_step}; training ended after {guard.num_steps} steps. Expected a "
            "longer training, or an earlier step. Steps without an optimiser of torch are counted by after_step()."
        )
    return start, result


def _refuse_revived(before: Masks, after: Masks) -> None:
    """Masks must nest, or the density says nothing."""
    for name, mask in before.items():
        num = int((after[name] & ~mask).count_nonzero())
        if num:
            raise UsageError(f"The pruner brought {num} pruned weights of {name} back; expected it only to take away.")
