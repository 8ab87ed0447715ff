"""Handwritten digits told apart by a network of three layers (LeNet-300-100): data, network and training in one place.

Data are 8 x 8 digits that come with scikit-learn, or MNIST of the user's own. Training is Adam on shuffled batches of a
fixed order, so that two networks can be trained on the very same batches.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data.digits import Split, digits_split
from cupel.tasks.data.idx_images import ENVIRONMENT, idx_split, mnist_folder

if TYPE_CHECKING:
    from torch import Tensor

NUM_CLASSES = 10
ABSENT = f"this size trains on MNIST: let {ENVIRONMENT} name a folder with its four IDX files (nothing is downloaded)"
"""Why there is no task, in words."""


@dataclass(frozen=True, eq=False)
class Handwriting:
    """The task.

    Args:
        sizes: `hidden` (300; the second layer has a third of it), `iterations`, `early` and `batch`.
        device: where networks and images are.
        rng: streams `init` and `order`.
        split: images (N, pixels) and labels, on the device.
    """

    sizes: Sizes
    device: torch.device
    rng: Seeds
    split: Split

    def network(self, *names: str) -> nn.Sequential:
        """A network with weights of Glorot's normal law, drawn from the stream `init` of these names; biases are 0."""
        generator = torch.Generator().manual_seed(self.rng.seed("init", *names))
        widths = (self.split.train[0].shape[1], self.sizes.hidden, self.sizes.hidden // 3, NUM_CLASSES)
        layers = [nn.utils.skip_init(nn.Linear, width, after) for width, after in itertools.pairwise(widths)]
        for layer in layers:
            nn.init.xavier_normal_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)
        return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2]).to(self.device)

    @functools.cached_property
    def batches(self) -> Tensor:
        """The images of each iteration, int64 (iterations, batch), in passes over shuffled data."""
        generator = torch.Generator().manual_seed(self.rng.seed("order"))
        num, size = self.sizes.iterations * self.sizes.batch, len(self.split.train[0])
        passes = [torch.randperm(size, generator=generator) for _ in range(-(-num // size))]
        return torch.cat(passes)[:num].view(self.sizes.iterations, self.sizes.batch).to(self.device)

    def train(self, model: nn.Module, *, learning_rate: float, start: int = 0) -> dict[str, float]:
        """Train to the last iteration.

        Args:
            model: trained in place.
            learning_rate: of Adam.
            start: the iteration to begin at.

        Returns:
            `early_accuracy` on test images after `early` iterations, `accuracy` on them and `valid` on validation
            images at the end; shares of 1.
        """
        images, labels = self.split.train
        optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
        found = {}
        for step in range(start, self.sizes.iterations):
            idx = self.batches[step]
            optimizer.zero_grad()
            functional.cross_entropy(model(images[idx]), labels[idx]).backward()
            optimizer.step()
            if step + 1 == self.sizes.early:
                found["early_accuracy"] = accuracy(model, self.split.test)
        return {**found, "accuracy": accuracy(model, self.split.test), "valid": accuracy(model, self.split.valid)}


def handwriting(sizes: Sizes, slot: Slot, rng: Seeds) -> Handwriting | None:
    """The task; None where MNIST is asked for and `$CUPEL_MNIST` names no folder.

    Args:
        sizes: `data` (`digits` or `mnist`), `train`, `valid`, `test` (for MNIST only `valid` is asked), and those of
            `Handwriting`.
        slot: the device.
        rng: streams `split`, `init` and `order`.

    Raises:
        UsageError: the files cannot be read, or have too few images.
    """
    if sizes.data == "digits":
        split = digits_split(rng.seed("split"), num_train=sizes.train, num_valid=sizes.valid, num_test=sizes.test)
    elif (folder := mnist_folder()) is not None:
        split = idx_split(folder, rng.seed("split"), num_valid=sizes.valid)
    else:
        return None
    parts = ((x.to(slot.device), y.to(slot.device)) for x, y in (split.train, split.valid, split.test))
    return Handwriting(sizes, slot.device, rng, Split(*parts))


@torch.no_grad()
def accuracy(model: nn.Module, part: tuple[Tensor, Tensor]) -> float:
    """Share of images that are told right."""
    return float((model(part[0]).argmax(1) == part[1]).double().mean())
