"""What `run` and `resume` share: carry a plan out in a folder, show it live, report what was found."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

from cupel.cli._page import write_page
from cupel.ledger.run_folder import RunFolder
from cupel.report import json, terminal
from cupel.report.document import build_document, exit_code, find_reference
from cupel.run.backends.local import LocalBackend
from cupel.run.code import code_digest
from cupel.run.plan import Plan
from cupel.run.stop import Stop
from cupel.spec.errors import RunFolderError
from cupel.spec.events import Decided, Event, Finished, Planned
from cupel.study.launches import LaunchStudy

INTERRUPTED = 130
NOTHING_RAN = 4


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """How the result is shown."""
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, everything else on stderr")


def carry_out(plan: Plan, folder: RunFolder, args: argparse.Namespace, resumed: Mapping[str, Any] | None = None) -> int:
    """Run what the folder lacks, then report.

    Args:
        plan: what the run is to do.
        folder: the run.
        args: how the result is shown.
        resumed: when a run is gone on with: time, machine, and what differs from its start.

    Returns:
        The exit code: 130 where the user stopped it, else by what was found.
    """
    stop = Stop()
    study = LaunchStudy(plan, folder, stop)
    needs = {cell.job.entry: cell.card.needs for cell in plan.cells}
    finished: Finished | None = None
    with folder.locked(), stop.listening(), contextlib.ExitStack() as stack:
        if resumed is not None:
            note_resume(folder, resumed)
        if plan.reference and "reference" not in folder.asked:
            # kept with the run: a reference that changes or goes away leaves its score alone
            folder.note(reference=dataclasses.asdict(find_reference(plan.reference)))
        live = stack.enter_context(terminal.Live(file=sys.stderr))
        live.handle(planned(plan, folder))
        backend = stack.enter_context(LocalBackend(folder, stop, needs=needs, launch_of=study.launch_of))
        asked = 0
        for event in study.run(backend):
            if stop.requests > asked:
                asked = stop.requests
                live.handle(_told_to_stop(asked))
            live.handle(event)
            finished = event if isinstance(event, Finished) else finished
        stack.close()
        return conclude(folder, args, finished)


def note_resume(folder: RunFolder, resumed: Mapping[str, Any]) -> None:
    """Keep in the folder that the run is gone on with.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    try:
        folder.note(resumed=[*folder.asked.get("resumed", []), resumed])
    except OSError as error:
        text = f"{folder.path} cannot be written: {error.strerror}. Make room, then resume."
        raise RunFolderError(text) from error


def conclude(folder: RunFolder, args: argparse.Namespace, finished: Finished | None) -> int:
    """Report a run that has stopped: table or JSON on stdout, the page in its folder."""
    digest = code_digest()
    if folder.asked.get("code") not in (None, digest):
        with contextlib.suppress(OSError):
            folder.note(code_end=digest)
    document = build_document(RunFolder(folder.path))
    page = write_page(document, folder.path / "report.html")
    if args.json:
        sys.stdout.write(json.render(document))
    else:
        terminal.show_run(document, file=sys.stdout)
        if page is not None:
            print(f"\nreport: {page}")
    if document["status"] == "partial":
        print(f"Not finished. Go on with: cupel resume {folder.path}", file=sys.stderr)
    if finished is not None and finished.interrupted:
        return INTERRUPTED
    is_empty = all(entry["rate"] is None for entry in document["entries"])
    return exit_code(document) or (NOTHING_RAN if is_empty else 0)


def planned(plan: Plan, folder: RunFolder) -> Event:
    """The event that opens the live view."""
    request = plan.request
    launches = request.launches or request.pilot
    return Planned(
        run_dir=str(folder.path),
        name=plan.name,
        machine=str(folder.asked["machine"].get("label", "")),
        cells={cell.key: (cell.label, cell.card.unit) for cell in plan.cells},
        num_jobs=len(plan.cells) * (launches + 1),
        expected_s=plan.expected_s(launches),
        skipped=dict(plan.skipped),
        checks={cell.sane(request.seed).id: cell.key for cell in plan.cells},
    )


def _told_to_stop(times: int) -> Event:
    return Decided("Stopping after this launch; once more stops now." if times == 1 else "Stopping now.")


def request_dict(plan: Plan) -> dict[str, Any]:
    """The request as plain data."""
    return dataclasses.asdict(plan.request)
