"""An analysis on the terminal: the answer, the design, methods, pairs, what would settle them, warnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TextIO

from cupel.report.analysis_words import (
    METHOD_HEADS,
    budget_text,
    further_texts,
    gain_text,
    method_cells,
    metric_text,
    pair_cells,
    pair_heads,
    region_text,
    roles_text,
    separation_text,
    settle_texts,
)
from cupel.report.console import STYLES, Column, fitted_table, hanging, open_console, styled
from cupel.report.words import STATUS, Document, Sign, plain, verdict_sign, warning_texts

MOST_PAIRS = 30
MOST_SETTLED = 12
NOTE = Sign("·", "note", "-", "calm")
MORE = Sign(" ", "", " ", "calm")
CALM = frozenset({"one budget of several", "reader", "few tasks", "unpaired"})
RIGHT = frozenset({"mean", "IQM", "mean rank", "runs", "failed", "gain", "ratio", "p", "p alone", "in sd", "P(A>B)"})
DROPS = {"interval of IQM": 6, "IQM": 5, "p alone": 7, "in sd": 2, "mean rank": 2, "P(A>B)": 1}
DESIGN_TASKS = 12
LEAST_NAME = 22
"""Names of methods and pairs are cut to this before other columns go."""


def show_analysis(document: Document, *, file: TextIO, width: int | None = None) -> None:
    """Print an analysis.

    Args:
        document: of kind `analysis`.
        file: where to; colours only if it is a terminal.
        width: columns, the terminal's own (80 where there is none) unless given.
    """
    console = open_console(file, width)
    console.print(styled(plain(document.get("headline")), "bold"))
    console.print()
    for line in _about(document):
        console.print(styled(line, "dim"))
    console.print()
    methods: Sequence[Document] = document.get("methods") or ()
    if methods:
        console.print(fitted_table(_columns(METHOD_HEADS, [method_cells(row) for row in methods]), console.width))
        console.print()
    pairs: Sequence[Document] = document.get("pairs") or ()
    if pairs:
        console.print(fitted_table(_pair_columns(document, pairs[:MOST_PAIRS]), console.width))
        if len(pairs) > MOST_PAIRS:
            console.print(styled(f"and {len(pairs) - MOST_PAIRS} more pairs: --format csv or json", "dim"))
        console.print()
    for line in _reading(document):
        console.print(styled(line))
    for name, lines in further_texts(document):
        console.print(styled(f"{name.capitalize()}: {lines[0]}"))
        if lines[1:]:
            console.print(hanging((MORE, line) for line in lines[1:]))
    notes = list(_notes(document))
    if notes:
        console.print()
        console.print(hanging(notes))
    console.print()
    console.print(styled(f"How: {plain(document.get('how'))}.", "dim"))


def show_design(document: Document, *, file: TextIO, width: int | None = None) -> None:
    """Print the design alone: runs by method and task.

    Args:
        document: of kind `analysis`, or `design` (one without an answer).
        file: where to.
        width: columns.
    """
    console = open_console(file, width)
    for line in _about(document):
        console.print(styled(line))
    console.print()
    design = document.get("design") or {}
    tasks = [plain(task) for task in design.get("tasks") or ()]
    columns = [Column("method", least=10), Column("failed", justify="right")]
    columns += [Column(task, justify="right", least=4, drop=k + 1) for k, task in enumerate(tasks[:DESIGN_TASKS])]
    for name, row in zip(design.get("methods") or (), design.get("counts") or (), strict=True):
        cells = [plain(name), plain((design.get("failed") or {}).get(name)), *map(str, row[:DESIGN_TASKS])]
        for column, cell in zip(columns, cells, strict=True):
            column.cells.append((cell, "red" if cell == "0" and column not in columns[:2] else ""))
    console.print(fitted_table(columns, console.width))
    if len(tasks) > DESIGN_TASKS:
        console.print(styled(f"and {len(tasks) - DESIGN_TASKS} more tasks: --format json", "dim"))
    notes = [(NOTE, text) for text in warning_texts(document)]
    if notes:
        console.print(hanging(notes))


def _about(document: Document) -> Iterator[str]:
    """Design, roles, metric."""
    design = plain((document.get("design") or {}).get("text"))
    budget = budget_text(document)
    yield f"{design}{f'; {budget}' if budget else ''}"
    yield f"{metric_text(document)}; {roles_text(document)}"
    region = region_text(document)
    if region:
        yield f"Declared: {region}."


def _columns(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Column]:
    """A table whose less important columns go first where it does not fit."""
    columns = [
        Column(head, justify="right" if head in RIGHT else "left", least=LEAST_NAME if k == 0 else 0, drop=_drop(head))
        for k, head in enumerate(heads)
    ]
    for row in rows:
        for column, cell in zip(columns, row, strict=True):
            column.cells.append((cell, ""))
    return [column for column in columns if not column.is_empty]


def _drop(head: str) -> int:
    return DROPS.get(head, 6 if head.endswith(" of P(A>B)") else 0)


def _pair_columns(document: Document, pairs: Sequence[Document]) -> list[Column]:
    columns = _columns(pair_heads(document), [pair_cells(pair) for pair in pairs])
    for column in columns:
        if column.title == "verdict":
            tones = [STYLES[verdict_sign(pair.get("verdict")).tone] for pair in pairs]
            column.cells[:] = [(cell, tone) for (cell, _), tone in zip(column.cells, tones, strict=True)]
    return columns


def _reading(document: Document) -> Iterator[str]:
    """How the pairs are read together, and what stands beside them."""
    if document.get("pairs"):
        yield gain_text(document)
    if len(document.get("pairs") or ()) > 1:
        text = plain(document.get("multiplicity"))
        yield text[:1].upper() + text[1:] + "."
        separation = separation_text(document)
        if separation:
            yield separation


def _notes(document: Document) -> Iterator[tuple[Sign, str]]:
    settled = list(settle_texts(document))
    yield from settled[:MOST_SETTLED]
    if len(settled) > MOST_SETTLED:
        yield settled[0][0], f"and {len(settled) - MOST_SETTLED} more undecided pairs: --format json"
    for warning in document.get("warnings") or ():
        sign = NOTE if warning.get("code") in CALM else STATUS["unstable"]
        yield from ((sign, text) for text in warning_texts({"warnings": [warning]}))
