"""Runs of each method, task by task: what is resampled, what is paired, and what becomes of failures and budgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, floats
from cupel.stats.frame import Codes, Factor, Frame
from cupel.stats.note import Note
from cupel.stats.one_budget import at_one_budget
from cupel.stats.results import results
from cupel.stats.rows import Better, Results

if TYPE_CHECKING:
    from numpy.typing import NDArray

FailureValue: TypeAlias = float | Literal["worst"] | None
MOST_NAMED = 5
PAIRING_ROLES = ("seed", "hpo_run", "split", "rep")


@dataclass(frozen=True)
class Strata:
    """The runs of one method in the order of its tasks.

    Attributes:
        name: of the method.
        tasks: (m,) names of the tasks in which it has runs.
        values: (N,) of the runs, all of the first task first.
        sizes: (m,) runs in each task.
        keys: (N,) which run of another method belongs to it; -1 where nothing says so.
        num_failed: runs without a value, whether they are among the runs or were left out.
    """

    name: str
    tasks: tuple[str, ...]
    values: Floats
    sizes: Codes
    keys: Codes
    num_failed: int = 0

    @property
    def starts(self) -> Codes:
        """(m,) where each task begins."""
        return np.cumsum(self.sizes) - self.sizes

    @property
    def task_of_run(self) -> Codes:
        """(N,) task of each run."""
        return np.repeat(np.arange(self.sizes.size), self.sizes)

    def by_task(self, values: NDArray[Any]) -> Floats:
        """(m,) mean of something that has one number per run."""
        return np.asarray(np.add.reduceat(values, self.starts, axis=-1) / self.sizes, dtype=np.float64)

    def take(self, keep: NDArray[np.bool_]) -> Strata:
        """Only some runs; a task without any is forgotten."""
        sizes = np.bincount(self.task_of_run[keep], minlength=self.sizes.size)
        tasks = tuple(task for task, num in zip(self.tasks, sizes, strict=True) if num)
        return replace(self, tasks=tasks, values=self.values[keep], sizes=sizes[sizes > 0], keys=self.keys[keep])


def score_table(frame: Frame, better: str | None = None, *, of_arrays: Better = "higher") -> Results:
    """The results of any frame at one budget.

    Args:
        frame: results; or, as rliable has them, an array (runs, tasks) of one method or a mapping of method to such
            arrays, NaN for a run that failed; their runs are not paired.
        better: `higher` or `lower`; what the table declares where None.
        of_arrays: the direction of arrays where `better` is None.
    """
    arrays = _arrays(frame)
    table = results(frame, better=better) if arrays is None else _from_arrays(arrays, better or of_arrays)
    return at_one_budget(table)


def is_higher_better(table: Results) -> bool:
    """The declared direction.

    Raises:
        UsageError: nobody declared one.
    """
    if table.better is None:
        raise UsageError(
            f"Nothing says whether a higher or a lower {table.metric!r} is better, and it is not guessed. "
            "Say it: better='higher' or better='lower', here or in results(frame, better=...)."
        )
    return table.better == "higher"


def strata(table: Results, method: int, *, failed_as: float | None = None) -> Strata:
    """The runs of one method.

    Args:
        table: results.
        method: its code.
        failed_as: what a failed run is worth; None: it is left out.
    """
    here = table.method.codes == method
    failed = here & ~table.ok
    rows = np.flatnonzero(here if failed_as is not None else here & table.ok)
    rows = rows[np.argsort(table.task.codes[rows], kind="stable")]
    sizes = np.bincount(table.task.codes[rows], minlength=len(table.tasks))
    values = table.value[rows]
    return Strata(
        name=table.methods[method],
        tasks=tuple(task for task, num in zip(table.tasks, sizes, strict=True) if num),
        values=values if failed_as is None else np.where(np.isfinite(values), values, failed_as),
        sizes=sizes[sizes > 0],
        keys=_pairing_keys(table)[rows],
        num_failed=int(failed.sum()),
    )


def on_shared_tasks(a: Strata, b: Strata) -> tuple[Strata, Strata]:
    """Both methods on the tasks that both have.

    Raises:
        UsageError: there is none.
    """
    shared = set(a.tasks) & set(b.tasks)
    if not shared:
        raise UsageError(
            f"{a.name} and {b.name} have no task in common: {named(a.tasks)}; {named(b.tasks)}. "
            "Expected runs of both on at least one task; a difference between tasks is none between methods."
        )
    kept = [side.take(np.array([task in shared for task in side.tasks])[side.task_of_run]) for side in (a, b)]
    return kept[0], kept[1]


def matched(a: Strata, b: Strata) -> tuple[Strata, Strata] | None:
    """Both methods, only the runs that have a partner in the other, in the same order; None where nothing pairs them.

    The two must have the same tasks. A key that stands twice in a task pairs nothing.
    """
    sides, ids = (a, b), []
    most = int(max(a.keys.max(initial=-1), b.keys.max(initial=-1))) + 1
    for side in sides:
        known = side.keys >= 0
        ids.append(np.where(known, side.task_of_run * most + side.keys, -1))
        if not known.any() or np.unique(ids[-1][known]).size < int(known.sum()):
            return None
    shared = np.intersect1d(ids[0][ids[0] >= 0], ids[1][ids[1] >= 0])
    if not shared.size:
        return None
    order = [np.argsort(own)[np.searchsorted(np.sort(own), shared)] for own in ids]
    cut = [_in_order(side, index) for side, index in zip(sides, order, strict=True)]
    return cut[0], cut[1]


def failure_worth(table: Results, failure_value: FailureValue) -> Results:
    """The results with failed runs at what they are said to be worth.

    Args:
        table: results.
        failure_value: a number in the metric's unit; `worst`: the worst value of any method on that task; None:
            failures stay without a value.

    Raises:
        UsageError: `worst` without a direction, or where no run of a task has a value; another word.
    """
    failed = np.flatnonzero(~table.ok)
    if failure_value is None or not failed.size:
        return table
    value = table.value.copy()
    if failure_value != "worst":
        if not isinstance(failure_value, (int, float)) or not np.isfinite(failure_value):
            raise UsageError(f"failure_value = {failure_value!r}; expected a number, 'worst' or None.")
        value[failed] = failure_value
        return replace(table, value=value)
    sign = 1.0 if is_higher_better(table) else -1.0
    worst = np.full(len(table.tasks), np.inf)
    np.minimum.at(worst, table.task.codes[table.ok], sign * table.value[table.ok])
    value[failed] = sign * worst[table.task.codes[failed]]
    if not np.all(np.isfinite(value)):
        task = table.tasks[table.task.codes[np.flatnonzero(~np.isfinite(value))[0]]]
        raise UsageError(f"failure_value = 'worst', and no run of any method on {task!r} has a value. Give a number.")
    return replace(table, value=value)


def score_notes(table: Results, handled: str) -> tuple[Note, ...]:
    """What a reader of scores from this table must know.

    Args:
        table: results before failures were given a worth.
        handled: what became of failed runs, such as "left out".
    """
    notes = [note for note in table.warnings if note.code != "failures"]
    if table.num_failed:
        bad = np.bincount(table.method.codes[~table.ok], minlength=len(table.methods))
        total = np.bincount(table.method.codes, minlength=len(table.methods))
        parts = [f"{m} {k} of {n}" for m, k, n in zip(table.methods, bad, total, strict=True) if k]
        notes.append(Note("failures", f"{table.num_failed} runs failed and are {handled}: {named(parts)}."))
        if handled.startswith("left out") and np.ptp(bad / total) > 0:
            notes.append(
                Note("unequal failures", "The methods fail unequally often; leaving failures out favours who fails.")
            )
    if table.hpo_run is not None and len(table.hpo_run.levels) > 1 and table.seed is not None:
        text = "Runs of one tuning run are resampled as if they were independent; the intervals may be too short."
        notes.append(Note("approximate", text))
    if table.split is not None and len(table.split.levels) > 1:
        text = "Results on splits of the same data are resampled as if they were independent runs."
        notes.append(Note("overlapping splits", text))
    return tuple(notes)


def missing_note(names_and_tasks: Mapping[str, tuple[str, ...]], tasks: tuple[str, ...]) -> tuple[Note, ...]:
    """A note where methods do not have runs on the same tasks."""
    gaps = [f"{name}: {named(tuple(t for t in tasks if t not in own))}" for name, own in names_and_tasks.items()
            if set(own) != set(tasks)]  # fmt: skip
    if not gaps:
        return ()
    return (Note("missing cells", f"Without a value on some tasks, and so not on the same scale: {'; '.join(gaps)}."),)


def named(names: tuple[str, ...] | list[str]) -> str:
    """A list for a sentence: at most five of them, and how many more."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _in_order(side: Strata, index: Codes) -> Strata:
    """The runs at `index`, which keeps the order of the tasks."""
    sizes = np.bincount(side.task_of_run[index], minlength=side.sizes.size)
    tasks = tuple(task for task, num in zip(side.tasks, sizes, strict=True) if num)
    return replace(side, tasks=tasks, values=side.values[index], sizes=sizes[sizes > 0], keys=side.keys[index])


