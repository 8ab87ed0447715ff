"""A stack of layers whose inputs are computed from their outputs, so that no activation is kept for the backward pass.

Two streams run side by side; layer by layer, y1 = x1 + f(x2) and y2 = x2 + g(y1), hence x2 = y2 - g(y1) and
x1 = y1 - f(x2). Only the last outputs are kept, and what is random: the state of the generators before each branch
(dropout then falls the same again), and a note of the branch's own (such as the buckets that rounding could move).

Cost: one more pass forward, within the backward pass; memory for the activations of one branch.

Source: Gomez et al. 2017, The Reversible Residual Network, section 3.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor


class Branch(Protocol):
    """f or g of a layer: a module that may take a note of random decisions and follow it when it runs again."""

    def note(self, x: Tensor) -> Tensor | None:
        """What must be the same when the branch runs again; without gradient."""

    def __call__(self, x: Tensor, note: Tensor | None) -> Tensor:
        """What is added to the other stream."""


class Memory(NamedTuple):
    """What is kept of one run of a branch."""

    note: Tensor | None
    cpu_state: Tensor
    device_state: Tensor | None


def remember(branch: Branch, x: Tensor) -> Memory:
    """The note of a branch that is about to run, and the generators as they are."""
    note = branch.note(x)
    device_state = None if x.device.type == "cpu" else torch.get_device_module(x.device).get_rng_state(x.device)
    return Memory(note, torch.get_rng_state(), device_state)


@contextlib.contextmanager
def recalled(memory: Memory, device: torch.device) -> Iterator[None]:
    """The generators as they were then; afterwards as they were before."""
    devices = [] if memory.device_state is None else [device.index or 0]
    with torch.random.fork_rng(devices=devices, device_type=device.type if devices else "cuda"):
        torch.set_rng_state(memory.cpu_state)
        if memory.device_state is not None:
            torch.get_device_module(device).set_rng_state(memory.device_state, device)
        yield


class _Stack(torch.autograd.Function):
    """All layers as one step of the graph; gradients of parameters are added to `.grad` on the way back."""

    @staticmethod
    def forward(ctx: Any, x1: Tensor, x2: Tensor, layers: Sequence[tuple[Branch, Branch]]) -> tuple[Tensor, Tensor]:
        """Run the layers and keep what the way back needs."""
        device_type = x1.device.type
        ctx.autocast = torch.is_autocast_enabled(device_type), torch.get_autocast_dtype(device_type)
        ctx.layers, ctx.memories = layers, []
        for first, second in layers:
            before_first = remember(first, x2)
            x1 = x1 + first(x2, before_first.note)
            before_second = remember(second, x1)
            x2 = x2 + second(x1, before_second.note)
            ctx.memories.append((before_first, before_second))
        ctx.save_for_backward(x1, x2)
        return x1, x2

    @staticmethod
    def backward(ctx: Any, grad1: Tensor, grad2: Tensor) -> tuple[Tensor, Tensor, None]:
        """Undo the layers from the last to the first, with their gradients."""
        y1, y2 = ctx.saved_tensors
        is_on, dtype = ctx.autocast

        def undo(branch: Branch, x: Tensor, *, memory: Memory, grad: Tensor) -> tuple[Tensor, Tensor]:
            """What the branch added, and the gradient that reaches its input."""
            x = x.detach().requires_grad_()
            with torch.enable_grad(), recalled(memory, x.device), torch.autocast(x.device.type, dtype, enabled=is_on):
                added = branch(x, memory.note)
            torch.autograd.backward(added, grad.to(added.dtype))
            assert x.grad is not None
            return added.detach(), x.grad

        for (first, second), (before_first, before_second) in zip(ctx.layers[::-1], ctx.memories[::-1], strict=True):
            added, grad_in = undo(second, y1, memory=before_second, grad=grad2)
            y2, grad1 = y2 - added, grad1 + grad_in
            added, grad_in = undo(first, y2, memory=before_first, grad=grad1)
            y1, grad2 = y1 - added, grad2 + grad_in
        return grad1, grad2, None


def run_reversibly(x1: Tensor, x2: Tensor, layers: Sequence[tuple[Branch, Branch]]) -> tuple[Tensor, Tensor]:
    """The outputs of both streams after all layers.

    Args:
        x1: first stream; one of the two must require a gradient, or the layers get none.
        x2: second stream, of the same shape.
        layers: pairs of branches f and g.
    """
    run: Callable[..., tuple[Tensor, Tensor]] = _Stack.apply
    return run(x1, x2, layers)


def run_plainly(x1: Tensor, x2: Tensor, layers: Sequence[tuple[Branch, Branch]]) -> tuple[Tensor, Tensor]:
    """The same with every activation kept: what `run_reversibly` must agree with."""
    for first, second in layers:
        x1 = x1 + first(x2, first.note(x2))
        x2 = x2 + second(x1, second.note(x1))
    return x1, x2
