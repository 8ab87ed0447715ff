"""Several results files as one table, with a column that names the file of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cupel.spec.column_names import role_named
from cupel.spec.errors import UsageError
from cupel.spec.results_table import ResultsTable

SOURCE_FILE = "source_file"
KEY = ("method", "task", "seed", "budget", "split", "hpo_run")
"""Roles that tell one measurement from another; a repeat does not."""


def join_tables(tables: Sequence[ResultsTable]) -> ResultsTable:
    """The rows of all tables, one after another.

    A column `source_file` (where taken, `results_file`) names the file of each row. It is the method where no column
    names one; and where a format says so (timings of the same commands on several machines or commits), it is the
    method wherever files hold the same methods and tasks, and what was the method becomes the task.

    Args:
        tables: at least two, of different files.

    Raises:
        UsageError: their columns, roles, units or directions differ. Only where a format gives roles to its columns may
            others be missing in some of its files: parameters and metrics differ from file to file there.
    """
    labels = _labels([table.source for table in tables])
    _refuse_unequal(tables)
    names = list(dict.fromkeys(name for table in tables for name in table.columns))
    columns: dict[str, list[Any]] = {name: [] for name in names}
    mark = next(name for name in (SOURCE_FILE, "results_file", "file_read") if name not in columns)
    columns[mark] = []
    for label, table in zip(labels, tables, strict=True):
        for name in names:
            columns[name] += table.columns.get(name, [None] * table.num_rows)
        columns[mark] += [label] * table.num_rows
    roles, notes = _roles(tables, mark)
    has_lines = all(table.lines for table in tables)
    return ResultsTable(
        columns,
        source=", ".join(table.source for table in tables),
        reader=", ".join(dict.fromkeys(table.reader for table in tables)),
        lines=[line for table in tables for line in table.lines] if has_lines else (),
        roles=roles,
        better=tables[0].better,
        unit=tables[0].unit,
        notes=(*notes, *_notes(labels, tables), *_gap_note(tables, names)),
        same_cells_mean=tables[0].same_cells_mean,
        files=tuple((table.source, table.num_rows) for table in tables),
    )


def _labels(sources: Sequence[str]) -> list[str]:
    """The shortest ends of the paths that tell them apart, without a suffix that all share."""
    parts = [Path(source).parts for source in sources]
    depth = next((k for k in range(1, max(map(len, parts)) + 1) if len({part[-k:] for part in parts}) == len(parts)), 0)
    labels = ["/".join(part[-depth:]) for part in parts]
    ends = {"".join(Path(label).suffixes) for label in labels}
    for end in ends if len(ends) == 1 else ():
        labels = [label.removesuffix(end) for label in labels]
    return labels


def _refuse_unequal(tables: Sequence[ResultsTable]) -> None:
    """Refuse tables that do not say the same things."""
    first = tables[0]
    for table in tables[1:]:
        for what in ("unit", "better"):
            if getattr(table, what) != getattr(first, what):
                raise UsageError(
                    f"{first.source} has {what} = {getattr(first, what) or 'not said'}, {table.source} has "
                    f"{getattr(table, what) or 'not said'}. Read together, files must agree; read them one by one."
                )
        mine, its = set(first.columns), set(table.columns)
        if table.reader == first.reader and first.roles and table.roles:
            # what a format gives a role is there in all of its files; the rest depends on what was logged
            mine, its = mine & set(first.roles.values()), its & set(table.roles.values())
        if mine != its:
            lacking = [f"{a.source} has no {', '.join(sorted(b - c))}" for a, b, c in
                       ((first, its, mine), (table, mine, its)) if b - c]  # fmt: skip
            raise UsageError(
                f"{first.source} and {table.source} have different columns: {'; '.join(lacking)}. Read together, files "
                "must have the same columns; rename or add them."
            )


def _roles(tables: Sequence[ResultsTable], mark: str) -> tuple[dict[str, str], list[str]]:
    """The roles of the joined table, and what to say where files differ or where the file became the method."""
    roles = {role: name for role, name in tables[0].roles.items() if all(t.roles.get(role) == name for t in tables)}
    unclear = sorted({role for table in tables for role in table.roles} - set(roles))
    notes = [f"The files give the role {role} to different columns: say which, --map {role}=NAME" for role in unclear]
    if "method" not in roles and not any(role_named(name) == "method" for name in tables[0].columns):
        roles["method"] = mark
        return roles, [*notes, f"No column names the method: each file is one (method = {mark})."]
    if tables[0].same_cells_mean != "method" or not _share_cells(tables, roles):
        return roles, notes
    subject = ":".join(roles[role] for role in ("task", "method") if role in roles)
    roles |= {"method": mark, "task": subject}
    said = f"The files hold the same {subject}: they are compared with each other (method = {mark})."
    return roles, [*notes, said]


def _share_cells(tables: Sequence[ResultsTable], roles: Mapping[str, str]) -> bool:
    """Whether a method on a task (and seed, budget) stands in more than one file."""
    names = [name for role in KEY if role in roles for name in roles[role].split(":")]
    seen: set[tuple[Any, ...]] = set()
    for table in tables:
        cells = set(zip(*(table.columns[name] for name in names if name in table.columns), strict=True))
        if cells & seen:
            return True
        seen |= cells
    return False


def _notes(labels: Sequence[str], tables: Sequence[ResultsTable]) -> list[str]:
    """The notes of the files, each with its file; those that all have, once."""
    count: Mapping[str, int] = {note: sum(note in t.notes for t in tables) for table in tables for note in table.notes}
    shared = [note for note, times in count.items() if times == len(tables)]
    own = [
        f"{label}: {note}" for label, t in zip(labels, tables, strict=True) for note in t.notes if note not in shared
    ]
    return [*shared, *own]


def _gap_note(tables: Sequence[ResultsTable], names: Sequence[str]) -> list[str]:
    gaps = [name for name in names if any(name not in table.columns for table in tables)]
    return [f"Columns that some files lack are empty there: {', '.join(gaps)}."] if gaps else []
