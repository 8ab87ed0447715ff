"""Masks over the weights of a model: which are kept, how they are drawn up, and how they are held while it trains.

A mask is a tensor of booleans, shaped as the weight of that name in `model.named_parameters()`; True is kept. A weight
that is pruned must stay at exactly zero. Setting it to zero in the forward pass alone is not enough: momentum that was
gathered before goes on moving it, and weights revive. `MaskGuard` holds the weight, its gradient and the optimiser's
moments at zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypeAlias, get_args

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from cupel.spec.errors import UnknownNameError, UsageError

Masks: TypeAlias = Mapping[str, Tensor]
"""For each weight by name, True where it is kept."""
Scope: TypeAlias = Literal["layer", "global"]


class Pruner(Protocol):
    """Chooses which of the weights that are left go next; what a file in `cupel.methods.pruners` offers."""

    def prune(self, weights: Mapping[str, Tensor], masks: Masks, *, shares: Mapping[str, float]) -> dict[str, Tensor]:
        """New masks, in which nothing is kept that was not kept before.

        Args:
            weights: trained weights by name.
            masks: the present masks, for the same names.
            shares: for each name, which share of the weights that are left goes.

        Raises:
            UsageError: a weight is not finite.
        """


def prunable_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The weights that pruning is about: parameters with two dimensions or more that are trained.

    Biases and the scales of normalisation have one dimension and are left alone, as in the papers.

    Raises:
        UsageError: the model has none.
    """
    found = {name: p for name, p in model.named_parameters() if p.dim() >= 2 and p.requires_grad}
    if not found:
        raise UsageError(
            f"{type(model).__name__} has no weights that can be pruned; expected parameters with two dimensions or "
            "more that require a gradient."
        )
    return found


