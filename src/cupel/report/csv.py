"""A document as CSV, long format: a row per launch of a run, entry of a comparison, pair of methods, verdict."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cupel.report.words import Document, bounds, failure_text, finite, plain, settings_text

RUN_COLUMNS = (
    *(
        "run",
        "started",
        "machine",
        "kind",
        "name",
        "label",
        "key",
        "size",
        "settings",
        "overrides",
        "device",
        "threads",
    ),
    *("launch", "job", "launch_started", "status", "unit", "rate", "rate_low", "rate_high", "steady_state"),
    *("first_kept_step", "num_steps", "num_kept", "rho1", "ess", "p50_s", "p95_s", "p99_s", "setup_s", "first_step_s"),
    *("entry_status", "entry_rate", "entry_low", "entry_high", "entry_level", "num_launches", "reference_ratio"),
    *("flop_per_item", "flop_per_s", "flop_share", "peak_memory_bytes", "peak_device_bytes", "power_w"),
    *("energy_j_per_item", "note"),
)
MORE = ("flop_per_item", "flop_per_s", "flop_share", "peak_device_bytes", "power_w", "energy_j_per_item")
"""What an entry cost and achieved, as the document names it."""
COMPARISON_COLUMNS = (
    *("run_a", "run_b", "key", "label", "unit", "rate_a", "rate_b", "ratio", "ratio_low", "ratio_high"),
    *("alone_low", "alone_high", "p", "p_holm", "verdict", "verdict_alone", "num_a", "num_b", "num_more"),
    *("level", "rope", "text", "interval_level", "is_beyond_rope", "status_a", "status_b", "settings_differ"),
    "not_compared",
)
ANALYSIS_COLUMNS = (
    *("source", "metric", "unit", "better", "scope", "scale", "a", "b", "estimate", "low", "high", "level", "adjust"),
    *("p", "p_alone", "df", "effect_size", "effect_low", "effect_high", "prob", "prob_low", "prob_high", "prob_p"),
    *("verdict", "more_runs", "more_tasks", "settle", "bar", "rope"),
)
TUNING_COLUMNS = (
    *("run", "metric", "trial", "status", "value", "resource", "bracket", "attempts", "elapsed_s", "asked_t", "told_t"),
)
CLAIMS_COLUMNS = (
    *("run", "started", "cupel", "machine", "claim", "key", "size", "device", "seed", "statement", "kind", "says"),
    *("metric", "unit", "better", "scale", "arm", "against", "sentence", "bar", "margin", "rope", "verdict", "effect"),
    *("low", "high", "level", "method", "n", "num_failed", "num_more", "p", "is_headline", "is_open", "reason"),
    *("would_change", "scope", "wall_s", "note"),
)
VERDICTS_COLUMNS = (
    *("claim", "statement", "verdict", "verdict_holm", "effect", "low", "high", "n", "p", "p_holm", "holm_low"),
    *("holm_high", "minutes", "size", "settings", "device", "machine", "scope", "kind", "says", "metric", "unit"),
    *("better", "scale", "arm", "against", "sentence", "bar", "margin", "rope", "level", "method", "num_failed"),
    *("num_more", "is_headline", "is_open", "reason", "would_change", "seed", "status", "run", "started", "cupel"),
    *("digest", "command", "num_others", "note"),
)


def render_run(document: Document) -> str:
    """One row per launch; an entry or job without a launch has one row, so that nothing is left out silently."""
    return _written(RUN_COLUMNS, _run_rows(document))


def render_comparison(document: Document) -> str:
    """One row per entry that both runs have, then one for each that only one of them has."""
    return _written(COMPARISON_COLUMNS, _comparison_rows(document))


def render_tuning(document: Document) -> str:
    """One row per trial; the parameters have columns of their own, `parameters.NAME`."""
    names = list(document["asked"]["space"]["parameters"])
    columns = (*TUNING_COLUMNS, *(f"parameters.{name}" for name in names), "message")
    return _written(columns, (_tuning_row(document, trial) for trial in document["trials"]))


def _tuning_row(document: Document, trial: Document) -> dict[str, Any]:
    own = {key: trial.get(key) for key in TUNING_COLUMNS[2:]} | {"message": trial.get("message")}
    own["resource"] = None if trial.get("value") is None else trial.get("resource")
    parameters = {
        f"parameters.{name}": str(value).lower() if isinstance(value, bool) else value
        for name, value in trial["parameters"].items()
    }
    return {"run": document.get("run"), "metric": document["asked"]["metric"], **own, **parameters}


def render_analysis(document: Document) -> str:
    """One row per pair of methods."""
    return _written(ANALYSIS_COLUMNS, (_analysis_row(document, pair) for pair in document.get("pairs") or ()))


def _analysis_row(document: Document, pair: Document) -> dict[str, Any]:
    shared = ("source", "metric", "unit", "better", "scope", "scale", "level", "adjust", "bar", "rope")
    own = ("a", "b", "estimate", "p", "p_alone", "df", "effect_size", "prob", "prob_p", "verdict")
    row = {key: document.get(key) for key in shared} | {key: pair.get(key) for key in own}
    for prefix, key in (("", "interval"), ("effect_", "effect_interval"), ("prob_", "prob_interval")):
        ends = bounds(pair.get(key))
        row |= {f"{prefix}low": ends[0], f"{prefix}high": ends[1]} if ends else {}
    settle = pair.get("settle") or {}
    return row | {"more_runs": settle.get("runs"), "more_tasks": settle.get("tasks"), "settle": settle.get("text")}


def render_claims(document: Document) -> str:
    """One row per verdict of a run of claims, then one for each claim that was skipped."""
    return _written(CLAIMS_COLUMNS, _claims_rows(document))


def _claims_rows(document: Document) -> Iterator[dict[str, Any]]:
    run = {key: document.get(key) for key in ("run", "started", "cupel")}
    run["machine"] = (document.get("machine") or {}).get("label")
    claims = {claim["key"]: claim for claim in document["claims"]}
    for verdict in document["verdicts"]:
        claim = claims.get(verdict["key"], {})
        own = {key: claim.get(key) for key in ("size", "device", "seed")}
        yield {**run, **own, **verdict_row(verdict, CLAIMS_COLUMNS)}
    for skipped in document["skipped"]:
        yield {**run, "claim": skipped["name"], "verdict": "skipped", "note": skipped["reason"]}


def render_verdicts(document: Document) -> str:
    """One row per statement of the table of all claims."""
    return _written(VERDICTS_COLUMNS, map(_verdicts_row, document["verdicts"]))


def _verdicts_row(row: Document) -> dict[str, Any]:
    ends = bounds(row["interval_holm"]) or (None, None)
    own = {"settings": settings_text(row["settings"]), "num_others": len({other["run"] for other in row["others"]})}
    cells = verdict_row(row, VERDICTS_COLUMNS) | own | {"holm_low": ends[0], "holm_high": ends[1]}
    return {key: value for key, value in cells.items() if key in VERDICTS_COLUMNS}


def verdict_row(verdict: Document, columns: Sequence[str]) -> dict[str, Any]:
    """The cells of a verdict; flags are 1 or 0."""
    ends = bounds(verdict["interval"]) or (None, None)
    arms = [*verdict["arms"], None, None][:2]
    row = {key: verdict[key] for key in columns if key in verdict}
    flags = {key: int(bool(verdict[key])) for key in ("is_headline", "is_open") if key in columns}
    note = " ".join(plain(note["text"]) for note in verdict["warnings"])
    return {
        **row, **flags, "arm": arms[0], "against": arms[1], "low": ends[0], "high": ends[1],
        "wall_s": verdict["price"]["wall_s"], "note": note,
    }  # fmt: skip


def _written(columns: tuple[str, ...], rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV text with a header; line ends are those of Unix."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def _cell(value: object) -> str | int | float:
    """A number as it is, a text on one line, nothing for what is unknown."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = finite(value)
    if number is not None:
        return number
    return "" if isinstance(value, float) else plain(value)


