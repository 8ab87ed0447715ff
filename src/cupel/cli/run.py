"""Measure: run entries, suites or files on this machine.

Each launch is a process of its own; launches of different entries take turns. The result is a table with intervals, a
score where there is a reference, and a run folder that can be kept, moved, resumed and reported again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import cupel
from cupel.cli._carry_out import add_output_arguments, carry_out
from cupel.cli._claims import run_claims, workers_of
from cupel.cli._entries import table, wrapped
from cupel.cli._output import given_path
from cupel.ledger.run_folder import RunFolder
from cupel.measure.machine import describe_machine
from cupel.report.document import find_reference
from cupel.run.claim_plan import ClaimRequest, asked_claims
from cupel.run.code import code_digest
from cupel.run.device import resolve_device
from cupel.run.make_plan import make_plan
from cupel.run.order import launch_order
from cupel.run.plan import START_S, Plan, Request
from cupel.spec.card import SIZES
from cupel.spec.catalog import Catalog, load_catalog
from cupel.spec.errors import CupelError, UnknownNameError, UsageError
from cupel.spec.job import Job
from cupel.spec.suite import Suite
from cupel.spec.units import format_duration, parse_duration, parse_fraction

SCHEMA = 1
WIDTH = "2%"


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
    parser.add_argument("--width", help=f"with --launches auto: width of interval to reach (default {WIDTH}%)")
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
        "--out", type=given_path, default=Path("runs"), metavar="DIR", help="where run folders go (default ./runs)"
    )
    claims = parser.add_argument_group("claims", "pairs of trials are added until each verdict is in")
    claims.add_argument("--pairs", type=int, metavar="N", help="pairs of trials, fixed beforehand")
    claims.add_argument("--workers", type=int, metavar="N", help="trials at once (default: one per processor)")
    claims.add_argument("--why", action="store_true", help="show the evidence: arms, costs, scope, failures")
    claims.add_argument("--variance", action="store_true", help="ask for the share of each source of variation, too")
    parser.add_argument("--dry-run", action="store_true", help="print the jobs and the time they need; run nothing")
    add_output_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Plan, run, report."""
    request = _request(args)
    if request.reference:
        find_reference(request.reference)
    catalog = load_catalog()
    if asked_claims(request.names, catalog):
        return run_claims(_claim_request(request, args), catalog, args)
    plan = make_plan(request, catalog)
    _check_reference(plan, catalog)
    if args.width and request.launches is not None:
        print("note: --width has no effect without --launches auto.", file=sys.stderr)
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


def _claim_request(request: Request, args: argparse.Namespace) -> ClaimRequest:
    """The arguments as a request for claims, checked."""
    for option, is_given in (
        ("--launches", args.launches != "3"),
        ("--width", args.width),
        ("--reference", args.reference),
    ):
        if is_given:
            raise UsageError(f"{option} is for workloads; {', '.join(request.names)} are claims. Claims have --pairs.")
    return ClaimRequest(
        names=request.names,
        size=request.size,
        settings=request.settings,
        pairs=None if args.pairs is None else _positive("--pairs", args.pairs),
        budget_s=request.budget_s,
        device=request.device,
        threads=request.threads,
        workers=workers_of(args.workers, request.device, request.threads),
        seed=request.seed,
        tags=request.tags,
        exclude=request.exclude,
        timeout_s=request.timeout_s,
        variance=args.variance,
    )


def _check_reference(plan: Plan, catalog: Catalog) -> None:
    """Refuse a suite's reference that is not there, before anything is run for it."""
    if plan.request.reference or not plan.reference:
        return
    try:
        find_reference(plan.reference)
    except CupelError as error:
        found = [catalog.find(name) for name in plan.request.names]
        files = [str(suite.path) for suite in found if isinstance(suite, Suite) and suite.reference == plan.reference]
        raise UsageError(f"{', '.join(files)}: reference: {error}") from error


def _request(args: argparse.Namespace) -> Request:
    """The arguments as a request, checked."""
    if args.size not in ("auto", *SIZES):
        raise UnknownNameError("size", args.size, ("auto", *SIZES))
    return Request(
        names=tuple(args.names),
        size=args.size,
        settings=tuple(args.set),
        launches=_launches(args.launches),
        width=parse_fraction(WIDTH if args.width is None else args.width),
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
    request = plan.request
    launches = request.launches or request.pilot
    checks: dict[str, tuple[Job, list[str]]] = {}
    for cell in plan.cells:
        job = cell.sane(request.seed)
        checks.setdefault(job.id, (job, []))[1].append(cell.label)
    order = launch_order(plan, launches)
    expected_s = plan.expected_s(launches)
    num_fit = _num_within_budget(plan, order)
    if as_json:
        document = {
            "schema": SCHEMA,
            "kind": "plan",
            "request": dataclasses.asdict(request),
            "expected_s": round(expected_s, 1),
            "expected_launches": num_fit,
            "jobs": [{"id": job.id, **job.as_dict()} for job in (*(job for job, _ in checks.values()), *order)],
            "skipped": dict(plan.skipped),
            "notes": list(plan.notes),
        }
        print(json.dumps(document, indent=1))
        return 0
    open_end = " at least, then as many as the interval needs" if request.launches is None else ""
    num = len(checks) + len(order)
    print(f"{num} jobs on {request.device}, about {format_duration(expected_s)}{open_end}, in this order:")
    rows = [
        (labels[0] + (f" and {len(labels) - 1} more" if len(labels) > 1 else ""), job.size, "check of the work")
        for job, labels in checks.values()
    ]
    labels = {cell.key: cell.label for cell in plan.cells}
    rows += [(labels[job.cell], job.size, f"launch {job.launch + 1} of {launches}") for job in order]
    print("\n".join(table(rows)))
    if request.budget_s is not None:
        text = f"{num_fit} of the {len(order)} launches are expected to fit into {format_duration(request.budget_s)}"
        print(wrapped(f"budget: {text}; cupel resume would do the rest.", ""))
    for name, reason in plan.skipped.items():
        print(f"skipped: {name}: {reason}")
    for note in plan.notes:
        print(f"note: {note}")
    return 0


def _num_within_budget(plan: Plan, order: Sequence[Job]) -> int:
    """Launches that are expected to end within the budget; all of them where there is none."""
    elapsed_s = plan.expected_s(0)
    for num, job in enumerate(order):
        elapsed_s += START_S + job.stepping_s
        if plan.request.budget_s is not None and elapsed_s > plan.request.budget_s:
            return num
    return len(order)
