"""The comparison document: two runs, cell by cell, read as one statement (Holm over its rows)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from cupel.report.entry import UNSTABLE
from cupel.spec.errors import NothingToRunError
from cupel.spec.units import format_percent, format_rate
from cupel.stats.compare_rates import RateComparison, compare_rates, more_text
from cupel.stats.compare_table import compare_table
from cupel.stats.session_shift import session_shift
from cupel.stats.side import Side

SCHEMA = 1
SHIFT_SAID = 0.003
"""Shift of the machine from which it is said; the null workload repeats to about half a percent."""
Entry: TypeAlias = Mapping[str, Any]
Pair: TypeAlias = tuple[Entry, Entry]
LOST = {"failed": "failed", "skipped": "skipped", "pending": "not measured"}
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
        words = [tuple(LOST.get(e["status"], e["status"]) for e in pair) for pair in pairs.values()]
        lost = [f"{x['label']} is {u} in A and {v} in B" for (x, _), (u, v) in zip(pairs.values(), words, strict=True)]
        if lost:
            raise NothingToRunError(f"No work was measured in both runs: {'; '.join(lost)}.")
        names = [sorted({entry["label"] for entry in run["entries"]}) for run in (a, b)]
        raise NothingToRunError(
            f"The runs have no measured work in common: A has {', '.join(names[0])}; B has {', '.join(names[1])}. "
            + (" ".join(f"{w['text']}." for w in warnings) or "Compare runs of the same entries and size.")
        )
    shift = machine_shift(a, b)
    rows = _compared(measured, rope, shift or 0.0)
    entries = [_row(pair, rows[key]) for key, pair in measured.items()]
    unmeasured = [
        {"label": x["label"], "status_a": x["status"], "status_b": y["status"]}
        for key, (x, y) in pairs.items()
        if key not in measured
    ]
    keys = [{entry["key"] for entry in run["entries"]} for run in (a, b)]
    return {
        "schema": SCHEMA,
        "kind": "comparison",
        "headline": _headline(entries, unmeasured),
        "a": _side(a),
        "b": _side(b),
        "rope": rope,
        "level": 0.95,
        "entries": entries,
        "only_in_a": [e["label"] for e in a["entries"] if e["key"] not in keys[1] | _keys(pairs, 0)],
        "only_in_b": [e["label"] for e in b["entries"] if e["key"] not in keys[0] | _keys(pairs, 1)],
        "unmeasured": unmeasured,
        "session_shift": shift,
        "warnings": [*warnings, *_shift_warnings(shift), *_entry_warnings(measured), *_warnings(a, b)],
    }


def exit_code(comparison: Mapping[str, Any]) -> int:
    """3 where an entry with the same work and settings is slower, 1 where one failed in B only, else 0."""
    slower = [entry for entry in comparison["entries"] if entry["verdict"] == "slower"]
    if any(not entry["settings_differ"] for entry in slower):
        return 3
    return int(any(e["status_b"] == "failed" != e["status_a"] for e in comparison["unmeasured"]))


def _keys(pairs: Mapping[str, Pair], side: int) -> set[str]:
    return {pair[side]["key"] for pair in pairs.values()}


def _pairs(a: Sequence[Entry], b: Sequence[Entry]) -> tuple[dict[str, Pair], list[dict[str, str]]]:
    """Entries that do the same work; where none is left, entries of the same name that each run has once."""
    of_b = {entry["key"]: entry for entry in b}
    same = {entry["key"]: (entry, of_b[entry["key"]]) for entry in a if entry["key"] in of_b}
    pairs = {key: pair for key, pair in same.items() if _is_same_measure(pair)}
    warnings = [
        {
            "code": "unit differs",
            "text": f"{x['label']} is not compared: A counts {_measure(x)}, B {_measure(y)}",
        }
        for key, (x, y) in same.items()
        if key not in pairs
    ]
    rest = [[entry for entry in run if entry["key"] not in same] for run in (a, b)]
    names = [Counter(entry["name"] for entry in run) for run in rest]
    for x in rest[0]:
        for y in rest[1]:
            is_only = x["name"] == y["name"] and names[0][x["name"]] == 1 == names[1][y["name"]]
            if is_only and x["size"] == y["size"] and _is_same_measure((x, y)):
                pairs[x["key"]] = (x, y)
                text = f"{x['name']} was not run with the same settings: A {x['key']}; B {y['key']}"
                warnings.append({"code": "settings differ", "text": text})
    return pairs, warnings


def _is_same_measure(pair: Pair) -> bool:
    return all(pair[0][key] == pair[1][key] for key in ("unit", "better"))


def _measure(entry: Entry) -> str:
    return f"{entry['unit']}, {entry['better']} is better"


def machine_shift(a: Mapping[str, Any], b: Mapping[str, Any]) -> float | None:
    """How far the machine itself moved from A to B, by its null workload; None for two machines, or where not recorded.

    Between different machines such a difference is part of what is measured.
    """
    hosts = [(run["machine"].get("host"), (run["machine"].get("hardware") or {}).get("cpu")) for run in (a, b)]
    if hosts[0] != hosts[1] or not hosts[0][0]:
        return None
    nulls = [[n["null_s"] for e in run["entries"] for n in e["launches"] if n.get("null_s")] for run in (a, b)]
    return session_shift(*nulls)


def _shift_warnings(shift: float | None) -> list[dict[str, str]]:
    if shift is None or abs(shift) < SHIFT_SAID:
        return []
    took = f"{format_percent(abs(math.expm1(shift)))} {'longer' if shift > 0 else 'less'}"
    text = f"the machine itself moved: its null workload took {took} in B; so much is not attributed to an entry"
    return [{"code": "machine moved", "text": f"{text}. Runs of another hour would settle smaller differences"}]


def _compared(measured: Mapping[str, Pair], rope: float, shift: float) -> dict[str, RateComparison]:
    """The table over what can be trusted, and bare ratios of the rest, which have no part in Holm's correction."""
    trusted = {key: pair for key, pair in measured.items() if not _distrust(pair)}
    sides = {
        key: (Side(x["rates"], x["pilot_n"]), Side(y["rates"], y["pilot_n"], shift)) for key, (x, y) in measured.items()
    }
    table = compare_table(
        {key: (sides[key][0], sides[key][1]) for key in trusted},
        rope,
        better={key: x["better"] for key, (x, _) in trusted.items()},
    )
    rest = {key: compare_rates(*sides[key], rope=rope) for key in measured if key not in trusted}
    return {key: table[key] if key in table else rest[key] for key in measured}


