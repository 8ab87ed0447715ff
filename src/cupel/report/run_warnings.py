"""What a reader of every number in a run must know."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from cupel.report.run_records import RunRecords
from cupel.spec.units import format_percent

OTHERS_FRAC = 0.15
"""Share of the machine that other processes may take before the report says so."""
SESSION_GAP_S = 3600.0
"""A pause between launches from which on they count as two sessions: the machine may have changed meanwhile."""
ONE_SESSION = "all launches are of one session: how the machine differs between days is not in the intervals"


def run_warnings(records: RunRecords, asked: Mapping[str, Any]) -> list[dict[str, str]]:
    """The warnings of a run.

    Args:
        records: what its jobs say.
        asked: `run.json`, with what was noted later: `resumed`, `code_end`.
    """
    found = []
    others = records.others_frac
    if others and sum(others) / len(others) > OTHERS_FRAC:
        share = format_percent(sum(others) / len(others))
        text = f"other processes took {share} of the processors while this ran; a quiet machine or more launches help"
        found.append({"code": "busy machine", "text": text})
    resumed: Sequence[Mapping[str, Any]] = asked.get("resumed") or ()
    differences = list(dict.fromkeys(str(d) for r in resumed for d in r.get("differences") or ()))
    if differences:
        text = f"the run was resumed although {'; '.join(differences)}: its launches are not of one kind"
        found.append({"code": "resumed otherwise", "text": text})
    if asked.get("code_end") and asked["code_end"] != asked.get("code"):
        found.append({"code": "code changed", "text": "the code of cupel changed while this ran"})
    return [*found, _sessions(records, resumed)]


def _sessions(records: RunRecords, resumed: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Of how many sessions the launches are: a long pause or a resume begins a new one."""
    resumes = [float(r["t"]) for r in resumed if isinstance(r.get("t"), int | float)]
    starts: list[float] = []
    last_end = 0.0
    for start, end in records.spans_s:
        is_new = start - last_end > SESSION_GAP_S or any(last_end <= t <= start for t in resumes)
        if not starts or is_new:
            starts.append(start)
        last_end = max(last_end, end)
    if len(starts) < 2:
        return {"code": "one session", "text": ONE_SESSION}
    when = ", ".join(dt.datetime.fromtimestamp(start, dt.UTC).strftime("%Y-%m-%d %H:%M") for start in starts[:6])
    more = "" if len(starts) <= 6 else ", ..."
    text = (
        f"launches are of {len(starts)} sessions (begun {when}{more} UTC): they are taken together, so what changed "
        "between the sessions is in the spread"
    )
    return {"code": "several sessions", "text": text}
