"""Vectors with an element for each weight of a model, kept as the list of tensors that the model itself is.

A vector here is a list of tensors shaped as the weights are. Sums over all of its elements stay on the device, so that
a loop over products does not wait for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from cupel.spec.errors import UsageError

Loss: TypeAlias = Callable[[], Tensor]
Tensors: TypeAlias = Tensor | Iterable[Tensor]
Vector: TypeAlias = list[Tensor]


def listed(what: str, tensors: Tensors) -> list[Tensor]:
    """One tensor, or several of any iterable, as a list; one that is named twice stands in it once.

    Raises:
        UsageError: there is none, or something is no tensor.
    """
    several = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    for given in several:
        if not isinstance(given, Tensor):
            raise UsageError(
                f"{what} holds {given!r} ({type(given).__name__}); expected tensors, as model.parameters() gives them."
            )
    if not several:
        raise UsageError(f"{what} is empty; expected at least one tensor (a generator can be read only once).")
    return list({id(tensor): tensor for tensor in several}.values())


def trained(parameters: Tensors) -> list[Tensor]:
    """The parameters that training moves: those that are not frozen.

    Raises:
        UsageError: all are frozen.
    """
    given = listed("parameters", parameters)
    moving = [parameter for parameter in given if parameter.requires_grad]
    if not moving:
        raise UsageError(
            f"All {len(given)} parameters are frozen (requires_grad is False); expected some that training moves."
        )
    return moving


def tuned(hyperparameters: Tensors, weights: Sequence[Tensor]) -> list[Tensor]:
    """The hyperparameters, each fit to be differentiated by.

    Raises:
        UsageError: one does not require a gradient, or is a parameter at the same time.
    """
    given = listed("hyperparameters", hyperparameters)
    ids = {id(weight) for weight in weights}
    for index, tensor in enumerate(given):
        if not tensor.requires_grad:
            raise UsageError(
                f"Hyperparameter {index} of shape {tuple(tensor.shape)} does not require a gradient; call its "
                "requires_grad_() before the losses are computed."
            )
        if id(tensor) in ids:
            raise UsageError(
                f"Hyperparameter {index} of shape {tuple(tensor.shape)} is among the parameters too; expected it to "
                "be one or the other."
            )
    return given


def dot(left: Sequence[Tensor], right: Sequence[Tensor]) -> Tensor:
    """Inner product over all elements, as a scalar on the first tensor's device, in float32 at least."""
    total = torch.zeros((), dtype=_wide(left[0]), device=left[0].device)
    for one, other in zip(left, right, strict=True):
        dtype = _wide(one)
        total += torch.dot(one.flatten().to(dtype), other.flatten().to(dtype)).to(total)
    return total


def _wide(tensor: Tensor) -> torch.dtype:
    """A type that sums of squares fit into."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def filled(tensors: Sequence[Tensor], found: Sequence[Tensor | None]) -> Vector:
    """Derivatives as torch gives them, with zeros for the tensors that nothing depends on.

    Not to be changed in place: torch may give two of them one memory, or all elements of one.
    """
    return [torch.zeros_like(t) if part is None else part for t, part in zip(tensors, found, strict=True)]


RandomState: TypeAlias = dict[torch.device, Tensor]


def random_state(tensors: Sequence[Tensor]) -> RandomState:
    """The states of torch's global generators, of the CPU and of the devices that tensors are on."""
    devices = {tensor.device for tensor in tensors if tensor.device.type != "cpu"}
    states = {device: torch.get_device_module(device).get_rng_state(device) for device in devices}
    return {torch.device("cpu"): torch.get_rng_state(), **states}


def set_random_state(state: RandomState) -> None:
    """Put torch's global generators into states that they were in."""
    for device, value in state.items():
        if device.type == "cpu":
            torch.set_rng_state(value)
        else:
            torch.get_device_module(device).set_rng_state(value, device)


@contextlib.contextmanager
def as_found(tensors: Sequence[Tensor]) -> Iterator[None]:
    """Evaluate losses and gradients of gradients, and leave torch's global generators as they were found.

    Gradients are recorded even inside `torch.no_grad`. Attention is computed by the one implementation that can be
    differentiated twice.
    """
    before = random_state(tensors)
    try:
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        set_random_state(before)
