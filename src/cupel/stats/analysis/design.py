"""What a table of results has: methods by tasks, repeats, pairing, failures, and what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from cupel.stats.lint_words import OVER_TASKS, words_of
from cupel.stats.note import Note
from cupel.stats.results import failure_notes
from cupel.stats.rows import Results
from cupel.stats.task_model import FEWEST_TASKS, Scope, is_shared

FEW_RUNS = 3
MIXED_RATIO = (50.0, 200.0)
"""Ratio of values of one task that points to fractions beside percentages."""
SCALE_RATIO = 10.0
"""Ratio of the spreads of tasks from which the widest ones decide a plain mean."""
MOST_NAMED = 3
LEAST_SAME = 5
"""Different values from which two methods that have the same ones are one, twice."""
BETWEEN = re.compile(r"(?<=\w)[\s_-]+(?=\w)")
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
        shares_splits: whether runs of different methods share splits.
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
    shares_splits: bool
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
        pairing = "paired by seed" if self.is_paired else "on shared splits" if self.shares_splits else "not paired"
        gaps = f", {counted(len(self.missing), 'cell')} missing" if self.missing else ""
        return (
            f"{counted(len(self.methods), 'method')} × {counted(len(self.tasks), 'task')} × {runs} "
            f"run{'' if high == 1 else 's'}, {pairing}{gaps}, {counted(sum(self.failed.values()), 'failure')}"
        )


def counted(number: int, what: str) -> str:
    """A number of things.

    Example:
        >>> counted(1, "task"), counted(3, "task")
        ('1 task', '3 tasks')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"


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
        shares_splits=table.split is not None and is_shared(table, table.split),
        hpo_runs=levels(table.hpo_run),
        splits=levels(table.split),
        budgets=budgets,
        budget=taken[0] if len(taken) == 1 else None,
        roles=dict(table.roles),
        metric=table.metric,
        unit=table.unit,
        better=better,
    )


def num_comparable(table: Results) -> int:
    """Tasks on which at least two methods have values: the others tell nothing of differences."""
    ok = table.select(table.ok)
    return int(np.sum((ok.counts() > 0).sum(axis=0) > 1))


def design_notes(table: Results, design: Design, scope: Scope | None = None) -> Iterator[Note]:
    """What in the design a reader of the answer must know; `scope` where there is an answer."""
    yield from _missing_notes(design, scope)
    yield from failure_notes(table)
    yield from _failure_notes(table)
    low, high = design.runs
    if low < FEW_RUNS:
        runs = "one run" if high == 1 else f"{low} to {high} runs" if low < high else f"{low} runs"
        borrowed = "; where there is one, its spread is taken from the other tasks" if scope == "tasks" else ""
        yield Note(
            "few runs",
            f"{runs} per method and task {'says' if high == 1 else 'say'} little of how runs vary; take at least "
            f"{FEW_RUNS}, better 5{borrowed if low == 1 < high else ''}",
        )
    yield from _name_notes(design)
    for group in same_methods(table):
        text = f"{' and '.join(group[:MOST_NAMED])}{' and more' if len(group) > MOST_NAMED else ''}"
        yield Note("same methods", f"{text} have the same value in every run: one is a copy, or both ran the same code")
    if design.splits > 1:
        text = (
            "runs on overlapping splits are not independent; for one task take corrected_t, which knows their overlap"
        )
        yield Note("overlapping splits", text)
    yield from _scale_notes(table)
    yield from _shared_notes(table)


def _missing_notes(design: Design, scope: Scope | None) -> Iterator[Note]:
    """Cells without a row, and pairs of methods that share few tasks."""
    if not design.missing:
        return
    some = ", ".join(f"{m} on {t}" for m, t in design.missing[:MOST_NAMED])
    more = f" and {len(design.missing) - MOST_NAMED} more" if len(design.missing) > MOST_NAMED else ""
    there = np.array(design.counts) > 0
    shared = there.astype(int) @ there.T.astype(int)
    few = [(design.methods[i], design.methods[j], int(shared[i, j])) for i, j in np.argwhere(shared < FEWEST_TASKS)
           if i < j]  # fmt: skip
    if scope != "population":
        text = "methods are compared on the tasks that they share"
    elif few:
        a, b, number = few[0]
        others = f" (and {counted(len(few) - 1, 'other pair')} share few)" if len(few) > 1 else ""
        text = (
            f"{a} and {b} share {counted(number, 'task')} only{others}, so that their difference rests on the model "
            "and on other methods"
        )
    else:
        text = "the model fills the gaps by what methods and tasks have in common elsewhere"
    yield Note("missing cells", f"no rows for {some}{more}: {text}")


def same_methods(table: Results) -> list[tuple[str, ...]]:
    """Methods that have the very same values on each task, in groups; chance alone does not bring that about."""
    groups: dict[bytes, list[str]] = {}
    for method, name in enumerate(table.methods):
        own = np.flatnonzero(table.ok & (table.method.codes == method))
        order = own[np.lexsort((table.value[own], table.task.codes[own]))]
        if np.unique(table.value[own]).size >= LEAST_SAME:
            key = table.task.codes[order].astype(np.int64).tobytes() + (table.value[order] + 0.0).tobytes()
            groups.setdefault(key, []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _name_notes(design: Design) -> Iterator[Note]:
    """Names that may be one by mistake two, and a task that is called like a summary of the others."""
    for role, names in (("methods", design.methods), ("tasks", design.tasks)):
        alike: dict[str, list[str]] = {}
        for name in names:
            alike.setdefault(BETWEEN.sub("", name.lower()), []).append(name)
        twins = [" and ".join(group) for group in alike.values() if len(group) > 1]
        if twins:
            more = f" and {len(twins) - MOST_NAMED} more" if len(twins) > MOST_NAMED else ""
            text = f"{', '.join(twins[:MOST_NAMED])}{more} are read as different {role}"
            yield Note("names", f"{text}, although they differ in case, spaces or hyphens alone: are they the same?")
    summaries = [name for name in design.tasks if words_of(name) and words_of(name) <= OVER_TASKS]
    if summaries and len(design.tasks) > len(summaries):
        text = f"{', '.join(summaries)} is called like a summary of the other tasks, and is counted as one more task"
        yield Note("names", f"{text}: take its rows out")


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
