"""The loop that everyone writes: forward, backward, update."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd import backward

from interleaved import Step


def training(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[[], Tensor],
    *,
    items: float,
    clip_norm: float | None = None,
) -> Step:
    """A step that lowers the loss once.

    Args:
        model: whose gradients are clipped.
        optimizer: of its parameters.
        loss_of: the forward pass.
        items: what a step counts.
        clip_norm: norm that gradients are cut to; None leaves them as they are.
    """

    def step() -> float:
        optimizer.zero_grad()
        backward(loss_of())
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        optimizer.step()
        return items

    return step


@torch.no_grad()
def follow(follower: nn.Module, model: nn.Module, momentum: float) -> None:
    """Move the follower's weights a little towards the model's, one by one."""
    for slow, fast in zip(follower.parameters(), model.parameters(), strict=True):
        slow.mul_(momentum).add_(fast, alpha=1.0 - momentum)
