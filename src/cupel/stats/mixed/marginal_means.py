"""Estimated marginal means: what the model says of each level of a factor, all else held the same.

Rule
    The fixed part is evaluated on a grid: every combination of the levels
    of its factors, each weighted alike, and columns of numbers at their
    mean over the rows (or where `at` puts them). A column of two numbers is
    averaged over both alike, so that it matters not whether they are taken
    as labels. The mean of a level is the average over the grid points that
    have it. A mean that the data do not determine (a missing combination)
    is NaN.

Source: Searle, Speed & Milliken (1980), The American Statistician 34,
216-221; compared with R's emmeans.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.checked import Floats, fraction
from cupel.stats.frame import Column, Factor, frame_of, number_label
from cupel.stats.interval import Interval
from cupel.stats.mixed.degrees_of_freedom import Method, contrast_errors
from cupel.stats.mixed.formula import Call, Expression, Name
from cupel.stats.mixed.model import MixedModel, need_fit
from cupel.stats.mixed.variables import Variable, evaluate
from cupel.stats.note import Note
from cupel.stats.student import t_quantile

if TYPE_CHECKING:
    from cupel.stats.mixed.model_data import ModelData

LARGEST_GRID = 200_000
AS_LEVELS = 2
"""Values up to which a column of numbers is averaged over its values, each alike, as emmeans does."""
NOT_DETERMINED = 1e-8


@dataclass(frozen=True)
class Grid:
    """Where and how marginal means are taken.

    Attributes:
        at: column to the number, or factor to the level (or levels), at which it is held.
        df: method of the degrees of freedom: `satterthwaite`, `kenward-roger`, `residual`, `asymptotic`.
        level: of the intervals.
    """

    at: Mapping[str, Any] = field(default_factory=dict)
    df: Method = "satterthwaite"
    level: float = 0.95


@dataclass(frozen=True)
class MarginalMeans:
    """Marginal means of the levels of one factor.

    Attributes:
        variable: the factor.
        levels: its levels.
        weights: (levels, p) of the fixed effects.
        estimate: (levels,) means, in units of the response as modelled.
        standard_errors: (levels,).
        df: (levels,) degrees of freedom.
        intervals: one per level; None where the mean is not determined.
        averaged: factors averaged over, and numbers with the value (or two) at which they were held.
        n: rows of the fit.
        method: in words.
        scope: what the means speak of.
        warnings: of the model.
    """

    variable: str
    levels: tuple[str, ...]
    weights: Floats
    estimate: Floats
    standard_errors: Floats
    df: Floats
    intervals: tuple[Interval | None, ...]
    averaged: Mapping[str, str]
    n: int
    method: str
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row per level."""
        return frame_of(
            {
                self.variable: list(self.levels),
                "estimate": self.estimate.tolist(),
                "se": self.standard_errors.tolist(),
                "df": self.df.tolist(),
                "low": [math.nan if i is None else i.low for i in self.intervals],
                "high": [math.nan if i is None else i.high for i in self.intervals],
            }
        )

    def text(self) -> str:
        """One line per level."""
        lines = []
        for k, level in enumerate(self.levels):
            interval = self.intervals[k]
            sure = f"{interval.level:.0%} {interval.low:.5g} to {interval.high:.5g}" if interval else "not determined"
            lines.append(f"{level}: {self.estimate[k]:.5g} ({sure})")
        return "\n".join(lines)


def marginal_means(model: MixedModel, variable: str, *, grid: Grid | None = None) -> MarginalMeans:
    """Means of the levels of a factor.

    Args:
        model: a fit.
        variable: a factor of its fixed part.
        grid: where other variables are held, method of the degrees of freedom, level.

    Returns:
        The means; NaN, without interval, for one that the data do not determine.

    Raises:
        UsageError: the variable is no factor of the fixed part, or `at` names what is not in it.

    Source: Searle, Speed & Milliken (1980).
    """
    need_fit(model)
    wanted = grid or Grid()
    fraction("level", wanted.level)
    name = _factor_name(model.data, variable)
    levels, weights, averaged = _weights(model.data, name, wanted.at)
    is_known = _is_determined(model.data, weights)
    used = weights[:, list(model.data.kept)]
    _, errors, df = contrast_errors(model, used, wanted.df)
    estimate = np.where(is_known, used @ model.beta, math.nan)
    errors, df = np.where(is_known, errors, math.nan), np.where(is_known, df, math.nan)
    intervals = tuple(
        t_interval(float(b), (float(se), float(nu)), wanted.level) if known else None
        for b, se, nu, known in zip(estimate, errors, df, is_known, strict=True)
    )
    return MarginalMeans(
        variable=name,
        levels=levels,
        weights=used,
        estimate=estimate,
        standard_errors=errors,
        df=df,
        intervals=intervals,
        averaged=averaged,
        n=model.n,
        method=f"estimated marginal means, {wanted.df} degrees of freedom",
        scope=model.scope,
        warnings=model.warnings,
    )


def t_interval(estimate: float, error: tuple[float, float], level: float) -> Interval | None:
    """Student's interval from standard error and degrees of freedom; None where they are unknown."""
    se, df = error
    if not (math.isfinite(se) and df > 0):
        return None
    half = t_quantile(level, min(df, 1e9)) * se
    return Interval(estimate - half, estimate + half, level, f"t, {df:.1f} degrees of freedom")


