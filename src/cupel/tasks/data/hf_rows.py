"""Rows of the user's own data sets on disk, as the Hugging Face hub and OpenML hand them out; nothing is downloaded.

Understood are Parquet and Arrow files (by pyarrow, extra `tables`), JSON lines, JSON, CSV, TSV and ARFF, text also
gzipped. A folder is searched as the `datasets` library does: the split is told by the names of files and folders
(`train-00000-of-00002.parquet`, `data/test/0.jsonl`), and a folder that names none is all `train`. Folders that
`save_to_disk` wrote are such folders. Rows are dicts; a picture is the dict of `bytes` and `path` that it is stored as.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from cupel.spec import UsageError
from cupel.spec.errors import MissingExtraError, UnknownNameError
from cupel.spec.extras import install_line
from cupel.tasks.data.arff_rows import arff_rows

Row: TypeAlias = Mapping[str, Any]
SPLIT_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Words by which the name of a file or of a folder tells its split."""
MISSING = frozenset({"", "?", "NA", "N/A", "null", "None"})
"""Cells of a CSV file that hold nothing."""
ROWS_AT_ONCE = 1024


def read_split(source: Path, *, split: str = "train", columns: Sequence[str] = ()) -> Iterator[Row]:
    """The rows of a data set, file after file.

    Args:
        source: a file, or the folder of a data set.
        split: which of its splits; not asked of a single file.
        columns: columns to keep; all where none is named.

    Raises:
        UsageError: there is no such split, or a file cannot be read; the message names it.
        UnknownNameError: there is no such column.
        MissingExtraError: a file needs pyarrow, which is not installed.
    """
    for path in find_tables(source, split=split):
        yield from read_table(path, columns=columns)


def find_tables(source: Path, *, split: str = "train") -> list[Path]:
    """The files of a split, by name.

    Raises:
        UsageError: there are none; the message says which splits there are.
    """
    if source.is_file():
        return [source]
    tables = sorted(path for path in source.rglob("*") if _reader_of(path) is not None and not _is_hidden(path, source))
    if not tables:
        raise UsageError(f"{source} holds no tables; expected a folder with files that end in {', '.join(READERS)}.")
    told = {path: _told_split(path.relative_to(source)) for path in tables}
    found = [path for path in tables if (told[path] or "train") == split]
    if any(told.values()):
        found = [path for path in tables if told[path] == split]
    if not found:
        names = sorted({name for name in told.values() if name}) or ["train"]
        raise UsageError(f"{source} has no split {split!r}; its files are of: {', '.join(names)}.")
    return found


def read_table(path: Path, *, columns: Sequence[str] = ()) -> Iterator[Row]:
    """The rows of one file; `read_split` says what is raised."""
    reader = _reader_of(path)
    if reader is None:
        raise UsageError(f"{path} is of an unknown kind; expected a file that ends in {', '.join(READERS)}.")
    for row in reader(path):
        if not columns:
            yield row
            continue
        for name in columns:
            if name not in row:
                raise UnknownNameError("column", name, row, see=f"Looked in {path}.")
        yield {name: row[name] for name in columns}


def as_columns(rows: Iterable[Row]) -> dict[str, list[Any]]:
    """Rows as lists by column; a row that lacks a column has None in it."""
    columns: dict[str, list[Any]] = {}
    for num_before, row in enumerate(rows):
        for name in row:
            if name not in columns:
                columns[name] = [None] * num_before
        for name, values in columns.items():
            values.append(row.get(name))
    return columns


def _is_hidden(path: Path, root: Path) -> bool:
    """Whether a file or a folder above it is hidden, or is a description by `save_to_disk` and not a table."""
    is_description = path.name in ("dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json")
    return is_description or any(part.startswith((".", "__")) for part in path.relative_to(root).parts)


def _told_split(path: Path) -> str:
    """The split that a path tells: the file's name before the nearest folder's; empty where it tells none."""
    for part in reversed(path.parts):
        words = re.split(r"[^a-z]+", part.lower())
        for split, known in SPLIT_WORDS.items():
            if any(word in known for word in words):
                return split
    return ""


