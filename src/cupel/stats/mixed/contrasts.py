"""Differences between the levels of a factor, read as one statement.

Rule
    Each contrast is a difference of marginal means, "A - B", or of each
    level against a control. Its standard error and degrees of freedom come
    from the model (Satterthwaite's, or Kenward and Roger's). p-values and
    intervals are adjusted for the number of contrasts: Tukey for all pairs,
    Dunnett against a control, Holm for any; `none` on demand. The
    unadjusted p stands beside the adjusted one.

Source: Lenth (2016), Journal of Statistical Software 69(1) (least-squares
means and their contrasts); compared with R's emmeans.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.frame import frame_of
from cupel.stats.interval import Interval
from cupel.stats.mixed.degrees_of_freedom import contrast_errors
from cupel.stats.mixed.marginal_means import Grid, MarginalMeans, marginal_means
from cupel.stats.mixed.simultaneous import Adjustment, adjusted, half_widths
from cupel.stats.note import Note
from cupel.stats.student import p_words, t_p_value

if TYPE_CHECKING:
    from cupel.stats.mixed.model import MixedModel


@dataclass(frozen=True)
class Contrast:
    """One difference.

    Attributes:
        contrast: `A - B`.
        a: first level.
        b: second level.
        estimate: mean of A less mean of B; NaN where the data do not determine it.
        se: its standard error.
        df: degrees of freedom.
        t: estimate over standard error.
        p: two-sided, adjusted for the number of contrasts.
        p_alone: the same, not adjusted.
        interval: simultaneous with the others of the table; None where not determined.
    """

    contrast: str
    a: str
    b: str
    estimate: float
    se: float
    df: float
    t: float
    p: float
    p_alone: float
    interval: Interval | None


@dataclass(frozen=True)
class Contrasts:
    """The contrasts of one factor.

    Attributes:
        variable: the factor.
        rows: the contrasts.
        adjust: how p-values and intervals were adjusted.
        means: the marginal means that are compared.
        n: rows of the fit.
        method: in words.
        scope: what is spoken of.
        warnings: of the model.
    """

    variable: str
    rows: tuple[Contrast, ...]
    adjust: Adjustment
    means: MarginalMeans
    n: int
    method: str
    scope: str
    warnings: tuple[Note, ...]

    def __iter__(self) -> Iterator[Contrast]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: int | str) -> Contrast:
        if isinstance(key, int):
            return self.rows[key]
        found = next((row for row in self.rows if row.contrast == key), None)
        if found is None:
            raise UnknownNameError("contrast", str(key), [row.contrast for row in self.rows])
        return found

    def to_frame(self) -> Any:
        """One row per contrast."""
        names = ("contrast", "estimate", "se", "df", "t", "p", "p_alone")
        columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in self.rows] for name in names}
        columns["low"] = [math.nan if row.interval is None else row.interval.low for row in self.rows]
        columns["high"] = [math.nan if row.interval is None else row.interval.high for row in self.rows]
        return frame_of(columns)

    def text(self) -> str:
        """One line per contrast, then how they were read."""
        lines = []
        for row in self.rows:
            if row.interval is None:
                lines.append(f"{row.contrast}: not determined by these data")
                continue
            ends = f"{row.interval.level:.0%} {row.interval.low:.4g} to {row.interval.high:.4g}"
            lines.append(f"{row.contrast}: {row.estimate:.4g} ({ends}; {p_words(row.p)})")
        return "\n".join([*lines, f"{self.method}; {self.scope}"])


def contrasts(
    model: MixedModel,
    variable: str,
    *,
    adjust: Adjustment = "tukey",
    against: str | None = None,
    grid: Grid | None = None,
) -> Contrasts:
    """Compare the levels of a factor.

    Args:
        model: a fit.
        variable: a factor of its fixed part.
        adjust: `tukey`, `dunnett`, `holm` or `none`.
        against: the level that all others are compared with; all pairs where None (with `dunnett`: the first level).
        grid: where other variables are held, method of the degrees of freedom, level.

    Returns:
        The contrasts in the order of the levels.

    Raises:
        UsageError: the variable is no factor of the fixed part; Tukey's adjustment is asked for against one level.
        UnknownNameError: there is no such level or adjustment.

    Source: Tukey-Kramer, Dunnett and Holm as in `cupel.stats.mixed.simultaneous`.
    """
    wanted = grid or Grid()
    means = marginal_means(model, variable, grid=wanted)
    pairs = _pairs(means.levels, adjust, against)
    weights = np.array([means.weights[i] - means.weights[j] for i, j in pairs])
    known = ~np.isnan(means.estimate)
    is_known = np.array([known[i] and known[j] for i, j in pairs])
    covariance, errors, df = contrast_errors(model, weights, wanted.df)
    estimate = weights @ model.beta
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(is_known & (errors > 0), estimate / errors, math.nan)
        correlation = covariance / np.outer(errors, errors)
    df = np.where(np.isnan(t), math.nan, df)
    size = int(known.sum())
    p = adjusted(t, df, correlation, adjust, means=size)
    widths = half_widths(df, correlation, adjust, means=size, level=wanted.level)
    rows = tuple(
        _row(
            (means.levels[i], means.levels[j]), (estimate[k], errors[k], df[k]), (t[k], p[k], widths[k]), wanted, adjust
        )
        for k, (i, j) in enumerate(pairs)
    )
    how = f"{_words(adjust, len(rows))}, {wanted.df} degrees of freedom"
    return Contrasts(means.variable, rows, adjust, means, model.n, how, model.scope, model.warnings)


def _pairs(levels: tuple[str, ...], adjust: Adjustment, against: str | None) -> list[tuple[int, int]]:
    """Index of both levels of each contrast."""
    if against is None and adjust != "dunnett":
        return [(i, j) for i in range(len(levels)) for j in range(i + 1, len(levels))]
    if adjust == "tukey":
        raise UsageError("Tukey's adjustment is for all pairs; against one level take adjust='dunnett' or 'holm'.")
    control = levels[0] if against is None else against
    if control not in levels:
        raise UnknownNameError("level", control, levels)
    j = levels.index(control)
    return [(i, j) for i in range(len(levels)) if i != j]


def _row(
    names: tuple[str, str], numbers: tuple[Any, Any, Any], tests: tuple[Any, Any, Any], grid: Grid, adjust: Adjustment
) -> Contrast:
    estimate, se, df = (float(x) for x in numbers)
    t, p, width = (float(x) for x in tests)
    name = f"{names[0]} - {names[1]}"
    if math.isnan(t):
        return Contrast(name, *names, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, None)
    interval = Interval(estimate - width * se, estimate + width * se, grid.level, adjust)
    return Contrast(name, *names, estimate, se, df, t, p, t_p_value(t, 1.0, min(df, 1e9)), interval)


def _words(adjust: Adjustment, number: int) -> str:
    names = {"tukey": "Tukey", "dunnett": "Dunnett", "holm": "Holm", "none": "not adjusted"}
    return f"{names[adjust]} over {number} contrasts" if adjust != "none" else "not adjusted"
