"""A table of results read with its roles: which column names the method, the task, the seed, the value.

Rules
    One row is one measurement. Roles are found by the names below, or told
    (`columns={"method": "params.optimizer"}`); two columns that could both
    fill a role are asked about, never guessed. `"task": "benchmark:prior"`
    joins two columns to one label.
    A failure is a row: its status says so, or its value is missing, not
    finite, or a word such as `failed` or `OOM`. It stays in the table, is
    counted, and its value is unknown.
    Two rows with the same method, task, seed, budget, split, tuning run and
    repeat are refused: one of them would be counted twice. Rows without a
    seed are repeats that are not paired.
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
from cupel.stats.roles import JOINT, find_roles, is_failed_status, numbers_of, role_factor
from cupel.stats.rows import Better, Results

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEY = ("method", "task", "seed", "budget", "split", "hpo_run", "rep")
"""Roles that together tell one row from another."""
FACTORS = ("method", "task", "seed", "hpo_run", "split", "rep")
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
    _refuse_duplicates(table)
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
        numbers = _measured(found, roles)
        if len(numbers) != 1:
            raise UsageError(
                f"Which column holds the results? Columns of numbers: {', '.join(numbers) or 'none'}. "
                "Say it: --metric NAME."
            )
        roles["value"] = numbers[0]
    return found


LINE = "\x00line"
"""Name under which the numbers of the rows travel through a filter; no column of a file has it."""


def _measured(found: Mapping[str, Column], roles: Mapping[str, str]) -> list[str]:
    """Columns of numbers that fill no role but the value."""
    taken = {part for role, name in roles.items() if role != "value" for part in (name, *name.split(JOINT))}
    return [name for name, c in found.items() if name not in taken and c.is_numeric and not c.is_bool]


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
    budget = None
    if "budget" in roles:
        budget = numbers_of(found[roles["budget"]], lines, word)
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
    )
    unit, better = _only_one(table, found, "unit"), _only_one(table, found, "better")
    table = replace(table, unit=unit or (source.unit if source else ""), better=direction(better) if better else None)
    return replace(table, warnings=tuple(Note("reader", text) for text in (source.notes if source else ())))


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


def _refuse_duplicates(table: Results) -> None:
    """Two rows that claim to be the same measurement; rows that nothing tells apart but repeats are let through."""
    if table.seed is None and table.rep is None:
        return
    key = np.zeros(table.n, dtype=np.intp)
    for role in KEY:
        part = getattr(table, role)
        if part is None:
            continue
        codes = np.unique(part, return_inverse=True)[1] if isinstance(part, np.ndarray) else part.codes
        _, key = np.unique(key * (int(codes.max(initial=0)) + 2) + codes + 1, return_inverse=True)
    first = np.unique(key, return_index=True)[1]
    if first.size == table.n:
        return
    again = np.setdiff1d(np.arange(table.n), first)
    two = [int(first[key[again[0]]]), int(again[0])]
    roles = [role for role in KEY if getattr(table, role) is not None]
    differ = [name for name, c in table.extra.items() if c.values[two[0]] != c.values[two[1]]]
    hint = (
        f"Columns that differ between them: {', '.join(differ)}; if one of them tells rows apart, join it: "
        f"--map task={table.roles.get('task', 'task')}{JOINT}{differ[0]}"
        if differ
        else "Remove one of them, or number repeats in a column `rep`"
    )
    raise UsageError(
        f"{table.wherever(two)} are duplicates: the same {', '.join(roles)} ({_cell(table, two[0])}); "
        f"{again.size} rows repeat one before them. {hint}."
    )


def _cell(table: Results, index: int) -> str:
    names = [table.methods[table.method.codes[index]], table.tasks[table.task.codes[index]]]
    names += [f"seed {table.seed.labels()[index]}"] if table.seed is not None else []
    return ", ".join(names)


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
