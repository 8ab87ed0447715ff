"""Softmax regression on clients' data: the model, its loss, and how it is judged over all clients.

The model is the one of Li et al. (MLSys 2020) for synthetic data and for MNIST.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from cupel.tasks.data.digits import Split

if TYPE_CHECKING:
    from torch import Tensor

NUM_CLASSES = 10


def softmax_regression(num_features: int, *, seed: int) -> nn.Linear:
    """One linear layer to ten classes, with Glorot's uniform weights drawn from a seed, and no offsets at first."""
    model: nn.Linear = nn.utils.skip_init(nn.Linear, num_features, NUM_CLASSES)  # type: ignore[no-untyped-call]
    nn.init.xavier_uniform_(model.weight, generator=torch.Generator().manual_seed(seed))
    nn.init.zeros_(model.bias)
    return model


def mean_loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    """Cross entropy of a batch of inputs and classes."""
    return functional.cross_entropy(model(batch[0]), batch[1])


@torch.no_grad()
def pooled_accuracy(model: nn.Module, parts: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Share of all clients' samples that are told right: clients weigh as their samples do."""
    inputs, classes = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return float((model(inputs).argmax(1) == classes).double().mean())


def moved(clients: Sequence[Split], device: torch.device) -> list[Split]:
    """The clients with their tensors on a device."""
    return [
        Split(*((inputs.to(device), classes.to(device)) for inputs, classes in (each.train, each.valid, each.test)))
        for each in clients
    ]
