"""The first screen of a run's page: verdict line, tiles, notes in words, table of entries, the score's parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cupel.report.axis import Axis
from cupel.report.markup import Markup, el, join
from cupel.report.page import document_notes, notes_list, numeric, pill, table_tools, tile
from cupel.report.table_marks import RatioWindow, launch_spark, ratio_bar
from cupel.report.words import (
    CALM_CODES,
    DASH,
    STATUS,
    Document,
    bounds,
    count_status,
    entry_notes,
    finite,
    interval_text,
    joules_text,
    label_of,
    launches_text,
    level_percent,
    num,
    plain,
    ratio_interval_text,
    ratio_text,
    settings_text,
    spread,
    status_sign,
    unit_of,
)
from cupel.spec.units import format_bytes, format_duration, format_percent, format_rate

MOST_NOTES, MOST_ALIKE = 12, 3
MOST_NOTES_IN_ROW = 3


def summary(document: Document) -> Iterator[Markup | None]:
    """Verdict line, tiles, notes."""
    yield el("p", plain(document.get("headline")) or "A run without a headline.", class_="verdict")
    yield el(
        "div",
        _score_tile(document),
        _entries_tile(document),
        _energy_tile(document),
        _quality_tile(document),
        class_="tiles",
    )
    yield notes_list(list(_notes(document)), MOST_NOTES)


def _score_tile(document: Document) -> Markup:
    score = document.get("score") or {}
    value = finite(score.get("value"))
    note = plain(document.get("score_note"))
    if value is None:
        return tile("score", "none", note or "no score", tone="quiet")
    reference = plain(score.get("reference"))
    level = level_percent(score if score.get("level") else document)
    ends = bounds(score.get("interval"))
    missing = int(finite(score.get("of")) or 0) - int(finite(score.get("measured")) or 0)
    return tile(
        f"score against {reference}" if reference else "score",
        ratio_text(value),
        f"{level} interval {ratio_interval_text(ends)}" if ends else note or "no interval",
        coverage_text(score) + ("; incomplete" if missing > 0 else ""),
    )


def coverage_text(score: Document) -> str:
    """`7 of 8 entries`."""
    measured, of = finite(score.get("measured")), finite(score.get("of"))
    if measured is None or of is None:
        return "coverage unknown"
    return f"{measured:.0f} of {num(int(of), 'entry', 'entries')}"


def _entries_tile(document: Document) -> Markup:
    counts = count_status(document)
    shown = [s for s in counts if counts[s] or s == "ok"]
    parts = [
        el("span", str(counts[s]), " ", el("small", status_sign(s).mark, class_=status_sign(s).tone)) for s in shown
    ]
    words = ", ".join(f"{counts[s]} {status_sign(s).word}" for s in shown)
    planned = {finite(e.get("planned_launches")) for e in document.get("entries") or ()} - {None}
    counts_of = sorted(int(p) for p in planned if p is not None)
    span = (
        f"{counts_of[0]} to {counts_of[-1]}"
        if counts_of and counts_of[0] != counts_of[-1]
        else f"{max(counts_of, default=0)}"
    )
    each = f"{span} launches each, interleaved" if planned else ""
    return tile("entries", join(parts), words, "" if planned == {1.0} else each)


def _energy_tile(document: Document) -> Markup:
    price = document.get("price") or {}
    energy, wall = finite(price.get("energy_j")), finite(price.get("wall_s"))
    took = f"{format_duration(wall)} of wall time" if wall is not None else ""
    if energy is None:
        return tile("energy", "not measurable", took, tone="quiet")
    return tile("energy", joules_text(energy), f"over the stepping; {took}" if took else "over the stepping")


def _quality_tile(document: Document) -> Markup:
    marks = [w.get("code") for holder in _holders(document) for w in holder.get("warnings") or ()]
    marks += [f.get("reason") for entry in document.get("entries") or () for f in entry.get("failures") or ()]
    codes = [plain(code) or "note" for code in marks if code not in CALM_CODES]
    if not codes:
        return tile("run quality", f"{STATUS['ok'].mark} no notes", "nothing to be careful about", tone="good")
    kinds = [f"{codes.count(code)} × {code}" if codes.count(code) > 1 else code for code in dict.fromkeys(codes)]
    return tile("run quality", f"! {num(len(codes), 'note')}", ", ".join(kinds[:6]), tone="warn")


def _holders(document: Document) -> list[Document]:
    return [document, *(document.get("entries") or ())]


def _notes(document: Document) -> Iterator[Markup]:
    """What a reader must know before the numbers: the run, then failures, then warnings, then what was skipped."""
    check, failed, skipped = STATUS["unstable"], STATUS["failed"], STATUS["skipped"]
    if document.get("status") == "partial":
        yield join(
            (
                pill(check, "partial"),
                " Launches are missing; ",
                el("code", f"cupel resume {plain(document.get('run'))}"),
                " does them.",
            )
        )
    yield from document_notes(document)
    entries = list(enumerate(document.get("entries") or ()))
    of_status = {s: [pair for pair in entries if pair[1].get("status") == s] for s in ("failed", "unstable")}
    careful = [
        pair
        for pair in entries
        if pair[1].get("status") not in of_status
        and (pair[1].get("failures") or any(w.get("code") not in CALM_CODES for w in pair[1].get("warnings") or ()))
    ]
    yield from _entry_notes(of_status["failed"], pill(failed), MOST_NOTES)
    yield from _entry_notes(of_status["unstable"], pill(check, "unstable"), MOST_ALIKE)
    yield from _entry_notes(careful, pill(check, "check"), MOST_ALIKE)
    for item in document.get("skipped") or ():
        yield join((pill(skipped), " ", el("b", plain(item.get("name"))), f" {plain(item.get('reason'))}"))


def _entry_notes(entries: Sequence[tuple[int, Document]], sign: Markup, most: int) -> Iterator[Markup]:
    """A line for each entry; one for all of them where there are many, since the table says what each has."""
    if len(entries) > most:
        links = [el("span", _entry_link(k, entry), "," if k != entries[-1][0] else ":", " ") for k, entry in entries]
        yield join((sign, " ", *links, "their notes stand in the table"))
        return
    for k, entry in entries:
        yield join((sign, " ", _entry_link(k, entry), f" {'; '.join(entry_notes(entry)[:2])}"))


def _entry_link(place: int, entry: Document) -> Markup:
    return el("a", label_of(entry), href=f"#e{place}")


def results_section(document: Document) -> Markup:
    """The table of entries."""
    entries: Sequence[Document] = document.get("entries") or ()
    if not entries:
        return el("section", el("h2", "Results"), el("p", "This run has no entries.", class_="quiet"), id="results")
    has = {
        "reference": any(e.get("reference") for e in entries),
        "flop": any(finite(e.get("flop_per_s")) is not None for e in entries),
        "share": any(finite(e.get("flop_share")) is not None for e in entries),
        "power": any(finite(e.get("power_w")) is not None for e in entries),
        "energy": any(finite(e.get("energy_j_per_item")) is not None for e in entries),
    }
    references = [e.get("reference") or {} for e in entries]
    window = RatioWindow.around([(finite(r.get("ratio")), bounds(r.get("interval"))) for r in references])
    rows = [_row(k, entry, has, window) for k, entry in enumerate(entries)]
    table = el("table", el("thead", _head(document, has)), el("tbody", join(rows)), class_="entries", id="table")
    tools = table_tools(len(entries), "filter, e.g. llama or failed")
    return el("section", el("h2", "Results"), tools, el("div", table, class_="scroll"), id="results")


def _head(document: Document, has: dict[str, bool]) -> Markup:
    names = [
        *(("entry", ""), ("status", ""), ("rate", "n"), (f"± {level_percent(document)}", "n"), ("unit", "")),
        *((("vs reference", ""),) if has["reference"] else ()),
        *((("FLOP/s", "n"),) if has["flop"] else ()),
        *((("of matmul", "n"),) if has["share"] else ()),
        *((("power W", "n"),) if has["power"] else ()),
        *((("energy per item", "n"),) if has["energy"] else ()),
        *(("peak memory", "n"), ("launches", ""), ("notes", "")),
    ]
    return el("tr", *(el("th", name, class_=kind or None, scope="col") for name, kind in names))


def _row(place: int, entry: Document, has: dict[str, bool], window: RatioWindow) -> Markup:
    reference = entry.get("reference") or {}
    rate = finite(entry.get("rate"))
    peak = finite(entry.get("peak_device_bytes"))
    peak = finite(entry.get("peak_memory_bytes")) if peak is None else peak
    watts = finite(entry.get("power_w"))
    find = " ".join(
        [*map(plain, entry.get("tags") or ()), plain(entry.get("size")), settings_text(entry.get("settings"))]
    )
    cells = [
        el("td", _entry_link(place, entry), class_="name"),
        el("td", pill(status_sign(entry.get("status")))),
        numeric(format_rate(rate)),
        numeric(spread(entry), data_tip=f"{level_percent(entry)} interval {interval_text(entry.get('interval'))}"),
        el("td", unit_of(entry) or DASH),
    ]
    if has["reference"]:
        shown = el("span", ratio_text(reference.get("ratio")), class_="ratio")
        cells.append(el("td", shown, ratio_bar(reference.get("ratio"), reference.get("interval"), window), class_="vs"))
    if has["flop"]:
        cells.append(numeric(format_rate(finite(entry.get("flop_per_s")))))
    if has["share"]:
        cells.append(numeric(format_percent(finite(entry.get("flop_share")))))
    if has["power"]:
        cells.append(numeric(DASH if watts is None else f"{watts:.4g}"))
    if has["energy"]:
        cells.append(numeric(joules_text(entry.get("energy_j_per_item"))))
    cells += [numeric(format_bytes(peak)), _launches_cell(entry), el("td", _row_notes(place, entry), class_="words")]
    return el("tr", *cells, data_find=find)


def _launches_cell(entry: Document) -> Markup:
    return el("td", el("span", launches_text(entry), class_="count"), launch_spark(entry), class_="launches")


def _row_notes(place: int, entry: Document) -> Markup | str:
    notes = entry_notes(entry)
    if len(notes) <= MOST_NOTES_IN_ROW:
        return "; ".join(notes)
    rest = el("a", f"{len(notes) - MOST_NOTES_IN_ROW} more", href=f"#e{place}")
    return join(("; ".join(notes[:MOST_NOTES_IN_ROW]), "; ", rest))


def score_section(document: Document) -> Markup:
    """The score in words, what it rests on, and how much each entry moves it."""
    score = document.get("score") or {}
    lines = [plain(score.get("text")), plain(document.get("score_note"))]
    ends = bounds(score.get("population_interval"))
    if ends:
        lines.append(f"For other entries like these the interval is {ratio_interval_text(ends)}.")
    floored, floor = finite(score.get("floored")), finite(score.get("floor"))
    missing = [plain(x) for x in score.get("missing") or ()]
    if missing:
        lines.append(f"Without a rate, so the score is incomplete: {', '.join(missing)}.")
        if floored is not None and floor is not None:
            lines.append(
                f"With each of them at the declared floor of {floor:g} of the reference: {ratio_text(floored)}."
            )
    unreferenced = [plain(x) for x in score.get("unreferenced") or ()]
    if unreferenced:
        lines.append(f"The reference does not have {', '.join(unreferenced)}: shown, not part of the score.")
    lines.append(plain((document.get("milabench_score") or {}).get("text")))
    said = [el("p", line[0].upper() + line[1:]) for line in dict.fromkeys(lines) if line] or [
        el("p", "There is no score.", class_="quiet")
    ]
    return el("section", el("h2", "Score"), join(said), _influence(score), id="score")


def _influence(score: Document) -> Markup | None:
    """How the score would change without each entry: bars to either side of no change."""
    known = [
        (plain(name), change) for name, v in (score.get("influence") or {}).items() if (change := finite(v)) is not None
    ]
    if not known:
        return None
    known.sort(key=lambda pair: -abs(pair[1]))
    top = max(*(abs(change) for _, change in known), 0.01)
    axis = Axis(-top, top, 4, 216)
    rows = [
        el("tr", el("th", name, scope="row"), el("td", _influence_bar(change, axis)), numeric(f"{100 * change:+.1f} %"))
        for name, change in known
    ]
    words = el("p", "How the score would change if one entry were left out:", class_="quiet")
    return join((words, el("div", el("table", el("tbody", join(rows)), class_="influence"), class_="scroll")))


def _influence_bar(change: float, axis: Axis) -> Markup:
    left, right = sorted((axis(0), axis(change)))
    return el(
        "svg",
        el("rect", x=round(left, 1), y=5, width=round(max(1.0, right - left), 1), height=8, class_="fill"),
        el("line", x1=axis(0), x2=axis(0), y1=1, y2=17, class_="zero"),
        class_="mark", viewBox="0 0 220 18", width=220, height=18, role="img", aria_label=f"{100 * change:+.1f} %",
    )  # fmt: skip
