"""A simulated cluster: any searcher, driven by a virtual clock as a real study would drive it.

Decisions
    The clock jumps from event to event: a work reaches a milestone, or is lost. Each event is told to the searcher at
    its own time, and after each event the workers that have nothing to do ask, the one that has waited longest first.
    Events at the same time happen in the order in which they were set. A worker that gets None waits for the next one.
    A work takes (resource to be trained) x (cost of the configuration) x (1 + |z|), z normal with standard deviation
    `straggler_sd`, anew for each attempt. In each unit of time it is lost with probability `drop_rate`: it survives t
    units with probability (1 - drop_rate)^t.
    A lost work is done again, by whoever is free next, from the last milestone that was told; when it has been lost
    once more than `retries` allows, the searcher is told that it is dropped.
    Without checkpoints nothing is kept: a promotion, and a work that is done again, train from the beginning.

The unit of time is that of the costs. Slowness, losses and seeds of trials are drawn from streams of their own, so that
the same seed gives the same bytes.

Cost: about 25 µs for each work of a cheap searcher, the drawing of configurations included; see
`benchmarks/simulated_cluster_speed.py`.

Source: Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning (MLSys), appendix on simulated workloads
(stragglers and dropped jobs).
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Protocol

from cupel.spec.errors import UsageError
from cupel.spec.search import Searcher, Work
from cupel.spec.seeds import Seeds
from cupel.spec.space import Configuration
from cupel.tasks.cluster_run import ClusterJob, ClusterRun, Told

MOST_WORKERS = 500


class Curves(Protocol):
    """What a cluster trains: learning curves of configurations, made up or recorded."""

    def loss(self, parameters: Configuration, resource: float, seed: int) -> float:
        """The loss of a configuration that was trained up to a resource with a seed; infinite where it cannot be."""

    def cost(self, parameters: Configuration) -> float:
        """Time that one unit of resource takes, above 0."""


@dataclass(frozen=True)
class Cluster:
    """A cluster.

    Args:
        workers: 1 to 500.
        straggler_sd: standard deviation of the z by whose size a work takes longer, 0 or more.
        drop_rate: probability that a work is lost within a unit of time, 0 to below 1.
        retries: how often a work that was lost is done again before it is dropped.
        checkpoints: whether a work goes on from where the last one of its trial ended.
        seed: root of the slowness, the losses, and the seeds of the trials.

    Raises:
        UsageError: a number out of its range.
    """

    workers: int = 1
    straggler_sd: float = 0.0
    drop_rate: float = 0.0
    retries: int = 0
    checkpoints: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= MOST_WORKERS:
            raise UsageError(f"workers is {self.workers}; expected 1 to {MOST_WORKERS}.")
        if not 0 <= self.straggler_sd < math.inf:
            raise UsageError(f"straggler_sd is {self.straggler_sd:g}; expected a number of at least 0.")
        if not 0 <= self.drop_rate < 1:
            raise UsageError(f"drop_rate is {self.drop_rate:g}; expected a probability from 0 to below 1.")
        if self.retries < 0:
            raise UsageError(f"retries is {self.retries}; expected 0 or more.")

    def run(self, searcher: Searcher, curves: Curves, *, until: float = math.inf) -> ClusterRun:
        """Let a searcher use the cluster.

        Args:
            searcher: not asked before.
            curves: what its configurations do.
            until: when the cluster is closed, in units of time; what is being trained then is cut.

        Returns:
            All that happened, up to `until` or to the end of the search.

        Raises:
            UsageError: a configuration whose cost is no number above 0.
        """
        return _Simulation(self, searcher, curves).run(until)


class _Attempt:
    """One work on one worker: where it started, how fast it goes, when it will be lost."""

    __slots__ = ("begin", "lost_at", "num_told", "number", "origin", "pace", "told", "work", "worker")

    def __init__(self, work: Work, number: int, origin: float, num_told: int) -> None:
        self.work = work
        self.number = number
        self.origin = origin
        self.num_told = num_told
        self.told: tuple[int, ...] = ()
        self.worker = -1
        self.begin = self.pace = 0.0
        self.lost_at = math.inf

    def next_event(self) -> float:
        """When it reaches its next milestone, or is lost."""
        return min(self.begin + (self.work.milestones[self.num_told] - self.origin) * self.pace, self.lost_at)


class _Simulation:
    """The events still to come, and the books."""

    def __init__(self, cluster: Cluster, searcher: Searcher, curves: Curves) -> None:
        self._cluster, self._searcher, self._curves = cluster, searcher, curves
        self._seeds = Seeds(cluster.seed)
        self._slowness = random.Random(self._seeds.seed("stragglers"))
        self._losses = random.Random(self._seeds.seed("drops"))
        self._loss_rate = -math.log1p(-cluster.drop_rate)
        self._seed_of: dict[int, int] = {}
        self._events: list[tuple[float, int, _Attempt]] = []
        self._num_events = 0
        self._idle = deque(range(cluster.workers))
        self._idle_since = [0.0] * cluster.workers
        self._idle_time = 0.0
        self._again: deque[_Attempt] = deque()
        self._num_works = 0
        self._jobs: list[ClusterJob] = []
        self._told: list[tuple[float, int, float, float]] = []

    def run(self, until: float) -> ClusterRun:
        """Everything up to a time."""
        events, now = self._events, 0.0
        self._hand_out(now)
        while events and events[0][0] <= until:
            now, _, attempt = heappop(events)
            if now == attempt.lost_at:
                self._lose(attempt)
            else:
                self._reach_milestone(now, attempt)
            if self._idle:
                self._hand_out(now)
        if events:
            now = until
        for _, _, attempt in sorted(events):
            self._end(now, attempt, "cut")
        idle = self._idle_time + math.fsum(now - self._idle_since[worker] for worker in self._idle)
        told = tuple(map(Told._make, self._told))
        return ClusterRun(self._cluster.workers, now, tuple(self._jobs), told, idle, self._num_works)

    def _hand_out(self, now: float) -> None:
        """Give works to idle workers: lost ones first, then what the searcher asks for."""
        while self._idle:
            if self._again:
                attempt = self._again.popleft()
            else:
                work = self._searcher.ask()
                if work is None:
                    return
                self._num_works += 1
                attempt = _Attempt(work, 0, work.start if self._cluster.checkpoints else 0.0, 0)
            self._start(now, attempt)

    def _start(self, now: float, attempt: _Attempt) -> None:
        cost = self._curves.cost(attempt.work.parameters)
        if not 0 < cost < math.inf:
            raise UsageError(f"The cost of {attempt.work.parameters} is {cost}; expected a number above 0.")
        slow = self._cluster.straggler_sd
        attempt.pace = cost * (1 + abs(self._slowness.gauss(0.0, slow))) if slow else cost
        attempt.begin = now
        if self._loss_rate:
            attempt.lost_at = now + self._losses.expovariate(self._loss_rate)
        attempt.worker = worker = self._idle.popleft()
        self._idle_time += now - self._idle_since[worker]
        self._await(attempt)

    def _await(self, attempt: _Attempt) -> None:
        self._num_events += 1
        heappush(self._events, (attempt.next_event(), self._num_events, attempt))

    def _reach_milestone(self, now: float, attempt: _Attempt) -> None:
        """Tell a loss, and go on where the searcher wants it."""
        work = attempt.work
        trial, resource = work.trial, work.milestones[attempt.num_told]
        loss = self._curves.loss(work.parameters, resource, self._seed(trial))
        attempt.told += (len(self._told),)
        attempt.num_told += 1
        self._told.append((now, trial, resource, loss))
        goes_on = self._searcher.tell(trial, resource, loss)
        if attempt.num_told == len(work.milestones):
            self._free(now, attempt, "done")
        elif goes_on:
            self._await(attempt)
        else:
            self._free(now, attempt, "stopped")

    def _lose(self, attempt: _Attempt) -> None:
        """Queue a lost work anew, or give it up."""
        now, work = attempt.lost_at, attempt.work
        if attempt.number < self._cluster.retries:
            self._free(now, attempt, "retried")
            kept = work.milestones[attempt.num_told - 1] if attempt.num_told else work.start
            origin = kept if self._cluster.checkpoints else 0.0
            self._again.append(_Attempt(work, attempt.number + 1, origin, attempt.num_told))
        else:
            self._free(now, attempt, "dropped")
            self._searcher.drop(work.trial)

    def _free(self, now: float, attempt: _Attempt, outcome: str) -> None:
        self._end(now, attempt, outcome)
        self._idle.append(attempt.worker)
        self._idle_since[attempt.worker] = now

    def _end(self, now: float, attempt: _Attempt, outcome: str) -> None:
        self._jobs.append(
            ClusterJob(
                attempt.worker,
                attempt.work,
                attempt.number,
                attempt.origin,
                attempt.begin,
                now,
                attempt.told,
                outcome,
            )
        )

    def _seed(self, trial: int) -> int:
        """The seed with which a trial is trained, however often it is taken up again."""
        found = self._seed_of.get(trial)
        if found is None:
            found = self._seed_of[trial] = self._seeds.seed("trial", trial)
        return found
