"""Digits told apart by a small network that is trained on all its images at once, with a penalty of one's own.

Gradient descent with momentum, no batches: what is at rest is at rest, so that derivatives through the end of training
mean something. Every so many steps one may do something else, and the validation loss is looked at; the result is that
of the step where it was least (early stopping).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cupel.spec import Seeds, Sizes
from cupel.tasks.data.digits import Split, digits_split

MOMENTUM = 0.9
NUM_CLASSES = 10


@dataclass(frozen=True, eq=False)
class DigitsDescent:
    """Images, and networks that begin with the same weights.

    Args:
        sizes: `hidden`, `layers`, `steps`, `every`.
        device: where networks and images are.
        split: images (N, 64) and labels, on the device.
        init_seed: of the weights.
    """

    sizes: Sizes
    device: torch.device
    split: Split
    init_seed: int

    def network(self) -> nn.Sequential:
        """Weights and biases uniform within 1 / sqrt(inputs), tanh between layers."""
        generator = torch.Generator().manual_seed(self.init_seed)
        widths = (self.split.train[0].shape[1], *[self.sizes.hidden] * self.sizes.layers, NUM_CLASSES)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layer = nn.utils.skip_init(nn.Linear, before, after)
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -(before**-0.5), before**-0.5, generator=generator)
            layers += [layer, nn.Tanh()]
        return nn.Sequential(*layers[:-1]).to(self.device)

    def begin(self, learning_rate: float) -> Descending:
        """A training from the first weights on."""
        return Descending(self, learning_rate)


class Descending:
    """One training.

    Args:
        task: what is trained on what.
        learning_rate: of gradient descent with momentum 0.9.

    Attributes:
        model: the network.
        parameters: its weights.
        penalty: added to the training loss; nothing where None.
        gradients: of the training loss on all images, so far, by what `train` did and was told.
        best: `valid_loss`, `test_loss` and `test_accuracy` where the validation loss was least; NaN for the latter two
            where it never was finite.
    """

    def __init__(self, task: DigitsDescent, learning_rate: float) -> None:
        self.task, self.learning_rate = task, learning_rate
        self.model = task.network()
        self.parameters = list(self.model.parameters())
        self.penalty: Callable[[], Tensor] | None = None
        self.gradients = 0
        self.best = {"valid_loss": math.inf, "test_loss": math.nan, "test_accuracy": math.nan}

    def train_loss(self) -> Tensor:
        """Mean cross-entropy of all training images, and the penalty."""
        loss = self._loss(self.task.split.train)
        return loss if self.penalty is None else loss + self.penalty()

    def valid_loss(self) -> Tensor:
        """Mean cross-entropy of all validation images."""
        return self._loss(self.task.split.valid)

    def train(self, between: Callable[[], int] | None = None) -> Descending:
        """Take all steps.

        Args:
            between: called every so many steps; returns how many gradients of the training loss it took.
        """
        sizes = self.task.sizes
        optimizer = torch.optim.SGD(self.parameters, lr=self.learning_rate, momentum=MOMENTUM)
        for step in range(1, sizes.steps + 1):
            optimizer.zero_grad()
            self.train_loss().backward(inputs=self.parameters)
            optimizer.step()
            self.gradients += 1
            if step % sizes.every == 0:
                self.gradients += 0 if between is None else between()
                self._look()
        return self

    def _loss(self, part: tuple[Tensor, Tensor]) -> Tensor:
        return functional.cross_entropy(self.model(part[0]), part[1])

    @torch.no_grad()
    def _look(self) -> None:
        """Note how good it is, if the validation loss was never lower."""
        valid_loss = float(self.valid_loss())
        if valid_loss < self.best["valid_loss"]:
            images, labels = self.task.split.test
            logits = self.model(images)
            self.best = {
                "valid_loss": valid_loss,
                "test_loss": float(functional.cross_entropy(logits, labels)),
                "test_accuracy": float((logits.argmax(1) == labels).double().mean()),
            }


def digits_descent(sizes: Sizes, device: torch.device, rng: Seeds) -> DigitsDescent:
    """The task.

    Args:
        sizes: `train` and `valid` images, and those of `DigitsDescent`; all other images are for the test.
        device: where to train.
        rng: streams `split` and `init`.
    """
    split = digits_split(rng.seed("split"), num_train=sizes.train, num_valid=sizes.valid)
    parts = ((x.to(device), y.to(device)) for x, y in (split.train, split.valid, split.test))
    return DigitsDescent(sizes, device, Split(*parts), rng.seed("init"))
