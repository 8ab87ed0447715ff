"""A result on the terminal: the verdict line, the table, score, warnings and failures in words; `Live` shows a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from cupel.report.console import STYLES, Column, fitted_table, hanging, open_console, styled
from cupel.report.live import Live
from cupel.report.words import (
    CALM_CODES,
    DASH,
    STATUS,
    Document,
    Sign,
    calm_texts,
    entry_notes,
    failure_text,
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
    tail_of,
    unit_of,
    verdict_sign,
    warning_texts,
)
from cupel.spec.units import format_bytes, format_duration, format_percent, format_rate

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Live", "show_comparison", "show_run"]

LOG_LINES = 10
MOST_LOGS = 5
NOTE = Sign("·", "note", "-", "calm")


def show_run(document: Document, *, file: TextIO, width: int | None = None) -> None:
    """Print a run.

    Args:
        document: a result document of kind `run`.
        file: where to; colours only if it is a terminal.
        width: columns, the terminal's own (80 where there is none) unless given.
    """
    console = open_console(file, width)
    console.print(styled(plain(document.get("headline")), "bold"))
    entries: Sequence[Document] = document.get("entries") or ()
    console.print()
    if entries:
        console.print(fitted_table(_run_columns(document, entries), console.width))
    else:
        console.print(styled("This run has no entries.", "dim"))
    console.print()
    for line in _score_lines(document):
        console.print(styled(line))
    notes = list(_run_notes(document))
    if notes:
        console.print(hanging(notes))
    _show_logs(console, entries)
    console.print(styled(_price_line(document), "dim"))


def show_comparison(document: Document, *, file: TextIO, width: int | None = None) -> None:
    """Print a comparison of two runs.

    Args:
        document: a result document of kind `comparison`.
        file: where to; colours only if it is a terminal.
        width: columns, the terminal's own (80 where there is none) unless given.
    """
    console = open_console(file, width)
    console.print(styled(plain(document.get("headline")), "bold"))
    for side in ("a", "b"):
        run = document.get(side) or {}
        parts = [plain(run.get(key)) for key in ("run", "machine", "started")]
        console.print(styled(f"{side.upper()}  {' · '.join(part for part in parts if part)}", "dim"))
    entries: Sequence[Document] = document.get("entries") or ()
    console.print()
    if entries:
        console.print(fitted_table(_comparison_columns(entries), console.width))
        console.print()
    rope = finite(document.get("rope"))
    equal = f" Ratios within {100 * rope:.3g} % of one are practically equal." if rope else ""
    console.print(
        styled(f"Verdicts hold for the table as a whole (Holm); alone: of the entry by itself.{equal}", "dim")
    )
    notes = list(_comparison_notes(document, entries))
    if notes:
        console.print(hanging(notes))


def _run_columns(document: Document, entries: Sequence[Document]) -> list[Column]:
    """The run's table; columns in which nothing is known are left out."""
    columns = [
        Column("  entry", least=18),
        Column("rate", justify="right"),
        Column(f"± {level_percent(document)}", justify="right"),
        Column("unit", least=8, drop=1),
        Column("vs ref", justify="right", drop=2),
        Column("FLOP/s", justify="right", drop=5),
        Column("of matmul", justify="right", drop=6),
        Column("peak memory", justify="right", drop=4),
        Column("launches", justify="right", drop=3),
    ]
    for entry in entries:
        sign = status_sign(entry.get("status"))
        tone = STYLES[sign.tone] if sign.tone in ("warn", "bad") else ""
        peak = finite(entry.get("peak_device_bytes"))
        peak = finite(entry.get("peak_memory_bytes")) if peak is None else peak
        cells = (
            (f"{sign.mark} {label_of(entry)}", tone),
            (format_rate(finite(entry.get("rate"))), ""),
            (spread(entry), ""),
            (unit_of(entry), "dim"),
            (ratio_text((entry.get("reference") or {}).get("ratio")), ""),
            (format_rate(finite(entry.get("flop_per_s"))), "dim"),
            (format_percent(finite(entry.get("flop_share"))), "dim"),
            (format_bytes(peak), "dim"),
            (launches_text(entry), "dim"),
        )
        for column, cell in zip(columns, cells, strict=True):
            column.cells.append(cell)
    return [column for column in columns if not column.is_empty or not column.drop]


