"""The figures of an analysis, by name; each only where the document has what it shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cupel.report.curve_plot import CurveAxes
from cupel.report.drawing import Drawing
from cupel.report.figure_budget import budget_curve
from cupel.report.figure_critical_difference import PositionAxis, critical_difference
from cupel.report.figure_forest import EffectAxis, forest
from cupel.report.figure_profile import profile
from cupel.report.figure_samples import strip
from cupel.report.figure_variance import variance
from cupel.report.words import Document, ends_text, finite, level_percent, number_text, p_text, plain, verdict_sign

MOST_PAIRS_DRAWN = 40
MOST_METHODS_DRAWN = 30
MOST_CURVES = 12
MOST_PANELS = 12


def analysis_figures(document: Document) -> dict[str, Drawing]:
    """Name of a figure to its drawing, in the order in which they are shown."""
    drawings = {
        "contrasts": _contrasts(document),
        "critical_difference": _means(document),
        "ranks": _ranks(document),
        "profile": _profile(document),
        "variance": _variance(document),
        "budget": _budget(document),
        "runs": _runs(document),
    }
    return {name: drawing for name, drawing in drawings.items() if drawing is not None}


def _series(document: Document) -> dict[str, int]:
    """One look per method in all figures."""
    return {plain(row["name"]): k for k, row in enumerate(document["methods"])}


def _labels(names: Iterable[str]) -> dict[str, str]:
    """Name to what is shown of it; names that differ in what is not shown are numbered."""
    labels: dict[str, str] = {}
    for name in names:
        shown, count = plain(name), 1
        while shown in labels.values():
            count += 1
            shown = f"{plain(name)} ({count})"
        labels[name] = shown
    return labels


def _contrasts(document: Document) -> Drawing | None:
    pairs = document["pairs"][:MOST_PAIRS_DRAWN]
    if not pairs:
        return None
    is_log = document["scale"] == "log"
    rows = [
        {
            "label": plain(pair["label"]),
            "estimate": pair["estimate"],
            "interval": pair["interval"],
            "verdict": verdict_sign(pair["verdict"]).word,
            "tone": verdict_sign(pair["verdict"]).tone,
            "numbers": f"{number_text(pair['estimate'])} {ends_text(pair['interval'])} p {p_text(pair['p'])}",
        }
        for pair in pairs
    ]
    unit = f", {plain(document['unit'])}" if document["unit"] else ""
    what = "ratio" if is_log else "difference"
    rope = finite(document["rope"])
    equal = None if not rope else (1 / (1 + rope), 1 + rope) if is_log else (-rope, rope)
    axis = EffectAxis(
        label=f"{what} of mean {plain(document['metric'])}{unit}, {level_percent(document)} intervals",
        no_effect=1.0 if is_log else 0.0,
        equivalence=equal,
        left="first is worse",
        right="first is better",
        is_log=is_log,
    )
    return forest(rows, axis=axis, title=f"Differences between methods in {plain(document['metric'])}")


def _means(document: Document) -> Drawing | None:
    """Means with bars over methods that are not separated; not against a baseline, where bars are not known."""
    labels = _labels(row["name"] for row in document["methods"])
    positions = {labels[row["name"]]: finite(row["mean"]) for row in document["methods"]}
    known = sum(value is not None for value in positions.values())
    if document["baseline"] or known < 2 or len(positions) > MOST_METHODS_DRAWN:
        return None
    axis = PositionAxis(
        label=f"mean {plain(document['metric'])} ({plain(document['scope'])})", better=document["better"], is_rank=False
    )
    groups = [[labels[name] for name in group] for group in document["groups"]]
    return critical_difference(positions, groups, axis=axis, title="Means and what is not separated")


def _ranks(document: Document) -> Drawing | None:
    ranks = document["ranks"]
    if ranks is None or not 3 <= len(ranks["positions"]) <= MOST_METHODS_DRAWN:
        return None
    distance = None
    if finite(ranks["critical_difference"]):
        words = f"CD = {ranks['critical_difference']:.2f} ({plain(ranks['posthoc'])})"
        distance = (float(ranks["critical_difference"]), words)
    axis = PositionAxis(label=f"mean rank over {ranks['num_tasks']} tasks", better="lower", is_rank=True)
    labels = _labels(ranks["positions"])
    positions = {labels[name]: rank for name, rank in ranks["positions"].items()}
    groups = [[labels[name] for name in group] for group in ranks["groups"]]
    return critical_difference(
        positions, groups, axis=axis, distance=distance, title="Mean ranks and what is not separated"
    )


def _profile(document: Document) -> Drawing | None:
    series = _series(document)
    rows = sorted(document["profile"]["methods"], key=lambda row: series.get(plain(row["name"]), 0))[:MOST_CURVES]
    if not rows:
        return None
    tau: Sequence[float] = document["profile"]["tau"]
    curves: list[Mapping[str, Any]] = [
        {
            "label": plain(row["name"]),
            "x": tau,
            "y": row["share"],
            "low": row["low"],
            "high": row["high"],
            "series": series.get(plain(row["name"]), 0),
        }
        for row in rows
    ]
    word = "above" if document["better"] == "higher" else "below"
    axes = CurveAxes(x_label=f"{plain(document['metric'])} τ", y_label=f"share of runs {word} τ", y_range=(0.0, 1.0))
    return profile(curves, axes=axes, title="Performance profile")


def _variance(document: Document) -> Drawing | None:
    parts = document["variance"]
    return None if not parts else variance(parts, label="share of the variance of a value")


def _budget(document: Document) -> Drawing | None:
    windows = document["windows"]
    if windows is None:
        return None
    rows = windows["rows"]
    series = _series(document)
    a, b = (plain(name) for name in windows["pair"])
    curve = {
        "label": f"{a} over {b}",
        "x": [(row["start"] + row["stop"]) / 2 for row in rows],
        "y": [row["estimate"] for row in rows],
        "low": [row["interval"][0] if row["interval"] else None for row in rows],
        "high": [row["interval"][1] if row["interval"] else None for row in rows],
        "series": series.get(a, 0),
    }
    ahead = [
        {"label": f"{name} ahead", "start": rows[i]["start"], "end": rows[j]["stop"], "series": series.get(name, 0)}
        for name, i, j in _spans([plain(row["ahead"]) for row in rows])
    ]
    label = f"difference in {plain(document['metric'])}; above 0 {a} is better"
    axes = CurveAxes(x_label="budget", y_label=label, no_effect=0.0)
    return budget_curve([curve], windows=ahead, axes=axes, title=f"{a} against {b} over the budget")


def _spans(names: Sequence[str]) -> list[tuple[str, int, int]]:
    """Name, first and last index of each run of one name; nothing for empty names.

    Example:
        >>> _spans(["", "A", "A", "B", ""])
        [('A', 1, 2), ('B', 3, 3)]
    """
    spans: list[tuple[str, int, int]] = []
    for k, name in enumerate(names):
        if name and spans and spans[-1][0] == name and spans[-1][2] == k - 1:
            spans[-1] = (name, spans[-1][1], k)
        elif name:
            spans.append((name, k, k))
    return spans


def _runs(document: Document) -> Drawing | None:
    rows = document["runs"]
    if not rows:
        return None
    tasks = list(dict.fromkeys(row["task"] for row in rows))[:MOST_PANELS]
    series = _series(document)
    shown = [
        {
            **row,
            "task": plain(row["task"]),
            "method": plain(row["method"]),
            "series": series.get(plain(row["method"]), 0),
        }
        for row in rows
        if row["task"] in tasks and len(series) <= MOST_CURVES
    ]
    if not shown:
        return None
    unit = f" in {plain(document['unit'])}" if document["unit"] else ""
    label = f"{plain(document['metric'])}{unit}, {document['better']} is better; each dot a run, the diamond their mean"
    total = len(document["design"]["tasks"])
    more = f"; {len(tasks)} of {total} tasks" if total > MOST_PANELS else ""
    return strip(shown, label=label + more, title="Every run")
