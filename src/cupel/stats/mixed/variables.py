"""The variables of a formula, evaluated on a frame: numbers or factors, on the rows where none of them is missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats
from cupel.stats.frame import Column, Factor, column
from cupel.stats.mixed.formula import AS_FACTOR, Expression, Name, Number, written

Variable: TypeAlias = Floats | Factor
"""Numbers, or a factor."""

UNARY: dict[str, Callable[[Floats], Floats]] = {
    "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p, "exp": np.exp, "sqrt": np.sqrt,
    "abs": np.abs, "neg": np.negative, "I": lambda x: x, "(": lambda x: x,
}  # fmt: skip
BINARY: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.power
}  # fmt: skip


@dataclass(frozen=True)
class Variables:
    """What a formula needs of a frame.

    Attributes:
        values: canonical form of each variable to its values, only the rows kept.
        kept: (n,) index of the rows kept.
        num_dropped: rows left out because something is missing in them.
    """

    values: Mapping[str, Variable]
    kept: np.ndarray[tuple[int], np.dtype[np.intp]]
    num_dropped: int


def evaluate_all(
    expressions: Mapping[str, Expression], columns: Mapping[str, Column], factors: Collection[str]
) -> Variables:
    """Evaluate the variables of a formula.

    Args:
        expressions: canonical form to expression.
        columns: of the frame.
        factors: columns of numbers that are to be taken as factors.

    Raises:
        UnknownNameError: a column does not exist.
        UsageError: an expression has no value in some row, or a factor stands where a number is needed; no row is
            complete.
    """
    for name in factors:
        column(columns, name)
    found = {name: evaluate(expression, columns, factors) for name, expression in expressions.items()}
    is_complete = np.logical_and.reduce([_is_known(variable) for variable in found.values()])
    kept = np.flatnonzero(is_complete)
    if not kept.size:
        raise UsageError(f"No row has values in all of {', '.join(found)}; expected rows without missing values.")
    values = {name: _take(variable, kept) for name, variable in found.items()}
    return Variables(values, kept, int(is_complete.size - kept.size))


def evaluate(expression: Expression, columns: Mapping[str, Column], factors: Collection[str] = ()) -> Variable:
    """One variable.

    Args:
        expression: what to evaluate.
        columns: of the frame.
        factors: columns of numbers that are to be taken as factors.

    Raises:
        UnknownNameError: a column does not exist.
        UsageError: an expression has no value in some row, or a factor stands where a number is needed.
    """
    if isinstance(expression, Name):
        found = column(columns, expression.name)
        if found.factor is not None or found.is_bool or expression.name in factors:
            return found.as_factor
        return np.asarray(found.values, dtype=np.float64)
    if isinstance(expression, Number):
        raise UsageError(f"The formula has the constant {written(expression)} where a column was expected.")
    if expression.function in AS_FACTOR:
        inner = expression.arguments[0]
        if isinstance(inner, Name):
            return column(columns, inner.name).as_factor
        return Column(written(expression), _numbers(inner, columns)).as_factor
    return _numbers(expression, columns)


def _numbers(expression: Expression, columns: Mapping[str, Column]) -> Floats:
    """The value of arithmetic in each row."""
    if isinstance(expression, Number):
        return np.array(expression.value)
    if isinstance(expression, Name):
        found = column(columns, expression.name)
        if found.factor is not None:
            raise UsageError(f"{expression.name} holds text; expected numbers for arithmetic.")
        return np.asarray(found.values, dtype=np.float64)
    arguments = [_numbers(argument, columns) for argument in expression.arguments]
    with np.errstate(all="ignore"):
        if len(arguments) == 1:
            value = UNARY[expression.function](arguments[0])
        else:
            value = BINARY[expression.function](arguments[0], arguments[1])
    known = np.logical_and.reduce(np.broadcast_arrays(*(np.isfinite(argument) for argument in arguments)))
    bad = np.flatnonzero(np.atleast_1d(known & ~np.isfinite(value)))
    if bad.size:
        at = [float(np.broadcast_to(a, value.shape)[bad[0]] if value.ndim else a) for a in arguments]
        raise UsageError(
            f"{written(expression)} has no finite value in row {bad[0]} (for {', '.join(f'{x:g}' for x in at)}); "
            f"{bad.size} rows have none. Leave them out or choose another transformation."
        )
    return value


def _is_known(variable: Variable) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(variable.codes >= 0 if isinstance(variable, Factor) else np.isfinite(variable))


def _take(variable: Variable, kept: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Variable:
    return variable.take(kept).observed() if isinstance(variable, Factor) else variable[kept]


def polynomial_contrasts(num_levels: int) -> Floats:
    """(levels, levels - 1) orthonormal polynomials over equally spaced levels, as R codes an ordered factor.

    Example:
        >>> polynomial_contrasts(3).round(3).tolist()
        [[-0.707, 0.408], [0.0, -0.816], [0.707, 0.408]]
    """
    x = np.arange(num_levels) - (num_levels - 1) / 2
    q, r = np.linalg.qr(np.vander(x, increasing=True))
    columns: Floats = (q * np.sign(np.diag(r)))[:, 1:]
    columns[np.abs(columns) < 1e-15] = 0.0
    return columns


def polynomial_names(num_levels: int) -> list[str]:
    """What R calls them: .L, .Q, .C, ^4, ...

    Example:
        >>> polynomial_names(5)
        ['.L', '.Q', '.C', '^4']
    """
    return [(".L", ".Q", ".C")[k] if k < 3 else f"^{k + 1}" for k in range(num_levels - 1)]


def is_constant(values: Floats) -> bool:
    """Whether all values are equal, up to rounding."""
    return bool(np.ptp(values) <= 1e-12 * max(1.0, math.fabs(float(values[0]))))
