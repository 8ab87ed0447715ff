"""A lottery ticket beats the same sparse network with newly drawn weights.

What is claimed. Iterative magnitude pruning finds a mask such that the sparse network, put back to its own initial
weights (the ticket), learns as well as the dense one; with newly drawn weights and the same mask it learns worse, and
the initial weights with a random mask worse still.

Terms. Ticket: f(x; m * theta_0). P_m, the share of weights kept: about 5 % for `accuracy` and `early_accuracy`, and
21 % for the metrics that end with `_21`; both are rounds of one pruning. Early: after `early` of `iterations` steps,
where the paper gives the iteration at which early stopping would stop.

Read with it. One pruning per trial, at the paper's optimiser and learning rate, gives the masks of all arms. Each arm
is then trained from its own start on the same batches with a learning rate tuned for its own accuracy on the validation
images, with as many trials as any other arm: new weights want a higher rate than the ticket. Most of what separates the
two at the paper's rate is that: over 12 trials at `small` 2.6 points at 0.0012, 0.9 points at 0.0096. Metrics that
end with `_paper_rate` are of every arm at the paper's rate, as the paper has it. The price of a ticket is the pruning,
fourteen trainings more; `steps` counts them for every arm that needs a mask.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from cupel.methods.lottery_ticket import LotteryTicket, Schedule, lottery_ticket
from cupel.methods.weight_masks import MaskGuard, Masks, permuted
from cupel.spec.claim import Claim
from cupel.spec.outcome import Outcome
from cupel.spec.protocols import Sizes, Slot
from cupel.spec.seeds import Seeds
from cupel.tasks.handwriting import ABSENT, Handwriting, handwriting

CARD = Claim(
    says="A sparse network found by pruning, put back to its own initial weights, learns better than with new weights.",
    source="Frankle, Carbin: The Lottery Ticket Hypothesis (ICLR 2019, arXiv 1803.03635)",
    statements=(
        {
            "name": "initial_weights_matter",
            "kind": "quality",
            "says": "At 5 % of the weights the ticket is more than a point above the same mask with new weights.",
            "metric": "accuracy",
            "better": "higher",
            "bar": 0.01,
        },
        {
            "name": "initial_weights_matter_at_the_papers_rate",
            "kind": "quality",
            "says": "At the paper's learning rate the ticket is more than a point above its mask with new weights.",
            "metric": "accuracy_paper_rate",
            "better": "higher",
            "bar": 0.01,
        },
        {
            "name": "learns_faster",
            "kind": "quality",
            "says": "An eighth of the training in, the ticket is ahead of the same mask with new weights.",
            "metric": "early_accuracy",
            "better": "higher",
            "rope": 0.01,
        },
        {
            "name": "mask_matters",
            "kind": "quality",
            "says": "The ticket is more than a point above its initial weights under a random mask as dense by layer.",
            "metric": "accuracy",
            "better": "higher",
            "bar": 0.01,
            "arms": ("method", "random_mask"),
        },
        {
            "name": "no_worse_than_dense",
            "kind": "quality",
            "says": "With 5 % of the weights the ticket is at most a point below the dense network.",
            "metric": "accuracy",
            "better": "higher",
            "sentence": "non-inferiority",
            "margin": 0.01,
            "arms": ("method", "dense"),
        },
        {
            "name": "no_worse_than_dense_at_21_percent",
            "kind": "quality",
            "says": "With 21 % of the weights the ticket is at most half a point below the dense network.",
            "metric": "accuracy_21",
            "better": "higher",
            "sentence": "non-inferiority",
            "margin": 0.005,
            "arms": ("method", "dense"),
        },
        {
            "name": "learns_faster_than_dense_at_21_percent",
            "kind": "quality",
            "says": "With 21 % of the weights the ticket is ahead of the dense network an eighth of the training in.",
            "metric": "early_accuracy_21",
            "better": "higher",
            "rope": 0.005,
            "arms": ("method", "dense"),
        },
    ),
    published="Tickets of less than 10 to 20 % of the size of fully-connected and convolutional networks on MNIST and "
    "CIFAR-10 match the accuracy of the whole in as many iterations; above that size they learn faster and reach a "
    "higher accuracy (abstract). LeNet-300-100 on MNIST: tickets of 21.1 % learn fastest, 3.6 % still match, and "
    "newly drawn weights degrade from the start (from memory, not checked against the paper).",
    kept="The network 300-100 with Glorot's normal initialisation, Adam at 0.0012 with batches of 60, 20 % of the "
    "weights of a layer pruned in a round and 10 % of the output layer's, fourteen rounds.",
    smaller="small: 1,000 handwritten digits of 8 x 8 pixels to train on, 597 to judge by, 400 iterations. full: MNIST "
    "with 50,000 iterations, from the folder that CUPEL_MNIST names; without it nothing is testable.",
    arms={
        "method": "the ticket: mask and initial weights of the same network",
        "baseline": "the same mask with newly drawn weights",
        "random_mask": "the same initial weights, the mask of each layer permuted",
        "dense": "the whole network from the same initial weights",
    },
    varies=("split", "init", "order", "sampling"),
    tags=("sparsity", "pruning", "training"),
    needs=("torch", "digits"),
    tiny={
        "data": "digits",
        "train": 60,
        "valid": 30,
        "test": 60,
        "hidden": 12,
        "rounds": 3,
        "less_rounds": 1,
        "share": 0.4,
        "iterations": 12,
        "early": 3,
        "batch": 20,
        "lr": 0.0012,
    },
    small={
        "data": "digits",
        "train": 1000,
        "valid": 200,
        "test": 597,
        "hidden": 300,
        "rounds": 14,
        "less_rounds": 7,
        "share": 0.2,
        "iterations": 400,
        "early": 50,
        "batch": 60,
        "lr": 0.0012,
    },
    full={
        "data": "mnist",
        "train": 55000,
        "valid": 5000,
        "test": 10000,
        "hidden": 300,
        "rounds": 14,
        "less_rounds": 7,
        "share": 0.2,
        "iterations": 50000,
        "early": 6250,
        "batch": 60,
        "lr": 0.0012,
    },
    most_pairs={"small": 30, "full": 20},
    memory_gib={"full": 2.0},
)


@dataclass(frozen=True, eq=False)
class Pruned:
    """What all arms share: the data and training, and the pruning that their masks come from."""

    sizes: Sizes
    rng: Seeds
    net: Handwriting

    @functools.cached_property
    def ticket(self) -> LotteryTicket:
        """The pruning, at the paper's learning rate; made once, where an arm asks for it."""
        schedule = Schedule(self.sizes.rounds, self.sizes.share, shares={"4.weight": self.sizes.share / 2})
        return lottery_ticket(self.net.network(), self.train_as_the_paper, schedule=schedule)

    def train_as_the_paper(self, model: torch.nn.Module, guard: MaskGuard) -> dict[str, float]:
        """One training at the paper's learning rate."""
        return self.net.train(model, learning_rate=self.sizes.lr, start=guard.start)

    def start(self, arm: str, masks: Masks) -> MaskGuard:
        """A network where an arm begins, under its masks."""
        if arm == "dense":
            return MaskGuard(self.net.network(), {})
        if arm == "baseline":
            return MaskGuard(self.net.network("again"), masks)
        if arm == "random_mask":
            masks = permuted(masks, generator=torch.Generator().manual_seed(self.rng.seed("sampling")))
        return self.ticket.guard(self.net.network(), masks=masks)


