"""Federated training on clients that differ in their data and in the work that they get done: FedAvg and FedProx.

In each round some clients get the model w_t, train it on their own data, and send it back; the server averages what it
gets. Stragglers finish only a part of their passes over the data in time. *FedAvg* drops their work. *FedProx* keeps
it, and holds each client near w_t by a proximal term:

    h_k(w; w_t) = F_k(w) + mu/2 |w - w_t|^2

Who takes part, who is a straggler and how far each gets is drawn beforehand (`Fleet.rounds`) and is data: hand the same
rounds to two trainers, and they differ by their rule alone. With mu = 0 FedProx is FedAvg that keeps partial work, so
that the two ideas can be told apart; without stragglers it is then FedAvg to the last bit.

Paper to code: K `clients_per_round`, E `passes`, eta `learning_rate`, B `batch_size`, mu `mu`, F_k the `loss` on client
k, n_k its samples, S_t `Participation.clients`.

Source: Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith: Federated Optimization in Heterogeneous Networks (MLSys 2020, arXiv
1812.06127), algorithm 2; McMahan, Moore, Ramage, Hampson, Arcas: Communication-Efficient Learning of Deep Networks from
Decentralized Data (AISTATS 2017, arXiv 1602.05629), algorithm 1. As in the first paper's own program, clients are
selected uniformly and averaged by their samples, and the proximal term enters each local step by its gradient.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from cupel.spec.errors import UsageError
from cupel.spec.seeds import Seeds

Batch: TypeAlias = tuple[Tensor, ...]
"""Tensors with a sample in each row: inputs and targets, say."""
ClientLoss: TypeAlias = Callable[[nn.Module, Batch], Tensor]
"""The mean loss of a model over the samples of a batch."""


@dataclass(frozen=True)
class Participation:
    """One round, drawn beforehand.

    Args:
        number: t, of the round.
        clients: those selected, by index.
        passes: for each of them, the passes over its data that it finishes in time.
        is_straggler: for each of them, whether these are fewer than asked for.
    """

    number: int
    clients: tuple[int, ...]
    passes: tuple[int, ...]
    is_straggler: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """How many clients there are, how many are asked, and how many are slow.

    Args:
        num_clients: all of them.
        clients_per_round: K, asked in each round, uniformly without replacement.
        passes: E, asked of each client.
        straggler_frac: share of the clients of a round that are stragglers; each finishes 1 to E - 1 passes, uniformly.

    Raises:
        UsageError: a number is out of range.
    """

    num_clients: int
    clients_per_round: int = 10
    passes: int = 20
    straggler_frac: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.clients_per_round <= self.num_clients:
            raise UsageError(
                f"{self.clients_per_round} clients were asked for in a round; expected 1 to {self.num_clients}, the "
                "number of clients."
            )
        if not 0.0 <= self.straggler_frac <= 1.0:
            raise UsageError(f"straggler_frac={self.straggler_frac} was asked; expected a share from 0 to 1.")
        if self.passes < (1 if self.straggler_frac == 0.0 else 2):
            raise UsageError(
                f"passes={self.passes} was asked with straggler_frac={self.straggler_frac}; expected 1 or more, and "
                "2 or more where some finish only a part of them."
            )

    def rounds(self, num_rounds: int, *, seed: int) -> tuple[Participation, ...]:
        """Draw who takes part in each round, and how far each gets.

        Fleets that differ in `straggler_frac` alone select the same clients from the same seed, and whoever straggles
        at a lower share does so, as far, at a higher one.

        Args:
            num_rounds: communication rounds.
            seed: of all draws.
        """
        streams = Seeds(seed)
        num_slow = self.clients_per_round - round(self.clients_per_round * (1.0 - self.straggler_frac))
        drawn = []
        for number in range(num_rounds):
            rng = random.Random(streams.seed("selection", number))
            clients = tuple(rng.sample(range(self.num_clients), self.clients_per_round))
            rng = random.Random(streams.seed("stragglers", number))
            slow = set(rng.sample(clients, self.clients_per_round)[:num_slow])
            parts = {client: rng.randint(1, max(self.passes - 1, 1)) for client in clients}
            passes = tuple(parts[client] if client in slow else self.passes for client in clients)
            drawn.append(Participation(number, clients, passes, tuple(client in slow for client in clients)))
        return tuple(drawn)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How clients train, and whose work counts; `fed_avg` and `fed_prox` make the two of the papers.

    Args:
        learning_rate: eta, of plain SGD on the client.
        batch_size: B; None for all samples of the client at once.
        mu: weight of the proximal term.
        keeps_partial_work: whether the work of stragglers is averaged, or dropped.
        is_exact: whether the proximal term's share of a step is solved rather than followed by its gradient: for the
            step on F_k to u, w = w_t + (u - w_t) / (1 + eta mu), which is stable at any mu.

    Raises:
        UsageError: a number is out of range, or eta mu is above 1 where the gradient is followed: it would overshoot.
    """

    learning_rate: float
    batch_size: int | None = 10
    mu: float = 0.0
    keeps_partial_work: bool = False
    is_exact: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.learning_rate < math.inf or not 0.0 <= self.mu < math.inf:
            raise UsageError(
                f"learning_rate={self.learning_rate}, mu={self.mu} were asked; expected a finite rate above 0, and a "
                "finite mu of 0 or more."
            )
        if self.batch_size is not None and self.batch_size < 1:
            raise UsageError(f"batch_size={self.batch_size} was asked; expected 1 or more, or None for all samples.")
        if self.learning_rate * self.mu > 1.0 and not self.is_exact:
            raise UsageError(
                f"learning_rate x mu = {self.learning_rate * self.mu:.3g}: a step along the proximal term would carry "
                "the client beyond the server's model; expected at most 1. Lower either, or ask for is_exact=True."
            )


