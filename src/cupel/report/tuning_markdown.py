"""A tuning run as Markdown, for an issue or a pull request: the best and how sure it is, and the best ten trials."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from cupel.report.markdown import escaped, markdown_table
from cupel.report.tuning_words import by_merit, cost_texts, headline, number, state_text, value_text
from cupel.report.words import DASH, Document, ends_text, num

MOST = 10


def render_tuning(document: Document) -> str:
    """The run as Markdown."""
    return "\n".join(_lines(document)).rstrip("\n") + "\n"


def _lines(document: Document) -> Iterator[str]:
    counts, best = document["counts"], document["best"]
    machine = (document.get("machine") or {}).get("label")
    yield f"## {escaped(document.get('name')) or 'tuning'}"
    yield ""
    yield f"**{escaped(headline(document))}**"
    yield ""
    started = escaped(document.get("started")) or "unknown time"
    yield f"{escaped(machine) or 'unknown machine'}, {started}, {state_text(document)}"
    yield ""
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    yield f"{counts['valued']} of {num(counts['trials'], 'trial')} reached a value{failed}; {_costs(document)}"
    yield ""
    if best is not None:
        yield from ("```sh", best["command"].replace("```", "` ` `"), "```", "")
        yield from _trials(document)
        yield from _importance(document)
    yield from (f"- {escaped(text)}" for text in document["notes"])


def _costs(document: Document) -> str:
    worked, energy, took = cost_texts(document)
    return f"{worked} of workers' time, {energy}, {took} in all"


def _trials(document: Document) -> Iterator[str]:
    """The best trials, as the incumbent is chosen."""
    names = list(document["asked"]["space"]["parameters"])
    has_resource = document["asked"]["max_resource"] is not None
    metric = escaped(document["asked"]["metric"])
    heads = ["trial", metric, *(["at"] if has_resource else []), *map(escaped, names), "seconds"]
    rows = []
    for trial in islice((t for t in by_merit(document) if t["value"] is not None), MOST):
        parameters = trial["parameters"]
        values = [escaped(value_text(parameters[name])) if name in parameters else DASH for name in names]
        at = [f"{trial['resource']:g}"] if has_resource else []
        rows.append([str(trial["trial"]), number(trial["value"]), *at, *values, f"{trial['elapsed_s']:.3g}"])
    yield from markdown_table(heads, rows, frozenset({"trial", metric, "at", "seconds"}))


def _importance(document: Document) -> Iterator[str]:
    """The share of the variance that each parameter explains."""
    importance = document["importance"]
    rows = []
    for row in importance["parameters"]:
        share = "not known" if row["share"] is None else f"{100 * row['share']:.3g} %"
        ends = DASH if row["low"] is None else f"{ends_text([100 * row['low'], 100 * row['high']])} %"
        rows.append([escaped(row["name"]), share, ends, str(row["n"]), escaped(row["reason"])])
    heads = ["parameter", "share of the variance", "95 % interval", "trials", "note"]
    yield from markdown_table(heads, rows, frozenset({"share of the variance", "trials"}))
