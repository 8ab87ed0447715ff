"""Sums, means and extremes of what arrives at the nodes of a graph.

Everything is accumulated in fp32: in half precision a sum over many neighbours would lose its small terms.

Shapes: E messages, H numbers in each, V nodes.
"""

from __future__ import annotations

import torch
from torch import Tensor


def sum_at(message_EH: Tensor, node_E: Tensor, *, num_nodes: int) -> Tensor:
    """The sum of the messages at each node, 0 where none arrives; shape (V, H), fp32."""
    start_VH = torch.zeros(num_nodes, *message_EH.shape[1:], device=message_EH.device)
    return start_VH.index_add(0, node_E, message_EH.float())


def extreme_at(message_EH: Tensor, node_E: Tensor, *, num_nodes: int, is_max: bool) -> Tensor:
    """The largest or smallest message at each node, number by number, 0 where none arrives; shape (V, H), fp32."""
    start_VH = torch.zeros(num_nodes, message_EH.shape[1], device=message_EH.device)
    index_EH = node_E[:, None].expand_as(message_EH)
    return start_VH.scatter_reduce(
        0, index_EH, message_EH.float(), reduce="amax" if is_max else "amin", include_self=False
    )


def count_at(node_E: Tensor, *, num_nodes: int) -> Tensor:
    """How many messages arrive at each node, shape (V, 1), fp32."""
    return sum_at(torch.ones_like(node_E, dtype=torch.float32)[:, None], node_E, num_nodes=num_nodes)