def fed_avg(learning_rate: float, *, batch_size: int | None = 10) -> Rule:
    """Federated averaging, which drops stragglers."""
    return Rule(learning_rate=learning_rate, batch_size=batch_size)


def fed_prox(learning_rate: float, *, mu: float, batch_size: int | None = 10, is_exact: bool = False) -> Rule:
    """FedProx, which keeps what stragglers have done and holds clients near the server's model."""
    return Rule(learning_rate=learning_rate, batch_size=batch_size, mu=mu, keeps_partial_work=True, is_exact=is_exact)


@dataclass(frozen=True)
class RoundReport:
    """What a round took.

    Attributes:
        clients: those whose work was averaged; none leaves the model as it was.
        num_samples: their samples, which they are weighted by.
        gradients: local steps that they made.
    """

    clients: tuple[int, ...]
    num_samples: int
    gradients: int


class FederatedTrainer:
    """Trains a model on clients' data, round by round, in this process.

    Parameters that are frozen stay as they are. Floating-point buffers, such as running averages of normalisation, are
    averaged as weights are. Batches are drawn from `seed` for each round and client, the same whatever the rule is, and
    a straggler's first passes are those that it would have made anyway.

    Args:
        model: any module; w_t before a round and w_(t+1) after it. Its mode (`train`, `eval`) is left as it is.
        clients: for each client its tensors, with a sample in each row, on the model's device.
        loss: called as `loss(model, batch)`, with a tuple of rows of the client's tensors; the mean over them.
        rule: `fed_avg(...)` or `fed_prox(...)`.
        seed: of the order of samples.

    Raises:
        UsageError: there are no clients, one has no samples or tensors of different lengths, or nothing can be trained.

    Cost:
        Two copies of the weights beside the model; a gradient of a batch per local step.

    Example:
        >>> import torch
        >>> from cupel.methods.federated import FederatedTrainer, Fleet, fed_prox
        >>> generator = torch.Generator().manual_seed(0)
        >>> inputs = [torch.randn(20, 3, generator=generator) + shift for shift in (-1.0, 0.0, 1.0)]
        >>> clients = [(x, x.sum(1, keepdim=True)) for x in inputs]
        >>> model = torch.nn.Linear(3, 1)
        >>> trainer = FederatedTrainer(
        ...     model,
        ...     clients,
        ...     loss=lambda model, batch: (model(batch[0]) - batch[1]).square().mean(),
        ...     rule=fed_prox(0.05, mu=0.1),
        ...     seed=0,
        ... )
        >>> fleet = Fleet(num_clients=3, clients_per_round=2, passes=5, straggler_frac=0.5)
        >>> reports = [trainer.round(who) for who in fleet.rounds(30, seed=0)]
        >>> model.weight.detach().round(decimals=1)
        tensor([[1., 1., 1.]])
    """

    def __init__(self, model: nn.Module, clients: Sequence[Batch], *, loss: ClientLoss, rule: Rule, seed: int) -> None:
        for index, tensors in enumerate(clients):
            lengths = {len(tensor) for tensor in tensors}
            if len(lengths) != 1 or 0 in lengths:
                raise UsageError(
                    f"Client {index} has tensors of {sorted(lengths)} rows; expected as many in each, 1 or more."
                )
        self._weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if not clients or not self._weights:
            raise UsageError(
                f"There are {len(clients)} clients and {len(self._weights)} parameters that require a gradient; "
                "expected at least one of each."
            )
        self.model = model
        self._clients = clients
        self._loss = loss
        self._rule = rule
        self._streams = Seeds(seed)
        self._state = [*self._weights, *(buffer for buffer in model.buffers() if buffer.is_floating_point())]

    def round(self, who: Participation) -> RoundReport:
        """One round: clients train, the server averages; the model is then w_(t+1).

        Args:
            who: takes part; from `Fleet.rounds`, or made by hand.

        Raises:
            UsageError: there is no client of an index, a client makes no pass, or the loss is no scalar.
        """
        taken = [
            (client, passes)
            for client, passes, slow in zip(who.clients, who.passes, who.is_straggler, strict=True)
            if self._rule.keeps_partial_work or not slow
        ]
        for client, passes in taken:
            if not 0 <= client < len(self._clients) or passes < 1:
                raise UsageError(
                    f"Round {who.number} asks {passes} passes of client {client}; expected 1 or more, of a client from "
                    f"0 to {len(self._clients) - 1}."
                )
        samples = [len(self._clients[client][0]) for client, _ in taken]
        before = [tensor.detach().clone() for tensor in self._state]
        after, gradients = before, 0
        try:
            mean = [torch.zeros_like(tensor) for tensor in before]
            for (client, passes), num in zip(taken, samples, strict=True):
                _load(self._state, before)
                gradients += self._train(client, passes, number=who.number, anchor=before)
                for total, tensor in zip(mean, self._state, strict=True):
                    total.add_(tensor.detach(), alpha=num / sum(samples))
            after = mean if taken else before
        finally:  # a round that fails leaves w_t, and not a client's model
            _load(self._state, after)
        return RoundReport(tuple(client for client, _ in taken), sum(samples), gradients)

    @torch.enable_grad()
    def _train(self, client: int, passes: int, *, number: int, anchor: Sequence[Tensor]) -> int:
        """Local SGD from w_t; the steps that it made."""
        data = self._clients[client]
        num = len(data[0])
        size = self._rule.batch_size or num
        generator = torch.Generator().manual_seed(self._streams.seed("order", number, client))
        for _ in range(passes):
            order = torch.randperm(num, generator=generator).to(data[0].device)
            shuffled = [tensor[order] for tensor in data]
            for first in range(0, num, size):
                loss = self._loss(self.model, tuple(tensor[first : first + size] for tensor in shuffled))
                if loss.numel() != 1:
                    raise UsageError(
                        f"loss returned a tensor of shape {tuple(loss.shape)}; expected a scalar, the mean."
                    )
                self._step(torch.autograd.grad(loss, self._weights, allow_unused=True), anchor)
        return passes * math.ceil(num / size)

    @torch.no_grad()
    def _step(self, slopes: Sequence[Tensor | None], anchor: Sequence[Tensor]) -> None:
        """W <- w - eta (gradient of F_k + mu (w - w_t)), or the same with the second part solved."""
        rate, mu = self._rule.learning_rate, self._rule.mu
        for weight, slope, start in zip(self._weights, slopes, anchor, strict=False):  # weights come first in anchor
            if mu > 0.0 and not self._rule.is_exact:
                weight.lerp_(start, rate * mu)
            if slope is not None:
                weight.sub_(slope, alpha=rate)
            if mu > 0.0 and self._rule.is_exact:
                weight.lerp_(start, rate * mu / (1.0 + rate * mu))


@torch.no_grad()
def _load(state: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for tensor, value in zip(state, values, strict=True):
        tensor.copy_(value)
