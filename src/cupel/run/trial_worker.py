"""One trial of a claim, in the process that it is done in."""

from __future__ import annotations

import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from cupel.run.worker import explain_failure, load_entry, make_slot
from cupel.spec.entry import ClaimEntry
from cupel.spec.errors import CupelError, MissingExtraError, UnsupportedError, UsageError
from cupel.spec.job import Job, digest_text
from cupel.spec.outcome import Outcome
from cupel.spec.seeds import Seeds, TrialSeeds

_LOADED: dict[tuple[str, str], tuple[ClaimEntry, ModuleType]] = {}
"""Claims that this process has loaded, by file and digest; a process forked from it need not load them again."""


def load_claim(job: Job) -> tuple[ClaimEntry, ModuleType]:
    """The card and module of a job's claim, loaded once in a process and those forked from it.

    Raises:
        CupelError: the job's file is no claim, or changed since the run was planned.
    """
    known = _LOADED.get((job.source, job.digest))
    if known is not None and digest_text(Path(job.source).read_text(encoding="utf-8")) == job.digest:
        return known
    entry, module = load_entry(job)
    if not isinstance(entry, ClaimEntry):
        raise CupelError(f"{job.source} is a {entry.kind}; expected a claim.")
    _LOADED[job.source, job.digest] = entry, module
    return entry, module


def trial_seeds(job: Job, varies: tuple[str, ...]) -> Seeds:
    """The seeds of a job: an instance has all streams of its own, a trial those that vary."""
    if job.kind == "instance":
        return Seeds(job.seed).child("instance", job.launch)
    name: int | str = f"{job.stream}/{job.launch}" if job.stream else job.launch
    return TrialSeeds(job.seed, name, varies if job.varies is None else job.varies)


def do_trial(job: Job) -> Outcome:
    """Do a trial, an instance or a recomputation.

    Raises:
        CupelError: the job's file is no claim, or changed since the run was planned.
        Exception: whatever the claim's own code raises.
    """
    entry, module = load_claim(job)
    try:
        return checked_outcome(job, _found(job, module, entry))
    except (UnsupportedError, MissingExtraError) as error:
        return Outcome.not_testable(str(error))


def _found(job: Job, module: ModuleType, entry: ClaimEntry) -> Any:
    if job.kind == "recompute":
        return module.recompute()
    seeds, sizes = trial_seeds(job, entry.card.varies), SimpleNamespace(**job.sizes)
    slot = make_slot(job, entry, device=job.device, seeds=seeds)
    if job.kind == "instance":
        return module.check(module.instance(sizes, seeds))
    task = module.task(sizes, slot, seeds)
    found = getattr(module, job.arm)(task, slot, seeds, dict(job.hp))
    slot.sync()
    return found


def checked_outcome(job: Job, found: Any) -> Outcome:
    """What a claim's function returned as an outcome; a bare number is its value.

    Raises:
        UsageError: it is neither.
    """
    if isinstance(found, Outcome):
        return found
    if isinstance(found, int | float) and not isinstance(found, bool):
        return Outcome(float(found))
    where = job.arm or {"instance": "check", "recompute": "recompute"}[job.kind]
    raise UsageError(
        f"{job.stem}: {where} returned {type(found).__name__}; expected an Outcome(value, costs) or a number."
    )


def claim_space(job: Job) -> dict[str, Any]:
    """What a claim's arms may be tuned over; empty where its module has no `space`."""
    _, module = load_claim(job)
    return dict(module.space()) if hasattr(module, "space") else {}


def timed_trial(job: Job) -> dict[str, Any]:
    """A trial's result as plain data: the outcome and its wall seconds, or why it failed."""
    started = time.perf_counter()
    try:
        if job.kind == "space":
            return {"space": claim_space(job), "outcome": Outcome({}).as_dict(), "elapsed_s": 0.0}
        outcome = do_trial(job)
    except BaseException as error:  # noqa: BLE001  whatever a claim raises, SystemExit included, is its failure
        import traceback

        traceback.print_exc()
        reason, message = explain_failure(error)
        return {"reason": reason, "message": message, "elapsed_s": time.perf_counter() - started}
    return {"outcome": outcome.as_dict(), "elapsed_s": time.perf_counter() - started}
