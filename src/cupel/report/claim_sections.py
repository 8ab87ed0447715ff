"""What a claim's page says of one claim: its effects, the evidence of each statement, its arms, and its paper."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cupel.report.claim_figures import effect_figures, looks_of, pairs_figure, shares_figure
from cupel.report.claim_words import (
    TURNED,
    WORDS,
    alike_failures,
    effect_text,
    estimator_text,
    failed_text,
    number,
    sign_of,
    verdict_notes,
)
from cupel.report.drawing import Drawing
from cupel.report.markup import Markup, el, join, preformatted
from cupel.report.page import facts, numeric
from cupel.report.svg import to_markup
from cupel.report.words import DASH, Document, finite, num, plain, settings_text, tail_of
from cupel.spec.units import format_duration

MOST_FAILURES, LOG_LINES = 12, 40
MOST_TUNED = 60
"""Rows of tuning; more there are only where every pair was tuned anew."""
PUBLISHED = "As published; never compared across hardware."


def claim_section(claim: Document, verdicts: Sequence[Document], place: int) -> Markup:
    """All that a run says of one claim.

    Args:
        claim: one of the document's claims.
        verdicts: those on its statements, the headline first.
        place: its number on the page, for the section's name.
    """
    broken = el("p", plain(claim["broken"]), class_="bad") if claim["broken"] else None
    return el(
        "section",
        el("h2", plain(claim["label"]), " ", el("span", f"at size {plain(claim['size'])}", class_="quiet")),
        el("p", plain(claim["says"])),
        broken,
        join(_effects(verdicts)),
        el("h4", "Evidence"),
        join(_statement(verdict, claim) for verdict in verdicts),
        join(_arms(claim["arms"])),
        join(_tuning(claim["tuned"])),
        join(_variance(claim)),
        join(_failures(claim["failures"])),
        *_paper(claim),
        id=f"c{place}",
    )


def _drawn(drawing: Drawing | None) -> Markup | None:
    return None if drawing is None else el("div", to_markup(drawing), class_="scroll")


def _effects(verdicts: Sequence[Document]) -> Iterator[Markup | None]:
    """The forest plots and how they are read."""
    figures = list(effect_figures(verdicts))
    if not figures:
        return
    yield el("h4", "Effects")
    yield el(
        "p",
        f"{TURNED} Shaded: equal in practice. Dashed: the bar that the whole interval must lie beyond.",
        class_="quiet",
    )
    yield from (_drawn(drawing) for _, drawing in figures)


def _statement(verdict: Document, claim: Document) -> Markup:
    """One statement in a fold: its verdict, why, what would change it, and what it rests on; open for the headline."""
    sign, evidence = sign_of(verdict["verdict"]), claim["statements"].get(verdict["statement"]) or {}
    head = el(
        "summary",
        el("span", sign.mark, class_=sign.tone),
        " ",
        el("b", plain(verdict["statement"])),
        el("span", f" {plain(verdict['says'])}", class_="quiet"),
    )
    rows = [
        ("verdict", f"{WORDS.get(verdict['verdict'], verdict['verdict'])}; {effect_text(verdict)}"),
        ("why", plain(verdict["reason"])),
        ("what would change it", plain(verdict["would_change"])),
        ("counts as shown", plain(verdict["counts"])),
        ("interval", plain(verdict["method"])),
        ("p", "" if verdict["p"] is None else f"{verdict['p']:.2g}"),
        ("scope", plain(verdict["scope"])),
        ("note", " ".join(map(plain, verdict_notes(verdict)))),
    ]
    parts = [facts(rows), _drawn(looks_of(verdict, evidence)), _drawn(pairs_figure(verdict, evidence))]
    if evidence.get("outcome"):
        parts.append(facts([("recomputed", settings_text(evidence["outcome"].get("values")))]))
    is_open = bool(verdict["is_headline"])
    return el("details", head, *parts, open=is_open, class_="print-open")


def _arms(arms: Sequence[Document]) -> Iterator[Markup]:
    """Every arm in numbers: metrics, costs, wall time, rate."""
    if not arms:
        return
    names = {kind: list(dict.fromkeys(name for arm in arms for name in arm[kind])) for kind in ("metrics", "costs")}
    has = {key: any(arm[key] is not None for arm in arms) for key in ("wall_s", "rate")}
    heads = ["arm", *names["metrics"], *names["costs"]]
    heads += [title for key, title in (("wall_s", "wall time, s"), ("rate", "rate, per s")) if has[key]]
    rows = []
    for arm in arms:
        means = [arm[kind].get(name) for kind in ("metrics", "costs") for name in names[kind]]
        means += [arm[key] for key in ("wall_s", "rate") if has[key]]
        rows.append(el("tr", _arm_cell(arm), *(_mean_cell(mean) for mean in means)))
    head = el(
        "thead", el("tr", *(el("th", name, class_="n" if k else None, scope="col") for k, name in enumerate(heads)))
    )
    yield el("h4", "Arms in numbers")
    yield el("p", "Means over the trials that ended, with 95 % intervals of each arm alone.", class_="quiet")
    yield el("div", el("table", head, el("tbody", join(rows)), class_="entries"), class_="scroll")


def _arm_cell(arm: Document) -> Markup:
    failed = el("span", f", {arm['num_failed']} failed", class_="bad") if arm["num_failed"] else None
    lines = [settings_text(arm["hp"]), *map(plain, arm["notes"])]
    words = [part for line in lines if line for part in (el("br"), line)]
    body = (plain(arm["words"]), el("br"), num(arm["num_trials"], "trial"), failed, *words)
    return el("td", el("b", plain(arm["arm"])), " ", el("span", *body, class_="quiet"), class_="name")


def _mean_cell(mean: Mapping[str, Any] | None) -> Markup:
    """`0.93 [0.91, 0.95]`."""
    if mean is None or finite(mean["mean"]) is None:
        return numeric(DASH)
    span = "" if mean["interval"] is None else f" [{number(mean['interval'][0])}, {number(mean['interval'][1])}]"
    sd = "" if finite(mean["sd"]) is None else f"sd {number(mean['sd'])}, "
    return numeric(join((number(mean["mean"]), el("span", span, class_="quiet"))), data_tip=f"{sd}n = {mean['n']}")


def _tuning(tuned: Sequence[Document]) -> Iterator[Markup]:
    """What tuning chose for each arm, from how many trials."""
    if not tuned:
        return
    rows = []
    for row in tuned[:MOST_TUNED]:
        edge = f"still the last of its grid: {', '.join(map(plain, row['edge']))}" if row["edge"] else ""
        rows.append(el(
            "tr",
            el("td", plain(row["arm"])),
            el("td", "all" if row["trial"] is None else plain(row["trial"])),
            el("td", settings_text(row["hp"]) or "nothing to tune", class_="words"),
            numeric(number(row["value"])),
            numeric(row["num_trials"]),
            el("td", edge, class_="warn" if edge else None),
        ))  # fmt: skip
    heads = (
        ("arm", ""),
        ("trials", ""),
        ("chosen", ""),
        ("selection value", "n"),
        ("tuning trials", "n"),
        ("edge", ""),
    )
    head = el("thead", el("tr", *(el("th", name, class_=kind or None, scope="col") for name, kind in heads)))
    yield el("h4", "Tuning")
    yield el("p", "Each arm was given as many tuning trials; their seeds have no part in the verdict.", class_="quiet")
    yield el("div", el("table", head, el("tbody", join(rows)), class_="entries"), class_="scroll")
    if len(tuned) > MOST_TUNED:
        yield el("p", f"and {len(tuned) - MOST_TUNED} more, in the JSON", class_="quiet")


def _variance(claim: Document) -> Iterator[Markup | None]:
    """How far the defended arm's metric spreads when one source of variation varies alone."""
    sources = claim["variance"]
    if not sources:
        return
    whole = next((row["sd"] for row in sources if row["source"] == "all"), None)
    rows = []
    for row in sources:
        is_all = row["source"] == "all"
        share = DASH if is_all or not whole else f"{100 * (row['sd'] / whole) ** 2:.0f} %"
        name = "all of them" if is_all else f"{plain(row['source'])} alone"
        rows.append(
            el("tr", el("td", name), numeric(number(row["sd"])), numeric(row["n"]), numeric(share))
        )  # fmt: skip
    heads = (("what varies", ""), ("sd", "n"), ("trials", "n"), ("variance, share of that of all", "n"))
    head = el("thead", el("tr", *(el("th", name, class_=kind or None, scope="col") for name, kind in heads)))
    yield el("h4", "Where the variance comes from")
    yield el(
        "p",
        "Shares are estimates from a few trials each and need not add up: one may exceed that of all by chance. ",
        estimator_text(claim["varies"], is_tuned=bool(claim["tuned"])),
        class_="quiet",
    )
    yield el("div", el("table", head, el("tbody", join(rows)), class_="costs"), class_="scroll")
    yield _drawn(shares_figure(claim))