def _run_rows(document: Document) -> Iterator[dict[str, Any]]:
    """Rows of launches, of failures that left no launch, of entries without either, of what was skipped."""
    run = {
        "run": document.get("run"),
        "started": document.get("started"),
        "machine": (document.get("machine") or {}).get("label"),
    }
    for entry in document.get("entries") or ():
        head = {**run, **_entry_cells(entry)}
        failures = {f.get("job"): failure_text(f) for f in entry.get("failures") or ()}
        launches = entry.get("launches") or ()
        for launch in launches:
            yield {**head, **_launch_cells(launch), "note": failures.pop(launch.get("job"), "")}
        for job, text in failures.items():
            yield {**head, "job": job, "status": "failed", "note": text}
        if not launches and not (entry.get("failures") or ()):
            yield {**head, "status": entry.get("status")}
    for skipped in document.get("skipped") or ():
        name = skipped.get("name")
        yield {
            **run,
            "name": name,
            "label": name,
            "status": "skipped",
            "entry_status": "skipped",
            "note": skipped.get("reason"),
        }


def _entry_cells(entry: Document) -> dict[str, Any]:
    """What all launches of an entry share."""
    low, high = bounds(entry.get("interval")) or (None, None)
    same = ("kind", "name", "label", "key", "size", "device", "threads", "unit", "num_launches", "peak_memory_bytes")
    return {
        **{key: entry.get(key) for key in (*same, *MORE)},
        "settings": settings_text(entry.get("settings")),
        "overrides": settings_text(entry.get("overrides")),
        "entry_status": entry.get("status"),
        "entry_rate": entry.get("rate"),
        "entry_low": low,
        "entry_high": high,
        "entry_level": entry.get("level"),
        "reference_ratio": (entry.get("reference") or {}).get("ratio"),
    }


