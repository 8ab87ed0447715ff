"""Results files of many tools as one table: the reader is found by what is in the file, or named."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from cupel.ledger.join_tables import join_tables
from cupel.ledger.known_readers import known_readers, load_reader, reader_names
from cupel.ledger.source import STANDARD_INPUT, Evidence, Source
from cupel.ledger.tuning_log import NAME as TUNING_LOG
from cupel.spec.errors import UsageError
from cupel.spec.results_table import ResultsTable

SUFFIXES = frozenset(
    {
        ".csv",
        ".tsv",
        ".json",
        ".jsonl",
        ".npz",
        ".npy",
        ".parquet",
        ".pq",
        ".feather",
        ".arrow",
        ".ipc",
        ".db",
        ".sqlite",
    }
)
"""Endings of files that are meant as results. In a folder, others are read only where they hold a tool's own names."""
MOST_FILES = 10_000
PathLike = str | Path


def read_results(paths: PathLike | Sequence[PathLike], reader: str | None = None) -> ResultsTable:
    """Read one or several results files as one table.

    Args:
        paths: a file; a folder of files; several of them; or `-` for standard input. Several files are joined, see
            `join_tables`: a column `source_file` then names the file of each row.
        reader: the name of a reader; where None, the one with the most specific evidence in the file itself.

    Returns:
        The table; `.reader` says who read it, `.notes` what was done to it. Failures are rows of it.

    Raises:
        UsageError: a file is absent or damaged, or no reader recognises it, or two do alike.
        UnknownNameError: there is no reader of that name.
        MissingExtraError: the library that the format needs is not installed.
    """
    if reader is not None:
        load_reader(reader)
    listed = [paths] if isinstance(paths, str | Path) else list(paths)
    if not listed:
        raise UsageError("No results file is named; expected a path, or - for standard input.")
    tables: list[ResultsTable] = []
    notes: list[str] = []
    for path in listed:
        source = _opened(path)
        if source.kind == "folder" and not _is_read_whole(source, reader):
            tables += _read_folder(source, reader, notes)
        else:
            tables.append(_read(source, reader))
    _refuse_twice(tables)
    table = tables[0] if len(tables) == 1 else join_tables(tables)
    return replace(table, notes=(*table.notes, *notes)) if notes else table


def _opened(path: PathLike) -> Source:
    if (Path(path) / TUNING_LOG).is_file():
        raise UsageError(
            f"{path} is the folder of a tuning run; expected a table of results. Its trials are one: "
            f"cupel report {path} --format csv --out trials.csv"
        )
    return Source(None, sys.stdin.buffer.read(), STANDARD_INPUT) if str(path) == "-" else Source(Path(path))


def _is_read_whole(source: Source, reader: str | None) -> bool:
    """Whether a folder is one thing to a reader."""
    names = reader_names() if reader is None else [reader]
    return any(load_reader(name).recognises(source) for name in names)


def _read(source: Source, reader: str | None) -> ResultsTable:
    """One file by one reader."""
    if source.kind == "empty":
        raise source.refuse("it is empty; expected a results file.")
    name = _chosen(source) if reader is None else reader
    table = load_reader(name).read(source)
    if not table.num_rows:
        raise source.refuse(f"it has no rows (read as {name}); expected one row per measurement.")
    return replace(table, reader=name)


def _chosen(source: Source) -> str:
    """The reader with the most specific evidence.

    Raises:
        UsageError: there is none, or there are two.
    """
    evidence = {name: load_reader(name).recognises(source) for name in reader_names()}
    best = max(evidence.values(), default=Evidence.NONE)
    if best is Evidence.NONE:
        raise source.refuse(_not_recognised(source))
    names = [name for name, found in evidence.items() if found is best]
    if len(names) > 1:
        raise source.refuse(f"it fits {' and '.join(names)} alike. Say which: --reader {names[0]}")
    return names[0]


def _not_recognised(source: Source) -> str:
    known = "\n".join(f"  {name:<18}{text}" for name, text in known_readers().items())
    hint = ""
    if source.kind == "folder" and source.path is not None and (source.path / "run.json").is_file():
        hint = " It is the folder of a run of Cupel: see cupel report and cupel compare."
    return (
        f"found {source.found()}, and no reader recognises it.{hint} Known formats (name one with --reader):\n{known}"
    )


def _read_folder(folder: Source, reader: str | None, notes: list[str]) -> list[ResultsTable]:
    """The results files in a folder and below it; the others are named in a note."""
    assert folder.path is not None
    tables: list[ResultsTable] = []
    passed: list[str] = []
    for path in _files(folder):
        source = Source(path)
        if _is_meant(source):
            tables.append(_read(source, reader))
        else:
            passed.append(str(path.relative_to(folder.path)))
    if not tables:
        raise folder.refuse(_not_recognised(folder))
    if passed:
        more = f" and {len(passed) - 5} more" if len(passed) > 5 else ""
        notes.append(f"Files in {folder.name} that are no results were passed over: {', '.join(passed[:5])}{more}.")
    return tables


def _is_meant(source: Source) -> bool:
    """Whether a file in a folder is one of results."""
    assert source.path is not None
    if SUFFIXES & {suffix.lower() for suffix in source.path.suffixes}:
        return True
    return any(load_reader(name).recognises(source) is Evidence.NAMES for name in reader_names())


def _files(folder: Source) -> Iterator[Path]:
    """Files below a folder by name, without hidden ones."""
    assert folder.path is not None
    num = 0
    for root, folders, names in os.walk(folder.path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            num += 1
            if num > MOST_FILES:
                raise folder.refuse(
                    f"it holds more than {MOST_FILES} files. Name the results files, or a smaller folder."
                )
            yield Path(root) / name


def _refuse_twice(tables: Sequence[ResultsTable]) -> None:
    """A file that is named twice would be counted twice."""
    seen: set[str] = set()
    for table in tables:
        key = table.source if table.source == STANDARD_INPUT else str(Path(table.source).resolve())
        if key in seen:
            raise UsageError(f"{table.source} is named twice; its rows would count twice. Name each file once.")
        seen.add(key)
