"""The page of an analysis: the answer, the design, figures, tables, how it was computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cupel.report.analysis_figures import analysis_figures
from cupel.report.analysis_text import CALM, RIGHT
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
from cupel.report.csv import render_analysis as analysis_csv
from cupel.report.drawing import Drawing
from cupel.report.markup import Markup, el, join
from cupel.report.page import Page, facts, notes_list, numeric, pill, render_page, table_tools, tile
from cupel.report.svg import to_markup
from cupel.report.words import STATUS, Document, num, plain, verdict_sign, warning_texts

MOST_NOTES = 14
WORDS = {
    "critical_difference": "Bars join neighbours of which no two are separated at the level of the table.",
    "ranks": "Ranks within each task, averaged; they do not weigh tasks of a wide scale more than others.",
    "profile": "A curve above another at every threshold is better for every target.",
    "variance": "What a single value varies by: which run, which task, which method, and how methods suit tasks.",
    "budget": "Simultaneous intervals over all budgets; a bar marks where one is ahead.",
    "runs": "Each dot is a run.",
}
TITLES = {
    "contrasts": "Differences",
    "critical_difference": "Means and what is not separated",
    "ranks": "Mean ranks",
    "profile": "Performance profile",
    "variance": "Where the variance lies",
    "budget": "Over the budget",
    "runs": "Every run",
}


def render_analysis(document: Document) -> str:
    """The page of an analysis, an HTML file that loads nothing.

    Args:
        document: of kind `analysis`.
    """
    drawings = analysis_figures(document)
    links = [("pairs", "Pairs"), ("methods", "Methods"), ("figures", "Figures"), ("how", "How")]
    data = {"name": "analysis", "csv": analysis_csv(document), "json": {**document, "runs": None}}
    main = [
        el("p", plain(document.get("headline")), class_="verdict"),
        _tiles(document),
        notes_list(list(_notes(document)), MOST_NOTES),
        _figure("contrasts", drawings, region_text(document)),
        _pairs(document),
        _methods(document),
        el("section", el("h2", "Figures"), join(_figures(drawings)), id="figures"),
        _how(document),
    ]
    subtitle = " · ".join(part for part in (plain(document.get("source")), plain(document.get("metric"))) if part)
    return render_page(Page("cupel analysis", subtitle, links, main, data))


def _tiles(document: Document) -> Markup:
    design = document.get("design") or {}
    failed = sum((design.get("failed") or {}).values())
    pairs: Sequence[Document] = document.get("pairs") or ()
    decided = sum(pair.get("verdict") != "undecided" for pair in pairs)
    tiles = [
        tile("methods", str(len(design.get("methods") or ())), separation_text(document)),
        tile("tasks", str(len(design.get("tasks") or ())), plain(document.get("scope"))),
        tile(
            "runs",
            str(design.get("num_rows") or 0),
            "paired by seed" if design.get("is_paired") else "not paired",
            num(failed, "failure"),
            tone="warn" if failed else "",
        ),
        tile("decided", f"{decided} of {len(pairs)}", "pairs of methods", plain(document.get("multiplicity"))),
    ]
    return el("div", join(tiles), class_="tiles")


def _notes(document: Document) -> Iterator[Markup]:
    for warning in document.get("warnings") or ():
        sign, word = (STATUS["skipped"], "note") if warning.get("code") in CALM else (STATUS["unstable"], "check")
        yield join((pill(sign, word), *(f" {text}" for text in warning_texts({"warnings": [warning]}))))
    for sign, text in settle_texts(document):
        yield join((pill(sign), f" {text}"))


def _figures(drawings: Mapping[str, Drawing]) -> Iterator[Markup]:
    for name in drawings:
        if name != "contrasts":
            figure = _figure(name, drawings, WORDS.get(name, ""))
            if figure is not None:
                yield figure


def _figure(name: str, drawings: Mapping[str, Drawing], words: str) -> Markup | None:
    drawing = drawings.get(name)
    if drawing is None:
        return None
    return el(
        "section",
        el("h3" if name != "contrasts" else "h2", TITLES[name]),
        el("p", words, class_="quiet") if words else None,
        el("div", to_markup(drawing), class_="scroll"),
        id=f"figure-{name}",
    )


def _pairs(document: Document) -> Markup | None:
    pairs: Sequence[Document] = document.get("pairs") or ()
    if not pairs:
        return None
    is_open = any((pair.get("settle") or {}).get("text") for pair in pairs)
    heads = (*pair_heads(document), *(("what would settle it",) if is_open else ()))
    rows = [_pair_row(pair, heads) for pair in pairs]
    table = el("table", _head(heads), el("tbody", join(rows)), class_="entries", id="table")
    return el(
        "section",
        el("h2", "Pairs"),
        table_tools(len(pairs), "filter, e.g. a method or undecided"),
        el("div", table, class_="scroll"),
        el("p", f"{gain_text(document)} {plain(document.get('multiplicity'))}.", class_="quiet"),
        id="pairs",
    )


def _pair_row(pair: Document, heads: Sequence[str]) -> Markup:
    sign = verdict_sign(pair.get("verdict"))
    cells: list[object] = [*pair_cells(pair)[:-1], pill(sign), plain((pair.get("settle") or {}).get("text"))]
    cells = cells[: len(heads)]
    first = el("td", cells[0], class_="name", data_tip=plain(pair.get("text")) or None)
    rest = [numeric(cell) if head in RIGHT else el("td", cell) for head, cell in zip(heads[1:], cells[1:], strict=True)]
    return el("tr", first, *rest)


def _methods(document: Document) -> Markup | None:
    rows: Sequence[Document] = document.get("methods") or ()
    if not rows:
        return None
    body = []
    for row in rows:
        cells = method_cells(row)
        rest = [
            numeric(cell) if head in RIGHT else el("td", cell)
            for head, cell in zip(METHOD_HEADS[1:], cells[1:], strict=True)
        ]
        body.append(el("tr", el("td", cells[0], class_="name"), *rest))
    table = el("table", _head(METHOD_HEADS), el("tbody", join(body)), class_="entries")
    words = f"{metric_text(document)}; means for {plain(document.get('scope'))}, interquartile means (IQM) of all runs."
    return el(
        "section", el("h2", "Methods"), el("div", table, class_="scroll"), el("p", words, class_="quiet"), id="methods"
    )


def _head(heads: Sequence[str]) -> Markup:
    return el("thead", el("tr", *(el("th", h, scope="col", class_="n" if h in RIGHT else None) for h in heads)))


def _how(document: Document) -> Markup:
    rows: list[tuple[str, object]] = [
        ("file", plain(document.get("source"))),
        ("read by", plain(document.get("reader"))),
        ("columns", roles_text(document)),
        ("design", plain((document.get("design") or {}).get("text"))),
        ("budget", budget_text(document)),
        ("differences", plain(document.get("how"))),
        ("read together", plain(document.get("multiplicity"))),
        ("scope", plain(document.get("scope"))),
        ("declared", region_text(document)),
        *((name, join(el("div", line) for line in lines)) for name, lines in further_texts(document)),
        ("cupel", plain(document.get("cupel"))),
    ]
    return el("section", el("h2", "How"), facts(rows), id="how")
