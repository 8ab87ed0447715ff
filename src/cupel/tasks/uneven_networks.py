"""Random convolutional networks whose layers are uneven in cost and size: as a graph of one training step, and to run.

A network is a row of blocks: a convolution of some width, kernel and stride with a rectifier in place, and in some an
addition of what came in. As in VGG and residual networks, layers grow wider where areas shrink; kernels are of 1, 3 or
5, and widths go up and down in between, so that one layer may cost fifty times what another does. The graph has what
autograd would do with one image, forward and backward, with the bytes of what each operation makes. Gradients of
weights and the loss are of no size, as in the paper of Checkmate.

Named constants, and what is taken as given: an operation of a product costs 1; a byte that is read or written costs
`OPERATIONS_PER_BYTE`; numbers take 4 bytes; kernels need no scratch memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

OPERATIONS_PER_BYTE = 10.0
"""Operations in the time that a byte is moved."""
NUMBER_BYTES = 4
FIRST_WIDTHS = (16, 24, 32)
KERNELS = (1, 3, 3, 5)
STRIDE_2 = 0.25
"""Share of blocks that halve height and breadth; there the width grows by one of `WIDER`."""
WIDER = (1.5, 2.0)
SAME_WIDTH = 0.5
"""Share of the others that keep their width, to which what came in is added; the rest change it by one of `OTHERS`."""
OTHERS = (0.5, 0.75, 1.5, 2.0)
LEAST_WIDTH, MOST_WIDTH = 8, 512
NUM_COLOURS, NUM_CLASSES = 3, 10


@dataclass(frozen=True)
class Block:
    """A convolution with what follows it; `is_residual` adds what came in."""

    width: int
    kernel: int
    stride: int
    is_residual: bool


def random_blocks(num: int, seed: int) -> tuple[Block, ...]:
    """A network of a number of blocks."""
    rng = np.random.default_rng(seed)
    width, found = int(rng.choice(FIRST_WIDTHS)), []
    for i in range(num):
        is_halved, is_same = i > 0 and rng.random() < STRIDE_2, i > 0 and rng.random() < SAME_WIDTH
        if is_halved or (i > 0 and not is_same):
            width = int(np.clip(width * rng.choice(WIDER if is_halved else OTHERS), LEAST_WIDTH, MOST_WIDTH))
        found.append(Block(width, int(rng.choice(KERNELS)), 1 + is_halved, is_same and not is_halved))
    return tuple(found)


@dataclass
class StepGraph:
    """Operations of a training step: parts of an `OpGraph`, value i being what operation i makes."""

    costs: list[float] = field(default_factory=list)
    sizes_bytes: list[float] = field(default_factory=list)
    needs: list[list[int]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    num_forward: int = 0

    def add(self, name: str, needs: Sequence[int], numbers: int, *, products: float = 0.0) -> int:
        """Add an operation that makes an array of some numbers; its index."""
        size = float(NUMBER_BYTES * numbers)
        moved = size + sum(self.sizes_bytes[i] for i in needs)
        self.costs.append(products + OPERATIONS_PER_BYTE * moved)
        self.sizes_bytes.append(size)
        self.needs.append(sorted(set(needs)))
        self.names.append(name)
        return len(self.costs) - 1


def step_graph(blocks: Sequence[Block], pixels: int) -> StepGraph:
    """One image's training step through a network.

    Args:
        blocks: of the network.
        pixels: height and breadth of the image.
    """
    graph, before, width, edge = StepGraph(), -1, NUM_COLOURS, pixels
    kept: list[tuple[int, int, int, float]] = []  # what came in (-1: the image), its numbers, what was made
    for block in blocks:
        came = width * edge**2
        edge = -(-edge // block.stride)
        made, products = block.width * edge**2, 2.0 * block.kernel**2 * width * block.width * edge**2
        rectified = graph.add("convolution", [before] * (before >= 0), made, products=products)
        kept.append((before, came, rectified, products))
        before = graph.add("addition", [before, rectified], made) if block.is_residual else rectified
        width = block.width
    loss = graph.add("loss", [before], 0)
    graph.num_forward = loss + 1
    gradient = graph.add("loss back", [before, loss], width * edge**2)
    for block, (source, came, rectified, products) in zip(reversed(blocks), reversed(kept), strict=True):
        if source < 0:  # an image wants no gradient
            graph.add("convolution back", [gradient, rectified], 0, products=products)
            continue
        through = graph.add("convolution back", [gradient, rectified, source], came, products=2 * products)
        gradient = graph.add("addition back", [through, gradient], came) if block.is_residual else through
    return graph


class UnevenNetwork(nn.Module):
    """A network of blocks, with a linear layer over the mean of its last features; weights by a seed."""

    def __init__(self, blocks: Sequence[Block], generator: torch.Generator) -> None:
        super().__init__()
        self.blocks = tuple(blocks)
        widths = [NUM_COLOURS, *(block.width for block in blocks)]
        self.convolutions = nn.ModuleList(
            nn.utils.skip_init(
                nn.Conv2d, into, out, block.kernel, stride=block.stride, padding=block.kernel // 2,
                device=generator.device,
            )
            for (into, out), block in zip(pairwise(widths), blocks, strict=True)
        )  # fmt: skip
        self.readout = nn.utils.skip_init(nn.Linear, widths[-1], NUM_CLASSES, device=generator.device)
        for parameter in self.parameters():
            scale = (2.0 / max(1, parameter[0].numel())) ** 0.5 if parameter.ndim > 1 else 0.0
            with torch.no_grad():
                parameter.normal_(generator=generator).mul_(scale)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Scores of classes, (B, 10)."""
        for block, convolution in zip(self.blocks, self.convolutions, strict=True):
            features = functional.relu(convolution(x_BCHW), inplace=True)
            x_BCHW = x_BCHW + features if block.is_residual else features
        scores: Tensor = self.readout(x_BCHW.mean((2, 3)))
        return scores


def random_step(seed: int) -> tuple[StepGraph, list[list[int]], list[float]]:
    """A step of at most six operations of any shape, small enough to search through whole.

    Returns:
        The operations, the values that each makes (none, one or two), and the scratch memory of each.
    """
    rng = np.random.default_rng(seed)
    graph, makes = StepGraph(), list[list[int]]()
    for i in range(int(rng.integers(4, 7))):
        num = len(graph.sizes_bytes)
        graph.needs.append(sorted({int(v) for v in rng.integers(0, num, size=rng.integers(1, 4))}) if num else [])
        makes.append(list(range(num, num + int(rng.choice((0, 1, 1, 2)) if i > 1 else 1))))
        graph.sizes_bytes += [float(size) for size in rng.integers(0, 6, size=len(makes[-1]))]
        graph.costs.append(float(rng.exponential()))
        graph.names.append(str(i))
    graph.num_forward = max(1, len(graph.costs) // 2)
    return graph, makes, [float(size) for size in rng.integers(0, 3, size=len(makes))]
