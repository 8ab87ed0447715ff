"""A table of results read with its roles: which column names the method, the task, the seed, the value.

Rules
    One row is one measurement. Roles are found by the names below, or told
    (`columns={"method": "params.optimizer"}`); two columns that could both
    fill a role are asked about, never guessed, and so is a column such as
    `iteration` that could number repeats or the progress of one run.
    `"task": "benchmark:prior"` joins two columns to one label.
    A failure is a row: its status says so, or its value is missing, not
    finite, or a word such as `failed` or `OOM`. It stays in the table, is
    counted, and its value is unknown.
    Two rows with the same method, task, seed, budget, split, tuning run and
    repeat are refused: one of them would be counted twice. Rows without a
    seed are repeats that are not paired, also where other rows have one.
    Units must agree. Direction is declared, never guessed from a name.

Source: rules of Cupel; column names of the tools that its readers know.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.spec.results_table import ResultsTable
from cupel.stats.frame import Column, Factor, Frame, columns_of
from cupel.stats.note import Note
from cupel.stats.refuse_duplicates import refuse_duplicates
from cupel.stats.roles import (
    JOINT,
    begins_with_numbers,
    find_roles,
    holds_numbers,
    is_failed_status,
    numbers_of,
    role_factor,
)
from cupel.stats.rows import MOST_ROWS_NAMED, Better, Results

if TYPE_CHECKING:
    from numpy.typing import NDArray

FACTORS = ("method", "task", "seed", "hpo_run", "split", "rep")
RUNS = ("seed", "hpo_run", "split", "rep")
"""Roles that number runs: a row that names none is one by itself."""
DIRECTIONS: dict[str, Better] = {
    **dict.fromkeys(("higher", "max", "maximize", "maximise", "up"), "higher"),
    **dict.fromkeys(("lower", "min", "minimize", "minimise", "down"), "lower"),
}


def results(
    frame: Frame,
    *,
    columns: Mapping[str, str] | None = None,
    metric: str | None = None,
    better: str | None = None,
    where: Mapping[str, Any] | None = None,
) -> Results:
    """Read a frame with its roles, and check it.

    Args:
        frame: a pandas or polars frame, a pyarrow table, a mapping of columns, a sequence of rows, what a reader
            returned, or `Results` (then only `better` and `where` matter). It is not changed.
        columns: role to column where the names do not say it; `"a:b"` joins two columns. Roles: method, task, value,
            seed, rep, budget, hpo_run, split, metric, status, unit, better.
        metric: which metric: a column of values, or a word in the column `metric`.
        better: `higher` or `lower`; what the table itself declares where None.
        where: column or role to the value that its rows must have, such as `{"budget": 10}`.

    Returns:
        The results, failures among them.

    Raises:
        UsageError: a role cannot be filled, or could be filled twice; a value is no number; units are mixed; rows are
            duplicates. The message names the rows.
    """
    if isinstance(frame, Results):
        if columns or metric:
            raise UsageError("These results have their roles already; hand over the frame itself to name others.")
        table = frame if where is None else _filtered(frame, where)
        return table if better is None else replace(table, better=direction(better))
    found = columns_of(frame)
    if not found or not len(next(iter(found.values())).values):
        raise UsageError("The table has no rows; expected one row per measurement, with a method and a value.")
    source = frame if isinstance(frame, ResultsTable) else None
    fixed = dict(source.roles) if source else {}
    if metric is not None and metric in found:
        fixed.pop("value", None)  # the metric that was asked for, not the one that the format puts first
    roles = find_roles(found, {**fixed, **(columns or {})}, metric)
    table = _assembled(_of_metric(found, roles, metric), roles, source)
    if where:
        table = _filtered(table, where)
    told = better or table.better or (source.better if source else "") or None
    table = replace(table, better=None if told is None else direction(told))
    refuse_duplicates(table)
    return replace(table, warnings=(*table.warnings, *failure_notes(table)))


def direction(word: str) -> Better:
    """`higher` or `lower` for what a user or a format calls it.

    Raises:
        UsageError: it is no direction.

    Example:
        >>> direction("maximize"), direction("lower")
        ('higher', 'lower')
    """
    found = DIRECTIONS.get(word.strip().lower())
    if found is None:
        raise UsageError(f"better = {word!r}; expected 'higher' or 'lower'.")
    return found


def _of_metric(found: dict[str, Column], roles: dict[str, str], metric: str | None) -> dict[str, Column]:
    """The columns, only the rows of the metric that was asked for; fills the role `value` where it is plain."""
    name = roles.get("metric")
    if name is not None and roles.get("value") != metric:
        factor = found[name].as_factor
        if metric is None and len(factor.observed().levels) > 1:
            raise UsageError(f"The table has several metrics: {', '.join(factor.levels)}. Say which: --metric NAME.")
        if metric is not None:
            if metric not in factor.levels:
                raise UnknownNameError("metric", metric, {*factor.levels, *_measured(found, roles)})
            keep = factor.codes == factor.levels.index(metric)
            return {n: _rows(c, keep) for n, c in found.items()} | {LINE: Column(LINE, np.flatnonzero(keep))}
    elif metric is not None and roles.get("value") != metric:
        raise UnknownNameError("metric", metric, _measured(found, roles))
    if "value" not in roles:
        roles["value"] = _only_measure(found, roles)
    return found


def _only_measure(found: Mapping[str, Column], roles: Mapping[str, str]) -> str:
    """The only column that can hold the results: of numbers, or of what begins like a number (refused below)."""
    numbers = _measured(found, roles)
    taken = _parts(roles)
    near = [name for name, c in found.items() if name not in taken and begins_with_numbers(c)]
    if len(numbers or near) == 1:
        return (numbers or near)[0]
    hint = ""
    if near and not numbers:
        cell = next(value for value in found[near[0]].values if value is not None)
        hint = (
            f" {', '.join(near)} hold more than a number in a cell, such as {str(cell)!r}; expected one run per row, "
            "with its number alone."
        )
    if len(numbers) > 1 and "seed" not in roles and not ("method" in roles and "task" in roles):
        hint = f" If each of them is a {'task' if 'method' in roles else 'method'}: --reader wide_table."
    raise UsageError(
        f"Which column holds the results? Columns of numbers: {', '.join(numbers) or 'none'}. Say it: --metric NAME."
        f"{hint}"
    )


LINE = "\x00line"
"""Name under which the numbers of the rows travel through a filter; no column of a file has it."""


def _measured(found: Mapping[str, Column], roles: Mapping[str, str]) -> list[str]:
    """Columns of numbers that fill no role but the value; where no run has a number, those that have nothing else."""
    taken = _parts({role: name for role, name in roles.items() if role != "value"})
    free = {name: c for name, c in found.items() if name not in taken and not c.is_bool}
    with_numbers = [name for name, c in free.items() if holds_numbers(c)]
    return with_numbers or [name for name, c in free.items() if c.is_numeric]


def _parts(roles: Mapping[str, str]) -> set[str]:
    """The columns that fill a role, alone or joined."""
    return {part for name in roles.values() for part in (name, *name.split(JOINT))}


def _rows(c: Column, keep: Any) -> Column:
    return Column(c.name, c.values[keep], None if c.factor is None else c.factor.take(keep), c.is_bool)


def _assembled(found: dict[str, Column], roles: dict[str, str], source: ResultsTable | None) -> Results:
    """The table with its roles; nothing checked yet but the values."""
    picked = found.pop(LINE, None)
    n = len(next(iter(found.values())).values)
    index = np.arange(n) if picked is None else picked.values
    lines = index if source is None or not source.lines else np.asarray(source.lines)[index]
    word = "line" if source is not None and source.lines else "row"
    value = numbers_of(found[roles["value"]], lines, word)
    if "status" in roles:
        value = np.where(is_failed_status(role_factor(found, roles["status"])), np.nan, value)
    factors = {role: role_factor(found, roles[role]) if role in roles else None for role in FACTORS}
    for role in ("method", "task"):
        _refuse_missing(role, factors[role], lines, word)
    notes = [Note("reader", text) for text in (source.notes if source is not None else ())]
    for role in RUNS:
        factors[role], told = _each_its_own(role, factors[role], lines, word)
        notes += told
    budget = _budget(found, roles, (value, factors["task"]), (lines, word)) if "budget" in roles else None
    taken = set(roles.values())  # the parts of a joined role stay columns of their own
    table = Results(
        method=factors["method"] or _one_level(n, "all"),
        task=factors["task"] or _one_level(n, "all"),
        value=value,
        seed=factors["seed"],
        budget=budget,
        hpo_run=factors["hpo_run"],
        split=factors["split"],
        rep=factors["rep"],
        metric=_metric_name(found, roles),
        row=lines,
        source=source.source if source is not None and source.lines else "",
        files=tuple(np.array(_file_of_each(source), dtype=object)[index])
        if source is not None and source.files
        else (),
        roles=roles,
        extra={name: c for name, c in found.items() if name not in taken},
        warnings=tuple(notes),
    )
    unit, better = _only_one(table, found, "unit"), _only_one(table, found, "better")
    return replace(table, unit=unit or (source.unit if source else ""), better=direction(better) if better else None)


def _each_its_own(
    role: str, factor: Factor | None, lines: NDArray[np.intp], word: str
) -> tuple[Factor | None, list[Note]]:
    """A factor in which a row without a label has one of its own, so that it stays a run; None where no row has one."""
    if factor is None or not factor.levels:
        return None, []
    without = np.flatnonzero(factor.codes < 0)
    if not without.size:
        return factor, []
    codes = factor.codes.copy()
    codes[without] = len(factor.levels) + np.arange(without.size)
    levels = (*factor.levels, *(f"none, {word} {lines[k]}" for k in without))
    rows = f"{word}{'s' if without.size > 1 else ''} {', '.join(str(lines[k]) for k in without[:MOST_ROWS_NAMED])}"
    more = f" and {without.size - MOST_ROWS_NAMED} more" if without.size > MOST_ROWS_NAMED else ""
    has = "has" if without.size == 1 else "have"
    text = f"{without.size} of {codes.size} rows {has} no {role} ({rows}{more}): each counts as a run of its own"
    return Factor(codes, levels), [Note("unpaired", f"{text}, paired with no other")]


def _budget(
    found: Mapping[str, Column],
    roles: Mapping[str, str],
    of: tuple[NDArray[np.float64], Factor | None],
    rows: tuple[NDArray[np.intp], str],
) -> NDArray[np.float64] | None:
    """The budgets; a failure without one failed at the largest of its task. None where no row has one."""
    value, task = of
    lines, word = rows
    budget = numbers_of(found[roles["budget"]], lines, word)
    unknown = np.flatnonzero(np.isnan(budget))
    if unknown.size == budget.size:
        return None
    for row in unknown:
        if np.isfinite(value[row]):
            raise UsageError(
                f"The {roles['budget']} is missing in {word} {lines[row]}, which has a value; expected a number in "
                "every row, since it is read as the budget."
            )
        same = np.ones(budget.size, dtype=bool) if task is None else task.codes == task.codes[row]
        near = budget[same & np.isfinite(budget)]
        budget[row] = (near if near.size else budget[np.isfinite(budget)]).max()
    return budget


def _file_of_each(source: ResultsTable) -> list[str]:
    return [name for name, num_rows in source.files for _ in range(num_rows)]


def _one_level(n: int, label: str) -> Factor:
    return Factor(np.zeros(n, dtype=np.intp), (label,))


def _metric_name(found: Mapping[str, Column], roles: Mapping[str, str]) -> str:
    if "metric" in roles:
        levels = found[roles["metric"]].as_factor.observed().levels
        return levels[0] if len(levels) == 1 else roles["value"]
    return roles["value"]


def _refuse_missing(role: str, factor: Factor | None, lines: NDArray[np.intp], word: str) -> None:
    if factor is not None and np.any(factor.codes < 0):
        row = int(lines[np.flatnonzero(factor.codes < 0)[0]])
        raise UsageError(f"The {role} is missing in {word} {row}; expected a name in every row.")


def _only_one(table: Results, found: Mapping[str, Column], role: str) -> str:
    """What all rows say of their unit or direction; empty where they say nothing."""
    if role not in table.roles:
        return ""
    factor = found[table.roles[role]].as_factor.observed()
    if len(factor.levels) <= 1:
        return factor.levels[0] if factor.levels else ""
    rows = [int(np.flatnonzero(factor.codes == k)[0]) for k in range(2)]
    raise UsageError(
        f"The {role} differs between rows: {factor.levels[0]!r} in {table.where(rows[0])}, {factor.levels[1]!r} in "
        f"{table.where(rows[1])}. Compare one metric in one unit at a time: --metric NAME, or correct the rows."
    )


def _filtered(table: Results, where: Mapping[str, Any]) -> Results:
    """Only the rows that have these values."""
    keep = np.ones(table.n, dtype=bool)
    for name, wanted in where.items():
        keep &= _matches(table, name, wanted)
    if not keep.any():
        raise UsageError(f"No row has {', '.join(f'{k} = {v}' for k, v in where.items())}.")
    return table.select(keep)


def _matches(table: Results, name: str, wanted: Any) -> NDArray[np.bool_]:
    """Rows in which a role or a column has a value."""
    role = next((role for role, column in table.roles.items() if name in (role, column)), name)
    if role == "budget" and table.budget is not None:
        try:
            number = float(wanted)
        except (TypeError, ValueError):
            number = math.nan
        known = np.unique(table.budget[np.isfinite(table.budget)])
        if number not in known:
            raise UnknownNameError("budget", str(wanted), [f"{x:g}" for x in known])
        return np.asarray(table.budget == number)
    factor = getattr(table, role, None) if role in FACTORS else None
    if factor is None:
        if name not in table.extra:
            raise UnknownNameError("column", name, {*table.roles, *table.roles.values(), *table.extra})
        factor = table.extra[name].as_factor
    if str(wanted) not in factor.levels:
        raise UnknownNameError(f"value of {name}", str(wanted), factor.levels)
    return np.asarray(factor.codes == factor.levels.index(str(wanted)))


def failure_notes(table: Results) -> Iterator[Note]:
    """How many rows failed, of which methods, and which rows."""
    failed = np.flatnonzero(~table.ok)
    if not failed.size:
        return
    per_method = np.bincount(table.method.codes[failed], minlength=len(table.methods))
    total = np.bincount(table.method.codes, minlength=len(table.methods))
    parts = [f"{m} {k} of {n}" for m, k, n in zip(table.methods, per_method, total, strict=True) if k]
    yield Note(
        "failures", f"{failed.size} of {table.n} rows have no value ({', '.join(parts)}): {table.wherever(failed)}"
    )
