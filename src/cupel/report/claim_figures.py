"""The figures of a claim, from its document: effects against their bars, the pairs, the intervals look by look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cupel.report.claim_words import effect_cell, interval_cell, sign_of
from cupel.report.drawing import Drawing
from cupel.report.figure_forest import EffectAxis, forest
from cupel.report.figure_looks import looks_figure
from cupel.report.figure_trials import TrialAxes, TrialValues, trial_values
from cupel.report.figure_variance import variance
from cupel.report.words import Document, finite, plain


def effect_figures(verdicts: Sequence[Document]) -> Iterator[tuple[str, Drawing]]:
    """Forest plots of a claim's statements, each with what lies along it: ratios on one axis, differences by metric.

    Exact statements have no effect and are not among them.
    """
    groups: dict[tuple[str, ...], list[Document]] = {}
    for verdict in verdicts:
        if verdict["kind"] != "exact":
            groups.setdefault(_axis_of(verdict), []).append(verdict)
    for rows in groups.values():
        label = _axis_label(rows)
        yield label, forest([_row(row) for row in rows], axis=_effect_axis(rows, label), title=f"Effects: {label}")


def _axis_of(verdict: Document) -> tuple[str, ...]:
    """What statements have in common that stand on one axis."""
    if verdict["kind"] == "published":
        return ("value", verdict["statement"])
    return ("ratio",) if verdict["scale"] == "log" else ("difference", verdict["metric"], verdict["unit"])


def _axis_label(rows: Sequence[Document]) -> str:
    first = rows[0]
    unit = f", {plain(first['unit'])}" if first["unit"] else ""
    if first["kind"] == "published":
        return f"{plain(first['metric'])}{unit}, recomputed"
    if first["scale"] == "linear":
        return f"difference in {plain(first['metric'])}{unit}"
    return f"ratio of {' or '.join(dict.fromkeys(plain(row['metric']) for row in rows))}"


def _effect_axis(rows: Sequence[Document], label: str) -> EffectAxis:
    first = rows[0]
    if first["kind"] == "published":
        ways = ("better", "worse") if first["better"] == "lower" else ("worse", "better")
        return EffectAxis(label, first["bar_at"], None, *ways)
    arms = {tuple(row["arms"]) for row in rows}
    mine, other = arms.pop() if len(arms) == 1 else ("the defended arm", "the other arm")
    is_log = first["scale"] == "log"
    return EffectAxis(label, 1.0 if is_log else 0.0, None, f"{other} better", f"{mine} better", is_log)


def _row(verdict: Document) -> dict[str, Any]:
    sign, effect = sign_of(verdict["verdict"]), finite(verdict["effect"])
    has_place = effect is not None and (verdict["scale"] == "linear" or effect > 0)
    is_bar_drawn = verdict["kind"] != "published" and verdict["bar_at"] != verdict["no_effect"]
    interval = verdict["interval"]
    return {
        "label": verdict["statement"],
        "estimate": effect if has_place else None,
        "interval": interval,
        "verdict": sign.word,
        "tone": sign.tone,
        "sign": sign.mark,
        "numbers": effect_cell(verdict) + (f" ({interval_cell(verdict)})" if interval else ", no interval"),
        "bar": verdict["bar_at"] if is_bar_drawn else None,
        "region": verdict["region"],
    }


def pairs_figure(verdict: Document, evidence: Mapping[str, Any]) -> Drawing | None:
    """The metric of both arms, pair by pair; of an exact statement, the instances against the bar."""
    unit = f", {plain(verdict['unit'])}" if verdict["unit"] else ""
    metric = f"{plain(verdict['metric'])}{unit}"
    better = f"{metric} ({verdict['better']} is better)"
    if verdict["kind"] == "exact":
        sign = "≥" if verdict["better"] == "higher" else "≤"
        axes = TrialAxes("instance", f"{metric}; the bar: {sign} {verdict['bar']:g}", verdict["bar"])
        return trial_values([TrialValues("instance", evidence["values"])], axes, title=f"Instances: {metric}")
    pairs = evidence.get("pairs") or ()
    if not pairs:
        return None
    mine, other = verdict["arms"]
    is_speed = verdict["kind"] == "speed"
    series = [
        TrialValues(mine, [pair[0] for pair in pairs], "c0", "circle"),
        TrialValues(other, [pair[1] for pair in pairs], "c1", "square"),
    ]
    axes = TrialAxes("block of launches" if is_speed else "pair", better, is_joined=True)
    return trial_values(series, axes, title=f"Pairs: {metric}")


def looks_of(verdict: Document, evidence: Mapping[str, Any]) -> Drawing | None:
    """The effect of each pair and the interval after each; None for statements without pairs."""
    if not evidence.get("pairs"):
        return None
    title = f"Effect by pair: {plain(verdict['statement'])}"
    return looks_figure(evidence["effects"], evidence["looks"], verdict=verdict, title=title)


def shares_figure(claim: Document) -> Drawing | None:
    """The variance of the defended arm's metric when one source varies alone, as a share of that when all do."""
    whole = next((row["sd"] for row in claim["variance"] if row["source"] == "all"), None)
    alone = [row for row in claim["variance"] if row["source"] != "all"]
    if not whole or not alone or any(row["sd"] > whole for row in alone):
        return None
    parts = [
        {"source": f"{row['source']} alone", "share": (row["sd"] / whole) ** 2, "sd": row["sd"]} for row in alone
    ]  # fmt: skip
    label = "variance when it varies alone, share of that when all vary"
    return variance(parts, label=label, title="Where the variance comes from", is_whole=False)