def _failures(failures: Sequence[Document]) -> Iterator[Markup]:
    """What failed, each reason once, with the end of the first log."""
    if not failures:
        return
    alike = alike_failures(failures)
    yield el("h4", f"Failures ({len(failures)})")
    for text, same in list(alike.items())[:MOST_FAILURES]:
        yield el("p", el("b", failed_text(same), class_="bad"), f" {text}")
        lines = tail_of(same[0], LOG_LINES)
        if lines:
            yield preformatted("\n".join(lines), class_="log")
    if len(alike) > MOST_FAILURES:
        yield el("p", f"and {num(len(alike) - MOST_FAILURES, 'other failure')}, in the run folder", class_="quiet")


def _paper(claim: Document) -> tuple[Markup, Markup]:
    """Where the claim is from, and what of it is tried here."""
    published = plain(claim["published"])
    rows = [
        ("source", plain(claim["source"])),
        ("the paper's figures", join((published, " ", el("b", PUBLISHED))) if published else ""),
        ("kept of the paper's setting", plain(claim["kept"])),
        ("smaller or other here", plain(claim["smaller"])),
        ("sizes", settings_text(claim["sizes"])),
        ("settings", settings_text(claim["settings"])),
        ("device", plain(claim["device"])),
        ("seed", plain(claim["seed"])),
        ("seeds vary", ", ".join(map(plain, claim["varies"]))),
        ("time of all trials", format_duration(claim["spent_s"]) if math.isfinite(claim["spent_s"]) else DASH),
        ("code", el("code", plain(claim["path"]))),
        ("digest of the code", plain(claim["digest"])),
    ]
    return el("h4", "The paper and this run"), facts(rows)
