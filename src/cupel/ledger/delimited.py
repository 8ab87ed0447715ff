"""Text with delimiters (CSV, TSV, semicolons) as columns of plain values: encodings, delimiters, quotes, comments.

Delimiter, encoding and decimal comma are found out from the text. What could be read in two ways is not guessed: rows
of different length and columns of the same name are refused with their line.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from cupel.ledger.cells import is_number, plain_column, with_decimal_points
from cupel.ledger.plain_table import INDEX, PlainTable
from cupel.spec.column_names import role_named
from cupel.spec.errors import UsageError

DELIMITERS = ",\t;|"
_SAMPLE = 64 * 1024
_SAMPLE_ROWS = 50
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_MOST_STRAYS = 0.1
"""Share of control characters up to which bytes are still a text, with something that does not belong into it."""
_FRACTION = re.compile(r"[+-]?[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?")
_EXCEL = re.compile(r"sep=([,;|\t])[\r\n]")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Marks at the start of a file that say its encoding."""


@dataclass(frozen=True)
class Layout:
    """How a text is cut into cells.

    Attributes:
        delimiter: between cells.
        skipped: lines before the header: comments, empty lines, a spreadsheet's `sep=;`.
        header: names of the columns.
        agreement: share of the first rows that have as many cells as the header; 0 where there is no row.
        comment: the last comment before the header, without its mark.
    """

    delimiter: str
    skipped: int
    header: tuple[str, ...]
    agreement: float
    comment: str = ""


def decode(data: bytes) -> tuple[str, str] | None:
    r"""The text in some bytes and a note on its encoding; None where the bytes are no text.

    UTF-8, UTF-16 (with its mark, or with every other byte zero), else Windows-1252, which contains what is printable
    of Latin-1.

    Example:
        >>> decode("naïve".encode("utf-16")), decode("naïve".encode("latin-1"))[0], decode(b"\x93NUMPY\x01\x00")
        (('naïve', ''), 'naïve', None)
    """
    for encoding in _encodings(data):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        text = text.removesuffix("\x1a")
        if _CONTROL.search(text):
            return None
        if encoding != "cp1252":
            return text, ""
        return text, "The file is not UTF-8; it was read as Latin-1 (Windows-1252). Check names with accents."
    return None


