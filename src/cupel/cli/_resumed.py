"""Going on with a run: what is no longer as it was at its start, and whether that is refused."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from cupel.ledger.run_folder import RunFolder
from cupel.measure.machine import describe_machine, same_machine
from cupel.run.code import code_digest
from cupel.spec.errors import CupelError, RunFolderError
from cupel.spec.job import Job
from cupel.spec.read_entry import read_entry


def differences_since(folder: RunFolder, entries: Iterable[tuple[str, Job]]) -> list[str]:
    """What is not as it was when a run started: the machine, and the code of cupel.

    Args:
        folder: the run.
        entries: label and job of each entry of the run.

    Raises:
        RunFolderError: an entry's own file is gone, cannot be read or changed: its results can never be taken together.
    """
    found = same_machine(folder.asked["machine"], describe_machine())
    if folder.asked.get("code") != code_digest():
        found.append(f"the code of cupel differs (version {folder.asked.get('cupel')})")
    for label, job in entries:
        try:
            digest = read_entry(Path(job.source)).digest
        except CupelError as error:
            raise RunFolderError(f"{label} cannot be resumed: {error}") from error
        if digest != job.digest:
            raise RunFolderError(
                f"{job.source} changed since this run was started; start a new one with cupel run {job.stem}."
            )
    return found


def refuse_differences(folder: RunFolder, differences: Sequence[str], what: str, *, is_forced: bool) -> None:
    """Refuse to go on where something differs, or say so on stderr where it was forced (`--anyway`).

    Args:
        folder: the run.
        differences: what differs; nothing is refused or said without any.
        what: whose results could not be taken together, in a word (`launches`, `trials`).
        is_forced: whether the user said to go on nevertheless.

    Raises:
        RunFolderError: something differs and it was not forced.
    """
    if differences and not is_forced:
        raise RunFolderError(
            f"{folder.path} was started otherwise: {'; '.join(differences)}. Its {what} could not be taken together. "
            "Start a new run, or say --anyway."
        )
    for difference in differences:
        print(f"note: resumed although {difference}", file=sys.stderr)
