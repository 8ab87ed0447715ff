"""Go on with a run that was interrupted: what has a result is not done again, what failed is tried again.

Refused where the code or the machine is another than the run was started with, since its launches could then not be
taken together; `--anyway` does it nevertheless, and the run says so.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from cupel.cli._carry_out import add_output_arguments, carry_out
from cupel.cli._claims import resume_claims
from cupel.cli._resumed import differences_since, refuse_differences
from cupel.cli._tuning import carry_out_tuning, script_digest, script_of
from cupel.cli._tuning_repeats import carry_out_repeats
from cupel.ledger.run_folder import RunFolder
from cupel.measure.machine import describe_machine, same_machine
from cupel.report.claims_document import is_claims
from cupel.report.repeats_document import is_repeats
from cupel.report.tuning_document import is_tuning
from cupel.run.plan import Plan
from cupel.spec.errors import RunFolderError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel resume` takes."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument("--anyway", action="store_true", help="go on with another code version or machine")
    parser.add_argument("--why", action="store_true", help="of claims, show the evidence")
    add_output_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Check that the run can go on, and go on."""
    folder = RunFolder(args.run)
    if is_claims(folder):
        return resume_claims(folder, args)
    if is_tuning(folder) or is_repeats(folder):
        return _resume_tuning(folder, args)
    try:
        plan = Plan.from_dict(folder.asked["plan"])
    except (KeyError, TypeError) as error:
        raise RunFolderError(f"{args.run / 'run.json'} lacks {error}; expected a file written by cupel run.") from error
    differences = differences_since(folder, [(cell.label, cell.job) for cell in plan.cells])
    refuse_differences(folder, differences, "launches", is_forced=args.anyway)
    resumed = {"t": time.time(), "machine": describe_machine().get("label"), "differences": differences}
    return carry_out(plan, folder, args, resumed)


def _resume_tuning(folder: RunFolder, args: argparse.Namespace) -> int:
    """Go on with a tuning run."""
    script = script_of(folder)
    found = same_machine(folder.asked["machine"], describe_machine())
    if folder.asked.get("script_digest") != script_digest(script):
        found.append(f"the script {script} changed")
    refuse_differences(folder, found, "trials", is_forced=args.anyway)
    return (carry_out_repeats if is_repeats(folder) else carry_out_tuning)(folder, as_json=args.json)
