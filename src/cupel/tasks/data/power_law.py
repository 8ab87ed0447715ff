"""Random indices by a power law: a few values are common and most are rare, as words and clicked items are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

Words: TypeAlias = Callable[[tuple[int, int]], Tensor]
"""From a shape (B, T) to ids of words, int64, on the device."""


def power_law_indices(shape: Sequence[int], *, num_values: int, exponent: float, generator: torch.Generator) -> Tensor:
    """Draw indices k with a probability close to proportional to (k + 1) ** -exponent.

    A Pareto law cut off at both ends is inverted and rounded down, so that a draw costs the same for any number of
    values; the probability of k is that of the interval [k + 1, k + 2).

    Args:
        shape: shape of the result.
        num_values: number of values, at least 1; each can occur.
        exponent: 0 draws uniformly, 1 is Zipf's law.
        generator: the random generator; the result is on its device.

    Returns:
        int64 indices in [0, num_values).

    Source:
        Zipf 1949, Human Behavior and the Principle of Least Effort; Clauset, Shalizi & Newman 2009, Power-Law
        Distributions in Empirical Data, appendix D (inversion).
    """
    uniform = torch.rand(tuple(shape), generator=generator, device=generator.device, dtype=torch.float64)
    power = 1.0 - exponent
    end = float(num_values + 1)
    value = end**uniform if abs(power) < 1e-9 else (1.0 + uniform * (end**power - 1.0)) ** (1.0 / power)
    return (value.long() - 1).clamp_(0, num_values - 1)


def zipf_words(ids: range, *, generator: torch.Generator) -> Words:
    """What draws words by Zipf's law: the first of the ids is the most frequent."""

    def words(shape: tuple[int, int]) -> Tensor:
        return ids.start + power_law_indices(shape, num_values=len(ids), exponent=1.0, generator=generator)

    return words
