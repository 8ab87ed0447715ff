"""The details of each entry: its statement, step times of all launches, rates, telemetry, failures with their log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cupel.report.markup import Markup, el, join, preformatted
from cupel.report.page import facts
from cupel.report.series import Budget
from cupel.report.step_chart import launch_dots, launch_name, step_panels
from cupel.report.telemetry_chart import telemetry_panels
from cupel.report.words import (
    DASH,
    Document,
    bounds,
    entry_notes,
    failure_text,
    finite,
    interval_text,
    joules_text,
    label_of,
    launches_text,
    level_percent,
    plain,
    ratio_interval_text,
    ratio_text,
    seconds_text,
    settings_text,
    spread,
    status_sign,
    tail_of,
    unit_of,
)
from cupel.spec.units import format_bytes, format_percent, format_rate

MOST_PRINTED = 12
"""Runs with more entries than this print the details of those only that have notes."""
LOG_LINES = 40
MOST_LOGS = 6


def details_section(document: Document) -> Markup | None:
    """One fold per entry; on paper they are open (in a large run: those with notes)."""
    entries: Sequence[Document] = document.get("entries") or ()
    if not entries:
        return None
    budget = Budget.of(document)
    all_printed = len(entries) <= MOST_PRINTED
    folds = [_fold(k, entry, budget, all_printed) for k, entry in enumerate(entries)]
    words = "Shaded: warm-up, not part of the rate. Line: middle of the steps in a bin; band: the shortest and longest."
    onpaper = (
        None if all_printed else el("p", "On paper, only entries with notes are opened.", class_="print-only quiet")
    )
    return el("section", el("h2", "Details"), el("p", words, class_="quiet"), onpaper, join(folds), id="details")


def _fold(place: int, entry: Document, budget: Budget, all_printed: bool) -> Markup:  # noqa: FBT001
    notes = entry_notes(entry)
    printed = all_printed or bool(notes) or entry.get("status") in ("failed", "unstable")
    sign = status_sign(entry.get("status"))
    rate = finite(entry.get("rate"))
    sure = spread(entry)
    reach = ", no interval" if sure == DASH else f" {sure}" if sure.startswith(("-", "+")) else f" ± {sure}"
    short = f" {format_rate(rate)} {unit_of(entry)}{reach}" if rate is not None else " no rate"
    head = el(
        "summary",
        el("span", sign.mark, class_=sign.tone),
        " ",
        el("b", label_of(entry)),
        el("span", f"{short} · {_launches_words(entry)}", class_="quiet"),
    )
    body = join((
        el("p", plain(entry.get("text"))) if entry.get("text") else None,
        el("ul", *(el("li", note) for note in notes), class_="plain") if notes else None,
        join(_failures(entry)),
        join(_drawings(entry, budget)),
        _facts(entry),
        _launch_table(entry),
    ))  # fmt: skip
    return el("details", head, body, id=f"e{place}", class_="print-open" if printed else None)


def _launches_words(entry: Document) -> str:
    text = launches_text(entry)
    return f"{text} launch" if text == "1" else f"{text} launches"


def _drawings(entry: Document, budget: Budget) -> Iterator[Markup]:
    """Step times, rates, telemetry; nothing where no launch was made."""
    if not entry.get("launches"):
        yield el("p", "No launch was recorded.", class_="quiet")
        return
    yield el("h4", "Step time of each launch")
    yield step_panels(entry, budget)
    yield el("h4", f"Rate of each launch, {unit_of(entry)}")
    yield el("div", launch_dots(entry), class_="scroll")
    note = plain(entry.get("interval_note"))
    if bounds(entry.get("interval")):
        kind = plain(entry.get("interval_kind")) or "of the entry"
        note = note or f"The entry's {level_percent(entry)} interval is {kind}; a launch's own is of its steps only."
    yield el("p", note or "No interval between launches: it takes at least two.", class_="quiet")
    yield el("h4", "Telemetry")
    yield telemetry_panels(entry, budget)


def _facts(entry: Document) -> Markup:
    """What was asked and what it cost, in two columns."""
    rows = [row for row in _fact_rows(entry) if row[1] not in (None, "")]
    half = -(-len(rows) // 2)
    return el("div", facts(rows[:half]), facts(rows[half:]), class_="columns")


def _fact_rows(entry: Document) -> list[tuple[str, object]]:
    """What was asked and what it cost."""
    watts = finite(entry.get("power_w"))
    reference = entry.get("reference") or {}
    versus = f"{ratio_text(reference.get('ratio'))} {ratio_interval_text(reference.get('interval'))}"
    return [
        ("measures", plain(entry.get("measures"))),
        (f"rate, {unit_of(entry)}", _rate_text(entry)),
        *((f"also, {unit_of(x)}", _rate_text(x)) for x in entry.get("also") or ()),
        ("against the reference", versus if reference else "not in the reference"),
        ("spread between launches (cv)", format_percent(finite(entry.get("cv")))),
        ("weight in the score", plain(entry.get("weight"))),
        ("size", plain(entry.get("size"))),
        ("settings", settings_text(entry.get("settings")) or "defaults"),
        ("sizes changed", settings_text(entry.get("overrides"))),
        ("device", plain(entry.get("device"))),
        ("threads", plain(entry.get("threads"))),
        ("operations per item", _operations(entry)),
        ("achieved FLOP/s", _known(format_rate(finite(entry.get("flop_per_s"))))),
        ("share of matmul's", _known(format_percent(finite(entry.get("flop_share"))))),
        ("set-up", seconds_text(entry.get("setup_s"))),
        ("first step", seconds_text(entry.get("first_step_s"))),
        ("peak memory", _known(format_bytes(finite(entry.get("peak_memory_bytes"))))),
        ("peak device memory", _known(format_bytes(finite(entry.get("peak_device_bytes"))))),
        ("power", "not measurable" if watts is None else f"{watts:.4g} W"),
        ("energy per item", _known(joules_text(entry.get("energy_j_per_item")))),
        ("key", el("code", plain(entry.get("key")))),
    ]  # fmt: skip


def _rate_text(holder: Document) -> str:
    """`12.4 [12.1, 12.7]`."""
    ends = bounds(holder.get("interval"))
    return f"{format_rate(finite(holder.get('rate')))} {interval_text(ends) if ends else ''}"


def _operations(entry: Document) -> str:
    """How many, or why the count failed."""
    note = plain(entry.get("flop_note"))
    return f"not counted: {note}" if note else _known(format_rate(finite(entry.get("flop_per_item"))))


def _known(text: str) -> str:
    return "not measurable" if text == DASH else text


def _launch_table(entry: Document) -> Markup | None:
    """Numbers of each launch."""
    launches: Sequence[Document] = entry.get("launches") or ()
    if not launches:
        return None
    names = (
        "launch",
        "status",
        "rate",
        "interval within",
        "steps",
        "kept",
        "lag-1",
        "ESS",
        "p50",
        "p95",
        "p99",
        "set-up",
    )
    rows = [el("tr", *(el("td", text) for text in _launch_cells(launch, k))) for k, launch in enumerate(launches)]
    head = el("tr", *(el("th", name, scope="col") for name in names))
    return el("div", el("table", el("thead", head), el("tbody", join(rows)), class_="numbers"), class_="scroll")


def _launch_cells(launch: Document, place: int) -> Iterator[str]:
    """One row: what a launch measured."""
    yield launch_name(launch, place).removeprefix("launch ")
    yield f"{status_sign(launch.get('status')).word} {plain(launch.get('kind'))}"
    yield format_rate(finite(launch.get("rate")))
    yield interval_text(launch.get("interval"))
    yield from (_plain_number(launch.get(key)) for key in ("num_steps", "num_kept", "rho1", "ess"))
    yield from (seconds_text(launch.get(key)) for key in ("p50_s", "p95_s", "p99_s", "setup_s"))


def _plain_number(value: object) -> str:
    number = finite(value)
    if number is None:
        return DASH
    return f"{number:.0f}" if number == int(number) or abs(number) >= 100 else f"{number:.2f}"


def _failures(entry: Document) -> Iterator[Markup]:
    """Each failure in words, with the end of its log."""
    failures = entry.get("failures") or ()
    for failure in failures[:MOST_LOGS]:
        lines = tail_of(failure, LOG_LINES)
        yield el("p", el("b", failure_text(failure), class_="bad"), " ", el("code", plain(failure.get("job"))))
        if lines:
            yield preformatted("\n".join(lines), class_="log")
    if len(failures) > MOST_LOGS:
        yield el("p", f"and {len(failures) - MOST_LOGS} more failures, in the run folder", class_="quiet")
