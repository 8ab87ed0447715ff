"""One entry of the result document: its launches taken together, in numbers and in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cupel.report.launch import Launch, finite
from cupel.report.words import spread
from cupel.spec.units import format_percent, format_rate
from cupel.stats.launch_interval import LaunchEstimate, launch_interval
from cupel.stats.stein import stein_interval, stein_plan

UNSTABLE = frozenset(
    {"unstable", "no steady state", "slowdown", "too few steps", "drift", "ramp", "not finite", "impossible rate"}
    | {"throttled"}
)
"""Warnings that make an entry `unstable`, when most of its launches carry one."""

UNTRUSTED = ("impossible rate", "not finite", "ramp")
"""Warnings with which a rate is no measurement: no verdict and no score is drawn from it."""

WITHIN = frozenset({"effective n too small", "few steps"})
"""Notes on the interval within a launch: they stand with the launch, and with the entry if it has only one."""


def describe_entry(
    cell: Mapping[str, Any], launches: Sequence[Launch], check: Launch | None, request: Mapping[str, Any]
) -> dict[str, Any]:
    """An entry of the result document.

    Args:
        cell: the cell as `run.json` has it: job, card, label, weight.
        launches: its launches in order; those not started yet are absent.
        check: the check of its work, None where it was not run.
        request: what was asked.
    """
    card, job = cell["card"], cell["job"]
    ok = [
        launch
        for launch in launches
        if launch.result is not None and finite(launch.result.rate) and launch.result.rate > 0
    ]
    estimate, note = _estimate(ok, request)
    planned = _planned(ok, request)
    parts = [*([check] if check else []), *launches]
    failures = [p.failure for p in parts if p.failure is not None and p.status == "failed"]
    skips = [p.failure for p in parts if p.failure is not None and p.status == "skipped"]
    warnings = [*_warnings(launches, failures, estimate), *_width_warning(estimate, (len(ok), planned), request)]
    notes = _notes(ok)
    document = {
        "key": cell["key"],
        "name": job["entry"].partition("/")[2],
        "kind": job["entry"].partition("/")[0],
        "label": cell["label"],
        "size": job["size"],
        "settings": job["settings"],
        "overrides": job["overrides"],
        "device": job["device"],
        "threads": job["threads"],
        "ranks": job.get("ranks", 1),
        "digest": job["digest"],
        "unit": card["unit"],
        "measures": card["measures"],
        "better": card["better"],
        "tags": card["tags"],
        "weight": cell["weight"],
        "status": "unstable" if estimate and estimate.warnings else _status(ok, failures, skips, launches),
        "untrusted": _untrusted(launches),
        "rate": estimate.rate if estimate else None,
        "interval": [estimate.interval.low, estimate.interval.high] if estimate and estimate.interval else None,
        "level": 0.95,
        "interval_kind": "between launches" if estimate and estimate.interval else None,
        "interval_note": note,
        "cv": finite(estimate.cv) if estimate else None,
        "cv_n": estimate.n if estimate and estimate.cv is not None else None,
        "pilot_n": _pilot_n(len(ok), request),
        "num_launches": len(ok),
        "planned_launches": planned,
        "rates": [launch.result.rate for launch in ok if launch.result],
        "also": _also(ok, card.get("also") or (), request),
        "reference": None,
        **_resources(launches),
        "notes": notes,
        "warnings": [*warnings, *({"code": "note", "text": text} for text in notes)],
        "failures": [*failures, *skips],
        "launches": [launch.document for launch in launches],
    }
    return {**document, "text": _text(document)}


def _estimate(ok: Sequence[Launch], request: Mapping[str, Any]) -> tuple[LaunchEstimate | None, str]:
    """Rate and interval by the stopping rule that was used, and why there is no interval."""
    rates = [launch.result.rate for launch in ok if launch.result]
    if not rates:
        return None, "no launch ended well"
    estimate = _over_launches(rates, request)
    if estimate.interval is None:
        return estimate, estimate.reason
    is_auto = _pilot_n(len(rates), request) is not None
    return estimate, "Stein's two-stage interval: the pilot's spread, all launches' mean" if is_auto else ""


def _over_launches(rates: Sequence[float], request: Mapping[str, Any]) -> LaunchEstimate:
    """The estimate by the stopping rule that was used."""
    pilot_n = _pilot_n(len(rates), request)
    return launch_interval(rates) if pilot_n is None else stein_interval(rates, pilot_n)


def _pilot_n(num_ok: int, request: Mapping[str, Any]) -> int | None:
    """Launches of the pilot: the first that ended well; None where the number of launches was fixed beforehand."""
    pilot_n = min(num_ok, int(request.get("pilot", 5)))
    return pilot_n if request.get("launches") is None and pilot_n >= 2 else None


def _untrusted(launches: Sequence[Launch]) -> str:
    """Why most launches are no measurement; empty where they are one."""
    codes = [_codes(launch) & set(UNTRUSTED) for launch in launches if launch.result is not None]
    if 2 * sum(map(bool, codes)) <= len(codes):
        return ""
    return ", ".join(code for code in UNTRUSTED if any(code in found for found in codes))


def _width_warning(
    estimate: LaunchEstimate | None, counts: tuple[int, int], request: Mapping[str, Any]
) -> list[dict[str, str]]:
    """What kept `--launches auto` from the width that was asked."""
    if estimate is None or request.get("launches") is not None:
        return []
    width, pilot, most = float(request.get("width", 0.02)), int(request.get("pilot", 5)), _most(request)
    half = estimate.interval.half_width_frac if estimate.interval else math.inf
    if half <= width / 2 * (1 + 1e-6):
        return []
    done, planned = counts
    if done < pilot:
        why = f"only {done} of the pilot's {pilot} launches ended well"
    elif done >= most:
        why = f"at most {most} launches are made"
    elif done < planned:
        why = f"{done} of {planned} launches were made: the budget or a stop ended them"
    else:
        why = estimate.reason or "the launches that were made do not suffice"
    reach = "unknown" if math.isinf(half) else f"±{format_percent(half)}"
    text = f"the interval is {reach}, ±{format_percent(width / 2)} was asked: {why}"
    return [{"code": "width not reached", "text": text}]


def _most(request: Mapping[str, Any]) -> int:
    return int(request.get("most_launches", 60))


def _planned(ok: Sequence[Launch], request: Mapping[str, Any]) -> int:
    """Launches that the rule asks for."""
    if request.get("launches") is not None:
        return int(request["launches"])
    pilot = int(request.get("pilot", 5))
    rates = [launch.result.rate for launch in ok if launch.result][:pilot]
    if len(rates) < pilot:
        return pilot
    needed = stein_plan(rates, width=float(request.get("width", 0.02))).num_launches
    return min(needed, _most(request))


def _status(
    ok: Sequence[Launch],
    failures: Sequence[Mapping[str, Any]],
    skips: Sequence[Mapping[str, Any]],
    launches: Sequence[Launch],
) -> str:
    """One word for the entry."""
    if ok:
        shaky = sum(bool(UNSTABLE & _codes(launch)) for launch in ok)
        return "unstable" if failures or 2 * shaky > len(ok) else "ok"
    if failures:
        return "failed"
    if skips:
        return "skipped"
    return "failed" if any(launch.status == "ok" for launch in launches) else "pending"


def _codes(launch: Launch) -> set[str]:
    warnings = launch.result.warnings if launch.result else ()
    return {note.code for note in warnings} | set(launch.notes)


def _warnings(
    launches: Sequence[Launch], failures: Sequence[Mapping[str, Any]], estimate: LaunchEstimate | None
) -> list[dict[str, str]]:
    """Each kind of warning once, with in how many launches it was seen."""
    seen: dict[str, list[str]] = {}
    ok = [launch for launch in launches if launch.result is not None]
    for launch in ok:
        notes = [(note.code, note.text) for note in (launch.result.warnings if launch.result else ())]
        for code, text in (*notes, *launch.notes.items()):
            if len(ok) == 1 or code not in WITHIN:
                seen.setdefault(code, []).append(text.rstrip("."))
    found = [
        {"code": code, "text": f"in {len(texts)} of {len(ok)} launches: {texts[0]}"} for code, texts in seen.items()
    ]
    if estimate is not None:
        found += [{"code": note.code, "text": note.text} for note in estimate.warnings]
    reasons = Counter(str(f["reason"]) for f in failures)
    if ok and failures:
        words = ", ".join(f"{reason} ({count})" for reason, count in reasons.items())
        found.append(
            {
                "code": "failed launches",
                "text": f"the rate is of the {len(ok)} launches that ended well; failed: {words}",
            }
        )
    return found


def _notes(ok: Sequence[Launch]) -> list[str]:
    """What launches said of their own work, each text once, with in how many where not in all."""
    counts = Counter(text for launch in ok for text in launch.document["notes"])
    return [text if num == len(ok) else f"in {num} of {len(ok)} launches: {text}" for text, num in counts.items()]


def _also(ok: Sequence[Launch], units: Iterable[str], request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rates in the card's further units."""
    found = []
    for unit in units:
        rates = [launch.also[unit] for launch in ok if launch.also.get(unit, 0) > 0]
        if rates:
            estimate = _over_launches(rates, request)
            interval = [estimate.interval.low, estimate.interval.high] if estimate.interval else None
            found.append({"unit": unit, "rate": estimate.rate, "interval": interval})
    return found


