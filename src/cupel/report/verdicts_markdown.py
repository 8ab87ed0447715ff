"""The table of all claims as Markdown: for an issue, and for the page of recorded verdicts. Texts are escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cupel.report.claim_words import TURNED, count_text, effect_cell, interval_cell, sign_of, verdict_notes
from cupel.report.markdown import escaped, markdown_table
from cupel.report.verdicts_words import (
    HOLM_WORDS,
    STATES,
    cells_of,
    has_several,
    holm_text,
    left_out_texts,
    minutes_text,
    others_texts,
    where_text,
)
from cupel.report.words import DASH, Document, p_text

HEADS = ("claim", "statement", "verdict", "after Holm", "effect", "95 % interval", "n", "p", "minutes")
RIGHT = frozenset(HEADS[4:])


def render_verdicts(document: Document) -> str:
    """The table, how it is read, and of each claim its scope and the command that makes it again."""
    return "\n".join(_lines(document)).rstrip("\n") + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield f"**{escaped(document['headline'])}**"
    yield ""
    yield from table_lines(document)
    yield f"{TURNED} {HOLM_WORDS}"
    yield ""
    for rows in cells_of(document):
        yield f"- {escaped(rows[0]['label'])}: {'; '.join(about(rows))}"
    yield from (f"- {escaped(text)}" for text in left_out_texts(document))


def table_lines(document: Document) -> Iterator[str]:
    """The table alone; sizes and machines have a column where they differ."""
    if not document["verdicts"]:
        return
    more = [key for key in ("size", "device", "machine") if has_several(document, key)]
    rows = [_row(row, more) for row in document["verdicts"]]
    yield from markdown_table((*HEADS, *more), rows, RIGHT)


def _row(row: Document, more: Sequence[str]) -> list[str]:
    sign = sign_of(row["verdict"])
    says = escaped(row["says"])
    return [
        escaped(row["claim"]) if row["is_headline"] else "",
        f"**{says}**" if row["is_headline"] else says,
        escaped(f"{sign.mark} {sign.word}"),
        escaped(holm_text(row)),
        escaped(effect_cell(row)),
        escaped(interval_cell(row)),
        count_text(row),
        escaped(p_text(row["p"])),
        escaped(minutes_text(row)) if row["is_headline"] else "",
        *(escaped(row[key]) for key in more),
    ]


def about(rows: list[Document]) -> Iterator[str]:
    """Of one claim: scope, machine, command, and what further runs say."""
    first = rows[0]
    yield escaped(first["scope"])
    yield f"{escaped(where_text(first))}, {escaped(first['machine'])}, {escaped(first['started']) or DASH}"
    yield f"`{first['command'].replace('`', chr(39))}`"
    if first["status"] != "finished":
        yield f"**{escaped(first['status'])}**: {STATES.get(first['status'], '')}"
    for row in rows:
        notes = " ".join(verdict_notes(row))
        if notes:
            yield f"{escaped(row['statement'])}: {escaped(notes).rstrip('.')}"
    yield from map(escaped, others_texts(rows))
