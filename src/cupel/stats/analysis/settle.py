"""What would settle an undecided pair: how many more runs per task, or how many more tasks.

Rule
    The estimate and the spreads are taken for the truth. The verdict needs
    its interval wholly beyond the bar (a difference) or wholly inside the
    region of practical equivalence; that is to happen with 80 % chance.
    For tasks like these, Var = 2 s_int^2 / T + 2 s_e^2 / (T n): more runs
    shrink the second part alone, and where the first is too large no number
    of runs will do. For these tasks alone the standard error shrinks with
    the root of the runs. An estimate between the two regions is settled by
    nothing.

Source: noncentral t; rules of Cupel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from cupel.stats.method_contrasts import MethodContrast, MethodContrasts
from cupel.stats.student import t_power

POWER = 0.8
MOST_RUNS = 10_000
MOST_TASKS = 2_000


@dataclass(frozen=True)
class Settle:
    """What would settle a pair.

    Attributes:
        runs: more runs per method and task; None where no number would do, or is not known.
        tasks: more tasks; None likewise, and for these tasks alone.
        text: in words; empty for a pair that is settled.
    """

    runs: int | None
    tasks: int | None
    text: str


SETTLED = Settle(0, 0, "")


@dataclass(frozen=True)
class Regions:
    """Where verdicts begin, in the scale of the estimates (logs for ratios).

    Attributes:
        bar: of superiority, >= 0.
        rope: half width of the region of practical equivalence; None for none.
        level: of the intervals.
    """

    bar: float
    rope: float | None
    level: float


def settle(row: MethodContrast, found: MethodContrasts, size: tuple[int, float], regions: Regions) -> Settle:
    """Plan for one undecided pair.

    Args:
        row: the pair.
        found: the pairs that it was read with.
        size: tasks, and mean number of runs per method and task.
        regions: where verdicts begin.

    Returns:
        More runs, more tasks, or why neither helps.
    """
    tasks, runs = size
    room, is_equivalence = _room(row.estimate, regions)
    if not math.isfinite(row.se) or not row.se > 0:
        return Settle(None, None, "repeated runs are needed before anything can be planned")
    own = 1 - (1 - regions.level) / max(1, len(found.rows))
    power = (1 + POWER) / 2 if is_equivalence else POWER
    if room <= 0.05 * row.se:
        return Settle(
            None, None, "the estimate lies on the edge of a region: no number of runs or tasks is known to do"
        )

    def is_enough(se: float, df: float) -> bool:
        return se > 0 and df >= 1 and t_power(room, se, df, own) >= power

    if found.fitted is None:
        return _by_runs(row, runs, is_enough)
    return _of_population(found, (tasks, runs), is_enough)


def _room(estimate: float, regions: Regions) -> tuple[float, bool]:
    """Distance from the estimate to the edge of its region, and whether that is the region of equivalence."""
    size = abs(estimate)
    if regions.rope is not None and size < regions.rope:
        return regions.rope - size, True
    return size - regions.bar, False


def _by_runs(row: MethodContrast, runs: float, is_enough: Callable[[float, float], bool]) -> Settle:
    """For these tasks alone."""
    need = _smallest(
        lambda n: is_enough(row.se * math.sqrt(runs / n), row.df * max(n - 1, 0.5) / max(runs - 1, 0.5)),
        (math.ceil(runs) + 1, MOST_RUNS),
    )
    if need is None:
        return Settle(None, None, f"more than {MOST_RUNS} runs per method and task would be needed")
    more = max(1, math.ceil(need - runs))
    return Settle(more, None, f"settled by about {_count(more, 'more run')} per method and task")


def _of_population(
    found: MethodContrasts, size: tuple[int, float], is_enough: Callable[[float, float], bool]
) -> Settle:
    """For tasks like these."""
    assert found.fitted is not None
    tasks, runs = size
    components = found.fitted.model.variance_components
    noise = components["Residual"]
    has_interaction = "task:method" in found.fitted.terms
    interaction = components["task:method"] if has_interaction else 0.0
    methods = len(found.means)

    def error(t: float, n: float) -> float:
        return math.sqrt(2 * interaction / t + 2 * noise / (t * n))

    def df(t: float) -> float:
        return (methods - 1) * (t - 1)

    more_tasks = _smallest(lambda t: is_enough(error(t, runs), df(t)), (tasks + 1, MOST_TASKS))
    more_runs = None
    if has_interaction:
        more_runs = _smallest(lambda n: is_enough(error(tasks, n), df(tasks)), (math.ceil(runs) + 1, MOST_RUNS))
    parts = []
    if more_runs is not None:
        parts.append(f"about {_count(max(1, math.ceil(more_runs - runs)), 'more run')} per method and task")
    if more_tasks is not None:
        parts.append(f"about {_count(more_tasks - tasks, 'more task')} like these")
    text = f"settled by {', or '.join(parts)}" if parts else "no number of runs or tasks is known to settle it"
    if parts and more_runs is None:
        text = f"{text} (no number of runs on these {tasks} tasks would do)"
    return Settle(
        None if more_runs is None else max(1, math.ceil(more_runs - runs)),
        None if more_tasks is None else more_tasks - tasks,
        text,
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _smallest(is_enough: Callable[[int], bool], between: tuple[int, int]) -> int | None:
    """Smallest number that is enough, of a condition that stays true once it is; None where none is."""
    low, most = between
    high = low
    while not is_enough(high):
        if high >= most:
            return None
        low, high = high + 1, min(2 * high, most)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
    return high
