"""A results file as its readers are handed it: what it is, and its content as text, JSON, table, arrays or database.

Each view is made when it is first asked for and then kept, so that readers can look at a file one after another and the
chosen one reads it without doing the work again. What a file is, its first bytes say, not its name.
"""

from __future__ import annotations

import contextlib
import difflib
import gzip
import json
import sqlite3
import stat
import zlib
from collections.abc import Iterator, Mapping
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from cupel.ledger.array_files import MAGIC as NPY
from cupel.ledger.array_files import is_npz, read_npy, read_npz
from cupel.ledger.columnar import MAGIC as COLUMNAR
from cupel.ledger.columnar import column_names, format_of, read_columnar
from cupel.ledger.delimited import Layout, control_character, decode, layout_of, read_delimited
from cupel.ledger.plain_table import PlainTable
from cupel.spec.errors import UsageError

Kind: TypeAlias = Literal[
    "folder", "empty", "delimited", "columnar", "json", "json lines", "npz", "npy", "sqlite", "text", "binary"
]
T = TypeVar("T")
STANDARD_INPUT = "standard input"
_SQLITE = b"SQLite format 3\x00"
_GZIP = b"\x1f\x8b"
_START = 4096
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    *((magic, "columnar") for magic in COLUMNAR),
    (_SQLITE, "sqlite"),
    (NPY, "npy"),
    (b"PK\x03\x04", "npz"),
)
_OTHERS = (
    (b"\x80\x02", "a pickle, which is never opened: reading one runs code. Write the table as CSV"),
    (b"\x80\x03", "a pickle, which is never opened: reading one runs code. Write the table as CSV"),
    (b"\x80\x04", "a pickle, which is never opened: reading one runs code. Write the table as CSV"),
    (b"\x80\x05", "a pickle, which is never opened: reading one runs code. Write the table as CSV"),
    (b"PK\x03\x04", "a zip archive (an Excel workbook is one). Write the table as CSV, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook. Write the table as CSV"),
    (b"\x89HDF", "an HDF5 file. Write the table as CSV or Parquet"),
    (b"\xfd7zXZ", "a file compressed by xz. Unpack it"),
    (b"BZh", "a file compressed by bzip2. Unpack it"),
    (b"(\xb5/\xfd", "a file compressed by zstd. Unpack it"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
)
"""First bytes of files that hold no results that can be read, and what to say of them."""


class Evidence(IntEnum):
    """How sure a reader is that a file is of its format. The most specific one reads it; two alike are asked about."""

    NONE = 0
    SHAPE = 1
    """It is a table, whatever its columns say."""
    LAYOUT = 2
    """The arrangement of its rows, columns or arrays fits, and their names say nothing else."""
    NAMES = 3
    """It has the names of columns, keys or tables that only this tool writes."""


class Source:
    """A results file.

    Args:
        path: the file or folder; None where the bytes are given.
        data: the bytes, where they do not come from a file.
        name: how messages name it; the path where None.

    Raises:
        UsageError: there is no such file, or it cannot be read.
    """

    def __init__(self, path: Path | None, data: bytes | None = None, name: str | None = None) -> None:
        self.path = path
        self.name = str(path) if name is None else name
        self._given = data
        if path is not None:
            self._check(path)

    def _check(self, path: Path) -> None:
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError) as error:
            raise self.refuse(
                f"it cannot be read: {getattr(error, 'strerror', None) or error}. {_beside(path)}"
            ) from None
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISDIR(mode)):
            raise self.refuse("it is neither a file nor a folder. Name a results file, or - for standard input.")

    def refuse(self, text: str) -> UsageError:
        """The error that says of this file what is wrong with it."""
        return UsageError(f"{self.name}: {text}")

    def expect(self, value: object, kind: type[T], what: str) -> T:
        """A value that must be of a kind.

        Raises:
            UsageError: it is another; the message names `what`.
        """
        if isinstance(value, kind):
            return value
        raise self.refuse(f"{what} is {_kind_word(value)}; expected {_WORDS.get(kind, kind.__name__)}. Is it damaged?")

    @cached_property
    def kind(self) -> Kind:
        """What the file is, by its first bytes."""
        if self.path is not None and self.path.is_dir():
            return "folder"
        start = self._start
        if not start.strip():
            return "empty"
        kind = next((kind for magic, kind in _MAGIC if start.startswith(magic)), None)
        if kind == "npz" and not is_npz(self.data):
            return "binary"
        return kind or (self._kind_of_text() if self.text else "binary")

    def _kind_of_text(self) -> Kind:
        if self.text.lstrip()[:1] in ("{", "["):
            if self._parsed[1].startswith("Extra data") and next(self.records, None) is not None:
                return "json lines"
            return "json"
        layout = self._layout
        if layout is None or self.text.lstrip().startswith("<"):
            return "text"
        is_called_table = self.name == STANDARD_INPUT or {".csv", ".tsv"} & set(Path(self.name.lower()).suffixes)
        return "delimited" if is_called_table or (len(layout.header) > 1 and layout.agreement >= 0.5) else "text"

    @cached_property
    def _start(self) -> bytes:
        if self._given is not None or self.path is None or not self.path.is_file():
            return self.data[:_START]
        with self._reading(), self.path.open("rb") as file:
            start = file.read(_START)
        return self.data[:_START] if start.startswith(_GZIP) else start

    @cached_property
    def data(self) -> bytes:
        """All bytes, unpacked where they are compressed by gzip."""
        if self._given is not None:
            data = self._given
        else:
            assert self.path is not None
            with self._reading():
                data = self.path.read_bytes()
        if not data.startswith(_GZIP):
            return data
        try:
            return gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise self.refuse(f"its compression is damaged: {error}. Is it cut short? Write it again.") from error

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self.refuse(f"it cannot be read: {error.strerror}.") from error

    @cached_property
    def _decoded(self) -> tuple[str, str]:
        return decode(self.data) or ("", "")

    @property
    def text(self) -> str:
        """The file as text; empty where it is none."""
        return self._decoded[0]

    @cached_property
    def _layout(self) -> Layout | None:
        return layout_of(self.text)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, where the file is a table; never raises."""
        if self.kind == "delimited":
            return self._layout.header if self._layout is not None else ()
        if self.kind == "columnar":
            return column_names(self.data, format_of(self._start))
        return ()

    @cached_property
    def table(self) -> PlainTable:
        """The file as a table.

        Raises:
            UsageError: it is none, or a damaged one.
            MissingExtraError: it is a columnar file, and no library that reads those is installed.
        """
        if self.kind == "columnar":
            try:
                return read_columnar(self.data, format_of(self._start))
            except UsageError as error:
                raise self.refuse(str(error)) from error
        if self.kind not in ("delimited", "text") or self._layout is None:
            raise self.refuse(f"a table was expected, found {self.found()}.")
        table = read_delimited(self.text, self._layout, self.name)
        note = self._decoded[1]
        return PlainTable(table.columns, table.lines, (note, *table.notes)) if note else table

    @cached_property
    def _parsed(self) -> tuple[Any, str]:
        """The content as JSON, and why it is none."""
        try:
            return json.loads(self.text, object_pairs_hook=_once), ""
        except json.JSONDecodeError as error:
            return None, f"{error.msg} in line {error.lineno}, column {error.colno}"
        except (ValueError, RecursionError) as error:
            return None, str(error)

    @property
    def json(self) -> Any:
        """The content of a JSON file; None where it is none or damaged."""
        return self._parsed[0] if self.kind == "json" else None

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of a JSON file that holds one object; never raises."""
        return frozenset(self.json) if isinstance(self.json, dict) else frozenset()

    @property
    def records(self) -> Iterator[tuple[int, Mapping[str, Any] | None]]:
        """Line number and object of each line of a JSON-lines file; None for a line that is none. Nothing else's."""
        for number, line in enumerate(self.text.split("\n"), 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            if number == 1 and not isinstance(record, dict):
                return
            yield number, record if isinstance(record, dict) else None

    @cached_property
    def arrays(self) -> dict[str, Any]:
        """The arrays of an npz file by name, or the one of an npy file under the empty name.

        Raises:
            UsageError: it is damaged, or holds Python objects.
        """
        try:
            return read_npz(self.data) if self.kind == "npz" else {"": read_npy(self.data, "the whole file")}
        except UsageError as error:
            raise self.refuse(str(error)) from error

    @cached_property
    def db_tables(self) -> frozenset[str]:
        """The names of the tables of an SQLite file; never raises."""
        if self.kind != "sqlite":
            return frozenset()
        with contextlib.suppress(UsageError):
            return frozenset(str(row[0]) for row in self.query("SELECT name FROM sqlite_master WHERE type = 'table'"))
        return frozenset()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of an SQLite file, which is opened for reading alone.

        Raises:
            UsageError: the database is damaged or locked, or is not a file of its own.
        """
        if self.path is None or self.data_is_packed:
            raise self.refuse("a database is read from a file of its own: unpack it, and give its path.")
        try:
            with contextlib.closing(sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True)) as database:
                database.execute("PRAGMA trusted_schema = OFF")
                return database.execute(sql).fetchall()
        except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
            raise self.refuse(f"the database cannot be read: {error}. Is it in use, or damaged?") from error

    @property
    def data_is_packed(self) -> bool:
        """Whether the file on disk is a compressed one."""
        assert self.path is not None
        with self._reading(), self.path.open("rb") as file:
            return file.read(2) == _GZIP

    def found(self) -> str:
        """What the file is, in words, for messages."""
        if self.kind == "json":
            if self._parsed[1]:
                return f"JSON that is damaged or cut short: {self._parsed[1]}"
            keys = ", ".join(sorted(self.keys)[:8])
            return f"JSON with the keys {keys}" if keys else f"JSON that is {_kind_word(self.json)}"
        if self.kind == "delimited":
            return f"a table with the columns {', '.join(self.names[:12])}"
        if self.kind == "sqlite":
            return f"an SQLite database with the tables {', '.join(sorted(self.db_tables)[:8]) or '(none can be read)'}"
        if self.kind == "binary":
            other = next((words for magic, words in _OTHERS if self._start.startswith(magic)), None)
            return other or control_character(self.data) or "bytes that are no text and begin like no known format"
        return {
            "folder": "a folder", "empty": "an empty file", "npz": "an archive of arrays", "npy": "one array",
            "columnar": "a columnar file", "json lines": "one JSON object a line", "text": "text without columns",
        }[self.kind]  # fmt: skip


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys all differ; a second one would silently replace the first."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


_WORDS: dict[type[object], str] = {list: "a list", dict: "an object", str: "text", int: "a whole number"}


def _kind_word(value: object) -> str:
    return "missing" if value is None else _WORDS.get(type(value), repr(value)[:40])


def _beside(path: Path) -> str:
    """What stands beside a file that is not there."""
    with contextlib.suppress(OSError, ValueError):
        names = sorted(beside.name for beside in path.parent.iterdir())
        close = difflib.get_close_matches(path.name, names[:2000], n=3)
        return f"Close: {', '.join(str(path.parent / name) for name in close)}." if close else "Check the path."
    return "Check the path."