def _opened(path: Path) -> TextIO:
    """A text file, unpacked where it is gzipped."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _json_rows(path: Path) -> Iterator[Row]:
    """One object a line, a list of objects, or an object with such a list in it."""
    with _opened(path) as file:
        begin = file.read(1)
        file.seek(0)
        if begin != "[" and path.name.removesuffix(".gz").endswith((".jsonl", ".ndjson")):
            yield from _json_lines(path, file)
            return
        text = file.read()
    try:
        content = json.loads(text)
    except ValueError:
        yield from _json_lines(path, text.splitlines())
        return
    lists = [content] if isinstance(content, list) else [part for part in content.values() if _is_rows(part)]
    if len(lists) != 1 or not _is_rows(lists[0]):
        raise UsageError(f"{path} holds {len(lists)} lists of objects; expected one, or an object a line.")
    yield from lists[0]


def _is_rows(part: object) -> bool:
    return isinstance(part, list) and all(isinstance(row, dict) for row in part)


def _json_lines(path: Path, lines: Iterable[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{path}:{number}: not JSON: {error}; expected an object a line.") from error
        if not isinstance(row, dict):
            raise UsageError(f"{path}:{number}: {line.strip()[:40]!r} is no object; expected one a line.")
        yield row


def _csv_rows(path: Path) -> Iterator[Row]:
    """Rows of a table with a head; a column is of numbers where all its cells are, else text. Read twice."""
    kinds: list[Callable[[str], Any]] = []
    for row in _csv_cells(path):
        kinds = kinds or [int] * len(row)
        kinds = [_kind(cell, kind) for cell, kind in zip(row.values(), kinds, strict=True)]
    for row in _csv_cells(path):
        cells = zip(row.items(), kinds, strict=True)
        yield {name: None if cell in MISSING and kind is not str else kind(cell) for (name, cell), kind in cells}


def _csv_cells(path: Path) -> Iterator[dict[str, str]]:
    with _opened(path) as file:
        is_tabs = path.name.removesuffix(".gz").endswith(".tsv")
        reader = csv.reader(file, delimiter="\t" if is_tabs else ",")
        head = next(reader, [])
        for row in reader:
            if row and len(row) != len(head):
                raise UsageError(f"{path}:{reader.line_num}: {len(row)} cells; expected {len(head)}, as in the head.")
            if row:
                yield dict(zip(head, row, strict=True))


def _kind(cell: str, kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """The narrowest of int, float and str that a column is still of, with one more cell."""
    if cell in MISSING:
        return kind
    for wider in (int, float):
        if wider is int and kind is not int:
            continue
        if kind is str:
            break
        try:
            wider(cell)
        except ValueError:
            continue
        return wider
    return str


def _parquet_rows(path: Path) -> Iterator[Row]:
    parquet = _pyarrow("pyarrow.parquet")
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
            yield from batch.to_pylist()


def _arrow_rows(path: Path) -> Iterator[Row]:
    """A stream of batches, as `save_to_disk` writes it, or an Arrow file."""
    pyarrow = _pyarrow("pyarrow")
    with pyarrow.memory_map(str(path)) as source:
        try:
            stream = pyarrow.ipc.open_stream(source)
        except pyarrow.ArrowInvalid:
            source.seek(0)
            file = pyarrow.ipc.open_file(source)
            stream = (file.get_batch(number) for number in range(file.num_record_batches))
        for batch in stream:
            yield from batch.to_pylist()


def _pyarrow(module: str) -> Any:
    """A module of pyarrow."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"Parquet and Arrow files need pyarrow. Install it: {install_line(('tables',))}"
        ) from error


def _named(reader: Callable[[Path], Iterator[Row]]) -> Callable[[Path], Iterator[Row]]:
    """The reader, whose errors name the file."""

    def read(path: Path) -> Iterator[Row]:
        try:
            yield from reader(path)
        except UsageError:
            raise
        except (ValueError, EOFError, gzip.BadGzipFile, csv.Error) as error:  # pyarrow's own are ValueErrors
            raise UsageError(f"{path} cannot be read: {error}; replace or remove it.") from error

    return read


_TEXT: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": _json_rows,
    ".ndjson": _json_rows,
    ".json": _json_rows,
    ".csv": _csv_rows,
    ".tsv": _csv_rows,
}
READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".parquet": _named(_parquet_rows),
    ".arrow": _named(_arrow_rows),
    **{suffix: _named(reader) for suffix, reader in _TEXT.items()},
    **{f"{suffix}.gz": _named(reader) for suffix, reader in _TEXT.items()},
    ".arff": arff_rows,
}
"""The reader of each kind of file, by the end of its name."""


def _reader_of(path: Path) -> Callable[[Path], Iterator[Row]] | None:
    """The reader of a file; None for what is no table."""
    ends = [suffix for suffix in READERS if path.name.lower().endswith(suffix)]
    return READERS[max(ends, key=len)] if ends else None
