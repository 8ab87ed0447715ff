"""The table of all claims on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from cupel.report.claim_words import GRAVE, TURNED, effect_cell, interval_cell, sign_of
from cupel.report.console import Column, fitted_table, hanging, open_console, styled
from cupel.report.verdicts_words import (
    HOLM_WORDS,
    STATES,
    cells_of,
    has_several,
    holm_sign,
    holm_text,
    minutes_text,
    others_texts,
    where_text,
)
from cupel.report.words import DASH, Document, Sign, plain

NOTE, CHECK = Sign("·", "note", "-", "calm"), Sign("!", "check", "!", "warn")


def show_verdicts(document: Document, *, file: TextIO, width: int | None = None) -> None:
    """Print the table of all claims.

    Args:
        document: of kind `verdicts`.
        file: where to; colours only if it is a terminal.
        width: columns, the terminal's own unless given.
    """
    console = open_console(file, width)
    if document["verdicts"]:
        console.print(fitted_table(_columns(document), console.width))
        console.print()
        console.print(hanging(list(_notes(document))))
        console.print()
    console.print(styled(plain(document["headline"]), "bold"))


def _columns(document: Document) -> list[Column]:
    """A line for each claim, and below it one for each statement."""
    has_machines = has_several(document, "machine")
    name, verdict, after = Column("claim", least=14), Column("verdict"), Column("Holm")
    effect, interval = Column("effect", justify="right", least=7), Column("95 % interval", justify="right")
    n, took = Column("n", justify="right", drop=2), Column("min", justify="right", drop=3)
    where = Column("size", drop=4)
    machine = Column("machine", least=10, drop=5)
    columns = [name, verdict, after, effect, interval, n, took, where, *([machine] if has_machines else [])]
    for rows in cells_of(document):
        first = rows[0]
        head = {
            id(name): (plain(first["claim"]), "bold"), id(took): (minutes_text(first), ""),
            id(where): (where_text(first), ""), id(machine): (plain(first["machine"]), ""),
        }  # fmt: skip
        for column in columns:
            column.cells.append(head.get(id(column), ("", "")))
        for row in rows:
            sign = sign_of(row["verdict"])
            tone = "" if row["verdict_holm"] is None else sign_of(row["verdict_holm"]).tone
            cells = {
                id(name): (f"  {plain(row['statement'])}", "bold" if row["is_headline"] else ""),
                id(verdict): (f"{sign.mark} {sign.word}", sign.tone), id(after): (holm_sign(row), tone),
                id(effect): (effect_cell(row), ""), id(interval): (interval_cell(row), ""), id(n): (str(row["n"]), ""),
            }  # fmt: skip
            for column in columns:
                column.cells.append(cells.get(id(column), ("", "")))
    return columns


def _notes(document: Document) -> Iterator[tuple[Sign, str]]:
    """Of each claim the scope, the time and the run; further runs; how the table is read."""
    for rows in cells_of(document):
        first = rows[0]
        where = f" on {plain(first['machine'])}" if has_several(document, "machine") else ""
        state = "" if first["status"] == "finished" else f"; {STATES.get(first['status'], first['status'])}"
        run = f"{minutes_text(first)} min{where}, run {plain(first['run'])}, seed {first['seed']}{state}"
        yield NOTE, f"{plain(first['label'])}: {plain(first['scope'])}; {run}"
        for row in rows:
            yield from _row_notes(row)
        for text in others_texts(rows):
            yield (CHECK if "there" in text else NOTE), f"  {text}"
    yield NOTE, f"{HOLM_WORDS.replace('A dash', f'{DASH}')} {TURNED}"


def _row_notes(row: Document) -> Iterator[tuple[Sign, str]]:
    """The bound of an exact statement that holds for the table, and what its verdict must not be read without."""
    if row["interval_holm"]:
        yield NOTE, f"  {plain(row['statement'])} for the table as a whole: {holm_text(row)}"
    for note in row["warnings"]:
        if note["code"] in GRAVE:
            yield CHECK, f"  {plain(row['statement'])}: {plain(note['text'])}"
