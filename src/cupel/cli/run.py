"""Measure: run entries, suites or files on this machine.

Each launch is a process of its own; launches of different entries take turns. The result is a table with intervals, a
score where there is a reference, and a run folder that can be kept, moved, resumed and reported again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import cupel
from cupel.cli._carry_out import add_output_arguments, carry_out
from cupel.ledger.run_folder import RunFolder
from cupel.measure.machine import describe_machine
from cupel.report.document import find_reference
from cupel.run.code import code_digest
from cupel.run.device import resolve_device
from cupel.run.make_plan import make_plan
from cupel.run.order import launch_order
from cupel.run.plan import Plan, Request
from cupel.spec.card import SIZES
from cupel.spec.catalog import load_catalog
from cupel.spec.errors import UnknownNameError, UsageError
from cupel.spec.units import format_duration, parse_duration, parse_fraction

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel run` takes."""
    parser.add_argument(
        "names", nargs="+", metavar="ENTRY|SUITE|FILE", help="what to run: a name of cupel list, or ./file.py"
    )
    parser.add_argument(
        "--size", default="auto", metavar="SIZE", help=f"auto, {', '.join(SIZES)} (default: the largest that fits)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting or a number of the size"
    )
    parser.add_argument("--launches", default="3", metavar="N|auto", help="launches of each entry (default 3)")
    parser.add_argument("--width", default="2%", help="with --launches auto: width of interval to reach (default 2%%)")
    parser.add_argument("--budget", metavar="TIME", help="start no launch that would end after this, such as 20min")
    parser.add_argument(
        "--device", default="auto", help="cpu, cuda:0, ... (default: an accelerator where there is one)"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of each worker on the CPU (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="root of all seeds (default 0)")
    parser.add_argument("--timeout", metavar="TIME", help="end a job after this (default by size)")
    parser.add_argument("--tag", action="append", default=[], help="only entries with this tag")
    parser.add_argument("--exclude", action="append", default=[], metavar="NAME|TAG", help="leave these out")
    parser.add_argument("--reference", default="", metavar="RUN|NAME", help="what the score is relative to")
    parser.add_argument(
        "--out", type=Path, default=Path("runs"), metavar="DIR", help="where run folders go (default ./runs)"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the jobs and the time they need; run nothing")
    add_output_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Plan, run, report."""
    request = _request(args)
    if request.reference:
        find_reference(request.reference)
    plan = make_plan(request, load_catalog())
    if args.dry_run:
        return _show_plan(plan, as_json=args.json)
    for note in plan.notes:
        print(f"note: {note}", file=sys.stderr)
    content = {
        "kind": "run",
        "name": plan.name,
        "cupel": cupel.__version__,
        "code": code_digest(),
        "plan": plan.as_dict(),
        "machine": describe_machine(),
    }
    return carry_out(plan, RunFolder.create(args.out, plan.name, content), args)


def _request(args: argparse.Namespace) -> Request:
    """The arguments as a request, checked."""
    if args.size not in ("auto", *SIZES):
        raise UnknownNameError("size", args.size, ("auto", *SIZES))
    return Request(
        names=tuple(args.names),
        size=args.size,
        settings=tuple(args.set),
        launches=_launches(args.launches),
        width=parse_fraction(args.width),
        budget_s=parse_duration(args.budget) if args.budget else None,
        device=resolve_device(args.device),
        threads=_positive("--threads", args.threads),
        seed=args.seed,
        tags=tuple(args.tag),
        exclude=tuple(args.exclude),
        timeout_s=parse_duration(args.timeout) if args.timeout else None,
        reference=args.reference,
    )


def _launches(text: str) -> int | None:
    """A number of launches, None for `auto`."""
    if text == "auto":
        return None
    try:
        return _positive("--launches", int(text))
    except ValueError:
        raise UsageError(f"--launches is {text!r}; expected a number from 1, or auto.") from None


def _positive(option: str, value: int) -> int:
    if value < 1:
        raise UsageError(f"{option} is {value}; expected a number from 1.")
    return value


def _show_plan(plan: Plan, *, as_json: bool) -> int:
    """Print what would be run, in order, and how long it would take."""
    launches = plan.request.launches or plan.request.pilot
    checks = [cell.sane(plan.request.seed) for cell in plan.cells]
    order = [*{job.id: job for job in checks}.values(), *launch_order(plan, launches)]
    expected_s = plan.expected_s(launches)
    if as_json:
        jobs = [{"id": job.id, **job.as_dict()} for job in order]
        document = {
            "schema": SCHEMA,
            "kind": "plan",
            "request": dataclasses.asdict(plan.request),
            "expected_s": expected_s,
            "jobs": jobs,
            "skipped": dict(plan.skipped),
            "notes": list(plan.notes),
        }
        print(json.dumps(document, indent=1))
        return 0
    open_end = " at least, then as many as the interval needs" if plan.request.launches is None else ""
    print(f"{len(order)} jobs on {plan.request.device}, about {format_duration(expected_s)}{open_end}, in this order:")
    for job in order:
        cell = next(c for c in plan.cells if c.job.entry == job.entry and c.job.settings == job.settings)
        what = "check of the work" if job.kind == "sane" else f"launch {job.launch + 1} of {launches}"
        print(f"  {cell.label:<28} {job.size:<6} {what}")
    for name, reason in plan.skipped.items():
        print(f"skipped: {name}: {reason}")
    for note in plan.notes:
        print(f"note: {note}")
    return 0
