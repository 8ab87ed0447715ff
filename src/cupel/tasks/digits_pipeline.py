"""A whole pipeline on digits, tuning included, in which every source of variation is drawn by a seed of its own.

    split    which images are trained on (drawn with replacement) and which of the rest are tested on (out-of-bootstrap)
    init     the first weights
    order    the images of each batch
    dropout  which hidden units are left out at each step
    hpo      which hyperparameters random search tries, and which images it validates on

A training is stochastic gradient descent with momentum on a network of one hidden layer, in numpy: a few milliseconds,
so that the estimators that need thousands of trainings can be had in seconds.

Source: Bouthillier et al. (2021), Accounting for Variance in Machine Learning Benchmarks (MLSys), appendix B, for the
splits; the sources are those of its section 2 that a task without augmentation has.
"""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from cupel.spec.read_space import read_space
from cupel.spec.seeds import Seeds
from cupel.spec.space import Configuration
from cupel.stats.out_of_bootstrap import out_of_bootstrap
from cupel.tasks.data.digits import NUM_IMAGES, digits_split

Array: TypeAlias = np.ndarray[Any, Any]
SOURCES = ("split", "init", "order", "dropout")
"""Of a training (xi_O); beside them stands `hpo` (xi_H)."""
SPACE = read_space("lr=log(0.001,0.1), decay=log(1e-5,0.01)")
VALID_FRAC = 0.3
MOMENTUM, DROPOUT, NUM_CLASSES = 0.9, 0.2, 10


@dataclass(frozen=True)
class DigitsPipeline:
    """The pipeline.

    Args:
        num_train: images that are drawn, with replacement, to train and validate on.
        num_test: images to test on.
        hidden: units of the network.
        steps: of a training.
        batch: images of a step.
        trials: of a tuning.
    """

    num_train: int
    num_test: int
    hidden: int
    steps: int
    batch: int
    trials: int

    def tune(self, seeds: Seeds) -> Configuration:
        """Random search: the configuration with the least validation loss. Takes `trials` trainings."""
        images, labels = all_digits()
        drawn, _ = self._split(seeds)
        rng = np.random.default_rng(seeds.seed("hpo", "validation"))
        # by image and not by draw, so that none is on both sides
        is_valid = np.isin(drawn, rng.permutation(np.unique(drawn))[: round(VALID_FRAC * len(np.unique(drawn)))])
        train, valid = drawn[~is_valid], drawn[is_valid]
        draws = random.Random(seeds.seed("hpo", "configurations"))
        tried = [SPACE.draw(draws) for _ in range(self.trials)]

        def loss(configuration: Configuration) -> float:
            logits = self.train(configuration, train, seeds)(images[valid])
            return cross_entropy(logits, labels[valid])

        losses = [loss(configuration) for configuration in tried]
        return tried[int(np.argmin(losses))]

    def measure(self, configuration: Configuration, seeds: Seeds) -> float:
        """Train on all images drawn; the share of test images that are told right, in percent."""
        images, labels = all_digits()
        drawn, tested = self._split(seeds)
        logits = self.train(configuration, drawn, seeds)(images[tested])
        return 100.0 * float((logits.argmax(1) == labels[tested]).mean())

    def train(self, configuration: Configuration, drawn: Array, seeds: Seeds) -> Network:
        """A network trained on the images drawn."""
        images, labels = all_digits()
        init, order, dropout = (np.random.default_rng(seeds.seed(name)) for name in ("init", "order", "dropout"))
        network = Network.drawn(init, images.shape[1], self.hidden)
        targets = np.eye(NUM_CLASSES, dtype=np.float32)
        batches = _batches(order, len(drawn), self.steps, self.batch)
        kept = dropout.random((self.steps, 1, self.hidden), dtype=np.float32) >= DROPOUT
        for idx, mask in zip(drawn[batches], kept / np.float32(1 - DROPOUT), strict=True):
            network.step(images[idx], targets[labels[idx]], mask, configuration)
        return network

    def _split(self, seeds: Seeds) -> tuple[Array, Array]:
        """Images drawn to train on, and to test on."""
        labels = all_digits()[1]
        return next(
            out_of_bootstrap(labels, num=1, n_train=self.num_train, n_test=self.num_test, seed=seeds.seed("split"))
        )


class Network:
    """One hidden layer of rectified units; weights and their velocities."""

    def __init__(self, weights: list[Array]) -> None:
        self.weights = weights
        self.velocity = [np.zeros_like(weight) for weight in weights]

    @classmethod
    def drawn(cls, rng: np.random.Generator, num_in: int, hidden: int) -> Network:
        """Normal weights of variance 2 / inputs, biases 0."""
        shapes = ((num_in, hidden), (hidden, NUM_CLASSES))
        layers = [math.sqrt(2 / shape[0]) * rng.standard_normal(shape, dtype=np.float32) for shape in shapes]
        zeros = [np.zeros(shape[1], dtype=np.float32) for shape in shapes]
        return cls([layers[0], zeros[0], layers[1], zeros[1]])

    def __call__(self, images: Array) -> Array:
        """(n, 10) logits."""
        w1, b1, w2, b2 = self.weights
        found: Array = np.maximum(images @ w1 + b1, 0) @ w2 + b2
        return found

    def step(self, x: Array, y: Array, mask: Array, configuration: Configuration) -> None:
        """One step of descent with momentum on cross-entropy and decay; `mask` leaves hidden units out."""
        w2 = self.weights[2]
        hidden = np.maximum(x @ self.weights[0] + self.weights[1], 0) * mask
        error = (softmax(hidden @ w2 + self.weights[3]) - y) / np.float32(len(x))
        back = (error @ w2.T) * mask * (hidden > 0)
        slopes = (x.T @ back, back.sum(0), hidden.T @ error, error.sum(0))
        lr, decay = np.float32(configuration["lr"]), np.float32(configuration["decay"])
        for place, slope in enumerate(slopes):
            push = slope + decay * self.weights[place]
            self.velocity[place] = np.float32(MOMENTUM) * self.velocity[place] + push
            self.weights[place] = self.weights[place] - lr * self.velocity[place]


def softmax(logits: Array) -> Array:
    """Along the last axis; finite logits are enough."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    found: Array = powers / powers.sum(axis=-1, keepdims=True)
    return found


def cross_entropy(logits: Array, labels: Array) -> float:
    """Mean over images, in nat; infinite where a logit is not finite."""
    if not np.isfinite(logits).all():
        return math.inf
    away = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return float((np.log(np.exp(away).sum(axis=1)) - away[np.arange(len(labels)), labels]).mean())


def _batches(rng: np.random.Generator, num: int, steps: int, batch: int) -> Array:
    """(steps, batch) places in passes over shuffled data."""
    passes = [rng.permutation(num) for _ in range(-(-steps * batch // num))]
    return np.concatenate(passes)[: steps * batch].reshape(steps, batch)


@functools.cache
def all_digits() -> tuple[Array, Array]:
    """All 1,797 images (N, 64) from 0 to 1, and their labels."""
    images, labels = digits_split(0, num_train=NUM_IMAGES).train
    return images.numpy(), labels.numpy()
