"""Stochastic gradient descent with momentum, as networks for images are trained."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


def momentum_sgd(parameters: Iterable[nn.Parameter], *, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """SGD with a momentum of 0.9 that starts at zero.

    Left alone, the fused SGD of PyTorch 2.13 starts with momentum of uninitialised memory where loss scaling skips the
    first update (fp16). Fused, since otherwise each skipped or unskipped update would wait for the device. Parameters
    that are cut over ranks (fsdp) it cannot take: they are updated in a few products over all of them.
    """
    parameters = list(parameters)
    way = {"foreach": True} if any(hasattr(parameter, "placements") for parameter in parameters) else {"fused": True}
    optimizer = torch.optim.SGD(parameters, lr=lr, momentum=0.9, weight_decay=weight_decay, **way)
    for parameter in parameters:
        optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer
