"""The page of a tuning run: the best and how sure it is, curves, parameters, cost, every trial, where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath

from cupel.report.axis import Axis
from cupel.report.csv import render_tuning as tuning_csv
from cupel.report.drawing import Drawing
from cupel.report.markup import Markup, el, join, preformatted
from cupel.report.page import Page, numeric, pill, render_page, tile
from cupel.report.provenance import machine_section
from cupel.report.svg import to_markup
from cupel.report.tuning_figures import tuning_figures
from cupel.report.tuning_table import trials_section
from cupel.report.tuning_words import (
    at_text,
    cost_texts,
    headline,
    number,
    range_text,
    state_text,
    value_text,
)
from cupel.report.words import STATUS, Document, Sign, num, plain
from cupel.spec.units import format_duration

DONE, NOTE, OPEN = Sign("✓", "complete", "+", "good"), Sign("·", "note", "-", "calm"), STATUS["unfinished"]
BAR_PX = 160.0
LINKS = (
    ("best", "Best"),
    ("curves", "Curves"),
    ("parameters", "Parameters"),
    ("cost", "Cost"),
    ("trials", "Trials"),
    ("machine", "Machine"),
)


def render_tuning(document: Document) -> str:
    """The page of a tuning run, an HTML file that loads nothing.

    Args:
        document: of kind `tuning`.
    """
    drawings = tuning_figures(document)
    data = {
        "name": PurePath(plain(document.get("run")) or "tuning").name,
        "csv": tuning_csv(document),
        "json": {**document, "trials": None},
    }
    main = [
        el("p", headline(document), class_="verdict"),
        _tiles(document),
        el("ul", join(_notes(document)), class_="notes"),
        _best(document),
        _curves(document, drawings),
        _parameters(document, drawings),
        _cost(document),
        trials_section(document),
        machine_section(_provenance(document)),
    ]
    return render_page(Page("cupel tune", _subtitle(document), LINKS, main, data))


def _subtitle(document: Document) -> str:
    """`train.py · asha · 2 cores · 2026-11-20T12:00:00Z`."""
    asked, machine = document["asked"], document.get("machine") or {}
    parts = (asked["script"], asked["searcher"], machine.get("label"), document.get("started"))
    return " · ".join(plain(part) for part in parts if part)


def _tiles(document: Document) -> Markup:
    asked, best, counts = (document[key] for key in ("asked", "best", "counts"))
    metric = plain(asked["metric"])
    tiles = [tile(metric, "none", "no trial reached a value", tone="quiet")]
    if best is not None:
        trial = f"trial {best['trial']}{at_text(document, best['resource'])}"
        tiles = [
            tile(f"{metric}, as selected", number(best["value"]), trial, "too good by having been selected"),
            _again_tile(best["reevaluated"], metric),
        ]
    failed = counts["failed"]
    share = [el("span", str(counts["valued"]), " ", el("small", "✓", class_="good"))]
    if failed:
        share.append(el("span", str(failed), " ", el("small", "✗", class_="bad")))
    said = f"of {num(counts['trials'], 'trial')} reached a value" + (f", {failed} failed" if failed else "")
    going = f", {counts['open']} not done" if counts["open"] else ""
    tiles.append(tile("trials", join(share), f"{said}{going}", f"{num(counts['starts'], 'start')} in all"))
    worked, energy, took = cost_texts(document)
    workers = num(asked["workers"], "worker")
    tiles.append(tile("cost", worked, f"of workers' time; {energy}", f"{took} in all, {workers}"))
    return el("div", join(tiles), class_="tiles")


def _again_tile(again: Document | None, metric: str) -> Markup:
    """The best with seeds that nothing was selected on."""
    title = f"{metric}, with fresh seeds"
    if again is None:
        return tile(title, "none", "the best was not trained again", tone="quiet")
    seeds = num(again["n"], "fresh seed")
    if again["low"] is None:
        return tile(title, number(again["mean"]), f"no interval: {plain(again['note'])}", seeds)
    ends = f"{number(again['low'])} to {number(again['high'])}"
    return tile(title, number(again["mean"]), f"95 % interval {ends}", f"{seeds}, sd {number(again['sd'])}")


def _notes(document: Document) -> Iterator[Markup]:
    """The state of the run, then what a reader of the best value must know."""
    sign = DONE if document["status"] == "complete" else OPEN
    resume = join((" Go on with: ", el("code", f"cupel resume {plain(document.get('run')) or 'RUN'}")))
    yield el("li", pill(sign, state_text(document)), None if sign is DONE else resume)
    for text in document["notes"]:
        yield el("li", pill(NOTE), f" {plain(text)}")


def _best(document: Document) -> Markup | None:
    """The best configuration beside what was searched, and the command that trains it again."""
    best, space = document["best"], document["asked"]["space"]
    heads = ("parameter", *(("best",) if best else ()), "searched")
    rows = []
    for name, parameter in space["parameters"].items():
        value = "no part" if best and name not in best["parameters"] else best and value_text(best["parameters"][name])
        cells = [el("td", el("b", value))] if best else []
        searched = range_text(parameter, space["conditions"].get(name))
        rows.append(el("tr", el("td", plain(name), class_="name"), *cells, el("td", searched, class_="words")))
    head = el("thead", el("tr", *(el("th", head, scope="col") for head in heads)))
    parts: list[object] = [el("div", el("table", head, el("tbody", join(rows)), class_="entries"), class_="scroll")]
    if space["constraints"]:
        parts.append(el("p", f"Under the constraints: {'; '.join(map(plain, space['constraints']))}.", class_="quiet"))
    if best:
        parts += [el("h4", "Train it again"), preformatted(best["command"], class_="log"), _seeds_words(best)]
    return el("section", el("h2", "Best configuration" if best else "Searched"), *parts, id="best")


def _seeds_words(best: Document) -> Markup:
    several = f" It was trained with the seeds {', '.join(map(str, best['seeds']))}." if len(best["seeds"]) > 1 else ""
    words = "CUPEL_CHECKPOINT is a path where nothing is yet; another CUPEL_SEED shows how much the value varies."
    return el("p", f"{words}{several}", class_="quiet")


def _curves(document: Document, drawings: Mapping[str, Drawing]) -> Markup:
    ranked = _compared_words(document)
    curves = (
        f"One line per trial, coloured by its rank {ranked}; the incumbent is orange. A cross ends a line that went "
        "on without a number."
    )
    over_time = (
        "Of the trials trained furthest so far, the best one's value, too good by having been selected; beside it what "
        "the last of them gave with fresh seeds, with its 95 % interval."
    )
    return el(
        "section",
        el("h2", "Learning curves"),
        _figure(drawings, "curves", curves, "No trial reported two values, so that there are no curves."),
        el("h2", "The best over time"),
        _figure(drawings, "incumbent", over_time, "No trial reached a value, so that none was best."),
        id="curves",
    )


def _compared_words(document: Document) -> str:
    """`by val_loss at 1, where 20 of 23 trials have a value`."""
    importance, counts = document["importance"], document["counts"]
    if importance is None:
        return "by value, which none has"
    where = at_text(document, importance["resource"])
    return f"by value{where}, where {importance['n']} of {num(counts['trials'], 'trial')} have one"


def _figure(drawings: Mapping[str, Drawing], name: str, words: str, without: str) -> Markup:
    drawing = drawings.get(name)
    if drawing is None:
        return el("p", without, class_="quiet")
    return join((el("p", words, class_="quiet"), el("div", to_markup(drawing), class_="scroll")))


def _parameters(document: Document, drawings: Mapping[str, Drawing]) -> Markup:
    importance = document["importance"]
    lines = f"One line per trial, coloured by its rank {_compared_words(document)}; the incumbent is orange."
    shares = (
        "How much of the variance of the value each parameter explains by itself over the range searched, with 95 % "
        "intervals (cupel explain parameter_importance). What parameters do together, and the seeds, is in none of "
        "them. A parameter with a condition is judged over the trials in which it has a part."
    )
    notes = [] if importance is None else importance["notes"]
    reasons = [] if importance is None else [f"{p['name']}: {p['reason']}" for p in importance["parameters"]]
    unknown = [reason for reason in reasons if not reason.endswith(": ")]
    return el(
        "section",
        el("h2", "Parallel coordinates"),
        _figure(drawings, "parallel", lines, "No trial reached a value."),
        el("h2", "Importance"),
        _figure(drawings, "importance", shares, "Too few trials have a value to say what a parameter explains."),
        *(el("p", plain(text), class_="quiet") for text in notes),
        el("p", f"Not known: {plain('; '.join(unknown))}.", class_="quiet") if unknown else None,
        id="parameters",
    )


def _cost(document: Document) -> Markup:
    """What each rung took, and the fresh seeds."""
    costs, best = document["costs"], document["best"]
    has_rungs = document["asked"]["max_resource"] is not None
    rows = [
        (f"up to {rung['resource']:g}" if has_rungs else "search", rung["valued"], rung["failed"], rung["device_s"])
        for rung in costs["rungs"]
    ]
    fresh_s = costs["device_s"] - costs["search_s"]
    again = None if best is None else best["reevaluated"]
    if fresh_s > 0:
        rows.append(("fresh seeds", again["n"] if again else 0, "", fresh_s))
    axis = Axis(0.0, max([*(row[3] for row in rows), 1e-9]), 0.0, BAR_PX)
    heads = (("rung" if has_rungs else "part", ""), ("values", "n"), ("failed", "n"), ("worker seconds", "n"), ("", ""))
    body = []
    for name, valued, failed, seconds in rows:
        cells = [numeric(valued), numeric(failed), numeric(f"{seconds:.4g}"), el("td", _bar(axis, seconds))]
        body.append(el("tr", el("td", name), *cells))
    head = el("thead", el("tr", *(el("th", text, class_=kind or None, scope="col") for text, kind in heads)))
    worked, energy, took = cost_texts(document)
    words = f"{worked} of workers' time, {energy}; {took} from beginning to end, pauses left out."
    table = el("div", el("table", head, el("tbody", join(body)), class_="costs"), class_="scroll") if rows else None
    return el("section", el("h2", "Cost"), table, el("p", words, class_="quiet"), id="cost")


def _bar(axis: Axis, seconds: float) -> Markup:
    return el(
        "svg",
        el("rect", x=0, y=5, width=round(max(1.0, axis(seconds)), 1), height=8, class_="fill"),
        class_="mark", viewBox=f"0 0 {BAR_PX:g} 18", width=BAR_PX, height=18, role="img",
        aria_label=format_duration(seconds),
    )  # fmt: skip


def _provenance(document: Document) -> Document:
    """The document with what the machine's section shows of every run under the keys that it looks for."""
    costs = document["costs"]
    asked = {key: value for key, value in document["asked"].items() if key != "space"}
    where = {key: document.get(key) for key in ("directory", "script_digest")}
    price = {"energy_j": costs["energy_j"]}
    return {**document, "asked": {**asked, **where}, "elapsed_s": costs["elapsed_s"], "price": price}
