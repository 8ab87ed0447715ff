"""Tuning: ask a searcher, have its configurations trained, tell it what came out, until all is tried.

Every decision is in a log from which it can be replayed: a run that was killed is gone on with by handing the log's
records to the same searcher, which then stands where it stood; works that were under way are begun again.

Rules
    A value counts at a milestone once a report's step has reached it; a report
    without a step counts as one step. A trial that ends by itself has the
    resource it was given, so its last value counts at every milestone left. One
    that goes on after its last milestone is stopped at its next report.
    A trial that fails has an infinite loss at its next milestone; one that a
    signal from elsewhere ended is begun again, `retries` times.
    The incumbent is the best of the trials that were trained furthest. At the end
    it is trained in full with fresh seeds: the value it was selected for is too
    good by having been selected.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from cupel.ledger.tuning_log import trials_of, work_of
from cupel.spec.errors import RunFolderError
from cupel.spec.events import Decided
from cupel.spec.search import Searcher, Work
from cupel.spec.seeds import Seeds
from cupel.spec.tuning import (
    Attempt,
    AttemptEnded,
    NewIncumbent,
    Report,
    Trainer,
    TrialEnded,
    TrialReported,
    TrialStarted,
    TuningEvent,
    TuningFinished,
    TuningRequest,
)
from cupel.spec.units import format_duration
from cupel.study.fresh_seeds import SEED_RANGE, FreshSeeds, Surroundings, whole

WAIT_S = 0.5
"""Longest wait for a trial before the budget and the user's wish to stop are looked at again."""


class Log(Protocol):
    """Where decisions are written: a file, or a list in memory."""

    def write(self, kind: str, **fields: Any) -> None:
        """Append one record."""


