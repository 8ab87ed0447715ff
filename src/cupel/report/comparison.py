"""The comparison document: two runs, cell by cell, read as one statement (Holm over its rows)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cupel.spec.errors import NothingToRunError
from cupel.spec.units import format_percent, format_rate
from cupel.stats.compare_rates import RateComparison
from cupel.stats.compare_table import compare_table

SCHEMA = 1
VERDICTS = ("slower", "faster", "equivalent", "undecided")


def build_comparison(a: Mapping[str, Any], b: Mapping[str, Any], rope: float = 0.01) -> dict[str, Any]:
    """Compare run B with run A.

    Args:
        a: result document of A.
        b: result document of B.
        rope: relative half width of the region of practical equivalence.

    Raises:
        NothingToRunError: the runs have no work in common that both measured.
    """
    pairs, warnings = _pairs(a["entries"], b["entries"])
    measured = {key: pair for key, pair in pairs.items() if pair[0]["rates"] and pair[1]["rates"]}
    if not measured:
        names = [sorted({entry["label"] for entry in run["entries"]}) for run in (a, b)]
        raise NothingToRunError(
            f"The runs have no measured work in common: A has {', '.join(names[0])}; B has {', '.join(names[1])}. "
            "Compare runs of the same entries and size."
        )
    rows = compare_table(
        {key: (x["rates"], y["rates"]) for key, (x, y) in measured.items()},
        rope,
        better={key: x["better"] for key, (x, _) in measured.items()},
    )
    entries = [_row(pair, rows[key]) for key, pair in measured.items()]
    matched = [{id(pair[side]) for pair in measured.values()} for side in (0, 1)]
    return {
        "schema": SCHEMA,
        "kind": "comparison",
        "headline": _headline(entries),
        "a": _side(a),
        "b": _side(b),
        "rope": rope,
        "level": 0.95,
        "entries": entries,
        "only_in_a": [e["label"] for e in a["entries"] if id(e) not in matched[0]],
        "only_in_b": [e["label"] for e in b["entries"] if id(e) not in matched[1]],
        "warnings": [*warnings, *_warnings(a, b)],
    }


def exit_code(comparison: Mapping[str, Any]) -> int:
    """3 where an entry is slower, else 0."""
    return 3 if any(entry["verdict"] == "slower" for entry in comparison["entries"]) else 0


def _pairs(
    a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]], list[dict[str, str]]]:
    """Entries that do the same work; where none is left, entries of the same name that each run has once."""
    of_b = {entry["key"]: entry for entry in b}
    pairs = {entry["key"]: (entry, of_b[entry["key"]]) for entry in a if entry["key"] in of_b}
    warnings = []
    names = [Counter(entry["name"] for entry in run if entry["key"] not in pairs) for run in (a, b)]
    for x in a:
        for y in b:
            is_only = names[0][x["name"]] == 1 == names[1][y["name"]]
            if (
                x["name"] == y["name"]
                and is_only
                and x["key"] not in pairs
                and y["key"] not in pairs
                and x["size"] == y["size"]
            ):
                pairs[x["key"]] = (x, y)
                text = f"{x['name']} was not run with the same settings: A {x['key']}; B {y['key']}"
                warnings.append({"code": "settings differ", "text": text})
    return pairs, warnings


def _row(pair: tuple[Mapping[str, Any], Mapping[str, Any]], row: RateComparison) -> dict[str, Any]:
    """One entry of the comparison."""
    x, y = pair
    adjusted = row.interval_adjusted
    is_open = row.verdict_adjusted == "undecided" and row.num_more
    more = f", {row.num_more} more launches per side needed" if is_open else ""
    interval = [adjusted.low, adjusted.high] if adjusted else None
    sure = (
        f"{format_percent(adjusted.level, 4)} interval {adjusted.low:.4f} to {adjusted.high:.4f}"
        if adjusted
        else "one launch on a side: no interval"
    )
    rates = f"{format_rate(x['rate'])} to {format_rate(y['rate'])} {x['unit']}/s"
    return {
        "key": x["key"],
        "label": x["label"],
        "unit": x["unit"],
        "better": x["better"],
        "rate_a": x["rate"],
        "rate_b": y["rate"],
        "ratio": row.ratio,
        "interval": interval,
        "interval_level": adjusted.level if adjusted else None,
        "interval_alone": [row.interval.low, row.interval.high] if row.interval else None,
        "p": row.p,
        "p_holm": row.p_adjusted,
        "verdict": row.verdict_adjusted,
        "verdict_alone": row.verdict,
        "num_a": row.n_a,
        "num_b": row.n_b,
        "num_more": row.num_more,
        "text": f"{x['label']}: {row.verdict_adjusted}{more}; {rates}, ratio {row.ratio:.4f} ({sure})",
    }


def _side(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a reader needs to know of one run."""
    machine = document["machine"]
    return {
        "run": document["run"],
        "name": document["name"],
        "started": document["started"],
        "machine": machine.get("label", ""),
        "host": machine.get("host", ""),
        "cupel": document["cupel"],
        "threads": sorted({entry["threads"] for entry in document["entries"]}),
        "device": sorted({entry["device"] for entry in document["entries"]}),
    }


def _headline(entries: Sequence[Mapping[str, Any]]) -> str:
    """One sentence: how many are what."""
    counts = Counter(entry["verdict"] for entry in entries)
    named = {v: [e["label"] for e in entries if e["verdict"] == v] for v in ("slower", "faster")}
    parts = [
        f"{counts[v]} {v}" + (f" ({', '.join(named[v][:4])})" if named.get(v) else "") for v in VERDICTS if counts[v]
    ]
    return f"B against A over {len(entries)} entr{'y' if len(entries) == 1 else 'ies'}: {', '.join(parts)}."


def _warnings(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, str]]:
    """What makes the two runs less than comparable."""
    found = []
    of_b = {entry["key"]: entry for entry in b["entries"]}
    changed = [e["label"] for e in a["entries"] if e["key"] in of_b and of_b[e["key"]]["digest"] != e["digest"]]
    if changed:
        found.append(
            {"code": "code differs", "text": f"the workload's own code differs between the runs: {', '.join(changed)}"}
        )
    sides = (_side(a), _side(b))
    for key in ("threads", "device", "cupel"):
        if sides[0][key] != sides[1][key]:
            values = [", ".join(map(str, s[key])) if isinstance(s[key], list) else s[key] for s in sides]
            found.append({"code": f"{key} differs", "text": f"{key}: A {values[0]}, B {values[1]}"})
    text = "each run is one session: a difference between hours or days of the same machine is not in the intervals"
    return [*found, {"code": "one session each", "text": text}]
