"""The readers of results files: found by listing their folder, described by parsing, imported by name."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from cupel.ledger import readers
from cupel.spec.errors import UnknownNameError

if TYPE_CHECKING:  # listing the readers must not load numpy
    from cupel.ledger.source import Evidence, Source
    from cupel.spec.results_table import ResultsTable


class Reader(Protocol):
    """What a module in `cupel/ledger/readers/` offers."""

    def recognises(self, source: Source) -> Evidence:
        """How sure it is that a file is of its format; never raises."""

    def read(self, source: Source) -> ResultsTable:
        """The table in a file.

        Raises:
            UsageError: it cannot be read as this format.
        """


def reader_names() -> list[str]:
    """The names of all readers, in order."""
    return sorted(path.stem for path in _paths())


def _paths() -> list[Path]:
    return [path for folder in readers.__path__ for path in Path(folder).glob("[a-z]*.py")]


def known_readers() -> dict[str, str]:
    """Name to the first line of the docstring of every reader, by name; nothing is imported.

    Example:
        >>> known_readers()["hyperfine"]
        'Timings of commands by hyperfine (--export-json).'
    """
    return {path.stem: _first_line(path) for path in sorted(_paths(), key=lambda path: path.stem)}


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def load_reader(name: str) -> Reader:
    """The module of a reader.

    Raises:
        UnknownNameError: there is none of that name.
    """
    known = reader_names()
    if name not in known:
        raise UnknownNameError("reader", name, known, f"All readers: {', '.join(known)}.")
    return cast("Reader", import_module(f"{readers.__name__}.{name}"))
