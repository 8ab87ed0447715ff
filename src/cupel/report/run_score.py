"""The scores of a run: relative to a reference, entry by entry, and by Milabench's formula where a suite asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cupel.ledger.job_folder import JobFolder
from cupel.report.reference import Reference
from cupel.stats.compare_rates import compare_rates
from cupel.stats.milabench_score import milabench_score
from cupel.stats.score import Score, score
from cupel.stats.side import Side

MOST_NAMED = 6


def add_score(document: dict[str, Any], reference: Reference) -> None:
    """Put the score, why there is none, and each entry's ratio to the reference into the document.

    Entries that were skipped or are not measured yet do not count and are named; those whose launches failed, or whose
    rates cannot be trusted, are missing; those that the reference lacks, or counts in another unit, do not count.
    """
    entries: Sequence[dict[str, Any]] = document["entries"]
    comparable = {entry["key"]: entry for entry in entries if reference.fits(entry)}
    _add_ratios(comparable.values(), reference)
    counted = [entry for entry in entries if entry["status"] not in ("skipped", "pending")]
    names = _names(entries)
    result = score(
        {e["key"]: None if e["untrusted"] else Side(e["rates"], e["pilot_n"]) for e in counted},
        {key: reference.side(key) for key in comparable},
        weights={entry["key"]: entry["weight"] for entry in counted},
        better={entry["key"]: entry["better"] for entry in counted},
    )
    if result.coverage_of == 0:
        document["score_note"] = _why_none(entries, reference, comparable)
        return
    skipped = [*(str(s["name"]) for s in document["skipped"]), *_labels(entries, names, "skipped")]
    notes = {
        "missing": [names[key] for key in result.missing],
        "unreferenced": [names[key] for key in result.unreferenced],
        "skipped": skipped,
        "pending": _labels(entries, names, "pending"),
    }
    document["score_note"] = _named(result.reason, result, names)
    text = f"{_text(result, names, notes)}; {_origin(reference)}"
    document["score"] = _scored(result, reference, names) | notes | {"text": text}


def _scored(result: Score, reference: Reference, names: Mapping[str, str]) -> dict[str, Any]:
    """The numbers of the score as the document has them."""
    population = result.population_interval
    return {
        "value": result.value,
        "interval": [result.interval.low, result.interval.high] if result.interval else None,
        "level": 0.95,
        "reference": reference.name,
        "reference_machine": reference.machine,
        "measured": result.coverage_num,
        "of": result.coverage_of,
        "floored": result.floored_value,
        "floor": result.floor,
        "population_interval": [population.low, population.high] if population else None,
        "influence": {names[key]: change for key, change in result.influence.items()},
    }


def _origin(reference: Reference) -> str:
    """What the score is relative to."""
    return f"relative to {reference.name}: {reference.machine or 'a machine without a name'}, {reference.started[:10]}"


def _names(entries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What people call each cell, by its key; a label that two cells share gets the key as well."""
    count = Counter(entry["label"] for entry in entries)
    return {e["key"]: e["label"] if count[e["label"]] == 1 else f"{e['label']} ({e['key']})" for e in entries}


def _labels(entries: Sequence[Mapping[str, Any]], names: Mapping[str, str], status: str) -> list[str]:
    return [names[entry["key"]] for entry in entries if entry["status"] == status]


def _named(reason: str, result: Score, names: Mapping[str, str]) -> str:
    """Why there is no interval, with labels in the place of keys."""
    if not result.unspread:
        return reason
    return f"{reason.partition(':')[0]}: {', '.join(names[key] for key in result.unspread)}"


def _text(result: Score, names: Mapping[str, str], notes: Mapping[str, Sequence[str]]) -> str:
    """The score in one line, with everything that has no part in it."""
    named = _named(result.reason, result, names)
    text = result.text.replace(result.reason, named) if result.reason else result.text
    words = {
        "missing": "without a rate that can be trusted",
        "skipped": "skipped",
        "pending": "not measured yet",
        "unreferenced": "not in the reference",
    }
    parts = [f"{len(notes[key])} {word} ({listed(notes[key])})" for key, word in words.items() if notes[key]]
    return "; ".join([text, *parts])


def listed(names: Sequence[str]) -> str:
    """`a, b and 3 more`."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _why_none(entries: Sequence[Mapping[str, Any]], reference: Reference, known: Mapping[str, object]) -> str:
    """Why nothing counts."""
    sizes = ", ".join(sorted({entry["size"] for entry in entries}))
    if not known:
        return (
            f"the reference {reference.name} has none of these entries at size {sizes}; rates are shown without a score"
        )
    if all(entry["weight"] == 0 for entry in entries if entry["key"] in known):
        return f"every entry that the reference {reference.name} has is of weight 0; rates are shown without a score"
    return f"none of the entries that the reference {reference.name} has was measured; rates are shown without a score"


def _add_ratios(entries: Any, reference: Reference) -> None:
    """Each entry's rate over the reference's; above one is better, also where a lower number is."""
    for entry in entries:
        if reference.digests.get(entry["key"], entry["digest"]) != entry["digest"]:
            text = f"the workload's code changed since the reference {reference.name} was recorded"
            entry["warnings"].append({"code": "reference differs", "text": text})
        if not entry["rates"] or entry["untrusted"]:
            continue
        sides = (reference.side(entry["key"]), Side(entry["rates"], entry["pilot_n"]))
        a, b = sides if entry["better"] == "higher" else sides[::-1]
        ratio = compare_rates(a, b)
        entry["reference"] = {
            "ratio": ratio.ratio,
            "interval": [ratio.interval.low, ratio.interval.high] if ratio.interval else None,
        }


def milabench_part(run: Path, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The score by Milabench's formula, from the per-step rates of every launch, warm-up and all, as it takes them."""
    rates: dict[str, list[list[float]]] = {}
    failures: dict[str, int] = {}
    processes: dict[str, int] = {}
    for entry in entries:
        pooled: list[float] = []
        for launch in entry["launches"]:
            steps = JobFolder(run / "jobs" / launch["job"]).steps()
            pooled += [n / s for n, s in zip(steps.items, steps.seconds, strict=True) if s > 0]
        key = entry["key"]
        if pooled:
            rates[key] = [pooled]
        failures[key] = sum(launch["status"] == "failed" for launch in entry["launches"])
        processes[key] = sum(launch["status"] in ("ok", "failed") for launch in entry["launches"])
    weights = {entry["key"]: entry["weight"] for entry in entries if entry["status"] not in ("skipped", "pending")}
    result = milabench_score(rates, weights, failures=failures, processes=processes)
    return {
        "value": result.value,
        "value_without_plus_one": result.value_v1,
        "text": f"{result.value:.2f} ({result.value_v1:.2f} without the +1) by Milabench's own formula, for continuity "
        "only: no interval, no reference, and it depends on units",
    }
