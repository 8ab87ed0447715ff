"""Seeds that change nothing: the same values under different seeds.

Rule
    Error: all seeds of a method and task give the same values (over all
    settings and budgets), for every method that can learn; or two seeds of a
    method agree in so many tasks that chance would not do it (expected
    number of such pairs below 0.05, from how often other pairs agree and
    from the steps in which values are recorded).
    Warning: the same where values have fewer than about three digits.
    Advice: only some methods are like that, which may be deterministic.
    Values at 0, at the top of a proportion, or at an end of the scale that
    several methods share are not counted.

Source: rules of Cupel; Lones (2024), 4.4.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.lint_words import is_without_learning
from cupel.stats.measure import Measure
from cupel.stats.pitfall import Evidence, Pitfall
from cupel.stats.run_prints import prints

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cupel.stats.frame import Factor
    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L24",
    severity="error",
    stage="evaluate",
    title="seeds without effect",
    why="Runs that are copies of each other count as one: n is smaller than it looks, and the spread is too small.",
    do="Check that the seed reaches every generator, and that no rows were copied; then run again.",
    source="Lones (2024), 4.4",
)
RARE = 0.05
COARSE = 1e-3
"""A last digit above this share of the values is coarse."""
MOST_SEEDS = 400
"""Pairs of more seeds than that are not looked at."""


def missing(table: LintTable) -> str:
    """It needs several seeds."""
    if table.seed is None or len(table.seed.observed().levels) < 2:
        return "a column seed with several seeds"
    return "" if table.main else "a measure"


def check(table: LintTable) -> Iterator[Evidence]:
    """Compare runs under different seeds."""
    seed = table.seed
    assert seed is not None
    for measure in table.main:
        grid = _grid(table, measure, seed)
        same = _methods_without_effect(grid)
        learning = [m for m in range(grid.shape[0]) if not table.methods or not is_without_learning(table.methods[m])]
        judged = [m for m in learning if same[m] is not None]
        silent = [m for m in judged if same[m]]
        names = ", ".join(table.methods[m] for m in silent[:3]) if table.methods else "the table"
        if silent and len(silent) == len(judged):
            yield _silent_everywhere(measure, names)
        elif silent:
            yield Evidence(
                f"All seeds give the same {measure.name} for {names}: is it deterministic? Then it has one run, not "
                f"{len(seed.levels)}.",
                severity="advice",
                do="If it is deterministic, keep one row per task and say so; else check where the seed goes.",
            )
        for m in set(judged) - set(silent):
            yield from _copied_seeds(table, measure, grid[m], m)


def _silent_everywhere(measure: Measure, names: str) -> Evidence:
    """Milder where the values are so coarse that the spread may lie below their last digit."""
    decimals = int(measure.numbers.decimals[measure.known].max())
    size = float(np.median(np.abs(measure.values[measure.known])))
    text = f"All seeds give the same {measure.name} in every method and task ({names})"
    if 10.0**-decimals > COARSE * size:
        return Evidence(f"{text}; the values have at most {decimals} decimals.", severity="warning")
    return Evidence(f"{text}.")


def _grid(table: LintTable, measure: Measure, seed: Factor) -> NDArray[np.uint64]:
    """(methods, tasks, seeds) print of each run; 0 where there is none, or where all is at a bound."""
    parts = [f.codes for f in (table.rep, table.split, table.hpo_run) if f is not None]
    codes = (table.cells * len(seed.levels) + seed.codes).astype(np.intp)
    codes[seed.codes < 0] = table.num_cells * len(seed.levels)
    size = (max(1, len(table.methods)), max(1, len(table.tasks)), len(seed.levels))
    found = prints(table, measure, codes, tuple(parts))
    out = np.zeros(table.num_cells * len(seed.levels) + 1, dtype=np.uint64)
    out[: found.size] = found
    inner = measure.known[
        ~np.isin(measure.values[measure.known], [0.0, *([] if measure.top is None else [measure.top])])
    ]
    inner = inner[~_is_shared_extreme(table, measure)[inner]]
    has_inner = np.zeros(out.size, dtype=bool)
    has_inner[codes[inner]] = True
    out[~has_inner] = 0
    return out[:-1].reshape(size)


def _is_shared_extreme(table: LintTable, measure: Measure) -> NDArray[np.bool_]:
    """(n,) whether a value is the largest or smallest of its task and several methods have it: an end of the scale."""
    out = np.zeros(table.n, dtype=bool)
    rows = measure.known
    if len(table.methods) < 2:
        return out
    for extreme, start in ((np.maximum, -np.inf), (np.minimum, np.inf)):
        end = np.full(max(1, len(table.tasks)), start)
        extreme.at(end, table.task_codes[rows], measure.values[rows])
        at_end = rows[measure.values[rows] == end[table.task_codes[rows]]]
        pairs = np.unique(np.stack([table.task_codes[at_end], table.method_codes[at_end]]), axis=1)
        is_shared = np.bincount(pairs[0], minlength=end.size) >= 2
        out[at_end] = is_shared[table.task_codes[at_end]]
    return out


def _methods_without_effect(grid: NDArray[np.uint64]) -> list[bool | None]:
    """Per method: whether no cell has two different runs; None where no cell has two runs."""
    found: list[bool | None] = []
    for tasks in grid:
        runs = [cell[cell > 0] for cell in tasks]
        several = [cell for cell in runs if cell.size >= 2]
        found.append(all(np.all(cell == cell[0]) for cell in several) if several else None)
    return found


def _copied_seeds(table: LintTable, measure: Measure, tasks: NDArray[np.uint64], m: int) -> Iterator[Evidence]:
    """Two seeds of a method that agree in more tasks than chance would let them."""
    num_seeds = tasks.shape[1]
    if num_seeds > MOST_SEEDS or table.seed is None:
        return
    chances: dict[int, float] = {}
    for a, b in combinations(range(num_seeds), 2):
        both = np.flatnonzero((tasks[:, a] > 0) & (tasks[:, b] > 0))
        if not both.size or not np.array_equal(tasks[both, a], tasks[both, b]):
            continue
        for t in set(both.tolist()) - set(chances):
            chances[t] = _chance(table, measure, tasks[t], (m, t))
        if num_seeds * (num_seeds - 1) / 2 * np.prod([chances[t] for t in both.tolist()]) < RARE:
            labels = [table.seed.levels[k] for k in (a, b)]
            rows = np.flatnonzero((table.method_codes == m) & np.isin(table.seed.codes, [a, b]))
            where = table.methods[m] if table.methods else "the table"
            yield Evidence(
                f"Seeds {labels[0]} and {labels[1]} of {where} have the same {measure.name} in all {both.size} tasks.",
                table.at(rows),
            )
            return


def _chance(table: LintTable, measure: Measure, runs: NDArray[np.uint64], cell: tuple[int, int]) -> float:
    """Chance that two runs of a cell agree: as often as other pairs do, at least what spread and steps would give.

    For a normal law of standard deviation s, recorded in steps g, two values agree with a chance of g / (2 s sqrt(pi)).
    """
    counts = np.unique(runs[runs > 0], return_counts=True)[1]
    pairs = counts.sum() * (counts.sum() - 1) / 2
    agree = float((counts * (counts - 1) / 2).sum()) - 1
    task = measure.known[table.task_codes[measure.known] == cell[1]]
    own = task[table.method_codes[task] == cell[0]]
    sd = float(measure.values[own].std())
    decimals = int(measure.numbers.decimals[own].max(initial=0))
    step = max(10.0**-decimals, float(np.diff(np.unique(measure.values[task])).min(initial=np.inf)))
    by_steps = 1.0 if sd == 0 or not math.isfinite(step) else min(1.0, step / (2 * sd * math.sqrt(math.pi)))
    return max(agree / float(pairs), by_steps)
