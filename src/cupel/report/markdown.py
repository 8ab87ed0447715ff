"""A document as Markdown, for an issue or a pull request: headline, table, notes. Texts are escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cupel.report.words import (
    DASH,
    Document,
    entry_notes,
    finite,
    joules_text,
    label_of,
    launches_text,
    left_out_texts,
    level_percent,
    plain,
    ratio_interval_text,
    ratio_text,
    settle_text,
    spread,
    status_sign,
    unit_of,
    verdict_sign,
    warning_texts,
)
from cupel.spec.units import format_bytes, format_duration, format_rate

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&@])")


def render_run(document: Document) -> str:
    """The run as Markdown."""
    return _joined(_run_lines(document))


def render_comparison(document: Document) -> str:
    """The comparison as Markdown."""
    return _joined(_comparison_lines(document))


def escaped(value: object) -> str:
    r"""A text on one line in which Markdown and HTML find nothing to read.

    Example:
        >>> escaped("a|b <i>_c_")
        'a\\|b \\<i\\>\\_c\\_'
    """
    return SPECIAL.sub(r"\\\1", plain(value))


def _joined(lines: Iterator[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[str]) -> Iterator[str]:
    """A table; the columns named in `right` stand at the right."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{'|'.join('---:' if head in right else '---' for head in heads)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _run_lines(document: Document) -> Iterator[str]:
    machine = (document.get("machine") or {}).get("label")
    yield f"## {escaped(document.get('name')) or 'run'}"
    yield ""
    yield f"**{escaped(document.get('headline')) or 'A run without a headline.'}**"
    yield ""
    started = escaped(document.get("started")) or "unknown time"
    yield f"{escaped(machine) or 'unknown machine'}, {started}, {_price(document)}"
    yield ""
    entries: Sequence[Document] = document.get("entries") or ()
    level = level_percent(document)
    heads = ("entry", "status", "rate", f"± {level}", "unit", "vs reference", "peak memory", "launches")
    if entries:
        yield from markdown_table(heads, [_run_row(entry) for entry in entries], frozenset({*heads[2:4], *heads[5:8]}))
    else:
        yield from ("This run has no entries.", "")
    score = document.get("score") or {}
    named = ", ".join(plain(x) for x in score.get("unreferenced") or ())
    unreferenced = f"Not in the reference, so not part of the score: {named}" if named else ""
    milabench = plain((document.get("milabench_score") or {}).get("text"))
    by_milabench = f"Milabench score: {milabench}" if milabench else ""
    for text in (score.get("text"), document.get("score_note"), unreferenced, by_milabench):
        if text:
            yield from (escaped(text), "")
    yield from _bullets(_run_notes(document))


def _run_row(entry: Document) -> tuple[str, ...]:
    sign = status_sign(entry.get("status"))
    reference = entry.get("reference") or {}
    interval = ratio_interval_text(reference.get("interval"))
    versus = ratio_text(reference.get("ratio")) + (f" {interval}" if interval != DASH else "")
    peak = finite(entry.get("peak_device_bytes"))
    peak = finite(entry.get("peak_memory_bytes")) if peak is None else peak
    return (
        escaped(label_of(entry)),
        escaped(f"{sign.mark} {sign.word}"),
        format_rate(finite(entry.get("rate"))),
        spread(entry),
        escaped(unit_of(entry)),
        versus,
        format_bytes(peak),
        launches_text(entry),
    )


def _run_notes(document: Document) -> Iterator[str]:
    """Notes in words."""
    yield from map(escaped, warning_texts(document))
    for entry in document.get("entries") or ():
        for note in entry_notes(entry):
            yield f"{escaped(label_of(entry))}: {escaped(note)}"
    for skipped in document.get("skipped") or ():
        yield f"{escaped(skipped.get('name'))} skipped: {escaped(skipped.get('reason'))}"
    if document.get("status") == "partial":
        yield f"launches are missing; to do them: cupel resume {escaped(document.get('run'))}"


def _price(document: Document) -> str:
    price = document.get("price") or {}
    wall, energy = finite(price.get("wall_s")), joules_text(price.get("energy_j"))
    took = "wall time unknown" if wall is None else format_duration(wall)
    return f"{took}, energy {'not measurable' if energy == DASH else energy}"


def _bullets(notes: Iterator[str]) -> Iterator[str]:
    for note in notes:
        yield f"- {note}"


def _comparison_lines(document: Document) -> Iterator[str]:
    yield f"**{escaped(document.get('headline')) or 'A comparison without a headline.'}**"
    yield ""
    for side in ("a", "b"):
        run = document.get(side) or {}
        parts = [escaped(run.get(key)) for key in ("run", "machine", "started")]
        yield f"- {side.upper()}: {', '.join(part for part in parts if part) or 'unknown'}"
    yield ""
    entries: Sequence[Document] = document.get("entries") or ()
    heads = ("entry", "rate A", "rate B", "unit", "B / A", "interval (Holm)", "verdict", "alone", "launches A, B")
    rows = [_comparison_row(entry) for entry in entries]
    yield from markdown_table(heads, rows, frozenset({"rate A", "rate B", "B / A"}))
    rope = finite(document.get("rope"))
    equal = f" Ratios within {100 * rope:.3g} % of one are practically equal." if rope else ""
    yield f"Verdicts hold for the table as a whole (Holm); alone: of the entry by itself.{equal}"
    yield ""
    yield from _bullets(_comparison_notes(document))


def _comparison_row(entry: Document) -> tuple[str, ...]:
    sign, alone = verdict_sign(entry.get("verdict")), verdict_sign(entry.get("verdict_alone"))
    return (
        escaped(label_of(entry)),
        format_rate(finite(entry.get("rate_a"))),
        format_rate(finite(entry.get("rate_b"))),
        escaped(unit_of(entry)),
        ratio_text(entry.get("ratio")),
        ratio_interval_text(entry.get("interval")),
        escaped(f"{sign.mark} {sign.word}"),
        escaped(alone.word),
        f"{plain(entry.get('num_a')) or DASH}, {plain(entry.get('num_b')) or DASH}",
    )


def _comparison_notes(document: Document) -> Iterator[str]:
    for entry in document.get("entries") or ():
        text = settle_text(entry)
        if text:
            yield f"{escaped(label_of(entry))}: {escaped(text)}"
    yield from map(escaped, left_out_texts(document))
    yield from map(escaped, warning_texts(document))