class MemoryLog:
    """Decisions kept in memory, in the form that a file would have."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def write(self, kind: str, **fields: Any) -> None:
        """Append one record."""
        self.records.append({"kind": kind, **fields})


@dataclass(slots=True)
class _Open:
    """A work under way."""

    work: Work
    attempt: int
    awaited: list[float]
    retried: int = 0
    num_reports: int = 0
    last: float = math.nan
    by_seed: list[float] = field(default_factory=list)


class TuningStudy:
    """One tuning run.

    Args:
        request: what was asked.
        searcher: decides what is trained.
        trainer: trains.
        log: where decisions go.
        around: what was before, the user's wish to stop, the clock.

    Raises:
        RunFolderError: the records are not what this searcher decides.
    """

    def __init__(
        self,
        request: TuningRequest,
        searcher: Searcher,
        trainer: Trainer,
        log: Log,
        around: Surroundings | None = None,
    ) -> None:
        self._request = request
        self._searcher = searcher
        self._trainer = trainer
        self._log = log
        self._around = around = around if around is not None else Surroundings()
        self._stop = around.stop
        self._now_s = around.now_s
        self._sign = 1.0 if request.better == "lower" else -1.0
        self._seeds = Seeds(request.seed)
        self._running: dict[str, _Open] = {}
        self._todo: deque[_Open] = deque()
        self._events: deque[TuningEvent] = deque()
        self._best: tuple[float, float, int] | None = None
        self._parameters: dict[int, dict[str, Any]] = {}
        self._num_attempts: dict[int, int] = {}
        self._valued: set[int] = set()
        self._failed: set[int] = set()
        self._fresh: set[int] = set()
        self._is_out_of_budget = False
        self._earlier_s = 0.0
        self._means: dict[int, float] = {}
        self._replay(list(around.past))
        self._start_s = around.now_s()

    @property
    def incumbent(self) -> int | None:
        """Number of the best trial so far."""
        return None if self._best is None else self._best[2]

    def run(self) -> Iterator[TuningEvent]:
        """All trials, to the end, then the best with fresh seeds."""
        yield from self._search()
        is_interrupted = self._stop.is_asked
        if not is_interrupted and self._best is not None:
            fresh = FreshSeeds(self._request, self._trainer, self._write, self._around)
            best = self._best[2]
            yield from fresh.run(best, self._parameters[best], done=self._fresh)
            is_interrupted = self._stop.is_asked
        reason = "interrupted" if is_interrupted else "budget" if self._is_out_of_budget else "trials"
        self._write("finished", reason=reason)
        num_failed = len(self._failed - self._valued)
        yield TuningFinished(
            is_interrupted, len(self._valued), num_failed, self._now_s() - self._start_s, reason=reason
        )

    @property
    def _elapsed_s(self) -> float:
        """Seconds that the run has been going on, earlier starts included."""
        return self._earlier_s + self._now_s() - self._start_s

    @property
    def _is_ending(self) -> bool:
        return self._stop.is_asked or self._is_out_of_budget

    def _write(self, kind: str, **fields: Any) -> None:
        self._log.write(kind, t=self._earlier_s + self._now_s() - self._start_s, **fields)

    def _search(self) -> Iterator[TuningEvent]:
        while True:
            self._look_at_budget()
            if not self._is_ending:
                self._fill()
            yield from self._told()
            if not self._running:
                return
            self._around.tick()
            for ended in self._trainer.collect(self._take_report, WAIT_S):
                self._take_end(ended)
                yield from self._told()

    def _told(self) -> Iterator[TuningEvent]:
        while self._events:
            yield self._events.popleft()

    def _look_at_budget(self) -> None:
        budget_s = self._request.budget_s
        if budget_s is not None and not self._is_out_of_budget and self._elapsed_s >= budget_s:
            self._is_out_of_budget = True
            self._events.append(Decided(f"The budget of {format_duration(budget_s)} is used; what runs is stopped."))
            self._stop_all()
        if self._stop.is_now:
            self._stop_all()

    def _stop_all(self) -> None:
        for key in self._running:
            self._trainer.stop(key)

    def _fill(self) -> None:
        """Give work to every worker that is free, as far as there is any."""
        while len(self._running) < self._request.workers:
            if self._todo:
                self._begin(self._todo.popleft())
                continue
            work = self._searcher.ask()
            if work is None:
                return
            self._write(
                "asked",
                trial=work.trial,
                parameters=work.parameters,
                start=work.start,
                milestones=list(work.milestones),
                **({"bracket": work.bracket} if work.bracket else {}),
            )
            self._begin(_Open(work, 0, list(work.milestones)))

    def _begin(self, opened: _Open) -> None:
        """Start a work, or its next seed, or once more what was lost."""
        work, request = opened.work, self._request
        opened.attempt = self._num_attempts.get(work.trial, 0)
        self._num_attempts[work.trial] = opened.attempt + 1
        self._parameters[work.trial] = work.parameters
        opened.num_reports, opened.last = 0, math.nan
        is_by_seed = request.fidelity == "seeds"
        if is_by_seed:
            # the same seeds for every trial: what they share cancels when trials are compared
            seed = self._seeds.seed("rung", int(work.start) + len(opened.by_seed)) % SEED_RANGE
        else:
            seed = self._seeds.seed("trial", work.trial) % SEED_RANGE
        has_resource = request.max_resource is not None and not is_by_seed
        resource = whole(work.target) if has_resource else None
        home = f"{work.trial:06d}" + (f".seed{int(work.start) + len(opened.by_seed)}" if is_by_seed else "")
        key = f"{work.trial:06d}.{opened.attempt}"
        self._running[key] = opened
        self._write("started", trial=work.trial, attempt=opened.attempt, key=key, seed=seed)
        self._events.append(TrialStarted(work.trial, work.parameters, work.start, resource, opened.attempt))
        self._trainer.start(
            Attempt(key, work.trial, work.parameters, whole(work.start), resource, seed, home, tuple(opened.awaited))
        )

    def _take_report(self, report: Report) -> bool:
        """Take a value on the way; returns whether its attempt may go on."""
        opened = self._running[report.key]
        opened.num_reports += 1
        step = float(opened.num_reports) if report.step is None else report.step
        opened.last = report.value
        trial = opened.work.trial
        self._write("report", trial=trial, step=step, value=report.value)
        self._events.append(TrialReported(trial, step, report.value))
        if self._request.max_resource is None or self._request.fidelity == "seeds":
            return True
        if not opened.awaited:
            return False
        while opened.awaited and step >= opened.awaited[0]:
            if not self._tell(opened, opened.awaited.pop(0), report.value) and opened.awaited:
                opened.awaited.clear()
                return False
        return True

    def _take_end(self, ended: AttemptEnded) -> None:
        """An attempt is over: tell what is left to tell, or begin again."""
        opened = self._running.pop(ended.key)
        trial = opened.work.trial
        if ended.status == "ok" and not math.isfinite(opened.last):
            message = f"its last value of {self._request.metric} is no finite number"
            ended = replace(ended, status="failed", reason="no number", message=message)
        self._write(
            "ended",
            trial=trial,
            key=ended.key,
            status=ended.status,
            elapsed_s=round(ended.elapsed_s, 4),
            **({"reason": ended.reason, "message": ended.message} if ended.reason else {}),
        )
        if ended.status == "lost" and opened.awaited and opened.retried < self._request.retries:
            opened.retried += 1
            self._events.append(Decided(f"Trial {trial}: {ended.message}; it is begun again."))
            self._todo.appendleft(opened)
            return
        if ended.status == "ok" and self._request.fidelity == "seeds":
            opened.by_seed.append(opened.last)
            if len(opened.by_seed) < int(opened.work.target) - int(opened.work.start):
                self._todo.appendleft(opened)
                return
            self._tell_mean(opened)
        elif ended.status == "ok":
            while opened.awaited and self._tell(opened, opened.awaited.pop(0), opened.last):
                pass
        elif ended.status != "stopped" and opened.awaited:
            self._tell(opened, opened.awaited[0], math.nan)
        is_valued = math.isfinite(opened.last) and ended.status in ("ok", "stopped")
        value = opened.last if is_valued else None
        self._events.append(
            TrialEnded(trial, ended.status, opened.work.target, value, ended.elapsed_s, ended.message, ended.log_tail)
        )

    def _tell_mean(self, opened: _Open) -> None:
        """Tell the mean over all seeds of a trial so far, those of its earlier rungs included."""
        work, earlier = opened.work, self._means.get(opened.work.trial, 0.0)
        total = earlier * int(work.start) + math.fsum(opened.by_seed)
        mean = total / int(work.target)
        self._means[work.trial] = mean
        opened.last = mean
        self._tell(opened, work.target, mean)

    def _tell(self, opened: _Open, resource: float, value: float) -> bool:
        """Tell the searcher a value, and note who is the best now."""
        trial = opened.work.trial
        loss = self._sign * value if math.isfinite(value) else math.inf
        goes_on = self._searcher.tell(trial, resource, loss)
        self._write("told", trial=trial, resource=resource, value=value, goes_on=goes_on)
        if self._note(trial, resource, loss):
            self._events.append(NewIncumbent(trial, self._parameters[trial], value, resource))
        return goes_on

    def _note(self, trial: int, resource: float, loss: float) -> bool:
        """Count a trial, and whether it is the best now."""
        if not math.isfinite(loss):
            self._failed.add(trial)
            return False
        self._valued.add(trial)
        found = (-resource, loss, trial)
        if self._best is not None and found >= self._best:
            return False
        is_other = self._best is None or self._best[1:] != found[1:]
        self._best = found
        return is_other

    def _replay(self, records: list[dict[str, Any]]) -> None:
        """Bring the searcher to where an earlier start left it; what was under way is begun again."""
        if not records:
            return
        for record in records:
            if record["kind"] == "asked":
                self._replay_asked(record)
            elif record["kind"] == "told":
                self._replay_told(record)
            elif record["kind"] == "reevaluated":
                self._fresh.add(record["number"])
        self._earlier_s = max(float(record.get("t", 0.0)) for record in records)
        for trial in trials_of(records).values():
            self._num_attempts[trial.trial] = trial.attempts
            if trial.is_open:
                left = [m for m in trial.work.milestones if m not in trial.told]
                self._todo.append(_Open(trial.work, 0, left))

    def _replay_asked(self, record: dict[str, Any]) -> None:
        asked, work = work_of(record), self._searcher.ask()
        if work != asked:
            raise RunFolderError(
                f"The run cannot be gone on with: its searcher asked for {asked}, and now asks for {work}. It was "
                "recorded by another version, or the file was changed; start a new run."
            )
        self._parameters[asked.trial] = asked.parameters

    def _replay_told(self, record: dict[str, Any]) -> None:
        value = math.nan if record["value"] is None else float(record["value"])
        loss = self._sign * value if math.isfinite(value) else math.inf
        trial, resource = record["trial"], record["resource"]
        self._searcher.tell(trial, resource, loss)
        self._note(trial, resource, loss)
        self._means[trial] = value
