"""Exact transforms of fast convolution by Cook and Toom, in rational numbers: F(m, r) and, nested, F(m x m, r x r).

m outputs of a filter of r taps need n = m + r - 1 products instead of m r:

    y = A^T [(G g) * (B^T d)],        y_i = sum_j g_j d_{i+j}

Two polynomials of degrees r - 1 and m - 1 are multiplied through their values at n points, one of them infinity; the
transposed algorithm is the filter. The matrices have a closed form. With the finite points p_k, and N_k the product of
p_k - p_j over the other points:

    A^T[i, k] = p_k^i                       G[k, j] = p_k^j / N_k
    B^T[k, :] = the coefficients of the product of (x - p_j) over the other points, lowest power first

and for infinity A^T and G have a 1 at the highest power, B^T the product over all points. The points 0, 1, -1, 2, -2,
1/2, -1/2 of Lavin and Gray give their matrices up to signs. Whether matrices are a convolution is one identity of n m r
numbers, which `convolution_defect` measures; matrices found by trial need not satisfy it.

Paper to code: m `num_outputs`, r `num_taps`, n `num_products`, A^T `output`, G `filter`, B^T `input`.

Source: Toom (1963), Cook (1966), Winograd (1980); Lavin and Gray (CVPR 2016, arXiv 1509.09308) for networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from cupel.spec.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Matrix: TypeAlias = tuple[tuple[Fraction, ...], ...]
POINTS = tuple(Fraction(p) for p in ("0", "1", "-1", "2", "-2", "1/2", "-1/2", "4", "-4", "1/4", "-1/4"))
"""Points in the order that they are taken in: few digits first, and each with its negative."""


@dataclass(frozen=True)
class Transforms:
    """The three matrices of F(m, r), exact.

    Attributes:
        output: A^T, m rows of n.
        filter: G, n rows of r.
        input: B^T, n rows of n.
        points: the finite points; infinity is the last.
    """

    output: Matrix
    filter: Matrix
    input: Matrix
    points: tuple[Fraction, ...]

    @property
    def num_outputs(self) -> int:
        """Outputs m along one side of a tile."""
        return len(self.output)

    @property
    def num_taps(self) -> int:
        """Taps r along one side of the filter."""
        return len(self.filter[0])

    @property
    def num_products(self) -> int:
        """Products n = m + r - 1; the inputs along one side of a tile too."""
        return len(self.input)

    @property
    def saving(self) -> float:
        """How many times fewer multiplications F(m x m, r x r) has than the direct sum, transforms left out."""
        return (self.num_outputs * self.num_taps / self.num_products) ** 2

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """A^T (m, n), G (n, r) and B^T (n, n) rounded to float64."""
        output, taps, inputs = (np.array(matrix, dtype=np.float64) for matrix in (self.output, self.filter, self.input))
        return output, taps, inputs


def cook_toom(num_outputs: int, num_taps: int, points: Sequence[Fraction | int | str] | None = None) -> Transforms:
    """The transforms of F(m, r), without a rounding error.

    Args:
        num_outputs: m, 1 or more.
        num_taps: r, 1 or more.
        points: m + r - 2 different numbers, as fractions, integers or texts such as "1/2"; those of `POINTS` where
            None. Points of small size keep rounding errors down.

    Raises:
        UsageError: too few points, two of them alike, or one that is no exact number.

    Example:
        >>> f2 = cook_toom(2, 3)
        >>> [[int(entry) for entry in row] for row in f2.output]
        [[1, 1, 1, 0], [0, 1, -1, 1]]
        >>> f2.saving, convolution_defect(f2)
        (2.25, Fraction(0, 1))
    """
    if min(num_outputs, num_taps) < 1:
        raise UsageError(f"F({num_outputs}, {num_taps}) was asked; expected at least 1 output and 1 tap.")
    needed = num_outputs + num_taps - 2
    taken = POINTS[:needed] if points is None else _exact(points)
    if len(taken) != needed or len(set(taken)) != needed:
        raise UsageError(
            f"F({num_outputs}, {num_taps}) was asked with the points {', '.join(map(str, taken)) or '(none)'}; "
            f"expected {needed} different ones (infinity is always added)."
        )
    others = [[q for q in taken if q != p] for p in taken]
    norms = [_product([p - q for q in rest]) for p, rest in zip(taken, others, strict=True)]
    last = needed  # the index of infinity
    output = tuple((*(p**i for p in taken), Fraction(i == num_outputs - 1)) for i in range(num_outputs))
    filter_rows = [tuple(p**j / norm for j in range(num_taps)) for p, norm in zip(taken, norms, strict=True)]
    filter_rows.append(tuple(Fraction(j == num_taps - 1) for j in range(num_taps)))
    input_rows = [_coefficients(rest, last + 1) for rest in others]
    input_rows.append(_coefficients(taken, last + 1))
    return Transforms(output, tuple(filter_rows), tuple(input_rows), tuple(taken))


def convolution_defect(transforms: Transforms) -> Fraction:
    """How far three matrices are from a convolution: the largest error of the identity that makes them one.

    sum_k A^T[i, k] G[k, j] B^T[k, l] must be 1 where l = i + j, and 0 elsewhere; 0 is exact.
    """
    worst = Fraction(0)
    for i, row in enumerate(transforms.output):
        for j in range(transforms.num_taps):
            for l in range(transforms.num_products):  # noqa: E741 (the index of the formula)
                terms = zip(row, transforms.filter, transforms.input, strict=True)
                found = sum((a * g[j] * b[l] for a, g, b in terms), Fraction(0))
                worst = max(worst, abs(found - (l == i + j)))
    return worst


def _exact(points: Sequence[Fraction | int | str]) -> tuple[Fraction, ...]:
    """Points as fractions; a float is refused, since 0.1 is not a tenth."""
    for point in points:
        if isinstance(point, float):
            raise UsageError(f"The point {point!r} is a float; expected an exact number, such as Fraction('1/2').")
    try:
        return tuple(Fraction(point) for point in points)
    except (ValueError, TypeError, ZeroDivisionError) as error:
        raise UsageError(f"The points {list(points)} are not all numbers: {error}.") from error


def _product(factors: Sequence[Fraction]) -> Fraction:
    found = Fraction(1)
    for factor in factors:
        found *= factor
    return found


def _coefficients(roots: Sequence[Fraction], length: int) -> tuple[Fraction, ...]:
    """Coefficients of the polynomial with the leading coefficient 1 and these roots, lowest power first."""
    found = [Fraction(1)]
    for root in roots:
        found = [up - root * here for up, here in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)]
    return tuple(found + [Fraction(0)] * (length - len(found)))
