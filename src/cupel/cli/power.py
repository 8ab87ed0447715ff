"""How many launches it takes to see a difference, in minutes when a pilot run is given.

For two machines with equal spread: launches on each for an interval that excludes "no difference" with the power
asked. With a pilot, each entry's own spread is taken, once as estimated and once at its 80 % upper limit, since a few
launches say little about a spread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cupel.cli._entries import table, wrapped
from cupel.ledger.job_folder import JobFolder
from cupel.ledger.run_folder import RunFolder
from cupel.report.document import build_document
from cupel.report.pilot import best_stepping_s
from cupel.spec.errors import NothingToRunError, UsageError
from cupel.spec.units import format_duration, format_percent, parse_fraction
from cupel.stats.cv_limit import cv_limit
from cupel.stats.launches_for_effect import launches_for_effect
from cupel.stats.launches_for_width import launches_for_width

SCHEMA = 1
MOST_COLUMNS = 5
"""Differences beside each other, so that a line keeps within 80 columns."""
ABOUT = 0.2
"""Share by which a length of stepping may be off and be about right."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel power` takes."""
    parser.add_argument(
        "--effect", default="1%,2%,5%,10%", metavar="LIST", help="differences to find (default 1%%,2%%,5%%,10%%)"
    )
    spread = parser.add_mutually_exclusive_group()
    spread.add_argument(
        "--cv", default="0.5%,1%,2%,5%", metavar="LIST", help="spreads between launches (default 0.5%%,1%%,2%%,5%%)"
    )
    spread.add_argument("--pilot", type=Path, metavar="RUN", help="a run whose spreads and times are taken")
    parser.add_argument("--power", default="90%", help="chance of finding the difference (default 90%%)")
    parser.add_argument("--level", default="95%", help="level of the intervals (default 95%%)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def main(args: argparse.Namespace) -> int:
    """Compute and print."""
    effects = _fractions(args.effect)
    power, level = parse_fraction(args.power), parse_fraction(args.level)
    rows = _pilot_rows(args.pilot) if args.pilot else _plain_rows(_fractions(args.cv))
    for row in rows:
        row["launches"] = {
            format_percent(e): launches_for_effect(row["cv"], e, power=power, level=level) for e in effects
        }
        row["launches_for_half_width"] = {
            format_percent(e): launches_for_width(row["cv"], e, level=level) for e in effects
        }
        if "cv_limit" in row:
            row["launches_cautious"] = {
                format_percent(e): launches_for_effect(row["cv_limit"], e, power=power, level=level) for e in effects
            }
    document = {
        "schema": SCHEMA,
        "kind": "power",
        "power": power,
        "level": level,
        "effects": effects,
        "pilot": str(args.pilot) if args.pilot else None,
        "rows": rows,
    }
    if args.json:
        print(json.dumps(document, indent=1))
    else:
        _show(document)
    return 0


def _fractions(text: str) -> list[float]:
    values = [parse_fraction(part) for part in text.split(",") if part.strip()]
    if not values:
        raise UsageError(f"{text!r} names no percentage; expected a list such as 1%,2%,5%.")
    return values


def _plain_rows(cvs: Sequence[float]) -> list[dict[str, Any]]:
    return [{"label": f"cv {format_percent(cv)}", "cv": cv} for cv in cvs]


def _pilot_rows(run: Path) -> list[dict[str, Any]]:
    """Spread and seconds per launch of each entry of a run."""
    folder = RunFolder(run)
    document = build_document(folder)
    rows = []
    for entry in document["entries"]:
        if not entry["cv"]:
            print(f"{entry['label']}: left out, {_why_left_out(entry)}.", file=sys.stderr)
            continue
        launches = [
            JobFolder(folder.path / "jobs" / launch["job"]) for launch in entry["launches"] if launch["status"] == "ok"
        ]
        seconds = statistics.mean(_seconds(job) for job in launches)
        rows.append(
            {
                "label": entry["label"],
                "cv": entry["cv"],
                "cv_limit": cv_limit(entry["cv"], entry["cv_n"]),
                "num_launches": entry["num_launches"],
                "seconds_per_launch": seconds,
                "stepping_s": statistics.mean(sum(job.steps().seconds) for job in launches),
                "best_stepping_s": best_stepping_s(launches, seconds),
            }
        )
    if not rows:
        raise NothingToRunError(f"{run} has no entry with 2 launches; a spread needs at least 2, better 5.")
    return rows


def _why_left_out(entry: dict[str, Any]) -> str:
    if entry["num_launches"] < 2:
        return "fewer than 2 launches ended well"
    return str(entry["interval_note"] or "the spread between its launches is not known")


def _seconds(job: JobFolder) -> float:
    end = job.last("end") or {}
    return float(end.get("elapsed_s") or 0.0)


def _show(document: dict[str, Any]) -> None:
    """The table for people."""
    print("Launches on each of two machines to find a difference")
    print(f"with {document['power']:.0%} power ({document['level']:.0%} intervals):")
    print("the interval then excludes no difference. Faster and slower ask for more, the")
    print("whole interval beyond 1 % (cupel compare --rope): for 5 %, take the row of 4 %.")
    effects = [format_percent(e) for e in document["effects"]]
    rows: Sequence[dict[str, Any]] = document["rows"]
    if document["pilot"] is None:
        for k in range(0, len(effects), MOST_COLUMNS):
            _show_plain(rows, effects[k : k + MOST_COLUMNS])
        print("\nWith a pilot the spreads are your machine's own: cupel power --pilot RUN")
        return
    for row in rows:
        _show_pilot(row, effects)
    print("\nFirst the number for the spread as estimated, then for its 80 % upper limit,")
    print("and the time on one machine for each. A launch can be longer or shorter too:\n")
    for row in rows:
        print(wrapped(f"{row['label']}: {_stepping_text(row)}", "    ", "  "))


def _show_plain(rows: Sequence[dict[str, Any]], effects: Sequence[str]) -> None:
    """A row per spread, a column per difference."""
    width = max(len(row["label"]) for row in rows)
    print(f"\n  {'':<{width}}    difference to find")
    print(f"  {'':<{width}}" + "".join(f"{e:>12}" for e in effects))
    for row in rows:
        print(f"  {row['label']:<{width}}" + "".join(f"{row['launches'][e]:>12}" for e in effects))


def _show_pilot(row: dict[str, Any], effects: Sequence[str]) -> None:
    """An entry of a pilot: a row per difference."""
    seconds = row["seconds_per_launch"]
    print()
    spread = f"cv {format_percent(row['cv'])} in {row['num_launches']} launches of {format_duration(seconds)}"
    print(wrapped(f"{row['label']}: {spread}", "  ", ""))
    rows = [("difference to find", "launches", "time")]
    for effect in effects:
        numbers = (row["launches"][effect], row["launches_cautious"][effect])
        times = " .. ".join(format_duration(number * seconds) for number in numbers)
        rows.append((effect, " .. ".join(map(str, numbers)), times))
    print("\n".join(table(rows)))


def _stepping_text(row: dict[str, Any]) -> str:
    """How long a launch steps, and how long it should."""
    now, best = row["stepping_s"], row["best_stepping_s"]
    text = f"now {format_duration(now)} of stepping per launch"
    if best is None:
        return f"{text}; a better length is not known from this pilot"
    if abs(best - now) <= ABOUT * now:
        return f"{text}, which is about right"
    return f"{text}; {format_duration(best)} would be {'enough' if best < now else 'better'}"
