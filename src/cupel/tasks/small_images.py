"""Small images told apart by a convolutional network: data, network and training in one place.

Data are 8 x 8 digits that come with scikit-learn under three convolutions, or CIFAR-10 of the user's own under a
residual network. Training is Adam on shuffled batches, its rate cut to a tenth after 3/5 and again after 4/5 of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data.cifar10 import ENVIRONMENT, cifar10_folder, cifar10_split, shifted_and_mirrored
from cupel.tasks.data.digits import Split, digits_split
from cupel.tasks.models.pooled_resnet import pooled_resnet, three_convolutions

if TYPE_CHECKING:
    from torch import Tensor

NUM_CLASSES = 10
DIGIT_PX = 8
WEIGHT_DECAY = 4e-5
CUTS = (0.6, 0.8)
"""Shares of the training after which the learning rate is cut to a tenth."""
ABSENT = f"this size trains on CIFAR-10: let {ENVIRONMENT} name a folder with its binary files (nothing is downloaded)"
"""Why there is no task, in words."""
FIRST = "0"
"""Name of the first convolution of either network."""


@dataclass(frozen=True, eq=False)
class SmallImages:
    """The task.

    Args:
        sizes: `data` (`digits` or `cifar10`), `width`, `epochs` and `batch`.
        device: where networks and images are.
        rng: streams `init`, `order` and `augmentation`.
        split: images (N, C, H, W) and labels, on the device.
    """

    sizes: Sizes
    device: torch.device
    rng: Seeds
    split: Split

    def network(self) -> nn.Sequential:
        """A network with initial weights from the stream `init`, the same at each call."""
        generator = torch.Generator().manual_seed(self.rng.seed("init"))
        if self.sizes.data == "digits":
            made = three_convolutions(self.sizes.width, side_px=DIGIT_PX, num_classes=NUM_CLASSES, generator=generator)
        else:
            made = pooled_resnet(self.sizes.width, num_classes=NUM_CLASSES, generator=generator)
        return made.to(self.device)

    def train(self, model: nn.Module, *, learning_rate: float) -> int:
        """Train a network in place; the steps that it took."""
        images, labels = self.split.train
        order = torch.Generator().manual_seed(self.rng.seed("order"))
        changes = torch.Generator().manual_seed(self.rng.seed("augmentation"))
        optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, weight_decay=WEIGHT_DECAY)
        cuts = [round(cut * self.sizes.epochs) for cut in CUTS]
        num_steps = 0
        model.train()
        for epoch in range(self.sizes.epochs):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * 0.1 ** sum(epoch >= cut for cut in cuts)
            for idx in torch.randperm(len(images), generator=order).split(self.sizes.batch):
                seen = images[idx.to(self.device)]
                seen = shifted_and_mirrored(seen, changes) if self.sizes.data == "cifar10" else seen
                optimizer.zero_grad()
                functional.cross_entropy(model(seen), labels[idx.to(self.device)]).backward()
                optimizer.step()
                num_steps += 1
        model.eval()
        return num_steps

    def accuracy(self, model: nn.Module, part: str) -> float:
        """Share of the images of a part (`train`, `valid` or `test`) that a network tells right."""
        images, labels = getattr(self.split, part)
        with torch.no_grad():
            found = torch.cat([model(few).argmax(1) for few in images.split(1000)])
        return float((found == labels).double().mean())


def small_images(sizes: Sizes, slot: Slot, rng: Seeds) -> SmallImages | None:
    """The task; None where CIFAR-10 is asked for and `$CUPEL_CIFAR10` names no folder.

    Args:
        sizes: `train`, `valid`, `test` (for CIFAR-10 only `valid` is asked), and those of `SmallImages`.
        slot: the device.
        rng: streams `split`, `init`, `order` and `augmentation`.

    Raises:
        UsageError: the files cannot be read, or have too few images.
    """
    if sizes.data == "digits":
        split = digits_split(rng.seed("split"), num_train=sizes.train, num_valid=sizes.valid, num_test=sizes.test)
        parts = [(_square(images), labels) for images, labels in (split.train, split.valid, split.test)]
    elif (folder := cifar10_folder()) is not None:
        split = cifar10_split(folder, rng.seed("split"), num_valid=sizes.valid)
        parts = [split.train, split.valid, split.test]
    else:
        return None
    on_device = ((images.to(slot.device), labels.to(slot.device)) for images, labels in parts)
    return SmallImages(sizes, slot.device, rng, Split(*on_device))


def _square(images: Tensor) -> Tensor:
    """Digits as (N, 1, 8, 8), from -1 to 1."""
    return images.view(-1, 1, DIGIT_PX, DIGIT_PX) * 2.0 - 1.0
