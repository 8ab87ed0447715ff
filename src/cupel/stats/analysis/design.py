"""What a table of results has: methods by tasks, repeats, pairing, failures, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from cupel.stats.note import Note
from cupel.stats.results import failure_notes
from cupel.stats.rows import Results
from cupel.stats.task_model import is_shared

FEW_RUNS = 3
MIXED_RATIO = (50.0, 200.0)
"""Ratio of values of one task that points to fractions beside percentages."""
SCALE_RATIO = 10.0
"""Ratio of the spreads of tasks from which the widest ones decide a plain mean."""
SHARED_RUNS = 0.5
"""Share of equal values between two tasks from which their runs are the same."""


@dataclass(frozen=True)
class Design:
    """The design of a table.

    Attributes:
        num_rows: rows, failures included.
        methods: names.
        tasks: names.
        counts: (methods, tasks) rows of each cell.
        failed: method to rows without a value.
        missing: (method, task) of cells without a row.
        num_seeds: distinct seeds; 0 without such a column.
        is_paired: whether runs of different methods share seeds.
        hpo_runs: distinct tuning runs; 0 without such a column.
        splits: distinct splits; 0 without such a column.
        budgets: all budgets in the table.
        budget: the one that was taken; None where there is none, or not the same for all tasks.
        roles: role to the column that fills it.
        metric: what was measured.
        unit: of the values.
        better: direction.
    """

    num_rows: int
    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    failed: Mapping[str, int]
    missing: tuple[tuple[str, str], ...]
    num_seeds: int
    is_paired: bool
    hpo_runs: int
    splits: int
    budgets: tuple[float, ...]
    budget: float | None
    roles: Mapping[str, str]
    metric: str
    unit: str
    better: str

    @property
    def runs(self) -> tuple[int, int]:
        """Fewest and most rows of a cell that has any."""
        there = [count for row in self.counts for count in row if count]
        return min(there, default=0), max(there, default=0)

    def text(self) -> str:
        """The design in one line."""
        low, high = self.runs
        runs = f"{low}" if low == high else f"{low} to {high}"
        pairing = "paired by seed" if self.is_paired else "not paired"
        gaps = f", {len(self.missing)} cells missing" if self.missing else ""
        plural = "" if high == 1 else "s"
        return (
            f"{len(self.methods)} methods × {len(self.tasks)} tasks × {runs} run{plural}, {pairing}{gaps}, "
            f"{sum(self.failed.values())} failures"
        )


def budgets_of(table: Results) -> tuple[float, ...]:
    """All budgets of a table, in ascending order."""
    if table.budget is None:
        return ()
    return tuple(np.unique(table.budget[np.isfinite(table.budget)]).tolist())


def describe(table: Results, budgets: tuple[float, ...], better: str) -> Design:
    """The design of a table at one budget.

    Args:
        table: the rows.
        budgets: all that the whole table has.
        better: direction.
    """
    counts = table.counts()
    failed = np.bincount(table.method.codes[~table.ok], minlength=len(table.methods))
    missing = [(table.methods[i], table.tasks[j]) for i, j in np.argwhere(counts == 0)]
    taken = budgets_of(table)

    def levels(factor: object) -> int:
        return len(getattr(factor, "levels", ()))

    return Design(
        num_rows=table.n,
        methods=table.methods,
        tasks=table.tasks,
        counts=tuple(tuple(row) for row in counts.tolist()),
        failed=dict(zip(table.methods, failed.tolist(), strict=True)),
        missing=tuple(missing),
        num_seeds=levels(table.seed),
        is_paired=table.seed is not None and is_shared(table, table.seed),
        hpo_runs=levels(table.hpo_run),
        splits=levels(table.split),
        budgets=budgets,
        budget=taken[0] if len(taken) == 1 else None,
        roles=dict(table.roles),
        metric=table.metric,
        unit=table.unit,
        better=better,
    )


def design_notes(table: Results, design: Design) -> Iterator[Note]:
    """What in the design a reader of the answer must know."""
    if design.missing:
        some = ", ".join(f"{m} on {t}" for m, t in design.missing[:3])
        more = f" and {len(design.missing) - 3} more" if len(design.missing) > 3 else ""
        yield Note("missing cells", f"no rows for {some}{more}: methods are compared on the tasks that they share")
    yield from failure_notes(table)
    yield from _failure_notes(table)
    if 1 < design.runs[0] < FEW_RUNS or design.runs == (1, 1):
        runs = "one run" if design.runs == (1, 1) else f"{design.runs[0]} runs"
        yield Note(
            "few runs", f"{runs} per method and task say little of how runs vary; take at least {FEW_RUNS}, better 5"
        )
    if design.splits > 1:
        text = (
            "runs on overlapping splits are not independent; for one task take corrected_t, which knows their overlap"
        )
        yield Note("overlapping splits", text)
    yield from _scale_notes(table)
    yield from _shared_notes(table)


def _failure_notes(table: Results) -> Iterator[Note]:
    """Whether failures fall on some methods more than on others."""
    failed = np.bincount(table.method.codes[~table.ok], minlength=len(table.methods))
    ok = np.bincount(table.method.codes[table.ok], minlength=len(table.methods))
    if not failed.any():
        return
    from scipy.stats import chi2_contingency, fisher_exact

    counts = np.array([failed, ok])
    p = fisher_exact(counts).pvalue if counts.shape[1] == 2 else chi2_contingency(counts).pvalue
    if p <= 0.05:
        parts = ", ".join(f"{m} {k} of {k + n}" for m, k, n in zip(table.methods, failed, ok, strict=True))
        text = (
            f"failures are not spread evenly (p = {p:.2g}: {parts}); values of those that ended favour who fails more"
        )
        yield Note("unequal failures", text)


def _scale_notes(table: Results) -> Iterator[Note]:
    """Fractions beside percentages, and tasks so different in spread that the widest decide a mean."""
    ok = table.ok
    spreads = []
    for task in range(len(table.tasks)):
        own = np.flatnonzero(ok & (table.task.codes == task))
        values = table.value[own]
        if values.size < 2:
            continue
        small, large = own[np.abs(values) <= 1], own[(np.abs(values) > 1.5) & (np.abs(values) <= 100)]
        if small.size and large.size and small.size + large.size == own.size:
            ratio = float(np.median(np.abs(table.value[large])) / max(np.median(np.abs(table.value[small])), 1e-300))
            if MIXED_RATIO[0] <= ratio <= MIXED_RATIO[1]:
                rows = f"{table.wherever(small[:2])} and {table.wherever(large[:2])}"
                text = f"values of {table.tasks[task]} look like fractions beside percentages ({rows})"
                yield Note("mixed scales", f"{text}: write all in one unit")
        spreads.append((float(values.std(ddof=1)), table.tasks[task]))
    positive = [pair for pair in spreads if pair[0] > 0]
    if len(positive) > 1:
        (low, calm), (high, wild) = min(positive), max(positive)
        if high > SCALE_RATIO * low:
            text = f"values spread {high / low:.0f} times wider on {wild} than on {calm}: wide tasks decide the mean"
            yield Note(
                "mixed scales", f"{text}; ranks and P(A > B) weigh tasks alike, --scale log helps positive values"
            )


def _shared_notes(table: Results) -> Iterator[Note]:
    """Tasks on which a method has the very same values: they are one task for it, not two."""
    if table.seed is None or len(table.tasks) < 2:
        return
    found = []
    for method in range(len(table.methods)):
        own = np.flatnonzero(table.ok & (table.method.codes == method))
        keys = np.stack([table.seed.codes[own].astype(np.float64), table.value[own]], axis=1)
        _, group, sizes = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        twin = sizes[group.ravel()] > 1
        distinct = np.unique(table.value[own]).size
        if own.size >= 8 and twin.mean() > SHARED_RUNS and distinct > own.size / 4:
            first = own[np.flatnonzero(twin)[0]]
            other = own[np.flatnonzero(group.ravel() == group.ravel()[np.flatnonzero(twin)[0]])[1]]
            tasks = f"{table.tasks[table.task.codes[first]]} and {table.tasks[table.task.codes[other]]}"
            found.append(f"{table.methods[method]} ({twin.mean():.0%} of its runs, such as on {tasks})")
    if found:
        text = f"the same values stand under several tasks for {'; '.join(found)}: such tasks are not independent"
        yield Note("shared runs", f"{text}, and claims about tasks like these count them twice")