def all_kept(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Masks that prune nothing."""
    return {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}


def density(masks: Masks) -> float:
    """Share of the masked weights that is kept; 1 where nothing is masked."""
    total = sum(mask.numel() for mask in masks.values())
    return sum(int(mask.count_nonzero()) for mask in masks.values()) / total if total else 1.0


def permuted(masks: Masks, *, generator: torch.Generator) -> dict[str, Tensor]:
    """As many kept weights in each layer, at places drawn at random: the control that keeps nothing but the densities.

    Args:
        masks: the masks.
        generator: of the CPU, drawn from once per mask, whatever device the masks are on.
    """
    shuffled = {}
    for name, mask in masks.items():
        order = torch.randperm(mask.numel(), generator=generator).to(mask.device)
        shuffled[name] = mask.flatten()[order].view_as(mask)
    return shuffled


def keep_highest(
    scores: Mapping[str, Tensor], masks: Masks, *, shares: Mapping[str, float], scope: Scope
) -> dict[str, Tensor]:
    """New masks without the weights of the lowest scores.

    Of n weights that are left and are ranked together, round(share x n) go; of equal scores the first.

    Args:
        scores: a score per weight, by name.
        masks: the present masks.
        shares: for each name, which share of the weights that are left goes: at least 0, below 1.
        scope: `layer` ranks each layer by itself, `global` all layers of the same share together.

    Raises:
        UsageError: a score is not finite, or a share or the scope is none.
    """
    if scope not in get_args(Scope):
        raise UsageError(f"scope={scope!r} was asked; expected 'layer' or 'global'.")
    groups: dict[Any, list[str]] = {}
    for name in masks:
        check_share(shares[name])
        groups.setdefault(shares[name] if scope == "global" else name, []).append(name)
    kept: dict[str, Tensor] = {}
    for names in groups.values():
        kept.update(_keep_in_group(scores, masks, names=names, share=shares[names[0]]))
    return {name: kept[name] for name in masks}


def _keep_in_group(
    scores: Mapping[str, Tensor], masks: Masks, *, names: Sequence[str], share: float
) -> dict[str, Tensor]:
    """The masks of layers that are ranked together."""
    left = {name: scores[name].detach()[masks[name]] for name in names}
    for name, values in left.items():
        if not bool(values.isfinite().all()):
            raise UsageError(
                f"{int((~values.isfinite()).sum())} of {values.numel()} weights of {name} that are left are not "
                "finite, so they cannot be ranked; expected finite weights after training. Lower the learning rate."
            )
    device = left[names[0]].device
    ranked = torch.cat([values.to(device) for values in left.values()])
    stays = torch.ones_like(ranked, dtype=torch.bool)
    stays[torch.argsort(ranked, stable=True)[: round(share * ranked.numel())]] = False
    kept = {}
    for name, part in zip(names, torch.split(stays, [values.numel() for values in left.values()]), strict=True):
        kept[name] = masks[name].clone()
        kept[name][masks[name]] = part.to(masks[name].device)
    return kept


class MaskGuard:
    """Holds pruned weights at exactly zero while a model trains, in a `with` block.

    After every step of every optimiser of torch, pruned weights and what the optimiser keeps of them (momentum, Adam's
    moments) are set to zero; gradients of pruned weights are zero too, so that clipping by a norm counts only what is
    kept. At the end of the block a pruned weight that is not zero is an error, never passed over.

    Args:
        model: the model; its pruned weights are set to zero when the block is entered.
        masks: masks for weights of the model; weights without one are left alone.
        start: the step of training at which the model stands, for the training loop to read.
        on_step: called with `num_steps` after each step.

    Attributes:
        model: as given.
        start: as given.
        num_steps: steps counted so far, `start` included.

    Raises:
        UsageError: on entering, a mask does not fit the model; on leaving, a pruned weight was moved.

    Cost:
        Per step one pass over each masked weight, its gradient and its moments; memory as large as the masked weights.
        The passes are products with 0 and 1, eight times as fast on a CPU as filling by a mask: a pruned weight whose
        gradient is not finite becomes NaN, and is an error at the end of the block.

    Example:
        >>> import torch
        >>> from cupel.methods.weight_masks import MaskGuard
        >>> model = torch.nn.Linear(2, 1)
        >>> with MaskGuard(model, {"weight": torch.tensor([[True, False]])}):
        ...     optimizer = torch.optim.Adam(model.parameters())
        ...     for _ in range(3):
        ...         model(torch.ones(4, 2)).sum().backward()
        ...         optimizer.step()
        >>> float(model.weight.detach()[0, 1])
        0.0
    """

    def __init__(
        self, model: nn.Module, masks: Masks, *, start: int = 0, on_step: Callable[[int], None] | None = None
    ) -> None:
        self.model = model
        self._masks = dict(masks)
        self._on_step = on_step
        self._pruned: list[tuple[str, nn.Parameter, Tensor]] = []
        self._first: nn.Parameter | None = None
        self._handles: list[Any] = []
        self.start = start
        self.num_steps = start

    def __enter__(self) -> Self:
        parameters = dict(self.model.named_parameters())
        for name, mask in self._masks.items():
            if name not in parameters:
                raise UnknownNameError("weight", name, parameters)
            if mask.shape != parameters[name].shape or mask.dtype != torch.bool:
                raise UsageError(
                    f"The mask of {name} is {mask.dtype} of shape {tuple(mask.shape)}; expected torch.bool of shape "
                    f"{tuple(parameters[name].shape)}."
                )
        self._first = next((p for p in parameters.values() if p.requires_grad), None)
        incomplete = [(name, parameters[name], mask) for name, mask in self._masks.items() if not bool(mask.all())]
        self._pruned = [(name, parameter, mask.to(parameter)) for name, parameter, mask in incomplete]
        self._zero(None)
        for _, parameter, kept in self._pruned:
            if parameter.requires_grad:
                self._handles.append(parameter.register_hook(_times(kept)))  # type: ignore[no-untyped-call]
        self._handles.append(register_optimizer_step_post_hook(self._after_optimizer))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        if kind is not None:
            return
        for name, parameter, kept in self._pruned:
            num = int(parameter.detach()[kept == 0.0].count_nonzero())
            if num:
                raise UsageError(
                    f"{num} of {int((kept == 0.0).sum())} pruned weights of {name} are not zero after training; "
                    "expected all. Something else than an optimiser of torch moved them, or their gradient was not "
                    "finite: call after_step() of the guard after each update of your own."
                )

    def after_step(self, optimizer: Optimizer | None = None) -> None:
        """Count a step and set what is pruned to zero; to be called by loops that update weights without an optimiser.

        Args:
            optimizer: the one that made the step, whose state is set to zero too.
        """
        self._zero(optimizer)
        self.num_steps += 1
        if self._on_step is not None:
            self._on_step(self.num_steps)

    def _after_optimizer(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        del args, kwargs
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        if id(self._first) in held:
            self.after_step(optimizer)
        elif any(id(parameter) in held for _, parameter, _ in self._pruned):
            self._zero(optimizer)

    @torch.no_grad()
    def _zero(self, optimizer: Optimizer | None) -> None:
        for _, parameter, kept in self._pruned:
            parameter.mul_(kept)
            state = {} if optimizer is None else optimizer.state.get(parameter, {})
            for value in state.values():
                if isinstance(value, Tensor) and value.shape == kept.shape:
                    value.mul_(kept)


def _times(kept: Tensor) -> Callable[[Tensor], Tensor]:
    """A hook that sets the gradient of pruned weights to zero."""
    return lambda grad: grad * kept


def check_share(share: float) -> None:
    """Refuse what is no share to prune.

    Raises:
        UsageError: it is below 0, or 1 and more.
    """
    if not (math.isfinite(share) and 0.0 <= share < 1.0):
        raise UsageError(f"A share of {share} was to be pruned in a round; expected at least 0 and below 1.")