def _factor_name(data: ModelData, variable: str) -> str:
    """Canonical name of a factor of the fixed part; `x` finds `C(x)` too."""
    known = data.design.factors
    if not isinstance(variable, str):
        raise UsageError(f"The variable is {variable!r}; expected the name of a factor: {', '.join(known) or 'none'}.")
    for name in (variable, f"C({variable})", f"factor({variable})"):
        if name in known:
            return name
    in_fixed = {v for term in data.formula.fixed.terms for v in term}
    if variable in in_fixed:
        raise UsageError(f"{variable} is a column of numbers in this model; expected a factor. Write C({variable}).")
    raise UnknownNameError("factor of the fixed part", variable, known)


def _weights(data: ModelData, variable: str, at: Mapping[str, Any]) -> tuple[tuple[str, ...], Floats, dict[str, str]]:
    """Levels of the variable, (levels, all fixed columns) weights, and what was averaged over or held."""
    held = dict(at)
    choices = {name: _levels_at(name, factor, held) for name, factor in data.design.factors.items()}
    numbers, said = _numbers_at(data, held)
    if held:
        raise UnknownNameError("variable of the fixed part", next(iter(held)), {*choices, *numbers})
    ends: list[Sequence[float]] = [*choices.values(), *numbers.values()]
    size = math.prod(len(values) for values in ends)
    if size > LARGEST_GRID:
        raise UsageError(
            f"The grid has {size} combinations of levels; at most {LARGEST_GRID}. Hold a factor with `at`."
        )
    mesh = [np.ravel(part) for part in np.meshgrid(*ends, indexing="ij")]
    codes = dict(zip(choices, mesh, strict=False))
    values: dict[str, Variable] = {
        name: Factor(codes[name], factor.levels, factor.is_ordered) for name, factor in data.design.factors.items()
    }
    columns = {name: Column(name, part) for name, part in zip(numbers, mesh[len(choices) :], strict=True)}
    for name in {v for term in data.formula.fixed.terms for v in term} - set(values):
        values[name] = evaluate(data.formula.variables[name], columns)
    matrix = data.design.matrix(values, size)
    own = choices[variable]
    weights = np.stack([matrix[codes[variable] == code].mean(axis=0) for code in own])
    names = data.design.factors[variable].levels
    for name, picked in choices.items():
        if name != variable:
            levels = data.design.factors[name].levels
            whole = len(picked) == len(levels)
            said[name] = f"{len(picked)} levels" if whole else ", ".join(levels[code] for code in picked)
    return tuple(names[code] for code in own), weights, said


def _levels_at(name: str, factor: Factor, held: dict[str, Any]) -> list[int]:
    """Codes of the levels of a factor on the grid."""
    plain = name.partition("(")[2].removesuffix(")") or name
    key = name if name in held else plain
    if key not in held:
        return list(range(len(factor.levels)))
    labels = _labels(held.pop(key))
    if not labels:
        raise UsageError(f"at {key} names no level; expected one or more of {', '.join(factor.levels)}.")
    for label in labels:
        if label not in factor.levels:
            raise UnknownNameError(f"level of {name}", label, factor.levels)
    return [factor.levels.index(label) for label in dict.fromkeys(labels)]


def _labels(wanted: Any) -> list[str]:
    """A level, or several, as the labels that factors have: `4` for 4.0, `TRUE` for a truth value."""
    if isinstance(wanted, str):
        return [wanted]
    values = np.asarray(wanted).ravel().tolist()
    is_number = [isinstance(value, bool | int | float) for value in values]
    return [
        number_label(float(value), is_bool=isinstance(value, bool)) if known else str(value)
        for value, known in zip(values, is_number, strict=True)
    ]


def _numbers_at(data: ModelData, held: dict[str, Any]) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Columns of numbers of the fixed part with the values at which each is held, and the same in words."""
    fixed = {v for term in data.formula.fixed.terms for v in term} - set(data.design.factors)
    names = {column for name in sorted(fixed) for column in _columns(data.formula.variables[name])}
    found, said = {}, {}
    for name in sorted(names):
        if name in held:
            value = held.pop(name)
            if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
                raise UsageError(f"at {name} = {value!r}; expected a finite number.")
            found[name], said[name] = [float(value)], f"{value:g}"
            continue
        values = data.columns[name].values[data.rows]
        levels = np.unique(values)
        if levels.size == AS_LEVELS:
            found[name], said[name] = levels.tolist(), " and ".join(f"{x:g}" for x in levels)
        else:
            mean = float(values.mean())
            found[name], said[name] = [mean], f"its mean {mean:g}"
    return found, said


def _columns(expression: Expression) -> set[str]:
    """Columns that an expression names."""
    if isinstance(expression, Name):
        return {expression.name}
    if isinstance(expression, Call):
        return {name for argument in expression.arguments for name in _columns(argument)}
    return set()


def _is_determined(data: ModelData, weights: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each row of weights is a combination of rows of the data's design."""
    kept = list(data.kept)
    gone = [k for k in range(weights.shape[1]) if k not in data.kept]
    if not gone:
        return np.ones(len(weights), dtype=bool)
    x = data.design.matrix(data.variables, data.n)
    given = np.linalg.solve(data.r, data.q.T @ x[:, gone])
    off = weights[:, gone] - weights[:, kept] @ given
    return np.asarray(np.all(np.abs(off) < NOT_DETERMINED * np.maximum(1.0, np.abs(given).max(initial=1.0)), axis=1))
