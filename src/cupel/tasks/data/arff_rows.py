"""Rows of ARFF files, the format of Weka and OpenML, read one at a time.

Dense and sparse rows, quoted names and values, and missing values (`?`, read as None) are understood; relational
attributes and weights of rows are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from cupel.spec import UsageError

_QUOTED = r"""'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)\""""
_ATTRIBUTE = re.compile(rf"@attribute\s+(?:{_QUOTED}|(\S+))\s+(.+)", re.IGNORECASE)
_VALUE = re.compile(rf"\s*(?:{_QUOTED}|([^,'\"]*?))\s*(,|$)")
_SPARSE_KEY = re.compile(r"\s*(\d+)\s")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True)
class Attribute:
    """A column: its name and its type (`number`, `integer`, `text`, or `nominal` with its values)."""

    name: str
    kind: str
    values: tuple[str, ...] = ()

    def parse(self, text: str | None) -> Any:
        """A cell's value; None where it is missing."""
        if text is None or self.kind == "text":
            return text
        if self.kind == "nominal":
            if text not in self.values:
                raise ValueError(f"{text!r} is none of the values of {self.name!r}")
            return text
        return int(text) if self.kind == "integer" and text.lstrip("+-").isdigit() else float(text)

    @property
    def absent(self) -> Any:
        """What a sparse row means by leaving it out: zero, or the first value."""
        return {"number": 0.0, "integer": 0, "text": ""}.get(self.kind, self.values[0] if self.values else None)


def arff_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file, by the names of its attributes.

    Raises:
        UsageError: the file is not ARFF as understood here; the message names file and line.
    """
    with path.open(encoding="utf-8-sig") as file:
        lines = _Lines(file)
        try:
            attributes = _header(lines)
            for text in lines:
                yield _row(text, attributes)
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is not in UTF-8: {error}; convert it.") from error
        except ValueError as error:
            raise UsageError(f"{path}:{lines.number}: {error}; this is not ARFF as Cupel reads it.") from error


class _Lines:
    """The lines of a file that say something, and the number of the last one."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        """From where it stands on."""
        for line in self.file:
            self.number += 1
            text = line.strip()
            if text and not text.startswith("%"):
                yield text


def _header(lines: _Lines) -> list[Attribute]:
    """The attributes; the lines then stand after `@data`."""
    attributes: list[Attribute] = []
    for text in lines:
        word = text.split()[0].lower()
        if word == "@data" and attributes:
            return attributes
        if word == "@attribute":
            attributes.append(_attribute(text))
        elif word != "@relation":
            raise ValueError(f"{text[:60]!r} stands before @data")
    raise ValueError(f"the file ends without @data, after {len(attributes)} attributes")


def _attribute(text: str) -> Attribute:
    """A declaration."""
    match = _ATTRIBUTE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:60]!r} declares no attribute")
    single, double, plain, kind = match.groups()
    name = _unescaped(next(part for part in (single, double, plain) if part is not None))
    if kind.startswith("{"):
        values = _values(kind.rstrip().removeprefix("{").removesuffix("}"))
        return Attribute(name, "nominal", tuple(str(value) for value in values))
    word = kind.split()[0].lower()
    known = {"numeric": "number", "real": "number", "integer": "integer", "string": "text", "date": "text"}
    if word not in known:
        raise ValueError(f"{name!r} is of the type {word!r}, which is not understood")
    return Attribute(name, known[word])


def _row(text: str, attributes: list[Attribute]) -> dict[str, Any]:
    """One row, dense or sparse."""
    if not text.startswith("{"):
        cells = _values(text)
        if len(cells) != len(attributes):
            raise ValueError(f"{len(cells)} values for {len(attributes)} attributes")
        return {attribute.name: attribute.parse(cell) for attribute, cell in zip(attributes, cells, strict=True)}
    row = {attribute.name: attribute.absent for attribute in attributes}
    rest = text.removeprefix("{").removesuffix("}")
    position = 0
    while rest[position:].strip():
        key = _SPARSE_KEY.match(rest, position)
        if key is None or int(key[1]) >= len(attributes):
            raise ValueError(
                f"{rest[position : position + 40]!r} is no index and value of {len(attributes)} attributes"
            )
        cell, position = _value(rest, key.end())
        attribute = attributes[int(key[1])]
        row[attribute.name] = attribute.parse(cell)
    return row


def _values(text: str) -> list[str | None]:
    """Values between commas."""
    values: list[str | None] = []
    position, is_open = 0, True
    while is_open:
        start = position
        value, position = _value(text, start)
        values.append(value)
        is_open = text[start:position].endswith(",") and position <= len(text)
    return values


def _value(text: str, start: int) -> tuple[str | None, int]:
    """The value at a position, and where the next one starts; None for a bare question mark."""
    match = _VALUE.match(text, start)
    if match is None:
        raise ValueError(f"{text[start : start + 40]!r} is no value, or one whose quotes do not end")
    single, double, plain, _ = match.groups()
    if plain is not None:
        return (None if plain == "?" else plain), match.end()
    return _unescaped(single if single is not None else double), match.end()


def _unescaped(text: str) -> str:
    r"""The text of a quoted value: `\'` is an apostrophe."""
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text)
