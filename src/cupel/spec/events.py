"""What happens during a run, as data: `run` and `study` yield these, `cli` hands them to `report`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from cupel.spec.job import Job

Phase: TypeAlias = Literal["starting", "setting up", "stepping", "finishing"]
JobStatus: TypeAlias = Literal["ok", "failed", "skipped"]


@dataclass(frozen=True)
class Planned:
    """The run is about to start.

    Args:
        run_dir: path of the run folder.
        name: name of the run (suite or entry).
        machine: the machine in a few words.
        cells: keys of the cells to measure, with their labels for people and units.
        num_jobs: jobs planned so far (`--launches auto` may add more).
        expected_s: expected wall seconds, None where unknown.
        skipped: names that will not run, with the reason.
        checks: the cell that each check is of, by the check's job id.
    """

    run_dir: str
    name: str
    machine: str
    cells: Mapping[str, tuple[str, str]]
    num_jobs: int
    expected_s: float | None
    skipped: Mapping[str, str]
    checks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class JobStarted:
    """A job's process was started. `launch_of` is the number of launches its cell is to have, None while open."""

    job: Job
    launch_of: int | None


@dataclass(frozen=True)
class Progress:
    """A running job, about once a second; None is not known or not measurable.

    Args:
        job: the job.
        phase: what it is doing.
        num_steps: steps done so far.
        rate: items per second so far, of the steps after the first.
        elapsed_s: seconds since the job's start.
        memory_bytes: memory of the process tree, or of the device on an accelerator.
        power_w: power of the device.
    """

    job: Job
    phase: Phase
    num_steps: int
    rate: float | None
    elapsed_s: float
    memory_bytes: float | None
    power_w: float | None


@dataclass(frozen=True)
class JobEnded:
    """A job is over.

    Args:
        job: the job.
        status: `ok`, `failed`, or `skipped` (the device cannot do it).
        reason: `crashed`, `out of memory`, `timed out`, ... where it is not ok.
        message: what happened, in one line.
        rate: the launch's rate in items per second, None where there is none.
        elapsed_s: wall seconds of the job.
        log_tail: last lines of its log, where it failed.
    """

    job: Job
    status: JobStatus
    reason: str
    message: str
    rate: float | None
    elapsed_s: float
    log_tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decided:
    """The study decided something that a user may want to know (more launches, a stop, a budget)."""

    text: str


@dataclass(frozen=True)
class Finished:
    """No more jobs.

    Args:
        interrupted: the user asked to stop.
        num_ok: launches that ended well.
        num_failed: jobs that failed.
        elapsed_s: wall seconds of the whole run.
    """

    interrupted: bool
    num_ok: int
    num_failed: int
    elapsed_s: float


@dataclass(frozen=True)
class TrialsDone:
    """Trials of a claim go on.

    Args:
        label: the claim, as people name it.
        part: what they are for: `tuning`, `pairs`, `instances`, ...
        num: how many of this batch have ended.
        of: how many it has.
    """

    label: str
    part: str
    num: int
    of: int


@dataclass(frozen=True)
class Looked:
    """The study looked at a statement of a claim.

    Args:
        label: the claim, as people name it.
        statement: the statement's name.
        verdict: the word at this look.
        effect: mean effect, larger is better; None without any.
        interval: its interval; None where there is none yet.
        n: pairs, instances or launches that count.
        spent_s: seconds spent on the claim so far.
        is_over: whether nothing more is run for the statement.
    """

    label: str
    statement: str
    verdict: str
    effect: float | None
    interval: tuple[float, float] | None
    n: int
    spent_s: float
    is_over: bool


Event: TypeAlias = Planned | JobStarted | Progress | JobEnded | Decided | Finished
