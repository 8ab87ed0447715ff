"""What `run`, `resume` and `report` share for claims: carry a plan out in a folder, show it."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import cupel
from cupel.cli._carry_out import note_resume
from cupel.cli._page import write_page
from cupel.cli._resumed import differences_since, refuse_differences
from cupel.ledger.claim_log import ClaimLog, read_claims
from cupel.ledger.run_folder import RunFolder
from cupel.measure.machine import describe_machine
from cupel.report import json as strict_json
from cupel.report.claims_document import build_claims_document, exit_code
from cupel.report.claims_text import ClaimsLive, show_claims
from cupel.run.backends.local import LocalBackend
from cupel.run.claim_plan import ClaimPlan, ClaimRequest, make_claim_plan
from cupel.run.code import code_digest
from cupel.run.stop import Stop
from cupel.run.trial_pool import TrialPool
from cupel.spec.catalog import Catalog
from cupel.spec.errors import RunFolderError, UsageError
from cupel.spec.units import format_duration
from cupel.study.claims import BackEnds, ClaimsStudy

INTERRUPTED = 130


def run_claims(request: ClaimRequest, catalog: Catalog, args: argparse.Namespace) -> int:
    """Plan, run and report claims."""
    plan = make_claim_plan(request, catalog)
    for note in plan.notes:
        print(f"note: {note}", file=sys.stderr)
    if args.dry_run:
        return _show_plan(plan)
    content = {
        "kind": "claims",
        "name": plan.name,
        "cupel": cupel.__version__,
        "code": code_digest(),
        "plan": plan.as_dict(),
        "machine": describe_machine(),
    }
    return carry_out_claims(plan, RunFolder.create(args.out, plan.name, content), args)


def _show_plan(plan: ClaimPlan) -> int:
    """Print which statements would be tried, and how far at most."""
    for cell in plan.cells:
        size = cell.job.size
        print(f"{cell.label} at size {size} on {cell.job.device}: {cell.card.says}")
        for said in cell.card.said:
            most = (
                cell.card.num_instances(size) if said.kind == "exact" else plan.request.pairs or cell.card.pairs(size)
            )
            unit = {"exact": "instances", "published": "record", "speed": "blocks"}.get(said.kind, "pairs")
            print(f"  {said.kind:<9} {said.name}: at most {1 if unit == 'record' else most} {unit}")
    for name, reason in plan.skipped.items():
        print(f"skipped: {name}: {reason}")
    return 0


def carry_out_claims(
    plan: ClaimPlan, folder: RunFolder, args: argparse.Namespace, resumed: Mapping[str, Any] | None = None
) -> int:
    """Try what the folder lacks, then report.

    Args:
        plan: what the run is to do.
        folder: the run.
        args: how the result is shown.
        resumed: when a run is gone on with: time, machine, and what differs from its start.

    Returns:
        The exit code: 130 where the user stopped it, else that of the document.

    Raises:
        RunFolderError: the records cannot be written.
    """
    stop = Stop()
    with folder.locked(), stop.listening():
        if resumed is not None:
            note_resume(folder, resumed)
        try:
            _try(plan, folder, stop)
        except OSError as error:
            raise RunFolderError(
                f"The records of {folder.path} cannot be written: {error.strerror or error}. What is there is whole; "
                f"make room, then: cupel resume {folder.path}"
            ) from error
    return conclude_claims(folder, args, is_interrupted=stop.is_asked)


def _try(plan: ClaimPlan, folder: RunFolder, stop: Stop) -> None:
    """The study itself, shown live on stderr."""
    records = read_claims(folder.path, {cell.key: cell.job for cell in plan.cells})
    for found in records.values():
        found.forget_failures()
    needs = {cell.job.entry: cell.card.needs for cell in plan.cells}
    asked, live = 0, ClaimsLive()
    with contextlib.ExitStack() as stack:
        log = ClaimLog(folder.path)
        stack.callback(log.close)
        pool = TrialPool(
            folder.path, stop, workers=plan.request.workers, threads=plan.request.threads,
            needs={need for each in needs.values() for need in each},
        )  # fmt: skip
        trials = stack.enter_context(pool)
        # a rate is measured in a process that shares nothing with another's, its imports included
        launches = stack.enter_context(LocalBackend(folder, stop, needs=needs, launch_of={}, preloads=False))
        budget = plan.request.budget_s
        within = "until each verdict is in" if budget is None else f"within {format_duration(budget)}"
        live.say(f"{plan.name}: {len(plan.cells)} claim{'s' if len(plan.cells) != 1 else ''} {within}; {folder.path}")
        for event in ClaimsStudy(plan, records, log, stop).run(BackEnds(trials, launches)):
            if stop.requests > asked:
                asked = stop.requests
                live.say("Stopping after what runs; once more stops now." if asked == 1 else "Stopping now.")
            live.handle(event)


def conclude_claims(folder: RunFolder, args: argparse.Namespace, *, is_interrupted: bool) -> int:
    """Report a run of claims that has stopped: text or JSON on stdout, the page in its folder."""
    document = build_claims_document(RunFolder(folder.path))
    page = write_page(document, folder.path / "report.html")
    if args.json:
        sys.stdout.write(strict_json.render(document))
    else:
        show_claims(document, file=sys.stdout, with_evidence=getattr(args, "why", False))
        print(f"\nreport: {page or folder.path}")
    if document["status"] == "partial":
        print(f"Not finished. Go on with: cupel resume {folder.path}", file=sys.stderr)
    if is_interrupted:
        return INTERRUPTED
    return exit_code(document)


def resume_claims(folder: RunFolder, args: argparse.Namespace) -> int:
    """Go on with a run of claims."""
    try:
        plan = ClaimPlan.from_dict(folder.asked["plan"])
    except (KeyError, TypeError) as error:
        raise RunFolderError(f"{folder.path / 'run.json'} lacks {error}; expected a file of cupel run.") from error
    differences = differences_since(folder, [(cell.label, cell.job) for cell in plan.cells])
    refuse_differences(folder, differences, "trials", is_forced=args.anyway)
    past: list[Any] = list(folder.asked.get("resumed", []))
    folder.note(
        resumed=[*past, {"t": time.time(), "machine": describe_machine().get("label"), "differences": differences}]
    )
    return carry_out_claims(plan, folder, args)


def workers_of(asked: int | None, device: str, threads: int) -> int:
    """Trials at once: as many as have a processor each; one on an accelerator.

    Raises:
        UsageError: fewer than one was asked.
    """
    if asked is not None:
        if asked < 1:
            raise UsageError(f"--workers is {asked}; expected a number from 1.")
        return asked
    return (
        max(1, len(os.sched_getaffinity(0)) // threads) if device == "cpu" and hasattr(os, "sched_getaffinity") else 1
    )