def task(sizes: Sizes, slot: Slot, rng: Seeds) -> Pruned | None:
    """The task; None where MNIST is asked for and is not there."""
    net = handwriting(sizes, slot, rng)
    return None if net is None else Pruned(sizes, rng, net)


def _trained(task: Pruned | None, hp: Mapping[str, Any], arm: str) -> Outcome:
    """Train an arm with the masks of both densities at its own rate, and with the sparser ones at the paper's."""
    if task is None:
        return Outcome.not_testable(ABSENT)
    sizes, has_mask = task.sizes, arm != "dense"
    sparse, less = (task.ticket.rounds[i].masks for i in (-1, sizes.less_rounds)) if has_mask else ({}, {})
    own = float(hp.get("lr", sizes.lr))
    asked = {"": (sparse, own), "_paper_rate": (sparse, sizes.lr)} | ({"_21": (less, own)} if has_mask else {})
    runs = {}
    for end, (masks, rate) in asked.items():
        with task.start(arm, masks) as guard:
            runs[end] = task.net.train(guard.model, learning_rate=rate, start=guard.start)
    trainings = len(runs) + (sizes.rounds + 1 if has_mask else 0)
    runs.setdefault("_21", runs[""])
    return Outcome(
        value={name + end: run[name] for end, run in runs.items() for name in ("accuracy", "early_accuracy")},
        costs={"steps": float(trainings * sizes.iterations)},
        selection=runs[""]["valid"],
    )


def method(task: Pruned | None, slot: Slot, rng: Seeds, hp: Mapping[str, Any]) -> Outcome:
    """The ticket."""
    del slot, rng
    return _trained(task, hp, "method")


def baseline(task: Pruned | None, slot: Slot, rng: Seeds, hp: Mapping[str, Any]) -> Outcome:
    """The same mask, newly drawn weights."""
    del slot, rng
    return _trained(task, hp, "baseline")


def random_mask(task: Pruned | None, slot: Slot, rng: Seeds, hp: Mapping[str, Any]) -> Outcome:
    """The same initial weights, a random mask."""
    del slot, rng
    return _trained(task, hp, "random_mask")


def dense(task: Pruned | None, slot: Slot, rng: Seeds, hp: Mapping[str, Any]) -> Outcome:
    """The whole network."""
    del slot, rng
    return _trained(task, hp, "dense")


def space() -> dict[str, dict[str, tuple[float, ...]]]:
    """The learning rate of each arm, from the paper's upwards."""
    return {arm: {"lr": (0.0012, 0.0024, 0.0048, 0.0096, 0.0192)} for arm in CARD.arms}
