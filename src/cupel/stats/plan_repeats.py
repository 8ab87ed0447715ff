"""How often to repeat what: launches, runs in a launch, steps in a run.

Formula (levels are numbered from the innermost, 1, to the outermost)
    S_i^2 = variance of the means at level i around the mean of the level
    above, averaged over everything higher.
    T_1^2 = S_1^2 and T_i^2 = S_i^2 - S_(i-1)^2 / r_(i-1): the part of the
    variance that comes from level i itself; r are the pilot's repetitions.
    Best repetitions of level i, with c the cost of one repetition:
       r_i = sqrt( c_(i+1) / c_i  x  T_i^2 / T_(i+1)^2 ), rounded up.
    A level whose T^2 is not above 0 needs one repetition; the level below
    it is then weighed against the next one above that has variance.
    The outermost level is repeated as often as the width of the interval
    demands (`launches_for_width`) or the difference to be found
    (`launches_for_effect`).

Source: Kalibera & Jones (2013), "Rigorous Benchmarking in Reasonable
Time", ISMM; the worked examples of libkalibera are our tests; rule R5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, floats, positive

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class RepeatPlan:
    """What to repeat how often. All tuples run from the innermost level to the outermost.

    Attributes:
        mean: over everything, in the unit of the pilot.
        s2: variance between the means of each level.
        t2: the part of it that comes from the level itself; may be negative by chance.
        pilot_repetitions: repetitions of each level in the pilot.
        repetitions: best repetitions of each level but the outermost.
        unrounded: the same before rounding; None for a level without variance of its own.
        share: share of the variance of one measurement that comes from each level, 0 to 1; NaN when there is none.
    """

    mean: float
    s2: tuple[float, ...]
    t2: tuple[float, ...]
    pilot_repetitions: tuple[int, ...]
    repetitions: tuple[int, ...]
    unrounded: tuple[float | None, ...]
    share: tuple[float, ...]


def plan_repeats(pilot: ArrayLike, costs_s: ArrayLike | None = None) -> RepeatPlan:
    """Plan repetitions from a pilot.

    Args:
        pilot: nested array, outermost level first, such as (launches, steps); at least 2 of each.
        costs_s: cost of one repetition at each level on top of what it contains, outermost first, s; None for equal.

    Returns:
        Variance components and best repetitions.

    Raises:
        UsageError: when the pilot is ragged, has NaN, or a level with fewer than 2 repetitions, or costs do not fit.

    Source: Kalibera & Jones (2013), sections 6 and 7.

    Example:
        >>> plan_repeats([[[9, 5], [8, 3]], [[10, 6], [7, 11]], [[1, 12], [2, 4]]]).s2[0]
        16.5
    """
    data = _checked(pilot)
    costs = np.ones(data.ndim) if costs_s is None else positive("costs_s", costs_s)
    if costs.size != data.ndim:
        raise UsageError(
            f"costs_s has {costs.size} numbers, the pilot {data.ndim} levels; expected one cost per level."
        )
    reps = data.shape[::-1]
    s2, t2 = _components(data)
    best = [_best(level, t2, costs[::-1].tolist()) for level in range(data.ndim - 1)]
    own = np.maximum(t2, 0.0)
    total = float(own.sum())
    return RepeatPlan(
        mean=float(data.mean()),
        s2=tuple(s2),
        t2=tuple(t2),
        pilot_repetitions=reps,
        repetitions=tuple(1 if r is None else reps[i] if r == math.inf else math.ceil(r) for i, r in enumerate(best)),
        unrounded=tuple(best),
        share=tuple((own / total).tolist()) if total > 0 else (math.nan,) * data.ndim,
    )


def _checked(pilot: ArrayLike) -> Floats:
    data = floats("pilot", pilot)
    if data.ndim < 1 or min(data.shape) < 2 or not np.all(np.isfinite(data)):
        raise UsageError(f"The pilot has shape {data.shape}; expected finite numbers, at least 2 at each level.")
    return data


def _components(data: Floats) -> tuple[list[float], list[float]]:
    s2: list[float] = []
    t2: list[float] = []
    means = data
    while means.ndim:
        s2.append(float(means.var(axis=-1, ddof=1).mean()))
        below = s2[-2] / data.shape[means.ndim] if len(s2) > 1 else 0.0
        t2.append(s2[-1] - below)
        means = means.mean(axis=-1)
    return s2, t2


def _best(level: int, t2: list[float], costs: list[float]) -> float | None:
    """Best repetitions of a level: None without own variance, infinite when nothing above it varies."""
    if t2[level] <= 0:
        return None
    above = next((i for i in range(level + 1, len(t2)) if t2[i] > 0), None)
    if above is None:
        return math.inf
    return math.sqrt(costs[above] / costs[level] * t2[level] / t2[above])