def _pairing_keys(table: Results) -> Codes:
    """(n,) one number per combination of seed, tuning run, split and repeat; -1 where one of them is missing."""
    factors = [f for f in (getattr(table, role) for role in PAIRING_ROLES) if f is not None]
    if table.seed is None and table.split is None:
        return np.full(table.n, -1, dtype=np.intp)
    key = np.zeros(table.n, dtype=np.intp)
    for factor in factors:
        key = np.unique(key * (len(factor.levels) + 1) + factor.codes + 1, return_inverse=True)[1]
    known = np.all([factor.codes >= 0 for factor in factors], axis=0)
    return np.where(known, key, -1)


def _arrays(frame: Frame) -> dict[str, Floats] | None:
    """Method to array (runs, tasks), where the frame is made of such arrays."""
    if isinstance(frame, np.ndarray):
        frame = {"all": frame}
    if not isinstance(frame, Mapping) or not frame:
        return None
    if not all(isinstance(part, np.ndarray) and part.ndim > 1 for part in frame.values()):
        return None
    arrays = {str(name): floats(str(name), part) for name, part in frame.items()}
    bad = next((f"{name} {part.shape}" for name, part in arrays.items() if part.ndim != 2 or not part.size), None)
    if bad is not None:
        raise UsageError(f"An array has shape {bad}; expected (runs, tasks). Hand over one checkpoint at a time.")
    if len({part.shape[1] for part in arrays.values()}) > 1:
        shapes = {name: part.shape for name, part in arrays.items()}
        raise UsageError(f"The arrays have different numbers of tasks: {shapes}; expected (runs, tasks) of one set.")
    return arrays


def _from_arrays(arrays: Mapping[str, Floats], better: str) -> Results:
    """Arrays as results; the tasks are numbered from 0."""
    num_tasks = next(iter(arrays.values())).shape[1]
    width = len(str(num_tasks - 1))
    names = tuple(f"{k:0{width}d}" for k in range(num_tasks))
    counts = [part.size for part in arrays.values()]
    method = Factor(np.repeat(np.arange(len(arrays)), counts), tuple(arrays))
    task = Factor(np.concatenate([np.tile(np.arange(num_tasks), len(part)) for part in arrays.values()]), names)
    value = np.concatenate([part.ravel() for part in arrays.values()])
    table = Results(method, task, np.where(np.isfinite(value), value, np.nan), row=np.arange(value.size))
    return results(table, better=better)
