"""The spreads in a pilot that a plan needs: between runs, between paired runs, between tasks.

Formula (k methods; only rows that have a value)
    sd            spread of a method's runs on a task: the variances within
                  all cells (method, task), pooled
    sd_pair       spread of the difference of two methods on one seed: of
                  the seeds that all methods have on a task, the residuals
                  of value - method - seed, pooled over tasks; twice their
                  mean square is the square of it
    correlation   of two methods' results on one seed: 1 - sd_pair^2 / 2
                  sd^2, both from the seeds that all methods have
    noise         sd_pair / sqrt(2), or sd where no seeds are shared
    interaction   how much a method's advantage differs between tasks: of
                  the mean square of mean - method - task over the tasks
                  that all methods have, what the noise does not explain,
                  M - noise^2 / runs; 0 where that is negative
    A spread from few runs is uncertain by itself: `cautious` gives the same
    plan at the 80 % upper limit of each spread (chi-square).
    The difference that the pilot happened to show is not a difference to
    plan for: what would matter to you is.

Source: two-way analysis of variance, method of moments; `cupel explain
tasks_for_effect`, `cupel explain cv_limit`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, chosen
from cupel.stats.cv_limit import cv_limit
from cupel.stats.frame import Codes, Frame, frame_of
from cupel.stats.note import Note
from cupel.stats.results import results
from cupel.stats.rows import Results
from cupel.stats.tasks_for_effect import TaskSpread

UNEQUAL = 5.0
"""Ratio of the spreads of two tasks from which on one plan for all is no plan."""


@dataclass(frozen=True)
class PilotSpread:
    """The spreads in a pilot, in the unit of the metric. None where the pilot cannot tell.

    Attributes:
        sd: of a method's runs on a task.
        df: its degrees of freedom.
        sd_pair: of the difference of two methods on one seed.
        df_pair: its degrees of freedom.
        correlation: of two methods' results on one seed.
        mean_square: of mean - method - task, which holds interaction and noise.
        df_tasks: its degrees of freedom.
        noise: of a run around its method's mean on its task.
        runs: runs per cell, their harmonic mean.
        methods: which methods.
        num_tasks: tasks that all methods have.
        n: runs with a value.
        num_failed: runs without one.
        metric: what was measured.
        method: how it was computed.
        scope: what it speaks of.
        warnings: what a reader must know.
    """

    sd: float | None
    df: int
    sd_pair: float | None
    df_pair: int
    correlation: float | None
    mean_square: float | None
    df_tasks: int
    noise: float | None
    runs: float
    methods: tuple[str, ...]
    num_tasks: int
    n: int
    num_failed: int
    metric: str
    method: str = "analysis of variance, method of moments"
    scope: str = "these runs"
    warnings: tuple[Note, ...] = ()

    @property
    def interaction(self) -> float | None:
        """Standard deviation of the task-by-method interaction, per method."""
        return None if self.mean_square is None else self._interaction(self.mean_square)

    def task_spread(self, runs: int, *, is_cautious: bool = False) -> TaskSpread | None:
        """What `tasks_for_effect` takes, for so many runs on each task.

        Args:
            runs: of each method on each task; where the pilot had one run per cell, only 1 is known.
            is_cautious: with the 80 % upper limit of the mean square that holds interaction and noise.
        """
        if self.mean_square is None or (self.noise is None and runs != 1):
            return None
        total = cv_limit(math.sqrt(self.mean_square), self.df_tasks + 1) ** 2 if is_cautious else self.mean_square
        return TaskSpread(self._interaction(total), self.noise or 0.0, runs)

    def _interaction(self, mean_square: float) -> float:
        return math.sqrt(max(0.0, mean_square - (self.noise or 0.0) ** 2 / self.runs))

    def to_frame(self) -> Any:
        """A row per spread."""
        spreads = {"sd": self.sd, "sd_pair": self.sd_pair, "interaction": self.interaction, "noise": self.noise}
        df = {"sd": self.df, "sd_pair": self.df_pair, "interaction": self.df_tasks}
        df["noise"] = self.df_pair if self.sd_pair is not None else self.df
        return frame_of({"spread": list(spreads), "sd": list(spreads.values()), "df": [df[name] for name in spreads]})

    def text(self) -> str:
        """The spreads in a few lines."""
        lines = [f"{self.metric}: {self.n} runs of {', '.join(self.methods)}"]
        lines += [f"between runs of a method on a task: sd {self.sd:.4g} (df {self.df})"] if self.sd is not None else []
        if self.sd_pair is not None:
            r = "" if self.correlation is None else f", correlation {self.correlation:.2f}"
            lines.append(f"between differences on one seed: sd {self.sd_pair:.4g} (df {self.df_pair}{r})")
        if self.interaction is not None:
            lines.append(f"interaction of task and method: sd {self.interaction:.4g} ({self.num_tasks} tasks)")
        return "\n".join([*lines, *(f"note: {note.text}" for note in self.warnings)])


def pilot_spread(frame: Frame, *, methods: Sequence[str] | None = None) -> PilotSpread:
    """Estimate the spreads that plans need from the results of a pilot.

    Args:
        frame: results; the direction does not matter, a spread has none.
        methods: only these; all where None.

    Returns:
        The spreads. Rows without a value are left out, counted, and named in `warnings`.

    Raises:
        UsageError: when a method is unknown, results at several budgets are mixed, or no cell (method, task) has two
            runs and fewer than two methods share two tasks, so that no spread can be estimated.

    Source: two-way analysis of variance.

    Example:
        >>> pilot = pilot_spread({"method": list("AABB"), "seed": [1, 2, 1, 2], "value": [1.0, 3.0, 2.0, 5.0]})
        >>> round(pilot.sd, 3), round(pilot.sd_pair, 3)
        (1.803, 0.707)
    """
    table = results(frame)
    if methods is not None:
        codes = [table.method_index(name) for name in chosen("methods", methods)]
        table = table.select(np.isin(table.method.codes, codes))
    _refuse_budgets(table)
    present = table.select(table.ok)
    sd, df = _within(present)
    blocks, task_of = _shared_seeds(present)
    sd_pair, df_pair, correlation = _paired(blocks, task_of)
    noise = sd if sd_pair is None else sd_pair / math.sqrt(2)
    mean_square, df_tasks, runs = _between_tasks(present)
    if sd is None and mean_square is None:
        raise UsageError(
            f"The pilot has {present.n} runs with a value, and no method has two on one task; expected at least two "
            "seeds of a method on a task, or two methods on the same two tasks."
        )
    return PilotSpread(
        sd=sd,
        df=df,
        sd_pair=sd_pair,
        df_pair=df_pair,
        correlation=correlation,
        mean_square=mean_square,
        df_tasks=df_tasks,
        noise=noise,
        runs=runs,
        methods=present.methods,
        num_tasks=_num_shared_tasks(present),
        n=present.n,
        num_failed=table.n - present.n,
        metric=table.metric,
        warnings=(*table.warnings, *_notes(present, noise, mean_square)),
    )


def _refuse_budgets(table: Results) -> None:
    budgets = [] if table.budget is None else np.unique(table.budget[np.isfinite(table.budget)]).tolist()
    if len(budgets) > 1:
        raise UsageError(
            f"The pilot has results at {len(budgets)} budgets; a spread is that of runs at one. Say which: "
            f"--where budget={budgets[-1]:g}"
        )


def _within(table: Results) -> tuple[float | None, int]:
    """Pooled standard deviation within cells, and its degrees of freedom."""
    cells = table.method.codes * len(table.tasks) + table.task.codes
    num = np.bincount(cells)
    df = int((num[num > 0] - 1).sum())
    if df == 0:
        return None, 0
    mean = table.cell_means().ravel()[cells]
    return math.sqrt(float(((table.value - mean) ** 2).sum()) / df), df


def _shared_seeds(table: Results) -> tuple[Floats, Codes]:
    """(seeds, methods) values of the seeds that all methods have on a task, and (seeds,) the task of each."""
    num_methods = len(table.methods)
    if table.seed is None or num_methods < 2:
        return np.zeros((0, num_methods)), np.zeros(0, dtype=np.intp)
    key = table.task.codes
    for factor in (table.seed, table.split, table.hpo_run, table.rep):
        if factor is not None:
            key = np.unique(key * (len(factor.levels) + 1) + factor.codes + 1, return_inverse=True)[1]
    blocks = np.full((int(key.max()) + 1, num_methods), np.nan)
    blocks[key, table.method.codes] = table.value
    task_of = np.zeros(len(blocks), dtype=np.intp)
    task_of[key] = table.task.codes
    is_whole = np.isfinite(blocks).all(axis=1)
    return blocks[is_whole], task_of[is_whole]


def _paired(blocks: Floats, task_of: Codes) -> tuple[float | None, int, float | None]:
    """Spread of the difference of two methods on one seed, its degrees of freedom, and their correlation."""
    num_methods = blocks.shape[1]
    left = squares = 0.0
    df = num = 0
    for task in np.unique(task_of):
        cell = blocks[task_of == task]
        apart = cell - cell.mean(axis=0)
        squares += float((apart**2).sum())
        left += float(((apart - apart.mean(axis=1, keepdims=True)) ** 2).sum())
        df += (len(cell) - 1) * (num_methods - 1)
        num += (len(cell) - 1) * num_methods
    if df == 0:
        return None, 0, None
    correlation = 1 - (left / df) / (squares / num) if squares > 0 else None
    return math.sqrt(2 * left / df), df, correlation


def _num_shared_tasks(table: Results) -> int:
    return int(np.isfinite(table.cell_means()).all(axis=0).sum())


def _between_tasks(table: Results) -> tuple[float | None, int, float]:
    """Mean square of mean - method - task, its degrees of freedom, and the harmonic mean of the runs per cell."""
    means = table.cell_means()
    is_shared = np.isfinite(means).all(axis=0)
    df = (means.shape[0] - 1) * (int(is_shared.sum()) - 1)
    if df <= 0:
        return None, 0, math.nan
    kept = means[:, is_shared]
    apart = kept - kept.mean(axis=0) - kept.mean(axis=1, keepdims=True) + kept.mean()
    runs = table.counts()[:, is_shared]
    return float((apart**2).sum()) / df, df, float(1 / np.mean(1 / runs))


def _notes(table: Results, noise: float | None, mean_square: float | None) -> list[Note]:
    notes = []
    if noise is None:
        text = "one run per method and task: how runs differ and how tasks differ cannot be told apart"
        notes.append(Note("no repeats", f"The pilot has {text}."))
    elif mean_square is None and len(table.tasks) > 1:
        notes.append(Note("missing cells", "No two methods share two tasks: how tasks differ is not known."))
    spreads = {task: _within(table.select(table.task.codes == k)) for k, task in enumerate(table.tasks)}
    known = {task: sd for task, (sd, df) in spreads.items() if sd is not None and df >= 2}
    low, high = min(known, key=known.__getitem__, default=""), max(known, key=known.__getitem__, default="")
    if known and known[high] > UNEQUAL * known[low]:
        text = f"Runs spread very differently: sd {known[low]:.3g} on {low}, {known[high]:.3g} on {high}"
        notes.append(Note("mixed scales", f"{text}. A plan for all is a plan for none: --where task={high}"))
    return notes
