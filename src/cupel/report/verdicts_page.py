"""The page of the table of all claims: counts, the table with both verdicts, and where each row comes from."""

from __future__ import annotations

from collections.abc import Iterator

from cupel.report.claim_words import SIGNS, TURNED, WORDS, sign_of, verdict_notes
from cupel.report.csv import render_verdicts as verdicts_csv
from cupel.report.markup import Markup, el, join
from cupel.report.page import Page, facts, numeric, pill, render_page, table_tools, tile
from cupel.report.verdict_table import HEADS, table_of, verdict_cells
from cupel.report.verdicts_words import (
    HOLM_WORDS,
    STATES,
    cells_of,
    count_words,
    has_several,
    holm_text,
    left_out_texts,
    minutes_text,
    others_texts,
    where_text,
)
from cupel.report.words import STATUS, Document, p_text, plain


def render_verdicts(document: Document) -> str:
    """The page of all claims, an HTML file that loads nothing.

    Args:
        document: of kind `verdicts`.
    """
    main = [
        el("p", plain(document["headline"]), class_="verdict"),
        _tiles(document),
        el("ul", join(_notes(document)), class_="notes"),
        _table(document),
        el("section", el("h2", "Where each comes from"), *map(_origin, cells_of(document)), id="runs"),
    ]
    data = {"name": "verdicts", "csv": verdicts_csv(document), "json": document}
    links = [("verdicts", "Verdicts"), ("runs", "Runs")]
    return render_page(Page("cupel verdicts", count_words(document), links, main, data))


def _tiles(document: Document) -> Markup:
    """How many statements have which verdict, and how many keep it."""
    rows = document["verdicts"]
    tiles = []
    for word, sign in SIGNS.items():
        count = sum(row["verdict"] == word for row in rows)
        kept = sum(row["verdict_holm"] == word for row in rows)
        if count or kept:
            tiles.append(tile(f"{sign.mark} {WORDS[word]}", str(count), f"{kept} after Holm", tone=sign.tone))
    return el("div", join(tiles), class_="tiles")


def _notes(document: Document) -> Iterator[Markup]:
    for rows in cells_of(document):
        if rows[0]["status"] != "finished":
            status, label = str(rows[0]["status"]), plain(rows[0]["label"])
            sign = STATUS["failed" if status == "failed" else "unfinished"]
            yield el("li", pill(sign), f" {label}: {STATES.get(status, status)}.")
    for text in left_out_texts(document):
        yield el("li", pill(STATUS["failed"], "left out"), f" {text}")


def _table(document: Document) -> Markup:
    has_machines = has_several(document, "machine")
    heads = [
        *HEADS[:1], ("after Holm", ""), *HEADS[1:], ("p (Holm)", "n"), ("minutes", "n"), ("size", ""),
        *((("machine", ""),) if has_machines else ()), ("scope", ""),
    ]  # fmt: skip
    rows = document["verdicts"]
    tools = table_tools(len(rows), "filter, e.g. undecided", csv_has="one row per statement", json_has="the table")
    words = el("p", f"{TURNED} {HOLM_WORDS}", class_="quiet")
    body = [_row(row, has_machines=has_machines) for row in rows]
    return el("section", el("h2", "Verdicts"), tools, table_of(heads, body), words, id="verdicts")


def _row(row: Document, *, has_machines: bool) -> Markup:
    verdict, *rest = verdict_cells(row)
    after, _, bound = holm_text(row).partition(", ")
    tone = "quiet" if row["verdict_holm"] is None else sign_of(row["verdict_holm"]).tone
    return el(
        "tr",
        verdict,
        el("td", f"{after} ", bound and el("br"), bound, class_=tone),
        *rest,
        numeric(p_text(row["p_holm"])),
        numeric(minutes_text(row) if row["is_headline"] else ""),
        el("td", where_text(row)),
        el("td", plain(row["machine"])) if has_machines else None,
        el("td", plain(row["scope"]), class_="words"),
    )


def _origin(rows: list[Document]) -> Markup:
    """One claim in a fold: its run, the command that makes it again, why its verdicts are as they are."""
    first = rows[0]
    signs = [el("span", f"{sign_of(row['verdict']).mark} ", class_=sign_of(row["verdict"]).tone) for row in rows]
    head = el("summary", *signs, el("b", plain(first["label"])), el("span", f" {where_text(first)}", class_="quiet"))
    table = facts([
        ("run", plain(first["run"])), ("started", plain(first["started"])), ("state", plain(first["status"])),
        ("machine", plain(first["machine"])), ("seed", plain(first["seed"])), ("cupel", plain(first["cupel"])),
        ("digest of the claim's file", plain(first["digest"])), ("source", plain(first["source"])),
        ("scope", plain(first["scope"])), ("make it again", el("code", plain(first["command"]))),
    ])  # fmt: skip
    why = [
        el("li", el("b", plain(row["statement"])), f": {plain(row['reason'])} {' '.join(verdict_notes(row))}")
        for row in rows
    ]
    others = [el("li", text) for text in others_texts(rows)]
    more = (el("h4", "Further runs"), el("ul", join(others), class_="plain")) if others else ()
    return el("details", head, table, el("ul", join(why), class_="plain"), *more, class_="print-open")
