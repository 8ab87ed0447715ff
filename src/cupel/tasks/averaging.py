"""A model that follows another as the moving average of its weights (a teacher, a target)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, TypeVar

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from cupel.spec import WrongWorkError

if TYPE_CHECKING:
    from torch import nn

Model = TypeVar("Model", bound="nn.Module")
TOLERANCE = 1e-4
"""How far, as a share of the largest weight, an average may be from the one worked out apart."""


def follower_of(model: Model) -> Model:
    """A copy that gets no gradients."""
    return copy.deepcopy(model).requires_grad_(False)


@torch.no_grad()
def follow(follower: nn.Module, model: nn.Module, *, momentum: float) -> None:
    """Move each weight of the follower to momentum x itself + (1 - momentum) x the model's."""
    move = get_ema_multi_avg_fn(momentum)  # type: ignore[no-untyped-call]
    move(list(follower.parameters()), list(model.parameters()), 0)


def check_followed(what: str, pair: tuple[nn.Module, nn.Module], *, before: nn.Module, momentum: float) -> None:
    """The follower is where the average of its former self and the model is, and is not where it was.

    Args:
        what: the workload, for the message.
        pair: the follower, and the model as it was when the follower moved.
        before: the follower before it moved.
        momentum: the former self's share.

    Raises:
        WrongWorkError: it is elsewhere; the message names a weight.
    """
    follower, model = pair
    has_moved = False
    for (name, now), old, new in zip(follower.named_parameters(), before.parameters(), model.parameters(), strict=True):
        expected = momentum * old.double() + (1.0 - momentum) * new.detach().double()
        error = float((now.double() - expected).abs().max())
        if not error <= TOLERANCE * (1e-6 + float(expected.abs().max())):
            raise WrongWorkError(f"{what}: {name} of the average is {error:.3g} off; expected it to follow the model.")
        has_moved = has_moved or not torch.equal(now, old)
    if not has_moved:
        raise WrongWorkError(f"{what}: the average has not moved after an update; expected it to follow the model.")