def _score_lines(document: Document) -> Iterator[str]:
    """The score in words, or why there is none."""
    score = document.get("score") or {}
    text, note = plain(score.get("text")), plain(document.get("score_note"))
    is_said = bool(note) and note.rstrip(".") in plain(document.get("headline"))
    if text:
        yield text[0].upper() + text[1:]
    if note and not is_said:
        yield note[0].upper() + note[1:]
    if not text and not note:
        yield "No score."
    milabench = plain((document.get("milabench_score") or {}).get("text"))
    if milabench:
        yield f"Milabench score: {milabench}"
    floored, floor = finite(score.get("floored")), finite(score.get("floor"))
    unreferenced = [plain(x) for x in score.get("unreferenced") or ()]
    if unreferenced:
        yield f"Not in the reference, so not part of the score: {', '.join(unreferenced)}"
    if score.get("missing") and floored is not None and floor is not None:
        yield f"With what is missing at the declared floor of {floor:g} of the reference: {ratio_text(floored)}"


def _run_notes(document: Document) -> Iterator[tuple[Sign, str]]:
    """Warnings in words: of the run, of its entries, then what was skipped."""
    yield from _document_notes(document)
    for entry in document.get("entries") or ():
        sign = status_sign(entry.get("status"))
        calm = NOTE if sign.tone in ("good", "calm") else sign
        quiet = calm_texts(entry)
        serious = STATUS["unstable"] if entry.get("warnings") and calm is NOTE else calm
        for note in entry_notes(entry):
            yield NOTE if note in quiet else serious, f"{label_of(entry)}: {note}"
    for skipped in document.get("skipped") or ():
        yield STATUS["skipped"], f"{plain(skipped.get('name'))} skipped: {plain(skipped.get('reason'))}"
    if document.get("status") == "partial":
        yield STATUS["unstable"], f"launches are missing; to do them: cupel resume {plain(document.get('run'))}"


def _document_notes(document: Document) -> Iterator[tuple[Sign, str]]:
    for warning in document.get("warnings") or ():
        sign = NOTE if warning.get("code") in CALM_CODES else STATUS["unstable"]
        yield from ((sign, text) for text in warning_texts({"warnings": [warning]}))


def _show_logs(console: Console, entries: Sequence[Document]) -> None:
    """The end of the log of the first failures, one of each entry."""
    failures = [(entry, entry["failures"][0]) for entry in entries if entry.get("failures")]
    for entry, failure in failures[:MOST_LOGS]:
        lines = tail_of(failure, LOG_LINES)
        if not lines:
            continue
        console.print()
        console.print(styled(f"{label_of(entry)}: {failure_text(failure)}; its log ends", "bold"))
        for line in lines:
            console.print(styled(f"  {line}", "dim"))
    if len(failures) > MOST_LOGS:
        console.print(
            styled(f"{len(failures) - MOST_LOGS} more entries failed; their logs are in the run folder.", "dim")
        )


def _price_line(document: Document) -> str:
    price = document.get("price") or {}
    wall = finite(price.get("wall_s"))
    energy = joules_text(price.get("energy_j"))
    took = f"{format_duration(wall)} of wall time" if wall is not None else "wall time unknown"
    return f"{took}, energy {'not measurable' if energy == DASH else energy}"


def _comparison_columns(entries: Sequence[Document]) -> list[Column]:
    """The comparison's table."""
    columns = [
        Column("entry", least=14),
        Column("rate A", justify="right", drop=3),
        Column("rate B", justify="right", drop=2),
        Column("unit", least=8, drop=4),
        Column("B / A", justify="right"),
        Column("interval (Holm)", drop=1),
        Column("verdict"),
        Column("alone", drop=5),
    ]
    for entry in entries:
        sign, alone = verdict_sign(entry.get("verdict")), verdict_sign(entry.get("verdict_alone"))
        cells = (
            (label_of(entry), ""),
            (format_rate(finite(entry.get("rate_a"))), ""),
            (format_rate(finite(entry.get("rate_b"))), ""),
            (unit_of(entry), "dim"),
            (ratio_text(entry.get("ratio")), ""),
            (ratio_interval_text(entry.get("interval")), ""),
            (f"{sign.mark} {sign.word}", STYLES[sign.tone]),
            (alone.word, "dim"),
        )
        for column, cell in zip(columns, cells, strict=True):
            column.cells.append(cell)
    return columns


def _comparison_notes(document: Document, entries: Sequence[Document]) -> Iterator[tuple[Sign, str]]:
    """What is undecided and would settle it, what only one run has, warnings."""
    for entry in entries:
        text = settle_text(entry)
        if text:
            yield verdict_sign("undecided"), f"{label_of(entry)}: {text}"
    yield from ((STATUS["unstable"], text) for text in left_out_texts(document))
    yield from _document_notes(document)
