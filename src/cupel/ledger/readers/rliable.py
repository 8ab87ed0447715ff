"""Scores as rliable takes them: per algorithm an array [runs, tasks] or [runs, tasks, checkpoints] (npz or JSON).

Write it with `numpy.savez("scores.npz", DQN=scores, ...)`, or as JSON `{"DQN": [[...], ...], ...}`. Tasks are numbered,
or named by a further array `tasks` (or `_tasks`); checkpoints likewise by `checkpoints`.
seed = number of the run where all algorithms have as many runs, so that run k of one is paired with run k of the
others; else rep = number of the run, and nothing is paired.
Values missing at the end of a task's runs (NaN, null) mean that there was no such run: they pad runs of unequal number.
A value missing before the last run of its task is a failure. An array [runs] is one task.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from cupel.ledger.array_files import PICKLED
from cupel.ledger.cells import number_or_none
from cupel.ledger.source import Evidence, Source
from cupel.spec.results_table import ResultsTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

LABELS = {"tasks": "task", "_tasks": "task", "checkpoints": "checkpoint", "_checkpoints": "checkpoint"}
Scores: TypeAlias = "NDArray[np.float64]"


def recognises(source: Source) -> Evidence:
    """Archives of arrays and lone arrays (to say what is missing); JSON whose values are lists of lists of numbers."""
    if source.kind in ("npz", "npy"):
        return Evidence.LAYOUT
    scores = {key: value for key, value in source.json.items() if key not in LABELS} if source.keys else {}
    return Evidence.LAYOUT if scores and all(map(_is_matrix, scores.values())) else Evidence.NONE


def _is_matrix(value: object) -> bool:
    """Whether a value of a JSON file is a list of lists of numbers or of further lists; looks at the first of each."""
    if not (isinstance(value, list) and value and all(isinstance(run, list) for run in value)):
        return False
    first = next((cell for run in value for cell in run if cell is not None), None)
    return isinstance(first, list) or number_or_none(first) is not None


def read(source: Source) -> ResultsTable:
    """One row per algorithm, run, task (and checkpoint)."""
    if source.kind == "npy":
        raise source.refuse(_lone_array(source))
    if source.kind == "npz":
        given = source.arrays
    elif source.keys:
        given = {name: _from_lists(name, value, source) for name, value in source.json.items()}
    else:
        raise source.refuse(f"an npz archive or a JSON object of algorithms was expected, found {source.found()}.")
    scores = {name: _scores(name, array, source) for name, array in given.items() if name not in LABELS}
    if not scores:
        raise source.refuse("it holds no array of scores; expected one [runs, tasks] for each algorithm.")
    labels = {LABELS[name]: array for name, array in given.items() if name in LABELS}
    return _table(_same_tasks(scores, source), labels, source)


def _lone_array(source: Source) -> str:
    if not source.arrays[""].size:
        return "the array is empty."
    return (
        f"it holds one array of shape {source.arrays[''].shape} and no names of algorithms. Write one array for each, "
        "by name: numpy.savez('scores.npz', DQN=scores_dqn, C51=scores_c51)."
    )


def _from_lists(name: str, value: object, source: Source) -> Any:
    """Lists of a JSON file as an array; null as NaN."""
    if name in LABELS:
        return np.array([str(label) for label in source.expect(value, list, f"the key {name!r}")])
    try:
        return np.array(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise source.refuse(
            f"the scores of {name!r} are no array of numbers ({error}). Expected a list of runs, each a list of as "
            "many scores as there are tasks; null where a task had no such run."
        ) from error


def _scores(name: str, array: NDArray[Any], source: Source) -> Scores:
    """An array as [runs, tasks, checkpoints]."""
    if array.dtype.kind not in "iuf":
        why = PICKLED if array.dtype.hasobject else f"it holds values of type {array.dtype}"
        raise source.refuse(f"the array {name!r} is no array of numbers: {why}.")
    if array.ndim not in (1, 2, 3) or not array.size:
        raise source.refuse(
            f"the array {name!r} has the shape {array.shape}; expected [runs, tasks] or [runs, tasks, checkpoints]."
        )
    shape = (*array.shape, 1, 1)[:3]
    return array.astype(np.float64).reshape(shape)


def _same_tasks(scores: Mapping[str, Scores], source: Source) -> dict[str, Scores]:
    """The scores, once it is sure that all have the same tasks and checkpoints."""
    shapes = {name: array.shape[1:] for name, array in scores.items()}
    first = next(iter(shapes))
    other = next((name for name, shape in shapes.items() if shape != shapes[first]), None)
    if other is not None:
        raise source.refuse(
            f"{first!r} has {_extent(shapes[first])}, {other!r} has {_extent(shapes[other])}. Expected the same tasks "
            "for every algorithm; write NaN for the runs that there are not."
        )
    return dict(scores)


def _extent(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} tasks" + (f" and {shape[1]} checkpoints" if shape[1] > 1 else "")


def _table(scores: Mapping[str, Scores], labels: Mapping[str, NDArray[Any]], source: Source) -> ResultsTable:
    num_tasks, num_checkpoints = next(iter(scores.values())).shape[1:]
    tasks = _labels(labels.get("task"), num_tasks, "task", source)
    checkpoints = _labels(labels.get("checkpoint"), num_checkpoints, "checkpoint", source)
    is_paired = len({len(array) for array in scores.values()}) == 1
    run = "seed" if is_paired else "rep"
    out: dict[str, list[Any]] = {name: [] for name in ("method", "task", run, "checkpoint", "value")}
    padding: dict[str, int] = {}
    for name, array in scores.items():
        runs, task, checkpoint = np.nonzero(np.broadcast_to(_is_run(array)[:, :, None], array.shape))
        out["method"] += [name] * runs.size
        out["task"] += [tasks[k] for k in task]
        out[run] += runs.tolist()
        out["checkpoint"] += [checkpoints[k] for k in checkpoint]
        out["value"] += array[runs, task, checkpoint].tolist()
        padding[name] = int((~_is_run(array)).sum())
    roles = {"method": "method", "task": "task", run: run, "value": "value", "budget": "checkpoint"}
    if num_checkpoints == 1:
        del out["checkpoint"], roles["budget"]
    notes = (_pairing_note(scores, is_paired=is_paired), *_padding_note(padding))
    return ResultsTable(out, source.name, "rliable", roles=roles, notes=notes)


def _is_run(array: Scores) -> NDArray[np.bool_]:
    """(runs, tasks) whether a run was made: it or a later one of its task has a value."""
    known = np.asarray(~np.isnan(array).all(axis=2))
    is_run: NDArray[np.bool_] = np.logical_or.accumulate(known[::-1], axis=0)[::-1]
    return is_run


def _labels(given: NDArray[Any] | None, num: int, what: str, source: Source) -> list[Any]:
    """The names of tasks or checkpoints; numbers from 0 where none are given."""
    if given is None:
        return [f"task {k}" for k in range(num)] if what == "task" else list(range(num))
    names = [str(label) for label in given.ravel().tolist()]
    if len(names) != num or len(set(names)) != num:
        raise source.refuse(
            f"{len(set(names))} different names of {what}s are given for {num} {what}s: expected one for each."
        )
    return names if what == "task" else [_number(label, source) for label in names]


def _number(label: str, source: Source) -> float:
    try:
        return float(label)
    except ValueError:
        raise source.refuse(f"the checkpoint {label!r} is no number.") from None


def _pairing_note(scores: Mapping[str, Scores], *, is_paired: bool) -> str:
    if is_paired:
        return (
            "Runs are numbered: run k of one algorithm is paired with run k of the others (seed = number of the run)."
        )
    counts = ", ".join(f"{name} {len(array)}" for name, array in scores.items())
    return f"The algorithms have different numbers of runs ({counts}), so their runs are not paired (rep = number)."


def _padding_note(padding: Mapping[str, int]) -> list[str]:
    parts = [f"{name} {num}" for name, num in padding.items() if num]
    if not parts:
        return []
    note = f"{', '.join(parts)}. Write failed runs as inf."
    return [f"Values missing after the last run of a task are runs that were never made, not failures: {note}"]
