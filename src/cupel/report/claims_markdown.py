"""A run of claims as Markdown, for an issue or a pull request: headline, verdicts, why, failures. Texts are escaped."""

from __future__ import annotations

from collections.abc import Iterator

from cupel.report.claim_words import (
    TURNED,
    alike_failures,
    count_text,
    effect_cell,
    failed_text,
    interval_cell,
    sign_of,
    verdict_notes,
)
from cupel.report.markdown import escaped, markdown_table
from cupel.report.words import Document, num, p_text
from cupel.spec.units import format_duration

HEADS = ("verdict", "statement", "effect", "95 % interval", "n", "p")
RIGHT = frozenset(HEADS[2:])
MOST_FAILURES = 5


def render_claims(document: Document) -> str:
    """The run as Markdown."""
    return "\n".join(_lines(document)).rstrip("\n") + "\n"


def verdict_cells(verdict: Document) -> tuple[str, ...]:
    """Verdict, statement, effect, interval, n, p."""
    sign = sign_of(verdict["verdict"])
    return (
        escaped(f"{sign.mark} {sign.word}"),
        f"**{escaped(verdict['says'])}**" if verdict["is_headline"] else escaped(verdict["says"]),
        escaped(effect_cell(verdict)),
        escaped(interval_cell(verdict)),
        count_text(verdict),
        escaped(p_text(verdict["p"])),
    )


def _lines(document: Document) -> Iterator[str]:
    price = document["price"]
    yield f"## {escaped(document['name']) or 'claims'}"
    yield ""
    yield f"**{escaped(document['headline'])}**"
    yield ""
    machine, started = escaped(document["machine"].get("label")), escaped(document["started"])
    took = f"{format_duration(price['wall_s'])} of trials in {format_duration(price['elapsed_s'])}"
    yield f"{machine or 'unknown machine'}, {started or 'unknown time'}, {took}"
    yield ""
    for claim in document["claims"]:
        yield from _claim(claim, [v for v in document["verdicts"] if v["key"] == claim["key"]])
    yield TURNED
    yield ""
    yield from (f"- {escaped(item['name'])} skipped: {escaped(item['reason'])}" for item in document["skipped"])
    yield from (f"- {escaped(item['text'])}" for item in document["warnings"])
    if document["status"] == "partial":
        yield f"- some verdicts are open; to go on: cupel resume {escaped(document['run'])}"


def _claim(claim: Document, verdicts: list[Document]) -> Iterator[str]:
    """The verdicts on one claim, why, and what failed."""
    yield f"### {escaped(claim['label'])}, {escaped(claim['size'])} on {escaped(claim['device'])}"
    yield ""
    yield f"{escaped(claim['says'])} ({escaped(claim['source'])})"
    yield ""
    yield from markdown_table(HEADS, [verdict_cells(verdict) for verdict in verdicts], RIGHT)
    for verdict in verdicts:
        notes = " ".join(escaped(text) for text in verdict_notes(verdict))
        settle = f" What would change it: {escaped(verdict['would_change'])}"
        yield f"- {escaped(verdict['statement'])}: {escaped(verdict['reason'])}{settle} {notes}".rstrip()
    if verdicts:
        yield f"- scope: {escaped(verdicts[0]['scope'])}"
    if claim["published"]:
        yield f"- as published, never compared across hardware: {escaped(claim['published'])}"
    if claim["smaller"]:
        yield f"- smaller or other here: {escaped(claim['smaller'])}"
    if claim["broken"]:
        yield f"- **{escaped(claim['broken'])}**"
    alike = alike_failures(claim["failures"])
    for text, same in list(alike.items())[:MOST_FAILURES]:
        yield f"- failed: {escaped(failed_text(same))}: {escaped(text)}"
    if len(alike) > MOST_FAILURES:
        yield f"- and {num(len(alike) - MOST_FAILURES, 'other failure')}"
    yield ""
