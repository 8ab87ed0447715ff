"""Long streams of bits to be told apart by how often a bit is set, and modules whose start is drawn from a seed.

A stream of class p of ten has each bit set with probability 0.05 + 0.1 p, so that only the whole of it tells.

Source: Wang, Bai, Pekhimenko (MLSys 2020), section 4.1; the generator of the authors' code, UofT-EcoSystem/BPPSA-open,
`code/gen_seq.py`, data set 4.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

NUM_CLASSES = 10
M = TypeVar("M", bound=nn.Module)


def bit_streams(num: int, length: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Streams (length, num, 1), float32, and their classes (num,), on the generator's device."""
    classes = torch.randint(NUM_CLASSES, (num,), generator=draw, device=draw.device)
    uniform = torch.rand(length, num, 1, generator=draw, device=draw.device)
    return (uniform < (0.05 + 0.1 * classes)[None, :, None]).float(), classes


def drawn_module(kind: type[M], *sizes: int, draw: torch.Generator, dtype: torch.dtype = torch.float32) -> M:
    """A module of torch whose parameters are drawn evenly between +- 1 / sqrt(width), as its own start would be.

    Args:
        kind: of the module.
        sizes: its first arguments; the last is the width.
        draw: the generator, whose device is taken.
        dtype: of the parameters.
    """
    with torch.device("meta"):  # nothing is drawn there
        module = kind(*sizes, dtype=dtype)
    module.to_empty(device=draw.device)
    bound = 1.0 / math.sqrt(sizes[-1])
    for parameter in module.parameters():
        parameter.data.uniform_(-bound, bound, generator=draw)
    return module
