"""The page of a run of claims: the verdicts, then each claim: effects, evidence, arms, failures, and its paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from cupel.report.claim_sections import claim_section
from cupel.report.claim_words import (
    SIGNS,
    TURNED,
    WORDS,
    count_text,
    effect_cell,
    interval_cell,
    sign_of,
)
from cupel.report.csv import render_claims as claims_csv
from cupel.report.markup import Markup, el, join
from cupel.report.page import Page, document_notes, pill, render_page, table_tools, tile
from cupel.report.provenance import machine_section
from cupel.report.verdict_table import verdict_table
from cupel.report.words import STATUS, Document, Sign, num, plain
from cupel.spec.units import format_duration

DONE, OPEN = Sign("✓", "complete", "+", "good"), STATUS["unfinished"]
MOST_LINKS, LINK_LETTERS = 3, 24


def render_claims(document: Document) -> str:
    """The page of a run of claims, an HTML file that loads nothing.

    Args:
        document: of kind `claims`.
    """
    claims, verdicts = document["claims"], document["verdicts"]
    sections = [
        claim_section(claim, [v for v in verdicts if v["key"] == claim["key"]], place)
        for place, claim in enumerate(claims)
    ]
    main = [
        el("p", plain(document["headline"]), class_="verdict"),
        _tiles(document),
        el("ul", join(_notes(document)), class_="notes"),
        _verdicts_section(document),
        *sections,
        machine_section(_provenance(document)),
    ]
    links = [("verdicts", "Verdicts"), *_claim_links(document), ("machine", "Machine")]
    data = {
        "name": PurePath(plain(document["run"]) or "claims").name,
        "csv": claims_csv(document),
        "json": {**document, "machine": {k: v for k, v in document["machine"].items() if k != "packages"}},
    }
    return render_page(Page("cupel claims", _subtitle(document), links, main, data))


def _claim_links(document: Document) -> list[tuple[str, str]]:
    claims = document["claims"]
    if len(claims) > MOST_LINKS:
        return [("c0", "Claims")]
    return [(f"c{k}", plain(claim["label"])[:LINK_LETTERS]) for k, claim in enumerate(claims)]


def _subtitle(document: Document) -> str:
    """`coin_vs_coin · 2 cores · 2026-11-20T12:00:00Z`."""
    parts = (document["name"], document["machine"].get("label"), document["started"])
    return " · ".join(plain(part) for part in parts if part)


def _tiles(document: Document) -> Markup:
    heads = [verdict for verdict in document["verdicts"] if verdict["is_headline"]]
    tiles = [_headline_tile(heads[0])] if len(heads) == 1 else _count_tiles(heads)
    rest = [verdict for verdict in document["verdicts"] if not verdict["is_headline"]]
    if rest:
        shown = [_counted_sign(rest, word) for word in SIGNS if any(v["verdict"] == word for v in rest)]
        tiles.append(tile("further statements", join(shown), f"{num(len(rest), 'statement')} beside the headlines"))
    price = document["price"]
    took = format_duration(price["elapsed_s"])
    tiles.append(tile("price", format_duration(price["wall_s"]), "of trials and launches", f"{took} in all"))
    return el("div", join(tiles), class_="tiles")


def _counted_sign(verdicts: list[Document], word: str) -> Markup:
    sign, count = SIGNS[word], sum(verdict["verdict"] == word for verdict in verdicts)
    return el("span", f"{count} ", el("small", sign.mark, class_=sign.tone), data_tip=f"{count} {word}")


def _headline_tile(verdict: Document) -> Markup:
    sign = sign_of(verdict["verdict"])
    ends = f"95 % interval {interval_cell(verdict)}" if verdict["interval"] else "no interval"
    title = f"{sign.mark} {WORDS.get(sign.word, sign.word)}"
    return tile(title, effect_cell(verdict), ends, count_text(verdict), tone=sign.tone)


def _count_tiles(heads: list[Document]) -> list[Markup]:
    """How many claims have which verdict on their headline."""
    counts = {word: sum(verdict["verdict"] == word for verdict in heads) for word in SIGNS}
    return [
        tile(f"{SIGNS[word].mark} {WORDS[word]}", str(count), f"of {num(len(heads), 'claim')}", tone=SIGNS[word].tone)
        for word, count in counts.items()
        if count
    ]


def _notes(document: Document) -> Iterator[Markup]:
    """The state of the run, then what a reader of its verdicts must know."""
    is_complete = document["status"] == "complete"
    resume = join((" Some verdicts are open. Go on with: ", el("code", f"cupel resume {plain(document['run'])}")))
    yield el("li", pill(DONE if is_complete else OPEN), None if is_complete else resume)
    for claim in document["claims"]:
        if claim["broken"]:
            yield el("li", pill(STATUS["failed"]), f" {plain(claim['label'])}: {plain(claim['broken'])}.")
        for what, reason in claim["untestable"].items():
            yield el("li", pill(SIGNS["not testable"]), f" {plain(claim['label'])}, {plain(what)}: {plain(reason)}")
    for item in document["skipped"]:
        yield el("li", pill(STATUS["skipped"]), f" {plain(item['name'])}: {plain(item['reason'])}")
    yield from (el("li", note) for note in document_notes(document))


def _verdicts_section(document: Document) -> Markup:
    verdicts = document["verdicts"]
    each = "Each verdict stands at its own level; cupel verdicts takes all runs together and applies Holm's correction."
    tools = table_tools(
        len(verdicts), "filter, e.g. undecided", csv_has="one row per verdict", json_has="the document"
    )  # fmt: skip
    return el(
        "section",
        el("h2", "Verdicts"),
        tools,
        verdict_table(verdicts),
        el("p", f"{TURNED} {each}", class_="quiet"),
        id="verdicts",
    )


def _provenance(document: Document) -> Document:
    """The document with what the machine's section shows of every run under the keys that it looks for."""
    return {**document, "elapsed_s": document["price"]["elapsed_s"]}
