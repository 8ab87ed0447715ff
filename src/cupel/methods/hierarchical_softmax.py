"""A distribution over very many outputs as a walk down a binary tree, of which only the path to the target is computed.

The outputs are the leaves of a Huffman tree by their counts; at each inner node a logistic unit says left or right, and
an output's probability is the product along its path. About log2 D units are computed for a target in place of D, and
the D probabilities add up to 1 without being computed.

Paper to code: n(w, j), the j-th node on the path to w, is `path[w, j]`; [[n(w, j + 1) = ch(n(w, j))]] is `turn[w, j]`,
1 left, -1 right and 0 after the path's end; v'_n is `weight[n]`.

Source: Morin and Bengio, Hierarchical Probabilistic Neural Network Language Model (AISTATS 2005); Mikolov, Sutskever,
Chen, Corrado, Dean, Distributed Representations of Words and Phrases (NIPS 2013), section 2.1 (the Huffman tree);
Huffman, A Method for the Construction of Minimum-Redundancy Codes (1952).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from cupel.methods.target_places import check_single_targets
from cupel.spec.errors import UsageError


class HierarchicalSoftmax(nn.Module):
    """The last layer of a network and its loss: cross entropy to a distribution that a Huffman tree factors.

    Args:
        num_inputs: d, the width of the hidden layer below.
        num_outputs: D.
        counts: how often each output is a target, (D,), none negative; the frequent ones get short paths. All alike
            where None.

    The parameters `weight` (D - 1, d) and `bias` (D - 1, 1) start at 0, so that both turns are equally likely, and get
    sparse gradients: train them with SGD, Adagrad or SparseAdam.

    Cost:
        O(d log D) an example, where the dense layer costs O(D d). The tree takes O(D log D), once.

    Example:
        >>> import torch
        >>> from cupel.methods.hierarchical_softmax import HierarchicalSoftmax
        >>> body = torch.nn.Sequential(torch.nn.Embedding(50, 8), torch.nn.Tanh())
        >>> last = HierarchicalSoftmax(8, 1024)
        >>> optimizer = torch.optim.SGD([*body.parameters(), *last.parameters()], lr=0.5)
        >>> loss = last(body(torch.tensor([3, 4, 5])), torch.tensor([7, 7, 999])).mean()
        >>> loss.backward()
        >>> optimizer.step()
        >>> f"{loss.item():.4f}"  # ten turns, each a coin's throw
        '6.9315'
    """

    path: Tensor
    turn: Tensor

    def __init__(self, num_inputs: int, num_outputs: int, *, counts: Tensor | None = None) -> None:
        super().__init__()
        if min(num_inputs, num_outputs) < 1:
            raise UsageError(f"A layer of {num_inputs} inputs and {num_outputs} outputs was asked; expected 1 or more.")
        if counts is not None and (counts.shape != (num_outputs,) or not bool((counts >= 0).all())):
            raise UsageError(
                f"counts {tuple(counts.shape)} were given; expected {num_outputs} numbers of at least 0, one each."
            )
        self.num_inputs, self.num_outputs = num_inputs, num_outputs
        path, turn = huffman_paths([1.0] * num_outputs if counts is None else counts.tolist())
        device = None if counts is None else counts.device
        self.register_buffer("path", torch.tensor(path, device=device, dtype=torch.int64).reshape(num_outputs, -1))
        self.register_buffer("turn", torch.tensor(turn, device=device, dtype=torch.int8).reshape(num_outputs, -1))
        self.weight = nn.Parameter(torch.zeros(num_outputs - 1, num_inputs, device=device))
        self.bias = nn.Parameter(torch.zeros(num_outputs - 1, 1, device=device))

    def forward(self, inputs: Tensor, target: Tensor) -> Tensor:
        """Cross entropies, exact.

        Args:
            inputs: (..., d).
            target: int64 outputs, (...).

        Returns:
            A loss for each example, (...).

        Raises:
            UsageError: shapes do not fit, or an output does not exist.
        """
        check_single_targets(inputs, target, size=(self.num_inputs, self.num_outputs))
        path, turn = self.path[target], self.turn[target]
        units = functional.embedding(path, self.weight, sparse=True) @ inputs[..., None]
        units = (units + functional.embedding(path, self.bias, sparse=True)).squeeze(-1)
        return -torch.where(turn == 0, 0.0, functional.logsigmoid(turn * units)).sum(-1)

    @torch.no_grad()
    def scores(self, inputs: Tensor) -> Tensor:
        """Log-probabilities of all D outputs for inputs (..., d), without a gradient. Cost: O(D d) an example."""
        units = functional.linear(inputs, self.weight, self.bias.squeeze(1))
        left, right = functional.logsigmoid(units), functional.logsigmoid(-units)
        total = units.new_zeros(*units.shape[:-1], self.num_outputs)
        for path, turn in zip(self.path.T, self.turn.T, strict=True):  # one level of all paths at a time
            total += torch.where(turn == 0, 0.0, torch.where(turn > 0, left[..., path], right[..., path]))
        return total


def huffman_paths(counts: Sequence[float]) -> tuple[list[list[int]], list[list[int]]]:
    """The inner nodes on the way from the root to each leaf of a Huffman tree, and the turns taken there.

    Args:
        counts: of the leaves; equal ones are joined in the order given.

    Returns:
        For each leaf its nodes, numbered from the root (0) so that a parent comes before its children, and its turns
        (1 left, -1 right); both filled up with 0 to the longest path.
    """
    num_leaves = len(counts)
    heap = [(count, leaf) for leaf, count in enumerate(counts)]
    heapq.heapify(heap)
    children: list[tuple[int, int]] = []
    while len(heap) > 1:
        (first, left), (second, right) = heapq.heappop(heap), heapq.heappop(heap)
        heapq.heappush(heap, (first + second, num_leaves + len(children)))
        children.append((left, right))
    nodes: list[list[int]] = [[] for _ in range(num_leaves + len(children))]
    turns: list[list[int]] = [[] for _ in nodes]
    for made in reversed(range(len(children))):  # the last that was joined is the root
        own, number = num_leaves + made, len(children) - 1 - made
        for child, turn in zip(children[made], (1, -1), strict=True):
            nodes[child] = [*nodes[own], number]
            turns[child] = [*turns[own], turn]
    longest = max(map(len, nodes[:num_leaves]))
    filled = [[path + [0] * (longest - len(path)) for path in paths[:num_leaves]] for paths in (nodes, turns)]
    return filled[0], filled[1]
