"""An architecture as hyperparameters: a cell of nodes, each with two inputs and an operation on each of them.

Node k adds the results of two operations; each has as its input one of the cell's two inputs (numbered 0 and 1) or an
earlier node (numbered from 2). What no other node takes as input makes up the output. The choices are categorical, so
that any searcher can search architectures; changing one of them is either of the two mutations of regularised
evolution.

Source: Real et al. 2019, Regularized Evolution for Image Classifier Architecture Search, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cupel.spec.card import Scalar
from cupel.spec.errors import UsageError
from cupel.spec.parameter import Choice

NUM_INPUTS = 2
SIDES = ("a", "b")


@dataclass(frozen=True)
class Node:
    """A node of a cell.

    Args:
        inputs: what each side takes: 0 or 1 for the cell's inputs, k + 2 for node k.
        operations: what is done to each of them.
    """

    inputs: tuple[int, int]
    operations: tuple[str, str]


def cell_parameters(name: str, num_nodes: int, operations: Sequence[str]) -> Iterator[tuple[str, Choice]]:
    """The choices of a cell: `name.0.a.from`, `name.0.a.op`, `name.0.b.from`, ...

    Raises:
        UsageError: no nodes, or fewer than two operations.
    """
    if num_nodes < 1 or len(operations) < 2:
        raise UsageError(
            f"a cell has {num_nodes} nodes and {len(operations)} operations; expected one node and two operations or "
            "more, such as cell(4,conv3,conv1,pool)"
        )
    for node in range(num_nodes):
        for side in SIDES:
            yield f"{name}.{node}.{side}.from", Choice(tuple(range(NUM_INPUTS + node)))
            yield f"{name}.{node}.{side}.op", Choice(tuple(operations))


def read_cell(name: str, parameters: Mapping[str, Scalar]) -> list[Node]:
    """The cell that a configuration describes, as a training script builds it.

    Example:
        >>> import random
        >>> from cupel.spec.read_space import read_space
        >>> found = read_space("net=cell(2,conv,pool)").draw(random.Random(0))
        >>> len(read_cell("net", found))
        2
    """
    nodes: list[Node] = []
    while f"{name}.{len(nodes)}.a.from" in parameters:
        keys = [f"{name}.{len(nodes)}.{side}" for side in SIDES]
        first, second = (int(parameters[f"{key}.from"]) for key in keys)
        nodes.append(Node((first, second), (str(parameters[f"{keys[0]}.op"]), str(parameters[f"{keys[1]}.op"]))))
    return nodes


def loose_ends(nodes: Sequence[Node]) -> list[int]:
    """The numbers of the nodes that no other takes as input: their sum or concatenation is the cell's output."""
    used = {source for node in nodes for source in node.inputs}
    return [k + NUM_INPUTS for k in range(len(nodes)) if k + NUM_INPUTS not in used]
