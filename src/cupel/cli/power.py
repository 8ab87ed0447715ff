"""How many launches, seeds, pairs or tasks it takes to see a difference.

- Launches on each of two machines: --cv, or --pilot RUN for your machine's own
  spreads and times (this is what is planned where nothing else is asked).
- Seeds of two methods on one task: --sd, and --correlation where A and B run
  on the same seeds; or --sd-diff, the spread of A - B on one seed.
- Tasks, for a statement about tasks like these: --sd-interaction, --sd-noise.
- Pairs until one method is seen to win more often: --win-rate.
- Both of methods from a results file: --pilot results.csv.

A plan is for an interval that excludes "no difference" with the power asked.
With --rope it is for the verdict: the whole interval beyond what is of no
practical importance, and how many it takes to show equivalence. From a pilot
each spread is taken once as estimated and once at its 80 % upper limit, since a
few runs say little about a spread.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from cupel.cli._power_launches import launches_document, show_launches
from cupel.cli._power_methods import methods_document
from cupel.cli._power_text import show_methods
from cupel.spec.errors import UsageError
from cupel.spec.units import parse_fraction

SCHEMA = 1
OPTIONS = {
    "launches": {"effect", "cv", "pilot", "rope"},
    "seeds": {"effect", "cv", "sd", "sd_diff", "correlation", "rope"},
    "tasks": {"effect", "sd_interaction", "sd_noise", "runs", "rope"},
    "win-rate": {"win_rate", "rope"},
    "pilot": {"effect", "pilot", "rope", "runs", "metric", "better", "methods", "map", "where", "reader"},
}
"""What each plan takes."""
GIVEN_AWAY = {
    "win-rate": ("win_rate",),
    "tasks": ("sd_interaction", "sd_noise"),
    "seeds": ("sd", "sd_diff", "correlation"),
}
"""Options that say which plan is meant without its name."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel power` takes."""
    plan = parser.add_mutually_exclusive_group()
    plan.add_argument("--seeds", action="store_true", help="seeds of two methods; needed with --cv only")
    plan.add_argument("--tasks", action="store_true", help="tasks, for tasks like these")
    plan.add_argument("--win-rate", metavar="LIST", help="shares of pairs that A wins, such as 60%%,75%%")
    parser.add_argument(
        "--effect",
        metavar="LIST",
        help="differences to find: percentages for launches and --cv (default 1%%,2%%,5%%,10%%), else in the unit of "
        "the metric (default: multiples of the spread)",
    )
    parser.add_argument("--rope", metavar="ROPE", help="plan for a verdict beyond this; same unit as the differences")
    parser.add_argument("--power", default="90%", help="chance of finding the difference (default 90%%)")
    parser.add_argument("--level", default="95%", help="level of the intervals (default 95%%)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    spreads = parser.add_argument_group("spreads")
    spread = spreads.add_mutually_exclusive_group()
    spread.add_argument(
        "--cv", metavar="LIST", help="between launches, or seeds with --seeds (default 0.5%%,1%%,2%%,5%%)"
    )
    spread.add_argument("--sd", metavar="LIST", help="between seeds of a method on a task")
    spread.add_argument("--sd-diff", metavar="LIST", help="of A - B on one seed")
    spread.add_argument("--pilot", type=Path, metavar="PATH", help="a run, or a file of results, to take spreads from")
    spreads.add_argument("--correlation", metavar="R", help="of A and B on one seed, -1 to 1")
    spreads.add_argument("--sd-interaction", metavar="SD", help="of a method's advantage between tasks")
    spreads.add_argument("--sd-noise", metavar="SD", help="between runs of a method on a task")
    spreads.add_argument("--runs", metavar="LIST", help="runs of each method on each task (default 1,3,10)")
    file = parser.add_argument_group("with a file of results")
    file.add_argument("--metric", metavar="NAME", help="which metric")
    file.add_argument("--better", metavar="WAY", help="higher or lower; no spread depends on it")
    file.add_argument("--methods", metavar="A,B", help="only these")
    file.add_argument(
        "--map", action="append", metavar="ROLE=COLUMN", help="which column names the method, the task .."
    )
    file.add_argument("--where", action="append", metavar="NAME=VALUE", help="only rows with this value")
    file.add_argument("--reader", metavar="NAME", help="which reader; found by what is in the file otherwise")


def main(args: argparse.Namespace) -> int:
    """Compute and print."""
    power, level = parse_fraction(args.power), parse_fraction(args.level)
    design = _design(args)
    head = {"schema": SCHEMA, "kind": "power", "design": design, "power": power, "level": level}
    document: dict[str, Any]
    if design == "launches":
        document = head | launches_document(args, power, level)
    elif design == "pilot":
        from cupel.cli._power_pilot import pilot_document

        document = head | pilot_document(args, power, level)
    else:
        document = head | methods_document(design, args, power, level)
    if args.json:
        print(json.dumps(document, indent=1))
    elif design == "launches":
        show_launches(document)
    else:
        show_methods(document)
    return 0


def _design(args: argparse.Namespace) -> str:
    """Which plan is asked for; an option that it does not take is refused."""
    named = "seeds" if args.seeds else "tasks" if args.tasks else None
    implied = [name for name, options in GIVEN_AWAY.items() if any(getattr(args, o) is not None for o in options)]
    design = named or (implied[0] if implied else "launches")
    if args.pilot is not None and not _is_run(args.pilot):
        design = "pilot" if design == "launches" else design
    every = set().union(*OPTIONS.values())
    given = sorted(option for option in every if getattr(args, option) is not None)
    for option in given:
        if option not in OPTIONS[design]:
            takers = [name for name, options in OPTIONS.items() if option in options]
            raise UsageError(
                f"{_flag(option)} does not belong to a plan for {PLANS[design]}; it belongs to one for "
                f"{' or '.join(PLANS[name] for name in takers)}. See: cupel power --help"
            )
    return design


PLANS = {
    "launches": "launches",
    "seeds": "seeds (--seeds)",
    "tasks": "tasks (--tasks)",
    "win-rate": "pairs (--win-rate)",
    "pilot": "methods from a results file (--pilot results.csv)",
}


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def _is_run(path: Path) -> bool:
    """Whether a pilot is a run of Cupel; a folder that is absent or empty is answered as one."""
    if path.is_dir():
        return (path / "run.json").is_file() or not any(path.iterdir())
    return not path.exists() and not path.suffix and str(path) != "-"
