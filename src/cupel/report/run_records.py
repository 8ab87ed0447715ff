"""The records of a run, each file read once: launches and checks by cell, and what is said of the run as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cupel.ledger.job_folder import JobFolder
from cupel.ledger.run_folder import RunFolder
from cupel.report.launch import Launch, read_launch
from cupel.spec.job import SHARING


@dataclass
class RunRecords:
    """What the result document takes from the jobs of a run.

    Attributes:
        launches: by the key of their cell, in launch order.
        checks: the check of each work (entry and settings).
        is_cut: whether a job has neither a result nor an end.
        times_s: first and last time in the records, s since 1970; empty where there is none.
        spans_s: start and end of each launch.
        others_frac: share of the machine that other processes took, at each sample.
    """

    launches: dict[str, list[Launch]] = field(default_factory=dict)
    checks: dict[str, Launch] = field(default_factory=dict)
    is_cut: bool = False
    times_s: list[float] = field(default_factory=list)
    spans_s: list[tuple[float, float]] = field(default_factory=list)
    others_frac: list[float] = field(default_factory=list)

    @property
    def elapsed_s(self) -> float | None:
        """Wall seconds from the first start to the last record; pauses between attempts included."""
        return self.times_s[-1] - self.times_s[0] if self.times_s else None


def read_run(folder: RunFolder, cells: Sequence[Mapping[str, Any]], num_cores: int) -> RunRecords:
    """Read every job of a run once, first launches first, since they count operations for the others.

    What was parsed is dropped again, job by job.

    Args:
        folder: the run.
        cells: the cells of its plan.
        num_cores: of the machine.

    Raises:
        RunFolderError: a job's own file is damaged.
    """
    cards = {cell["key"]: cell["card"] for cell in cells}
    works = {work_of(cell): cell["card"] for cell in cells}
    found = RunRecords()
    counts: dict[str, float | None] = {}
    waiting = sorted(folder.jobs(), key=lambda job: job.job.launch)[::-1]
    while waiting:
        job = waiting.pop()
        _take(job, found, num_cores)
        about = job.job
        if about.kind == "launch" and about.cell in cards:
            launch = read_launch(job, cards[about.cell], counts.get(about.cell))
            counts.setdefault(about.cell, launch.document["flop_per_item"])
            found.launches.setdefault(about.cell, []).append(launch)
        elif about.kind == "sane":
            work = _work(about.entry, about.settings)
            if work in works:
                found.checks.setdefault(work, read_launch(job, works[work]))
    for launches in found.launches.values():
        launches.sort(key=lambda launch: launch.job.launch)
    found.spans_s.sort()
    return found


def work_of(cell: Mapping[str, Any]) -> str:
    """What a check of this cell checks: its entry and settings."""
    return _work(cell["job"]["entry"], cell["job"]["settings"])


def _work(entry: str, settings: Mapping[str, Any]) -> str:
    return f"{entry} {sorted((key, value) for key, value in settings.items() if key not in SHARING)}"


def _take(job: JobFolder, found: RunRecords, num_cores: int) -> None:
    """Add what one job says of the run."""
    times = [float(r["t"]) for r in job.supervisor_records if isinstance(r.get("t"), int | float)]
    if times:
        known = [*found.times_s, *times]
        found.times_s[:] = [min(known), max(known)]
        if job.job.kind == "launch":
            found.spans_s.append((min(times), max(times)))
    found.is_cut = found.is_cut or job.status == "unfinished"
    for record in job.telemetry()[1:]:  # the first also holds what this program did before the job
        busy, own = record.get("cpu_frac"), record.get("tree_cpu_frac")
        if busy is not None and own is not None:
            found.others_frac.append(max(0.0, busy - own / num_cores))