def _distrust(pair: Pair) -> str:
    """Why no verdict is drawn: `impossible rate in B`; empty where one is."""
    return ", ".join(f"{e['untrusted']} in {side}" for side, e in zip("AB", pair, strict=True) if e["untrusted"])


def _row(pair: Pair, row: RateComparison) -> dict[str, Any]:
    """One entry of the comparison."""
    x, y = pair
    not_compared = _distrust(pair)
    outcome = "undecided" if not_compared else str(row.verdict_adjusted)
    shown = None if not_compared else row.interval_adjusted
    if outcome == "equivalent":
        shown = row.interval_equivalence
    document = {
        "key": x["key"],
        "label": x["label"],
        "unit": x["unit"],
        "better": x["better"],
        "status_a": x["status"],
        "status_b": y["status"],
        "settings_differ": x["settings"] != y["settings"],
        "not_compared": not_compared,
        "rate_a": x["rate"],
        "rate_b": y["rate"],
        "ratio": row.ratio,
        "interval": [shown.low, shown.high] if shown else None,
        "interval_level": shown.level if shown else None,
        "interval_alone": [row.interval.low, row.interval.high] if row.interval and not not_compared else None,
        "interval_note": not_compared or row.reason,
        "is_beyond_rope": row.is_beyond_rope and not not_compared,
        "p": None if not_compared else row.p_beyond,
        "p_holm": row.p_adjusted,
        "verdict": outcome,
        "verdict_alone": "undecided" if not_compared else row.verdict,
        "num_a": row.n_a,
        "num_b": row.n_b,
        "num_more": None if not_compared else row.num_more,
    }
    return {**document, "text": _row_text(document, row.rope)}


