"""The plan for launches on each of two machines, from spreads that are given or from a run."""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Callable, Sequence
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
from cupel.stats.seeds_for_effect import seeds_for_effect
from cupel.stats.seeds_for_equivalence import seeds_for_equivalence

EFFECTS = "1%,2%,5%,10%"
CVS = "0.5%,1%,2%,5%"
MOST_COLUMNS = 5
"""Differences beside each other, so that a line keeps within 80 columns."""
ABOUT = 0.2
"""Share by which a length of stepping may be off and be about right."""


def launches_document(args: argparse.Namespace, power: float, level: float) -> dict[str, Any]:
    """The numbers of launches, as JSON shows them."""
    effects = fractions(args.effect if args.effect is not None else EFFECTS)
    rope = parse_fraction(args.rope, or_zero=True) if args.rope is not None else None
    rows = _pilot_rows(args.pilot) if args.pilot else _plain_rows(fractions(args.cv or CVS))
    for row in rows:
        spreads = {"": row["cv"]} | ({"_cautious": row["cv_limit"]} if "cv_limit" in row else {})
        for suffix, cv in spreads.items():
            row[f"launches{suffix}"] = {
                format_percent(e): number_of(launches_for_effect, cv, e, power=power, level=level) for e in effects
            }
            if rope:
                row.update(_for_verdict(cv, (effects, rope), suffix, power=power, level=level))
        row["launches_for_half_width"] = {
            format_percent(e): number_of(launches_for_width, row["cv"], e, level=level) for e in effects
        }
    pilot = str(args.pilot) if args.pilot else None
    return {"effects": effects, "rope": rope, "pilot": pilot, "rows": rows}


OVER = ">1000000"
"""What a table says of a number that is over a million."""


def number_of(needed: Callable[..., int], *sizes: Any, **asked: Any) -> int | None:
    """What a plan needs; None where that is over a million, so that one hopeless cell does not cost the table."""
    try:
        return needed(*sizes, **asked)
    except UsageError:  # the sizes were checked when they were read; what is left is the number itself
        return None


def _for_verdict(
    cv: float, asked: tuple[Sequence[float], float], suffix: str, *, power: float, level: float
) -> dict[str, Any]:
    """Launches for faster or slower beyond the rope, None where there is no such number, and for equivalent."""
    effects, rope = asked
    bar = math.log1p(rope)
    beyond = {
        format_percent(e): number_of(seeds_for_effect, math.log1p(e), cv, beyond=bar, power=power, level=level)
        if e > rope
        else None
        for e in effects
    }
    equal = number_of(seeds_for_equivalence, bar, cv, power=power, level=level)
    never = [format_percent(e) for e in effects if e <= rope]
    return {f"launches_beyond_rope{suffix}": beyond, f"launches_equivalent{suffix}": equal, "not_beyond_rope": never}


def fractions(text: str) -> list[float]:
    """The fractions in a list such as `1%,2%,5%`."""
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


def show_launches(document: dict[str, Any]) -> None:
    """The table for people."""
    rope: float | None = document["rope"] or None
    print("Launches on each of two machines to find a difference")
    print(f"with {document['power']:.0%} power ({document['level']:.0%} intervals):")
    if rope is None:
        print("the interval then excludes no difference. Faster and slower ask for more, the")
        print("whole interval beyond 1 % (cupel compare --rope): for 5 %, take the row of 4 %.")
    else:
        print(f"the verdict is then faster or slower, the whole interval beyond {format_percent(rope)}; and")
        print(f"to find that two equal ones are equivalent, the whole interval within {format_percent(rope)}.")
    effects = [format_percent(e) for e in document["effects"]]
    rows: Sequence[dict[str, Any]] = document["rows"]
    if document["pilot"] is None:
        for k in range(0, len(effects), MOST_COLUMNS):
            _show_plain(rows, effects[k : k + MOST_COLUMNS], is_last=k + MOST_COLUMNS >= len(effects))
        _show_never(rows)
        print("\nWith a pilot the spreads are your machine's own: cupel power --pilot RUN")
        return
    for row in rows:
        _show_pilot(row, effects)
    _show_never(rows)
    print("\nFirst the number for the spread as estimated, then for its 80 % upper limit,")
    print("and the time on one machine for each. A launch can be longer or shorter too:\n")
    for row in rows:
        print(wrapped(f"{row['label']}: {_stepping_text(row)}", "    ", "  "))


def _show_never(rows: Sequence[dict[str, Any]]) -> None:
    if any(_number(row, effect) == "never" for row in rows for effect in row.get("launches_beyond_rope", {})):
        print("\n  never: a difference that is not beyond the rope is not found to be beyond it.")


def _show_plain(rows: Sequence[dict[str, Any]], effects: Sequence[str], *, is_last: bool) -> None:
    """A row per spread, a column per difference, and one for equivalence after the last."""
    has_rope = "launches_equivalent" in rows[0]
    columns = [*effects, "equivalent"] if has_rope and is_last else list(effects)
    width = max(len(row["label"]) for row in rows)
    print(f"\n  {'':<{width}}    difference to find")
    print(f"  {'':<{width}}" + "".join(f"{e:>12}" for e in columns))
    for row in rows:
        print(f"  {row['label']:<{width}}" + "".join(f"{_number(row, e):>12}" for e in columns))


def _number(row: dict[str, Any], column: str, suffix: str = "") -> str:
    """What a cell of the table says."""
    if column == "equivalent":
        found = row[f"launches_equivalent{suffix}"]
    else:
        found = row.get(f"launches_beyond_rope{suffix}", row[f"launches{suffix}"])[column]
        if column in row.get("not_beyond_rope", ()):
            return "never"
    return OVER if found is None else str(found)


def _show_pilot(row: dict[str, Any], effects: Sequence[str]) -> None:
    """An entry of a pilot: a row per difference."""
    seconds = row["seconds_per_launch"]
    print()
    spread = f"cv {format_percent(row['cv'])} in {row['num_launches']} launches of {format_duration(seconds)}"
    print(wrapped(f"{row['label']}: {spread}", "  ", ""))
    rows = [("difference to find", "launches", "time")]
    for effect in [*effects, "equivalent"] if "launches_equivalent" in row else effects:
        numbers = (_number(row, effect), _number(row, effect, "_cautious"))
        if "never" in numbers:
            rows.append((effect, "never", ""))
            continue
        times = " .. ".join("-" if number == OVER else format_duration(int(number) * seconds) for number in numbers)
        rows.append((effect, " .. ".join(numbers), times))
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
