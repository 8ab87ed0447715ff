"""Launches: check the work, then launch every cell in rounds, until the number asked or the width asked is reached.

A round holds one launch of each cell, in an order drawn anew from the run's seed, so that drift of the machine is
shared out among the cells instead of falling on the last. With a fixed number of launches there are that many rounds.
With `--launches auto`, Stein's two-stage rule decides: the pilot launches of a cell fix how many it needs, and the
interval keeps its coverage because only the pilot's spread is used (`cupel explain stein`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cupel.ledger.run_folder import RunFolder
from cupel.run.launch_rate import launch_rate
from cupel.run.order import shuffled
from cupel.run.plan import START_S, Cell, Plan
from cupel.run.stop import Stop
from cupel.spec.events import Decided, Event, Finished, JobEnded
from cupel.spec.job import Job
from cupel.spec.units import format_duration, format_percent
from cupel.stats.stein import stein_plan

MOST_LAUNCHES = 60
"""Launches of one cell at most under `--launches auto`; beyond that the machine is too noisy to wait for."""
RETRIED = "crashed"
"""The one reason after which a cell is tried again in the next round: it may have been a stray signal."""


class Backend(Protocol):
    """What a study needs of a back end."""

    def run(self, jobs: Iterator[Job]) -> Iterator[Event]:
        """Run jobs as they are drawn from the iterator."""


@dataclass
class _Progress:
    """What is known of one cell so far."""

    cell: Cell
    target: int
    rates: dict[int, float] = field(default_factory=dict)
    num_failed: int = 0
    is_over: str = ""
    is_decided: bool = False
    seconds: list[float] = field(default_factory=list)

    @property
    def expected_s(self) -> float:
        """Expected wall seconds of one more launch."""
        return sum(self.seconds) / len(self.seconds) if self.seconds else START_S + self.cell.job.stepping_s


class LaunchStudy:
    """Decides which launches come next.

    Args:
        plan: what is to be measured.
        folder: the run; what it already holds is not done again.
        stop: how often the user asked to stop.
        now_s: a clock, for the budget.
    """

    def __init__(self, plan: Plan, folder: RunFolder, stop: Stop, now_s: Callable[[], float] = time.monotonic) -> None:
        self._plan = plan
        self._folder = folder
        self._stop = stop
        self._now_s = now_s
        self._seed = plan.request.seed
        self._is_out_of_budget = False
        self._pilot = plan.request.pilot
        target = plan.request.launches or self._pilot
        self._cells = {cell.key: _Progress(cell, target) for cell in plan.cells}

    @property
    def launch_of(self) -> dict[str, int | None]:
        """Launches planned of each cell, None while that is open."""
        is_open = self._plan.request.launches is None
        return {key: None if is_open else progress.target for key, progress in self._cells.items()}

    def run(self, backend: Backend) -> Iterator[Event]:
        """All jobs, to the end."""
        started = self._now_s()
        num_ok = num_failed = 0
        for event in self._jobs(backend, started):
            if isinstance(event, JobEnded):
                num_ok += event.status == "ok" and event.job.kind == "launch"
                num_failed += event.status == "failed" and event.reason != "interrupted"
            yield event
        yield Finished(self._stop.is_asked, num_ok, num_failed, self._now_s() - started)

    def _jobs(self, backend: Backend, started: float) -> Iterator[Event]:
        yield from self._checks(backend)
        index = 0
        while self._wants(index) and not self._stop.is_asked and not self._is_out_of_budget:
            yield from self._round(backend, index, started)
            index += 1
            if self._plan.request.launches is None and index >= self._pilot:
                yield from self._decide()

    def _checks(self, backend: Backend) -> Iterator[Event]:
        """Check the work of each cell once; a cell whose work is wrong is not launched."""
        jobs: dict[str, list[_Progress]] = {}
        todo: dict[str, Job] = {}
        for progress in self._cells.values():
            job = progress.cell.sane(self._seed)
            jobs.setdefault(job.id, []).append(progress)
            if not self._folder.done(job):
                todo[job.id] = job
        for event in backend.run(iter(todo.values())):
            if isinstance(event, JobEnded) and event.status != "ok" and event.reason != "interrupted":
                for progress in jobs[event.job.id]:
                    progress.is_over = event.reason
            yield event

    def _wants(self, index: int) -> bool:
        return any(not p.is_over and index < p.target for p in self._cells.values())

    def _round(self, backend: Backend, index: int, started: float) -> Iterator[Event]:
        """One launch of each cell that wants one."""
        order = [self._cells[cell.key] for cell in shuffled(self._plan.cells, self._seed, index)]
        order = [p for p in order if not p.is_over and index < p.target]
        todo = []
        for progress in order:
            job = progress.cell.launch(index, self._seed)
            if self._folder.done(job):
                rate = launch_rate(self._folder.existing(job))
                if rate is not None:
                    progress.rates[index] = rate
            else:
                todo.append((progress, job))
        if not todo:
            return
        for event in backend.run(self._within_budget(todo, started)):
            if isinstance(event, JobEnded):
                self._take(event)
            yield event
        if self._is_out_of_budget:
            yield Decided(
                f"The budget of {format_duration(self._plan.request.budget_s or 0)} leaves no time for another launch."
            )

    def _within_budget(self, todo: Sequence[tuple[_Progress, Job]], started: float) -> Iterator[Job]:
        """Jobs, as long as the next is expected to end within the budget."""
        budget_s = self._plan.request.budget_s
        for progress, job in todo:
            if budget_s is not None and self._now_s() - started + progress.expected_s > budget_s:
                self._is_out_of_budget = True
                return
            yield job

    def _take(self, event: JobEnded) -> None:
        """Learn from a launch that ended."""
        progress = self._cells[event.job.cell]
        progress.seconds.append(event.elapsed_s)
        if event.status == "ok" and event.rate is not None:
            progress.rates[event.job.launch] = event.rate
        elif event.status == "skipped":
            progress.is_over = event.reason
        elif event.status == "failed":
            progress.num_failed += 1
            if event.reason != RETRIED or progress.num_failed > 1:
                progress.is_over = event.reason

    def _decide(self) -> Iterator[Event]:
        """After the pilot: how many launches each cell needs (once per cell)."""
        for progress in self._cells.values():
            if progress.is_over or progress.is_decided:
                continue
            pilot = [progress.rates[index] for index in sorted(progress.rates)][: self._pilot]
            if len(pilot) < self._pilot:
                progress.target += 1  # a launch that crashed is made up for
                continue
            progress.is_decided = True
            needed = stein_plan(pilot, width=self._plan.request.width).num_launches
            label, width = progress.cell.label, format_percent(self._plan.request.width)
            progress.target = min(max(needed, self._pilot), MOST_LAUNCHES)
            if needed > MOST_LAUNCHES:
                yield Decided(
                    f"{label}: {needed} launches would be needed for a width of {width}; stops at {MOST_LAUNCHES}."
                )
            elif needed > self._pilot:
                yield Decided(f"{label}: {needed} launches for a width of {width}.")