def _row_text(row: Mapping[str, Any], rope: float) -> str:
    """One entry in a sentence."""
    rates = f"{format_rate(row['rate_a'])} to {format_rate(row['rate_b'])} {row['unit']}/s, ratio {row['ratio']:.4f}"
    if row["not_compared"]:
        return f"{row['label']}: not compared: {row['not_compared']}; {rates}"
    sure = f"no interval: {row['interval_note']}"
    if row["interval"]:
        low, high = row["interval"]
        sure = f"{format_percent(row['interval_level'], 4)} interval (Holm) {low:.4f} to {high:.4f}"
    words = str(row["verdict"])
    if words == "undecided":
        words += f", {more_text(row['num_more'])}"
    elif words != "equivalent":
        words += f" by more than {format_percent(rope)}"
    unstable = " and ".join(side.upper() for side in ("a", "b") if row[f"status_{side}"] == "unstable")
    careful = f"; unstable in {unstable}" if unstable else ""
    return f"{row['label']}: {words}; {rates} ({sure}){careful}"


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


def _headline(entries: Sequence[Mapping[str, Any]], unmeasured: Sequence[Mapping[str, Any]]) -> str:
    """One sentence: how many are what, and what stands on less."""
    counts = Counter("not compared" if entry["not_compared"] else entry["verdict"] for entry in entries)
    named = {v: [e["label"] for e in entries if e["verdict"] == v] for v in ("slower", "faster")}
    named["not compared"] = [e["label"] for e in entries if e["not_compared"]]
    parts = [
        f"{counts[v]} {v}" + (f" ({', '.join(named[v][:4])})" if named.get(v) else "")
        for v in (*VERDICTS, "not compared")
        if counts[v]
    ]
    unstable = sum("unstable" in (e["status_a"], e["status_b"]) and not e["not_compared"] for e in entries)
    parts += [f"{unstable} unstable"] if unstable else []
    lost = Counter(
        (row[f"status_{side}"], side) for row in unmeasured for side in "ab" if row[f"status_{side}"] in LOST
    )
    parts += [f"{count} {LOST[status]} in {side.upper()}" for (status, side), count in sorted(lost.items())]
    return f"B against A over {len(entries)} entr{'y' if len(entries) == 1 else 'ies'}: {', '.join(parts)}."


def _entry_warnings(measured: Mapping[str, Pair]) -> Iterator[dict[str, str]]:
    """Entries that no verdict is drawn from, and those whose verdict stands on unstable launches."""
    for pair in measured.values():
        label, distrust = pair[0]["label"], _distrust(pair)
        if distrust:
            yield {"code": "not compared", "text": f"{label}: not compared: {distrust}"}
            continue
        for side, entry in zip("AB", pair, strict=True):
            if entry["status"] == "unstable":
                serious = [w["text"] for w in entry["warnings"] if w["code"] in {*UNSTABLE, "failed launches"}]
                why = "; ".join(list(dict.fromkeys(serious))[:2])
                yield {"code": "unstable", "text": f"{label} is unstable in {side}" + (f": {why}" if why else "")}
        notes = ["; ".join(entry["notes"]) or "nothing" for entry in pair]
        if notes[0] != notes[1]:
            text = f"{label}: the launches noted other things of their work: A {notes[0]}; B {notes[1]}"
            yield {"code": "notes differ", "text": text}


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
    several = [side for side, run in zip("AB", (a, b), strict=True) if _has_sessions(run)]
    each = f"{' and '.join(several)} of several sessions" if several else "each run is one session"
    text = f"{each}: a difference between hours or days of the same machine is not in the intervals"
    if several:
        text = f"{each}: what changed between them is in the spread; a difference between days may not be"
    return [*found, {"code": "one session each", "text": text}]


def _has_sessions(run: Mapping[str, Any]) -> bool:
    return any(warning["code"] == "several sessions" for warning in run["warnings"])