def _launch_cells(launch: Document) -> dict[str, Any]:
    """What one launch measured."""
    low, high = bounds(launch.get("interval")) or (None, None)
    same = ("launch", "job", "status", "rate", "num_steps", "num_kept", "rho1", "ess", "p50_s", "p95_s", "p99_s")
    return {
        **{key: launch.get(key) for key in (*same, "setup_s", "first_step_s")},
        "launch_started": launch.get("started"),
        "rate_low": low,
        "rate_high": high,
        "steady_state": launch.get("kind"),
        "first_kept_step": launch.get("start"),
    }


def _comparison_rows(document: Document) -> Iterator[dict[str, Any]]:
    """Rows of compared entries, then of those that one run lacks."""
    runs = {f"run_{side}": (document.get(side) or {}).get("run") for side in ("a", "b")}
    runs |= {key: document.get(key) for key in ("level", "rope")}
    same = (
        "key",
        "label",
        "unit",
        "rate_a",
        "rate_b",
        "ratio",
        "p",
        "p_holm",
        "verdict",
        "verdict_alone",
        "num_a",
        "num_b",
        *("interval_level", "is_beyond_rope", "status_a", "status_b", "settings_differ", "not_compared"),
    )
    for entry in document.get("entries") or ():
        low, high = bounds(entry.get("interval")) or (None, None)
        alone = bounds(entry.get("interval_alone")) or (None, None)
        yield {
            **runs,
            **{key: entry.get(key) for key in (*same, "num_more", "text")},
            "ratio_low": low,
            "ratio_high": high,
            "alone_low": alone[0],
            "alone_high": alone[1],
        }
    for side in ("a", "b"):
        for label in document.get(f"only_in_{side}") or ():
            yield {**runs, "label": label, "text": f"only in run {side.upper()}"}
    for row in document.get("unmeasured") or ():
        yield {**runs, **{key: row.get(key) for key in ("label", "status_a", "status_b")}, "text": "not compared"}
