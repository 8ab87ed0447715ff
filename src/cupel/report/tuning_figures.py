"""The figures of a tuning run, from its document."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cupel.report.drawing import Drawing
from cupel.report.figure_incumbent import incumbent
from cupel.report.figure_learning_curves import learning_curves
from cupel.report.figure_parallel_coordinates import parallel_coordinates
from cupel.report.figure_variance import variance
from cupel.report.tuning_words import assignments, at_text, number
from cupel.report.words import Document, num, plain


def tuning_figures(document: Document) -> dict[str, Drawing]:
    """Figures by name; one that there is nothing for is left out."""
    found = {
        "curves": _curves(document),
        "incumbent": _incumbent(document),
        "parallel": _parallel(document),
        "importance": _importance(document),
    }
    return {name: drawing for name, drawing in found.items() if drawing is not None}


def compared(document: Document) -> list[tuple[Document, float]]:
    """Trials with a value at the resource that most have one at, the best first, each with that value."""
    importance = document["importance"]
    if importance is None:
        return []
    sign = 1.0 if document["asked"]["better"] == "lower" else -1.0
    found = []
    for trial in document["trials"]:
        value = next((value for resource, value in trial["told"] if resource == importance["resource"]), None)
        if value is not None and math.isfinite(value):
            found.append((trial, value))
    return sorted(found, key=lambda pair: (sign * pair[1], pair[0]["trial"]))


def metric_text(document: Document) -> str:
    """`val_loss (lower is better)`."""
    return f"{plain(document['asked']['metric'])} ({document['asked']['better']} is better)"


def _curves(document: Document) -> Drawing | None:
    order = [trial for trial, _ in compared(document)]
    ranks = {trial["trial"]: k / max(1, len(order) - 1) for k, trial in enumerate(order)}
    rest = [trial for trial in document["trials"] if trial["trial"] not in ranks]
    best = None if document["best"] is None else document["best"]["trial"]
    # the incumbent is always among those that are drawn
    trials = sorted([*order, *rest], key=lambda trial: trial["trial"] != best)
    curves = [
        {
            "label": f"trial {trial['trial']}",
            "x": [step for step, _ in trial["curve"]],
            "y": [value for _, value in trial["curve"]],
            "rank": ranks.get(trial["trial"]),
            "is_best": trial["trial"] == best,
        }
        for trial in trials
    ]
    return learning_curves(curves, x_label="step, as the script reports it", y_label=metric_text(document))


def _incumbent(document: Document) -> Drawing | None:
    best = document["best"]
    return incumbent(
        document["incumbents"],
        end_s=document["costs"]["search_s"],
        again=None if best is None else best["reevaluated"],
        y_label=metric_text(document),
    )


def _parallel(document: Document) -> Drawing | None:
    if document["importance"] is None:
        return None
    best = None if document["best"] is None else document["best"]["trial"]
    metric = plain(document["asked"]["metric"])
    lines = [
        {
            "label": f"trial {t['trial']}: {metric} {number(value)}{_there(document)}; {assignments(t['parameters'])}",
            "parameters": t["parameters"],
            "value": value,
            "is_best": t["trial"] == best,
        }
        for t, value in compared(document)
    ]
    axes = [_axis(name, parameter) for name, parameter in document["asked"]["space"]["parameters"].items()]
    return parallel_coordinates(axes, lines, value_name=f"{metric}{_there(document)}")


def _there(document: Document) -> str:
    return at_text(document, document["importance"]["resource"])


def _axis(name: str, parameter: Mapping[str, Any]) -> dict[str, Any]:
    if parameter["kind"] == "Choice":
        return {"name": name, "choices": parameter["values"]}
    return {"name": name, "low": parameter["low"], "high": parameter["high"], "is_log": parameter["log"]}


def _importance(document: Document) -> Drawing | None:
    """Shares with their intervals, the largest first; those that are not known last."""
    importance = document["importance"]
    rows = [] if importance is None else importance["parameters"]
    if all(row["share"] is None for row in rows):
        return None
    rows = sorted(rows, key=lambda row: (row["share"] is None, -(row["share"] or 0.0)))
    parts = [
        {
            "source": row["name"] if row["n"] == importance["n"] else f"{row['name']} ({num(row['n'], 'trial')})",
            "share": row["share"],
            "interval": None if row["low"] is None else [row["low"], row["high"]],
            "series": 0,
        }
        for row in rows
    ]
    label = f"main effect: share of the variance of the {importance['scale_text']}"
    return variance(parts, label=label, title="Importance of the hyperparameters", is_whole=False)
