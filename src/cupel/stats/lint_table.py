"""A table as the rules of `lint` see it: roles as far as they can be read, all columns, and why not more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cupel.spec.results_table import ResultsTable
from cupel.stats.frame import Column, Factor
from cupel.stats.lint_words import RUN_LABELS, is_configuration, is_hyperparameter, is_measure, is_spread, words_of
from cupel.stats.measure import Measure
from cupel.stats.rows import MOST_ROWS_NAMED, Better

if TYPE_CHECKING:
    from numpy.typing import NDArray

SOURCES = frozenset(
    {"init", "initialisation", "initialization", "weights", "data", "split", "order", "shuffle", "sampling"}
    | {
        "augmentation",
        "augment",
        "aug",
        "dropout",
        "hpo",
        "tuning",
        "bootstrap",
        "env",
        "environment",
        "torch",
        "numpy",
    }
)
"""Words that say what a seed controls."""
FEW_LEVELS_SHARE = 0.5
RUN_ROLES = ("seed", "rep", "hpo_run", "split")


@dataclass(frozen=True)
class Limits:
    """Where the rules of `lint` draw their lines.

    Args:
        min_runs: runs per method and task that are asked for.
        min_tasks: tasks from which a test over tasks is possible.
        tuning_factor: tuning that differs by more than this factor is unequal.
        imbalance: share of the largest class from which accuracy alone misleads.
    """

    min_runs: int = 5
    min_tasks: int = 6
    tuning_factor: float = 2.0
    imbalance: float = 0.7


@dataclass(frozen=True)
class LintTable:
    """A table in long form. All arrays have one element per row.

    Attributes:
        given: the columns as they were handed over.
        columns: the columns in long form.
        roles: role to column.
        method: which method; None where the table does not say.
        task: which task; None where the table does not say.
        seed: from a column of that role, or the seeds of several sources together.
        rep: repeat, or whatever else numbers runs.
        split: fold or split; None where the column names parts of the data (train, test).
        hpo_run: which tuning run.
        budget: as labels.
        measures: what was measured, the declared measure first.
        origin: which row of the table that was handed over each row is from, 0 for its first.
        lines: (rows handed over,) where each stands in its file; None where there is no file.
        read: what a reader returned, where the table is from one.
        better: `higher` or `lower`; None where nobody said.
        shape: in words where the table was wide; empty for a long one.
        why_not: why `results` refuses the table; empty where it does not.
        limits: where the rules draw their lines.
    """

    given: Mapping[str, Column]
    columns: Mapping[str, Column]
    roles: Mapping[str, str]
    method: Factor | None
    task: Factor | None
    seed: Factor | None
    rep: Factor | None
    split: Factor | None
    hpo_run: Factor | None
    budget: Factor | None
    measures: tuple[Measure, ...]
    origin: NDArray[np.intp]
    lines: NDArray[np.intp] | None = None
    read: ResultsTable | None = None
    better: Better | None = None
    shape: str = ""
    why_not: str = ""
    limits: Limits = Limits()

    @property
    def n(self) -> int:
        """Rows in long form."""
        return int(self.origin.size)

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods; none where the table does not say."""
        return () if self.method is None else self.method.levels

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks; none where the table does not say."""
        return () if self.task is None else self.task.levels

    @cached_property
    def method_codes(self) -> NDArray[np.intp]:
        """(n,) code of the method; 0 where there is no such column."""
        return np.zeros(self.n, dtype=np.intp) if self.method is None else self.method.codes

    @cached_property
    def task_codes(self) -> NDArray[np.intp]:
        """(n,) code of the task; 0 where there is no such column."""
        return np.zeros(self.n, dtype=np.intp) if self.task is None else self.task.codes

    @cached_property
    def main(self) -> tuple[Measure, ...]:
        """The measures that a comparison would be about: declared, else of the test part, else of quality, else all."""
        for chosen in (
            [m for m in self.measures if m.is_declared],
            [m for m in self.measures if m.part == "test"],
            [m for m in self.measures if not m.part and not m.is_cost],
        ):
            if chosen:
                return tuple(chosen)
        return self.measures

    @cached_property
    def runs(self) -> NDArray[np.intp] | None:
        """(n,) which run a row is of, within its method and task; None where no column says."""
        factors = [f for role in RUN_ROLES if (f := getattr(self, role)) is not None]
        return joined(*(f.codes for f in factors)) if factors else None

    @cached_property
    def variant(self) -> NDArray[np.intp] | None:
        """(n,) which setting a row is of, by the columns without a role; None where there is none."""
        taken = {part for name in self.roles.values() for part in name.split(":")} | {m.name for m in self.measures}
        codes = [
            c.as_factor.codes
            for name, c in self.columns.items()
            if name not in taken and not is_measure(name) and not is_spread(name) and self._is_setting(c)
        ]
        return joined(*codes) if codes else None

    def _is_setting(self, column: Column) -> bool:
        """Whether a column takes few values, and several in some cell."""
        if words_of(column.name) & (RUN_LABELS | {"rank", "seed", "file"}):
            return False
        return self._varies(column) and len(column.as_factor.observed().levels) <= FEW_LEVELS_SHARE * self.n

    @cached_property
    def num_runs(self) -> NDArray[np.intp]:
        """(methods, tasks) runs of each cell; its rows, which is the most it can be, where no column numbers runs."""
        cells = self.cells
        if self.runs is not None:
            pairs = np.unique(np.stack([cells, self.runs]), axis=1)
            return self.per_cell(np.bincount(pairs[0], minlength=self.num_cells))
        layers = [np.zeros(self.n, dtype=np.intp)] if self.budget is None else [self.budget.codes]
        most = np.zeros(self.num_cells, dtype=np.intp)
        for rows in [m.rows for m in self.main] or [np.arange(self.n)]:
            layer = joined(*layers)[rows]
            pairs, counts = np.unique(np.stack([cells[rows], layer]), axis=1, return_counts=True)
            np.maximum.at(most, pairs[0], counts)
        return self.per_cell(most)

    @cached_property
    def cells(self) -> NDArray[np.intp]:
        """(n,) which cell of methods x tasks a row is in."""
        return self.method_codes * max(1, len(self.tasks)) + self.task_codes

    @property
    def num_cells(self) -> int:
        """Cells of methods x tasks."""
        return max(1, len(self.methods)) * max(1, len(self.tasks))

    def per_cell(self, values: NDArray[Any]) -> NDArray[Any]:
        """(cells,) as (methods, tasks)."""
        return values.reshape(max(1, len(self.methods)), max(1, len(self.tasks)))

    def means(self, measure: Measure) -> NDArray[np.float64]:
        """(methods, tasks) means of what is known of a measure; NaN for a cell without any."""
        cells = self.cells[measure.known]
        num = np.bincount(cells, minlength=self.num_cells)
        total = np.bincount(cells, weights=measure.values[measure.known], minlength=self.num_cells)
        with np.errstate(invalid="ignore"):
            means: NDArray[np.float64] = self.per_cell(total / num)
        return means

    def named(self, words: frozenset[str]) -> list[Column]:
        """The columns, as they were handed over, that have one of these words in their names."""
        return [c for name, c in self.given.items() if words_of(name) & words]

    @cached_property
    def configurations(self) -> list[Column]:
        """Columns that number configurations which were tried: several in a run, or with settings that vary with them.

        A column `trial` without that is taken for one that numbers repeats.
        """
        free = [name for name in self.columns if is_configuration(name) and name not in self.roles.values()]
        return [self.columns[name] for name in free if self._is_tried(self.columns[name])]

    def _is_tried(self, column: Column) -> bool:
        if self.seed is not None:
            runs = joined(self.cells, self.seed.codes)
            pairs = np.unique(np.stack([runs, column.as_factor.codes]), axis=1)
            return bool(pairs.shape[1] > np.unique(runs).size)
        return any(is_hyperparameter(name) and self._varies(c) for name, c in self.columns.items())

    def _varies(self, column: Column) -> bool:
        """Whether a column has several values in some cell: else it only describes the method or task."""
        pairs = np.unique(np.stack([self.cells, column.as_factor.codes]), axis=1)
        return bool(pairs.shape[1] > np.unique(self.cells).size)

    @cached_property
    def seed_sources(self) -> dict[str, Factor]:
        """The seeds that name what they control, by column."""
        found = {name: words_of(name) for name in self.columns}
        seeds = {name for name, words in found.items() if words & {"seed", "seeds"} and words & SOURCES}
        return {name: self.columns[name].as_factor for name in self.columns if name in seeds}

    def at(self, index: Sequence[int] | NDArray[np.intp]) -> tuple[int, ...]:
        """Rows as they were handed over, of rows in long form."""
        return tuple(np.unique(self.origin[np.asarray(index, dtype=np.intp)]).tolist())

    def wherever(self, rows: Sequence[int]) -> str:
        """How a message names rows as they were handed over; at most three of them, and how many more."""
        if self.read is not None and self.read.files:
            names = [self.read.where(i) for i in rows[:MOST_ROWS_NAMED]]
        else:
            names = [str(i if self.lines is None else self.lines[i]) for i in rows[:MOST_ROWS_NAMED]]
            names[0] = ("row" if self.lines is None else "line") + ("s " if len(rows) > 1 else " ") + names[0]
        more = f" and {len(rows) - MOST_ROWS_NAMED} more" if len(rows) > MOST_ROWS_NAMED else ""
        return f"{', '.join(names)}{more}"

    def in_cell(self, method: int, task: int) -> NDArray[np.intp]:
        """Rows of a cell."""
        return np.flatnonzero((self.method_codes == method) & (self.task_codes == task))

    def cell_name(self, method: int, task: int) -> str:
        """`PPO on Hopper`, as far as the table names them."""
        parts = [self.methods[method] if self.methods else "", self.tasks[task] if self.tasks else ""]
        return " on ".join(part for part in parts if part) or "the table"


def joined(*codes: NDArray[np.intp]) -> NDArray[np.intp]:
    """(n,) one code for each combination of codes that there is.

    Example:
        >>> import numpy as np
        >>> joined(np.array([0, 0, 1]), np.array([0, 1, 0])).tolist()
        [0, 1, 2]
    """
    key = np.zeros(codes[0].shape, dtype=np.intp)
    for part in codes:
        _, key = np.unique(key * (int(part.max(initial=0)) + 2) + part + 1, return_inverse=True)
    return key.astype(np.intp)