def control_character(data: bytes) -> str:
    r"""Where a text has a character that no text has, in words; empty where the bytes are no text at all.

    Example:
        >>> control_character(b"method,value\na,1\n\x1b[31mb,2\n"), control_character(bytes(range(256)))
        ("text with the control character '\\x1b' in line 3", '')
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    found = list(_CONTROL.finditer(text))
    if not found or len(found) > _MOST_STRAYS * len(text):
        return ""
    line = text.count("\n", 0, found[0].start()) + 1
    return f"text with the control character {found[0].group()!r} in line {line}"


def _encodings(data: bytes) -> Iterator[str]:
    """The encodings to try, the likely ones first."""
    marked = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    if marked is not None:
        yield marked
        return
    start = data[:1000]
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(start) > 1 and start[offset::2].count(0) > 0.6 * len(start[offset::2]):
            yield encoding
    yield "utf-8"
    yield "cp1252"


def layout_of(text: str) -> Layout | None:
    """How a text is most likely cut into cells; None where it has nothing but comments."""
    excel = _EXCEL.match(text)
    skipped, comment, at = 0, "", 0
    while at < len(text):
        line = _line(text, at)
        is_comment = line.startswith("#")
        if line.strip() and not is_comment and not (at == 0 and excel):
            break
        comment = line.lstrip("#").strip() if is_comment else comment
        skipped += 1
        at += len(line)
    else:
        return None
    sample = text[at : at + _SAMPLE]
    if len(text) > at + _SAMPLE:
        sample = sample[: sample.rfind("\n") + 1] or sample
    tried = [_cut(sample, delimiter, skipped, comment) for delimiter in (excel.group(1) if excel else DELIMITERS)]
    return max((cut for cut in tried if cut is not None), key=_fit, default=None)


def _fit(cut: Layout) -> tuple[bool, float, int]:
    return len(cut.header) > 1, cut.agreement, len(cut.header)


def _line(text: str, at: int) -> str:
    """The line that begins at a place, with its end."""
    found = _LINE.match(text, at)
    assert found is not None
    return found.group()


def _cut(sample: str, delimiter: str, skipped: int, comment: str) -> Layout | None:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=True):
            rows += [row] if row else []
            if len(rows) > _SAMPLE_ROWS:
                break
    except csv.Error:
        if not rows:
            return None
    header, body = rows[0], rows[1:]
    agreement = sum(len(row) == len(header) for row in body) / len(body) if body else 0.0
    return Layout(delimiter, skipped, tuple(name.strip() for name in header), agreement, comment)


def read_delimited(text: str, layout: Layout, name: str) -> PlainTable:
    """The columns of a text.

    Args:
        text: the whole file.
        layout: how it is cut.
        name: of the file, for messages.

    Raises:
        UsageError: rows differ in length, a quote is not closed, columns have no name or the same one, the header is
            missing, or there are no rows.

    Cost:
        86,400 rows of 8 columns in about a quarter of a second on one core.
    """
    names, cells, lines = _cells(text, layout, name)
    if not lines:
        raise UsageError(f"{name} has a header ({', '.join(names)}) and no rows; expected one row per measurement.")
    columns = {column: cells[k :: len(names)] for k, column in enumerate(names)}
    notes: list[str] = []
    empty = _empty_rows(list(columns.values()))
    if empty:
        notes.append(f"{len(empty)} rows without any value were passed over, the first in line {lines[empty[0]]}.")
        gone = set(empty)
        columns = {n: [cell for k, cell in enumerate(values) if k not in gone] for n, values in columns.items()}
        lines = [line for k, line in enumerate(lines) if k not in gone]
    if not lines:
        raise UsageError(f"{name} has a header and only empty rows; expected one row per measurement.")
    pointed = {}
    if layout.delimiter != ",":
        pointed = with_decimal_points(columns, is_continental=layout.delimiter == ";")
    if pointed:
        notes.append(f"A decimal comma was read in {', '.join(map(repr, pointed))}.")
    plain = {column: plain_column(pointed.get(column, values)) for column, values in columns.items()}
    if INDEX in plain and all(value is None for value in plain[INDEX]):
        del plain[INDEX]
    return PlainTable(plain, lines, tuple(notes))


def _cells(text: str, layout: Layout, name: str) -> tuple[list[str], list[str], list[int]]:
    """The names of the columns, the cells row by row, and the line in which each row begins; empty lines are none.

    The cells are one long list: a list for each row would keep the garbage collector busy for half of the time.
    """
    stream = io.StringIO(text, newline="")
    for _ in range(layout.skipped):
        stream.readline()
    reader = csv.reader(stream, delimiter=layout.delimiter, skipinitialspace=True, strict=True)
    start = layout.skipped + 1
    cells: list[str] = []
    lines: list[int] = []
    wrong: list[tuple[int, int]] = []
    try:
        names = [cell.strip() for cell in next(reader)]
        _check_header(names, layout, f"{name}: line {start}")
        start, width = layout.skipped + reader.line_num + 1, len(names)
        for row in reader:
            if len(row) == width:
                cells += row
                lines.append(start)
            elif len(row) > 1 or (row and row[0].strip()):
                wrong.append((start, len(row)))
            start = layout.skipped + reader.line_num + 1
    except csv.Error as error:
        raise UsageError(
            f"{name}: line {start} cannot be cut into cells: {error}. Expected cells parted by {layout.delimiter!r}, "
            "a quote in a quoted cell doubled. Is the file cut short?"
        ) from error
    if wrong:
        more = f" ({len(wrong)} such rows)" if len(wrong) > 1 else ""
        raise UsageError(
            f"{name}: in line {wrong[0][0]} the number of cells is {wrong[0][1]}, in the header {width} "
            f"({', '.join(names)}){more}. Expected as many in each row: put a cell that contains the delimiter into "
            "quotes, leave a missing cell empty, or mend a line that is cut short."
        )
    return names, cells, lines


def _empty_rows(columns: list[list[str]]) -> list[int]:
    """The rows in which no column says anything."""
    if not all("" in values for values in columns):
        return []
    return [k for k, cell in enumerate(columns[0]) if not cell and not any(values[k] for values in columns)]


def _check_header(names: list[str], layout: Layout, where: str) -> None:
    """Refuse a header that names columns twice, or that is a row of values."""
    twice = [name or "(no name)" for name, times in Counter(names).items() if times > 1]
    if twice:
        raise UsageError(
            f"{where}: several columns are named {', '.join(twice)}. Expected a name of its own for each column; "
            "rename or remove one."
        )
    values = [name for name in names if _FRACTION.fullmatch(name)]
    if values and not any(name == INDEX or role_named(name) for name in names):
        behind = layout.comment.split(layout.delimiter)
        hint = f" Remove the '#' before {layout.comment!r}." if len(behind) == len(names) > 1 else ""
        raise UsageError(
            f"{where}: the names of the columns are expected here, but {values[0]!r} is a number. "
            f"Add a first line such as method{layout.delimiter}task{layout.delimiter}seed{layout.delimiter}value.{hint}"
        )
    if len(names) == 1 and is_number(names[0]):
        raise UsageError(f"{where}: a name is expected for the only column, got {names[0]!r}. Add a first line: value")
