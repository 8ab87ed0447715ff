"""Back-propagation through time by autograd, one time step after the other: what other ways are compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn


def squares(state: Any) -> Tensor:
    """A loss: the sum of all squares of a state, which is a tensor or a tuple of them."""
    return (torch.cat(state, -1) if isinstance(state, tuple) else state).square().sum()


def gradients_through_time(
    cell: nn.Module, inputs: Tensor, *, state: Any, loss: Callable[[Any], Tensor]
) -> list[Tensor]:
    """Gradients of a loss of the last state of a recurrent cell.

    Args:
        cell: from an input (B, ...) and a state to the next.
        inputs: (T, B, ...).
        state: the first, (B, h), or a tuple of tensors of the same width.
        loss: from the last state to a number.

    Returns:
        Gradients at all T + 1 states, (T + 1, B, h), tuples joined; by the inputs; and by each parameter.
    """
    inputs, is_tuple = inputs.detach().requires_grad_(), isinstance(state, tuple)
    nodes = [(torch.cat(state, -1) if is_tuple else state).detach().requires_grad_()]

    def parted() -> Any:
        return nodes[-1].tensor_split(len(state), -1) if is_tuple else nodes[-1]

    for each in inputs:
        following = cell(each, parted())
        nodes.append(torch.cat(following, -1) if is_tuple else following)
    by = torch.autograd.grad(loss(parted()), [*nodes, inputs, *cell.parameters()])
    return [torch.stack(by[: len(nodes)]), *by[len(nodes) :]]
