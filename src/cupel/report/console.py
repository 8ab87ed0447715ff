"""The terminal as the renderers see it: a console that never fails to encode, and tables that fit its width."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TextIO

from cupel.report.words import ASCII, Sign

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

STYLES = {"good": "green", "warn": "yellow", "bad": "red", "calm": "dim"}
PROBE = "✓✗▲▼≈◇±×—…·▸─"
GAP = 2


class Encodable:
    """A stream to which signs are written as ASCII where its encoding lacks them.

    Args:
        file: the stream; everything but writing is its own.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._encoding = getattr(file, "encoding", None) or "utf-8"
        try:
            PROBE.encode(self._encoding)
            self._has_signs = True
        except (UnicodeEncodeError, LookupError):
            self._has_signs = False

    def write(self, text: str) -> int:
        """Write the text, replacing what cannot be encoded."""
        if not self._has_signs:
            text = text.translate(ASCII)
        if not self._file.isatty():
            text = re.sub(r" +$", "", text, flags=re.MULTILINE)
        encoding = "ascii" if not self._has_signs else self._encoding
        return self._file.write(text.encode(encoding, "replace").decode(encoding))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def open_console(file: TextIO, width: int | None = None) -> Console:
    """A console on the stream: colours only on a terminal and unless NO_COLOR is set; 80 columns where unknown."""
    from rich.console import Console

    stream: Any = Encodable(file)
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def is_live(console: Console) -> bool:
    """Whether lines on it can be drawn again."""
    return console.is_terminal and not console.is_dumb_terminal


@dataclass(frozen=True)
class Column:
    """A column of a table that must fit.

    Args:
        title: its head.
        cells: its texts, with a style each (empty for none).
        justify: side on which they stand.
        least: width that it may be cut to; 0 where it may not be cut.
        drop: of the columns that do not fit, the one with the highest goes first; 0 never goes.
    """

    title: str
    cells: list[tuple[str, str]] = field(default_factory=list)
    justify: Literal["left", "right"] = "left"
    least: int = 0
    drop: int = 0

    @property
    def natural(self) -> int:
        """Width of its widest cell."""
        from rich.cells import cell_len

        return max(map(cell_len, [self.title, *(text for text, _ in self.cells)]))

    @property
    def is_empty(self) -> bool:
        """Whether no cell says anything."""
        return all(text in ("", "—") for text, _ in self.cells)


def fit(columns: Sequence[Column], width: int) -> list[tuple[Column, int]]:
    """The columns that fit, with their widths: first columns are cut, then dropped."""
    kept = list(columns)
    while True:
        widths = [c.natural for c in kept]
        excess = sum(widths) + GAP * (len(kept) - 1) - width
        for k, column in enumerate(kept):
            if column.least and excess > 0:
                cut = min(excess, max(0, widths[k] - column.least))
                widths[k] -= cut
                excess -= cut
        worst = max(kept, key=lambda c: c.drop)
        if excess <= 0 or worst.drop == 0:
            return list(zip(kept, widths, strict=True))
        kept.remove(worst)


def fitted_table(columns: Sequence[Column], width: int) -> RenderableType:
    """A table that is at most so wide; cells that are cut end in an ellipsis."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    placed = fit(columns, width)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0), header_style="bold")
    for column, size in placed:
        table.add_column(column.title, justify=column.justify, width=size, no_wrap=True, overflow="ellipsis")
    for row in zip(*(column.cells for column, _ in placed), strict=True):
        table.add_row(*(Text(text, style=style, no_wrap=True, overflow="ellipsis") for text, style in row))
    return table


def hanging(rows: Iterable[tuple[Sign, str]]) -> RenderableType:
    """Sentences, each behind its sign, wrapped beside it."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True, width=1)
    grid.add_column(overflow="fold")
    for sign, text in rows:
        grid.add_row(styled(sign.mark, sign.tone), styled(text))
    return grid


def styled(text: str, tone: str = "") -> Text:
    """Text in the colour of a tone; never read as markup."""
    from rich.text import Text

    return Text(text, style=STYLES.get(tone, tone), overflow="fold")
