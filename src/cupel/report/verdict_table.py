"""Tables of verdicts for pages: sign, word and colour, statement, effect with its interval, n, scope."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cupel.report.claim_words import GRAVE, count_text, effect_cell, interval_cell, sign_of
from cupel.report.markup import Markup, el, join
from cupel.report.page import numeric, pill
from cupel.report.words import Document, p_text, plain

HEADS = (("verdict", ""), ("statement", ""), ("effect", "n"), ("95 % interval", "n"), ("n", "n"), ("p", "n"))
LAST = (("counts as shown", ""), ("scope", ""))


def verdict_table(verdicts: Sequence[Document]) -> Markup:
    """All verdicts of a run, in the order of the claims and their statements."""
    rows = [el("tr", *verdict_cells(verdict), *_last(verdict)) for verdict in verdicts]
    return table_of((*HEADS, *LAST), rows)


def table_of(heads: Iterable[tuple[str, str]], rows: Iterable[Markup]) -> Markup:
    """The table that the page's filter is for.

    Args:
        heads: names of the columns, each with its class.
        rows: their cells.
    """
    head = el("thead", el("tr", *(el("th", name, class_=kind or None, scope="col") for name, kind in heads)))
    return el("div", el("table", head, el("tbody", join(rows)), class_="entries", id="table"), class_="scroll")


def verdict_cells(verdict: Document) -> list[Markup]:
    """Verdict, statement, effect, interval, n, p."""
    sign = sign_of(verdict["verdict"])
    name = f"{plain(verdict['claim'])}, {plain(verdict['statement'])}"
    says = el("b", plain(verdict["says"])) if verdict["is_headline"] else plain(verdict["says"])
    grave = " ".join(plain(note["text"]) for note in verdict["warnings"] if note["code"] in GRAVE)
    notes = (el("br"), el("span", grave, class_="warn")) if grave else ()
    return [
        el("td", pill(sign), data_tip=plain(verdict["reason"])),
        el("td", says, el("br"), el("span", name, class_="quiet"), *notes, class_="says"),
        numeric(effect_cell(verdict)),
        numeric(interval_cell(verdict), data_tip=plain(verdict["method"]) or None),
        numeric(count_text(verdict)),
        numeric(p_text(verdict["p"])),
    ]  # fmt: skip


def _last(verdict: Document) -> list[Markup]:
    return [
        el("td", plain(verdict["counts"]), class_="words"),
        el("td", plain(verdict["scope"]), class_="words"),
    ]
