"""Rows that claim to be the same measurement are refused, with what tells them apart or what to say of them.

Rule
    Two rows with the same method, task, seed, budget, split, tuning run and
    repeat are one measurement twice. Rows that nothing numbers are repeats,
    unless a column such as `iteration` could number the progress of one
    run: then that is asked about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cupel.spec.column_names import COUNTERS, plain_name
from cupel.spec.errors import UsageError
from cupel.stats.frame import Column
from cupel.stats.roles import JOINT
from cupel.stats.rows import Results

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEY = ("method", "task", "seed", "budget", "split", "hpo_run", "rep")
"""Roles that together tell one row from another."""
FILE = "source_file"


def refuse_duplicates(table: Results) -> None:
    """Refuse a table in which two rows are the same measurement; rows that nothing numbers are repeats.

    Args:
        table: rows with their roles.

    Raises:
        UsageError: there are such rows, or a column could number repeats or the progress of a run.
    """
    key = _key(table)
    if table.seed is None and table.rep is None:
        _ask_about_counters(table, key)
        return
    first = np.unique(key, return_index=True)[1]
    if first.size == table.n:
        return
    again = np.setdiff1d(np.arange(table.n), first)
    two = (int(first[key[again[0]]]), int(again[0]))
    roles = [role for role in KEY if getattr(table, role) is not None and (role in table.roles or not table.roles)]
    repeated = "1 row repeats" if again.size == 1 else f"{again.size} rows repeat"
    raise UsageError(
        f"{table.wherever(two)} are duplicates: the same {', '.join(roles)} ({_cell(table, two[0])}); "
        f"{repeated} one before them. {_what_to_do(table, two)}"
    )


def _key(table: Results) -> NDArray[np.intp]:
    """(n,) one code for each measurement."""
    key = np.zeros(table.n, dtype=np.intp)
    for role in KEY:
        part = getattr(table, role)
        if part is None:
            continue
        codes = np.unique(part, return_inverse=True)[1] if isinstance(part, np.ndarray) else part.codes
        _, key = np.unique(key * (int(codes.max(initial=0)) + 2) + codes + 1, return_inverse=True)
    return key


def _ask_about_counters(table: Results, key: NDArray[np.intp]) -> None:
    """Whether rows that nothing numbers are repeats, where a column could say that they are not."""
    if table.budget is not None:
        return
    for name, column in table.extra.items():
        if plain_name(name) not in COUNTERS:
            continue
        pairs = np.unique(np.stack([key, column.as_factor.codes]), axis=1)
        if pairs.shape[1] > np.unique(key).size:
            raise UsageError(
                f"The column {name} numbers the rows of a method on a task, which can mean two things. If each is a "
                f"run of its own: --map rep={name}. If they are stages of one run, of which the last counts: --map "
                f"budget={name} (in Python: columns={{'rep': '{name}'}})."
            )


def _what_to_do(table: Results, two: tuple[int, int]) -> str:
    """How such rows can be told apart, as far as the other columns say."""
    differ = {name: c for name, c in table.extra.items() if _differs(c, two)}
    one, other = (table.value[k] for k in two)
    is_same = bool(one == other or (np.isnan(one) and np.isnan(other)))
    if not differ or (is_same and set(differ) == {FILE}):
        told = "They have the same value" if is_same else f"Their values are {one:g} and {other:g}"
        return f"{told}. Remove one of them, or number repeats in a column `rep`."
    words = [name for name, c in differ.items() if not c.is_numeric and name != FILE]
    counts = [name for name, c in differ.items() if c.is_numeric and np.all(c.values[list(two)] % 1 == 0)]
    lacking = next((role for role in ("method", "task") if table.roles and role not in table.roles), None)
    hints = []
    if words and lacking is not None:
        hints.append(f"no column was read as the {lacking}: --map {lacking}={words[0]}")
    elif words:
        hints.append(
            f"if one of them tells rows apart, join it: --map task={table.roles.get('task', 'task')}{JOINT}{words[0]}"
        )
    if counts or FILE in differ:
        hints.append(f"if it numbers repeats: --map rep={(counts or [FILE])[0]}")
    if counts:
        hints.append(f"if it counts the progress of one run: --map budget={counts[0]}")
    return f"Columns that differ between them: {', '.join(differ)}; {'; '.join(hints) or 'remove one of the rows'}."


def _differs(column: Column, two: tuple[int, int]) -> bool:
    codes = column.as_factor.codes
    return bool(codes[two[0]] != codes[two[1]])


def _cell(table: Results, index: int) -> str:
    names = [table.methods[table.method.codes[index]], table.tasks[table.task.codes[index]]]
    names += [f"seed {table.seed.labels()[index]}"] if table.seed is not None else []
    return ", ".join(names)
