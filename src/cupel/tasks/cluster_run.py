"""What a simulated cluster did: every job, every loss told, the totals, and whether the books balance."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from cupel.spec.search import Work
from cupel.spec.space import Configuration

OUTCOMES = ("done", "stopped", "dropped", "retried", "cut")
"""Ends of a job: all milestones reached; stopped by the searcher at one; lost for good; lost and to be done again;
still being trained when the cluster was closed."""
ROUNDING = 1e-9
"""Part of a time by which sums may differ."""


class Told(NamedTuple):
    """A loss as the searcher was told it, and when."""

    time: float
    trial: int
    resource: float
    loss: float


class ClusterJob(NamedTuple):
    """One attempt at one work.

    Attributes:
        worker: number of the worker, from 0.
        work: what the searcher asked for.
        attempt: 0 for the first, then one more for each time that the work was lost before.
        origin: the resource from which it was trained.
        begin: time of its start.
        end: time of its end.
        told: which of the run's losses were told on the way, by number.
        outcome: one of `OUTCOMES`.
    """

    worker: int
    work: Work
    attempt: int
    origin: float
    begin: float
    end: float
    told: tuple[int, ...]
    outcome: str


@dataclass(frozen=True)
class ClusterRun:
    """A search on a simulated cluster.

    Attributes:
        workers: of the cluster.
        end: when it was closed, or the search was over.
        jobs: in the order in which they ended.
        told: every loss, in the order of time.
        idle: time in which workers had nothing to do, summed over them as they waited.
        num_works: works that the searcher asked for.
    """

    workers: int
    end: float
    jobs: tuple[ClusterJob, ...]
    told: tuple[Told, ...]
    idle: float
    num_works: int

    @cached_property
    def parameters(self) -> dict[int, Configuration]:
        """Trial to configuration."""
        return {job.work.trial: job.work.parameters for job in self.jobs}

    @property
    def num_configurations(self) -> int:
        """Configurations that were trained at all."""
        return len(self.parameters)

    @cached_property
    def busy(self) -> float:
        """Time in which workers trained, summed over them."""
        return math.fsum(job.end - job.begin for job in self.jobs)

    def num_trained(self, resource: float) -> int:
        """Configurations that reached a resource."""
        return len({told.trial for told in self.told if told.resource >= resource})

    def first_trained(self, resource: float) -> float:
        """When the first configuration reached a resource; infinite where none did."""
        return next((told.time for told in self.told if told.resource >= resource), math.inf)

    def incumbents(self, least: float = 0.0) -> list[Told]:
        """The best so far: each loss that was below all before it.

        Args:
            least: losses at a smaller resource do not count; the largest resource of the search for those of
                configurations that are fully trained.
        """
        found: list[Told] = []
        for told in self.told:
            if told.resource >= least and told.loss < (found[-1].loss if found else math.inf):
                found.append(told)
        return found

    def incumbent_at(self, time: float, least: float = 0.0) -> Told | None:
        """The best at a time; None where there was none yet."""
        known = [told for told in self.incumbents(least) if told.time <= time]
        return known[-1] if known else None

    def broken_laws(self) -> list[str]:
        """What must hold in every run and does not, in words; nothing where the books balance.

        Time is neither lost nor made (busy + idle = workers x end), a worker does one thing at a time, each loss is
        told by one job while it runs, each resource of a trial once, each work that was asked for comes to one end.
        """
        return [text for text, holds in self._laws() if not holds]

    def _laws(self) -> Iterator[tuple[str, bool]]:
        whole = self.workers * self.end
        balance = abs(self.busy + self.idle - whole) <= ROUNDING * max(whole, 1.0)
        yield f"busy {self.busy:g} + idle {self.idle:g} is not {self.workers} workers x {self.end:g}", balance
        yield "a worker had two jobs at once", self._is_one_at_a_time()
        in_jobs = [(number, job) for job in self.jobs for number in job.told]
        numbers = sorted(number for number, _ in in_jobs)
        yield "the losses told are not those of the jobs, each once", numbers == list(range(len(self.told)))
        yield "a loss was told while its job did not run", all(_is_of(job, self.told[k]) for k, job in in_jobs)
        twice = Counter((told.trial, told.resource) for told in self.told)
        yield "a resource of a trial was told twice", all(num == 1 for num in twice.values())
        ends = Counter(job.outcome for job in self.jobs)
        starts = Counter(min(job.attempt, 1) for job in self.jobs)
        waiting = ends["retried"] - starts[1]
        yield f"{starts[0]} works were begun of {self.num_works} asked for", starts[0] == self.num_works
        closed = ends["done"] + ends["stopped"] + ends["dropped"] + ends["cut"] + waiting
        yield f"{self.num_works} works came to {closed} ends", waiting >= 0 and closed == self.num_works

    def _is_one_at_a_time(self) -> bool:
        spans: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for job in self.jobs:
            spans[job.worker].append((job.begin, job.end))
        for own in spans.values():
            own.sort()
            if own[0][0] < 0 or own[-1][1] > self.end or any(a[1] > b[0] for a, b in pairwise(own)):
                return False
        return all(0 <= worker < self.workers for worker in spans)


def _is_of(job: ClusterJob, told: Told) -> bool:
    """Whether a loss is of a job's trial, from the time when the job ran."""
    return told.trial == job.work.trial and job.begin <= told.time <= job.end
