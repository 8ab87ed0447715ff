"""Images as rows of numbers, told apart by a network of linear layers: data, network and loss of each example.

Data are 8 x 8 digits that come with scikit-learn, or street view house numbers of the user's own. Training is SGD on
batches that the caller chooses.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data.digits import digits_split
from cupel.tasks.data.svhn import ENVIRONMENT, svhn_examples, svhn_folder

NUM_CLASSES = 10
ABSENT = f"this size trains on SVHN: let {ENVIRONMENT} name a folder with its .mat files (nothing is downloaded)"
"""Why there is no task, in words."""
RATES, MOMENTA = {"digits": 0.1, "svhn": 0.01}, {"digits": 0.0, "svhn": 0.95}
"""Learning rate where none is chosen, and momentum, by data."""


@dataclass(frozen=True, eq=False)
class FlatImages:
    """The task.

    Args:
        sizes: `hidden` units in each of `layers` hidden layers; `batch` and `steps`.
        rng: streams `init` and `order`.
        inputs: (N, D), on the device.
        targets: (N,), on the device.
    """

    sizes: Sizes
    rng: Seeds
    inputs: Tensor
    targets: Tensor

    def network(self) -> nn.Sequential:
        """Linear layers with ReLU between them, by He's normal law from the stream `init`; the same at each call."""
        generator = torch.Generator().manual_seed(self.rng.seed("init"))
        widths = [self.inputs.shape[1], *[self.sizes.hidden] * self.sizes.layers, NUM_CLASSES]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layer = nn.utils.skip_init(nn.Linear, before, after)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)
            layers += [layer, nn.ReLU()]
        return nn.Sequential(*layers[:-1]).to(self.inputs.device)

    @property
    def rate(self) -> float:
        """The learning rate where none is chosen."""
        return RATES[self.sizes.data]

    def passes(self) -> Iterator[tuple[Tensor, float]]:
        """Batches of shuffled passes without an end, each with the scale 1; what is left of a pass is left out."""
        generator = torch.Generator().manual_seed(self.rng.seed("order"))
        whole = len(self.inputs) // self.sizes.batch * self.sizes.batch
        while True:
            order = torch.randperm(len(self.inputs), generator=generator)[:whole].to(self.inputs.device)
            yield from ((index, 1.0) for index in order.view(-1, self.sizes.batch))

    def updates(
        self, model: nn.Module, batches: Iterator[tuple[Tensor, Tensor | float]], *, rate: float
    ) -> Iterator[int]:
        """Train a model: the number of each update, before its batch is taken and it is made.

        Args:
            model: trained in place.
            batches: which examples, and what their losses are multiplied by.
            rate: the learning rate.
        """
        optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=MOMENTA[self.sizes.data])
        for step in range(self.sizes.steps):
            yield step
            index, scale = next(batches)
            optimizer.zero_grad()
            (scale * example_losses(model(self.inputs[index]), self.targets[index])).mean().backward()
            optimizer.step()

    def loss(self, model: nn.Module) -> float:
        """Mean cross-entropy on all examples."""
        with torch.no_grad():
            parts = zip(self.inputs.split(8192), self.targets.split(8192), strict=True)
            return float(torch.cat([example_losses(model(x), y) for x, y in parts]).double().mean())


def example_losses(output: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each example, (N,)."""
    return functional.cross_entropy(output, targets, reduction="none")


def flat_images(sizes: Sizes, slot: Slot, rng: Seeds) -> FlatImages | None:
    """The task; None where SVHN is asked for and `$CUPEL_SVHN` names no folder.

    Args:
        sizes: `data` (`digits` or `svhn`), `train` examples, and those of `FlatImages`.
        slot: the device.
        rng: streams `split` and `init`.

    Raises:
        UsageError: the files cannot be read, or have too few images.
    """
    if sizes.data == "digits":
        inputs, targets = digits_split(rng.seed("split"), num_train=sizes.train).train
    elif (folder := svhn_folder()) is not None:
        inputs, targets = svhn_examples(folder, rng.seed("split"), num=sizes.train)
    else:
        return None
    return FlatImages(sizes, rng, inputs.to(slot.device), targets.to(slot.device))
