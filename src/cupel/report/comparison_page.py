"""The page of a comparison: the verdict line, counts, the forest plot, the table with both verdicts, the two runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cupel.report.forest_plot import forest_plot
from cupel.report.markup import Markup, el, join
from cupel.report.page import document_notes, facts, notes_list, numeric, pill, table_tools, tile
from cupel.report.words import (
    STATUS,
    VERDICT,
    Document,
    finite,
    label_of,
    left_out_texts,
    level_percent,
    p_text,
    plain,
    ratio_interval_text,
    ratio_text,
    settle_text,
    unit_of,
    verdict_sign,
)
from cupel.spec.units import format_rate

MOST_NOTES = 12


def comparison_sections(document: Document) -> list[Markup | None]:
    """All sections of the page."""
    return [
        el("p", plain(document.get("headline")) or "A comparison without a headline.", class_="verdict"),
        _tiles(document),
        notes_list(list(_notes(document)), MOST_NOTES),
        _forest_section(document),
        _table_section(document),
        _runs_section(document),
    ]


def rope_of(document: Document) -> float | None:
    """Half width of the region of practical equality."""
    rope = finite(document.get("rope"))
    return rope if rope is not None and rope > 0 else None


def count_verdicts(document: Document) -> dict[str, int]:
    """How many entries have which verdict."""
    words = [str(entry.get("verdict")) for entry in document.get("entries") or ()]
    return {word: words.count(word) for word in dict.fromkeys([*VERDICT, *words])}


def _tiles(document: Document) -> Markup:
    counts = count_verdicts(document)
    tiles = [
        tile(
            f"{verdict_sign(word).mark} {verdict_sign(word).word}",
            str(n),
            _meaning(word, document),
            tone=verdict_sign(word).tone if n else "quiet",
        )
        for word, n in counts.items()
    ]
    return el("div", join(tiles), class_="tiles")


def _meaning(word: str, document: Document) -> str:
    rope = rope_of(document)
    equal = f"{100 * rope:.3g} %" if rope else "0 %"
    clear = f"the interval lies wholly beyond {equal}"
    return {
        "faster": f"{_does(document, 'more', 'needs less')}; {clear}",
        "slower": f"{_does(document, 'less', 'needs more')}; {clear}",
        "equivalent": f"the interval lies within {equal} of equal",
        "undecided": "the interval does not say; more launches may",
    }.get(word, "")


def _does(document: Document, amount: str, lower: str) -> str:
    """`B does more per second`; `B needs less` where lower is better."""
    ways = {entry.get("better") or "higher" for entry in document.get("entries") or ()} or {"higher"}
    texts = {"higher": f"B does {amount} per second", "lower": f"B {lower}"}
    return " or ".join(text for way, text in texts.items() if way in ways)


def _notes(document: Document) -> Iterator[Markup]:
    check = STATUS["unstable"]
    yield from document_notes(document)
    for text in left_out_texts(document):
        yield join((pill(check, "check"), f" {text}"))


def _by_ratio(document: Document) -> list[Document]:
    """Entries with the largest ratio first, those without one last."""
    return sorted(document.get("entries") or (), key=lambda e: -(finite(e.get("ratio")) or 0.0))


def _forest_section(document: Document) -> Markup:
    entries, rope = _by_ratio(document), rope_of(document)
    if not entries:
        return el(
            "section", el("h2", "Ratios"), el("p", "The runs have no entry in common.", class_="quiet"), id="forest"
        )
    strip = f" Grey strip: ±{100 * rope:.3g} %, declared practically equal." if rope else ""
    sure = f"with intervals that hold at {level_percent(document)} for the table as a whole (Holm)."
    words = f"Rate of B over rate of A, {sure}{strip} Shape and word carry the verdict."
    return el(
        "section",
        el("h2", "Ratios"),
        el("p", words, class_="quiet"),
        el("div", forest_plot(entries, rope), class_="scroll"),
        id="forest",
    )


def _table_section(document: Document) -> Markup | None:
    entries: Sequence[Document] = document.get("entries") or ()
    if not entries:
        return None
    names = (
        "entry",
        "rate A",
        "rate B",
        "unit",
        "B / A",
        "interval (Holm)",
        "verdict",
        "alone",
        "p",
        "p (Holm)",
        "launches A, B",
        "what would settle it",
    )
    head = el(
        "tr",
        *(
            el("th", n, scope="col", class_="n" if n in ("rate A", "rate B", "B / A", "p", "p (Holm)") else None)
            for n in names
        ),
    )
    table = el(
        "table", el("thead", head), el("tbody", *(_row(entry) for entry in entries)), class_="entries", id="table"
    )
    words = (
        "“alone” is the verdict of the entry by itself; the verdict before it holds for the table as a whole (Holm)."
    )
    tools = table_tools(len(entries), "filter, e.g. llama or slower")
    return el(
        "section",
        el("h2", "Table"),
        tools,
        el("div", table, class_="scroll"),
        el("p", words, class_="quiet"),
        id="results",
    )


def _row(entry: Document) -> Markup:
    sign, alone = verdict_sign(entry.get("verdict")), verdict_sign(entry.get("verdict_alone"))
    level = finite(entry.get("interval_level"))
    at = f"at {100 * level:.4g} %; " if level is not None else ""
    return el(
        "tr",
        el("td", label_of(entry), class_="name", data_tip=plain(entry.get("text")) or None),
        numeric(format_rate(finite(entry.get("rate_a")))),
        numeric(format_rate(finite(entry.get("rate_b")))),
        el("td", unit_of(entry)),
        numeric(ratio_text(entry.get("ratio"))),
        el(
            "td",
            ratio_interval_text(entry.get("interval")),
            data_tip=f"{at}alone: {ratio_interval_text(entry.get('interval_alone'))}",
        ),
        el("td", pill(sign)),
        el("td", f"{alone.mark} {alone.word}", class_=alone.tone),
        numeric(p_text(entry.get("p"))),
        numeric(p_text(entry.get("p_holm"))),
        el("td", f"{plain(entry.get('num_a'))}, {plain(entry.get('num_b'))}"),
        el("td", settle_text(entry)),
    )


def _runs_section(document: Document) -> Markup:
    blocks = []
    for side in ("a", "b"):
        run = document.get(side) or {}
        machine = run.get("machine")
        label = machine.get("label") if isinstance(machine, Mapping) else machine
        rows = [
            ("run", plain(run.get("run"))),
            ("name", plain(run.get("name"))),
            ("started", plain(run.get("started"))),
            ("machine", plain(label)),
        ]
        blocks.append(el("div", el("h4", f"run {side.upper()}"), facts(rows)))
    return el("section", el("h2", "Runs"), el("div", join(blocks), class_="columns"), id="runs")
