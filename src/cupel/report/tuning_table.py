"""The table of all trials of a tuning run."""

from __future__ import annotations

from collections.abc import Sequence

from cupel.report.markup import Markup, el, join
from cupel.report.page import numeric, pill, table_tools
from cupel.report.tuning_words import by_merit, number, trial_sign, value_text
from cupel.report.words import DASH, Document, num, plain

MOST_ROWS, MOST_WITHOUT = 1000, 200
"""Rows of a page, and how many of them are of trials without a value; the file of all is a click away."""


def trials_section(document: Document) -> Markup:
    """Trials as the incumbent is chosen: trained furthest first, the better value first, those without one last."""
    trials, names = list(by_merit(document)), list(document["asked"]["space"]["parameters"])
    if not trials:
        return el("section", el("h2", "Trials"), el("p", "No trial was begun.", class_="quiet"), id="trials")
    shown = _shown(trials)
    has_resource = document["asked"]["max_resource"] is not None
    best = None if document["best"] is None else document["best"]["trial"]
    rows = [_row(trial, names, has_resource=has_resource, is_best=trial["trial"] == best) for trial in shown]
    heads = [
        *(("trial", "n"), ("status", ""), (plain(document["asked"]["metric"]), "n")),
        *((("at", "n"),) if has_resource else ()),
        *((plain(name), "n") for name in names),
        *(("seconds", "n"), ("starts", "n"), ("message", "")),
    ]
    head = el("thead", el("tr", *(el("th", name, class_=kind or None, scope="col") for name, kind in heads)))
    table = el("table", head, el("tbody", join(rows)), class_="entries sortable", id="table")
    tools = table_tools(
        len(shown), "filter, e.g. failed", csv_has="one row per trial", json_has="the document without the trials"
    )
    left_out = len(trials) - len(shown)
    words = f"{num(left_out, 'further trial')} not shown here: the CSV has all of them. " if left_out else ""
    if any(trial["status"] == "failed" for trial in trials):
        words += "What the scripts wrote is in trials/ of the run folder, by number."
    return el(
        "section",
        el("h2", "Trials"),
        tools,
        el("div", table, class_="scroll"),
        el("p", words, class_="quiet") if words else None,
        id="trials",
    )


def _shown(trials: Sequence[Document]) -> list[Document]:
    """As many as a page can carry: the best, and the first of those without a value."""
    if len(trials) <= MOST_ROWS:
        return list(trials)
    without = [trial for trial in trials if trial["value"] is None][:MOST_WITHOUT]
    valued = [trial for trial in trials if trial["value"] is not None]
    return [*valued[: MOST_ROWS - len(without)], *without]


def _row(trial: Document, names: Sequence[str], *, has_resource: bool, is_best: bool) -> Markup:
    number_cell = el("b", trial["trial"]) if is_best else trial["trial"]
    parameters = trial["parameters"]
    at = f"{trial['resource']:g}" if trial["value"] is not None else DASH
    return el(
        "tr",
        numeric(number_cell, data_tip="the best" if is_best else None),
        el("td", pill(trial_sign(trial))),
        numeric(number(trial["value"])),
        numeric(at) if has_resource else None,
        *(numeric(value_text(parameters[name]) if name in parameters else DASH) for name in names),
        numeric(f"{trial['elapsed_s']:.4g}"),
        numeric(trial["attempts"]),
        el("td", plain(trial["message"]), class_="words"),
    )
