"""Images squeezed through a few numbers and made again: data, network and training in one place.

The network narrows layer by layer to the code and widens again by the same widths, with batch normalisation and a
rectifier after each layer but the last. The loss is the squared error of an image, summed over its pixels, as a mean
over images. Data are 8 x 8 digits that come with scikit-learn, or MNIST of the user's own.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data.digits import digits_split
from cupel.tasks.data.idx_images import ENVIRONMENT, idx_split, mnist_folder

if TYPE_CHECKING:
    from torch import Tensor

ABSENT = f"this size trains on MNIST: let {ENVIRONMENT} name a folder with its four IDX files (nothing is downloaded)"
"""Why there is no task, in words."""


@dataclass(frozen=True, eq=False)
class ImageAutoencoder:
    """The task.

    Args:
        sizes: `layers`, the widths from the images to the code (`100-50-25-6`), `iterations` and `batch`.
        device: where network and images are.
        rng: streams `init` and `order`.
        train: images to train on (N, pixels), on the device.
        valid: other images.
    """

    sizes: Sizes
    device: torch.device
    rng: Seeds
    train: Tensor
    valid: Tensor

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Inputs and outputs of each layer."""
        narrowing = [self.train.shape[1], *map(int, self.sizes.layers.split("-"))]
        return list(itertools.pairwise([*narrowing, *narrowing[-2::-1]]))

    def network(self) -> nn.Sequential:
        """A network whose weights and biases are uniform within 1/sqrt(inputs), from the stream `init`."""
        generator = torch.Generator().manual_seed(self.rng.seed("init"))
        parts: list[nn.Module] = []
        for before, after in self.shapes:
            layer = nn.utils.skip_init(nn.Linear, before, after)
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -(before**-0.5), before**-0.5, generator=generator)
            parts += [layer, nn.BatchNorm1d(after), nn.ReLU()]
        return nn.Sequential(*parts[:-2]).to(self.device)

    @functools.cached_property
    def batches(self) -> Tensor:
        """The images of each iteration, int64 (iterations, batch), in passes over shuffled data."""
        generator = torch.Generator().manual_seed(self.rng.seed("order"))
        num, size = self.sizes.iterations * self.sizes.batch, len(self.train)
        passes = [torch.randperm(size, generator=generator) for _ in range(-(-num // size))]
        return torch.cat(passes)[:num].view(self.sizes.iterations, self.sizes.batch).to(self.device)

    def fit(self, optimizer_of: Callable[[nn.Module], torch.optim.Optimizer]) -> dict[str, float]:
        """Train a network from its first weights, and stop where the loss is no longer finite.

        Args:
            optimizer_of: makes the optimiser of a network.

        Returns:
            `train_loss` of all training images with statistics of their own, as it is minimised, and `valid_loss` of
            other images with the averages of batch normalisation; infinite where training stopped.
        """
        model = self.network()
        optimizer = optimizer_of(model)
        for idx in self.batches:
            optimizer.zero_grad()
            images = self.train[idx]
            loss = reconstruction_loss(model, images)
            if not bool(loss.isfinite()):
                return {"train_loss": float("inf"), "valid_loss": float("inf")}
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            valid = float(reconstruction_loss(model.eval(), self.valid))
            return {"train_loss": float(reconstruction_loss(model.train(), self.train)), "valid_loss": valid}


def reconstruction_loss(model: nn.Module, images: Tensor) -> Tensor:
    """The squared error summed over pixels, as a mean over images."""
    return (model(images) - images).square().sum(1).mean()


def image_autoencoder(sizes: Sizes, slot: Slot, rng: Seeds) -> ImageAutoencoder | None:
    """The task; None where MNIST is asked for and `$CUPEL_MNIST` names no folder.

    Args:
        sizes: `data` (`digits` or `mnist`), `train` and `valid` (for MNIST only `valid` is asked), and those of
            `ImageAutoencoder`.
        slot: the device.
        rng: streams `split`, `init` and `order`.

    Raises:
        UsageError: the files cannot be read, or have too few images.
    """
    if sizes.data == "digits":
        split = digits_split(rng.seed("split"), num_train=sizes.train, num_valid=sizes.valid)
    elif (folder := mnist_folder()) is not None:
        split = idx_split(folder, rng.seed("split"), num_valid=sizes.valid)
    else:
        return None
    train, valid = (part[0].to(slot.device) for part in (split.train, split.valid))
    return ImageAutoencoder(sizes, slot.device, rng, train, valid)