def _resources(launches: Sequence[Launch]) -> dict[str, Any]:
    """Memory, power, energy, set-up and the whole of a launch, over the launches; None where not measurable."""
    rows = [launch.document for launch in launches if launch.status == "ok"]
    power = [row["power_w"] for row in rows if row["power_w"] is not None]
    rates = [launch.result.rate for launch in launches if launch.result and launch.document["power_w"] is not None]
    per_item = [p / r for p, r in zip(power, rates, strict=False) if math.isfinite(r) and r > 0]
    return {
        "peak_memory_bytes": max((r["peak_memory_bytes"] for r in rows if r["peak_memory_bytes"]), default=None),
        "peak_device_bytes": max((r["peak_device_bytes"] for r in rows if r["peak_device_bytes"]), default=None),
        "power_w": sum(power) / len(power) if power else None,
        "energy_j_per_item": sum(per_item) / len(per_item) if per_item else None,
        "launch_s": _middle(r["elapsed_s"] for r in rows),
        "setup_s": _middle(r["setup_s"] for r in rows),
        "first_step_s": _middle(r["first_step_s"] for r in rows),
    }


def _middle(values: Iterable[float | None]) -> float | None:
    known = sorted(value for value in values if value is not None)
    return known[len(known) // 2] if known else None


def _text(entry: Mapping[str, Any]) -> str:
    """The entry's statement in one sentence."""
    name, launches = entry["label"], entry["num_launches"]
    if entry["rate"] is None:
        why = entry["failures"][0] if entry["failures"] else None
        words = {"skipped": "skipped", "pending": "not measured yet"}.get(entry["status"], "failed")
        return f"{name}: {words}{': ' + why['reason'] + ', ' + why['message'] if why else ''}."
    rate = f"{name}: {format_rate(entry['rate'])} {entry['unit']}/s"
    if entry["interval"] is None:
        over = "one launch" if launches == 1 else f"{launches} launches"
        return f"{rate} from {over}; {entry['interval_note']}."
    low, high = entry["interval"]
    return f"{rate} ± {spread(entry)} ({format_rate(low)} to {format_rate(high)}, 95 %, {launches} launches)."
