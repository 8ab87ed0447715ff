"""Claims: trials, instances and launches are added where a verdict is open, until it is in or the budget ends.

Each claim is looked at after every round: a few pairs of trials, a handful of instances, or a block of two launches.
Rounds go to the open claim that has had the least time, so that a budget is spent where verdicts are open. The first
pairs take all arms, so that ablations have numbers, too; later ones only the arms of statements that are open.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeAlias

from cupel.ledger.claim_log import CellRecords, missing_metric
from cupel.run.claim_plan import ClaimCell, ClaimPlan
from cupel.run.order import shuffled
from cupel.run.stop import Stop
from cupel.spec.events import Decided, Event, JobEnded, Looked, TrialsDone
from cupel.spec.job import Job
from cupel.spec.seeds import Seeds
from cupel.spec.statement import PAIRED, Statement
from cupel.spec.trial import TrialEnded
from cupel.spec.units import format_duration
from cupel.stats.judge import Judgement
from cupel.stats.judge_claim import judge_claim, limit_of
from cupel.study.claim_tuning import ClaimTuning

FIRST_PAIRS = 5
"""Pairs of the first round: fewer say nothing of the spread. All arms take part in them."""
INSTANCES_AT_ONCE = 20
SLICE_S = 60.0
"""Seconds after which a round gives way where other claims wait; what it has not begun is done in its next."""
BROKEN = 3
"""An arm whose first trials all failed, so many of them, is not tried further."""
VARIED = 10
"""Trials for the spread that one source of variation makes alone."""
PARTS = {"instance": "instances", "recompute": "recorded data"}
"""What trials are for, in a word, by their kind; those of arms make pairs."""
Told: TypeAlias = Looked | TrialsDone | Event


class Trials(Protocol):
    """What does trials."""

    def affinity(self) -> int:
        """Trials at once."""

    def run(self, jobs: Iterable[Job]) -> Iterator[TrialEnded]:
        """Do trials, in any order of ending."""


class Log(Protocol):
    """What keeps the records of a run."""

    def trial(self, ended: TrialEnded) -> None:
        """Keep a trial that is over."""

    def write(self, kind: str, **fields: Any) -> None:
        """Keep another record."""


class Launches(Protocol):
    """What launches the steps of speed statements."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
        """Launch one after another."""


@dataclass(frozen=True)
class BackEnds:
    """Where a claim's jobs run.

    Args:
        trials: for trials, instances and recomputations.
        launches: for speed statements.
    """

    trials: Trials
    launches: Launches


class ClaimsStudy:
    """Decides what is run next, over all claims of a run.

    Args:
        plan: what is asked.
        records: what is known already, by cell; it learns what is found.
        log: where records are kept.
        stop: how often the user asked to stop.
        now_s: a clock, for the budget.
    """

    def __init__(
        self,
        plan: ClaimPlan,
        records: dict[str, CellRecords],
        log: Log,
        stop: Stop,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan = plan
        self._stop = stop
        self._now_s = now_s
        self._claims = [ClaimStudy(cell, plan, records[cell.key], log) for cell in plan.cells]
        self._log = log

    def run(self, back_ends: BackEnds) -> Iterator[Told]:
        """All rounds, to the end."""
        started = self._now_s()
        spent = [0.0] * len(self._claims)
        self._log.write("asked", t=time.time())
        while not self._stop.is_asked:
            waiting = [k for k, claim in enumerate(self._claims) if claim.is_open]
            fitting = [k for k in waiting if self._has_time(self._claims[k], started)]
            if not fitting:
                if waiting:
                    yield Decided(f"The budget of {format_duration(self._plan.request.budget_s or 0)} is spent.")
                break
            k = min(fitting, key=lambda index: spent[index])
            before = self._now_s()
            slice_s = math.inf if len(waiting) == 1 else SLICE_S
            may_start = partial(self._may_start, self._claims[k], started, before + slice_s)
            yield from self._claims[k].round(_until(back_ends, may_start), self._stop)
            spent[k] += self._now_s() - before
        reason = "interrupted" if self._stop.is_asked else "done"
        self._log.write("finished", reason=reason, elapsed_s=round(self._now_s() - started, 3))

    def _may_start(self, claim: ClaimStudy, started: float, slice_end: float) -> bool:
        return self._now_s() < slice_end and self._has_time(claim, started)

    def _has_time(self, claim: ClaimStudy, started: float) -> bool:
        """Whether another trial of a claim is expected to end within the budget."""
        budget_s = self._plan.request.budget_s
        return budget_s is None or self._now_s() - started + claim.trial_s <= budget_s


def _until(back_ends: BackEnds, may_start: Callable[[], bool]) -> BackEnds:
    """Back ends that start nothing any more once the time is over."""

    class Until:
        def __init__(self, behind: Trials) -> None:
            self._behind = behind

        def affinity(self) -> int:
            return self._behind.affinity()

        def run(self, jobs: Iterable[Job]) -> Iterator[TrialEnded]:
            return self._behind.run(itertools.takewhile(lambda _: may_start(), jobs))

    return BackEnds(Until(back_ends.trials), back_ends.launches)


class ClaimStudy:
    """One claim of a run.

    Args:
        cell: the claim.
        plan: the run's plan.
        records: what is known of it.
        log: where records are kept.
    """

    def __init__(self, cell: ClaimCell, plan: ClaimPlan, records: CellRecords, log: Log) -> None:
        self._cell = cell
        self._request = plan.request
        self._records = records
        self._log = log
        self._tuning = ClaimTuning(cell, records, log)
        self._num_rounds = 0
        self._broken = ""
        self._is_varied = not plan.request.variance
        self._judged: tuple[tuple[int, ...], dict[str, Judgement]] = ((), {})

    @property
    def trial_s(self) -> float:
        """Wall seconds of a trial, as far as is known."""
        num = len(self._records.trials) + len(self._records.rates)
        return self._records.spent_s / num if num else 0.0

    @property
    def judgements(self) -> dict[str, Judgement]:
        """The verdicts as they are."""
        known = self._records
        now = (len(known.trials), len(known.rates), len(known.tuned), len(known.untestable))
        if self._judged[0] != now:
            card, size = self._cell.card, self._cell.job.size
            self._judged = (now, judge_claim(card, known, size=size, most_pairs=self._request.pairs))
        return self._judged[1]

    @property
    def is_open(self) -> bool:
        """Whether more can be learnt."""
        return not self._broken and (bool(self._open) or not self._is_varied)

    @property
    def _open(self) -> list[Statement]:
        found = self.judgements
        return [said for said in self._cell.card.said if found[said.name].is_open]

    def round(self, back_ends: BackEnds, stop: Stop) -> Iterator[Told]:
        """A little more of one kind of evidence, in turns, then a look."""
        open_now = self._open
        kinds = list(dict.fromkeys("paired" if said.kind in PAIRED else said.kind for said in open_now))
        if not kinds:
            yield from self._vary(back_ends.trials)
            return
        kind = kinds[self._num_rounds % len(kinds)]
        self._num_rounds += 1
        chosen = [said for said in open_now if said.kind == kind or (kind == "paired" and said.kind in PAIRED)]
        if kind == "paired":
            yield from self._pairs(chosen, back_ends.trials, stop)
        elif kind == "speed":
            yield from self._block(chosen, back_ends.launches)
        elif kind == "exact":
            done = len(self._records.instances(chosen[0].metric))
            most = limit_of(self._cell.card, chosen[0], self._cell.job.size, None)
            asked = [self._cell.instance(k) for k in range(done, min(most, done + INSTANCES_AT_ONCE))]
            yield from self._do(self._not_done(asked), back_ends.trials, chosen)
        else:
            yield from self._do([self._cell.recompute()], back_ends.trials, chosen)
        yield from self._looks(chosen)

    def _pairs(self, chosen: Sequence[Statement], trials: Trials, stop: Stop) -> Iterator[Told]:
        """A few more pairs."""
        yield from self._tuning.ask_space(trials)
        done = min(self._records.num_pairs(said.arms) for said in chosen)
        most = max(limit_of(self._cell.card, said, self._cell.job.size, self._request.pairs) for said in chosen)
        # a look after each fifth more costs little against looking at every pair
        more = FIRST_PAIRS - done if done < FIRST_PAIRS else max(trials.affinity() // 2, done // 5, 1)
        for index in range(done, min(most, done + more)) if "hpo" in self._cell.card.varies else (None,):
            yield from self._tuning.tune(trials, index)
        if stop.is_asked or self._tuning.is_unfinished:
            return
        asked = [job for index in range(done, min(most, done + more)) for job in self._of_pair(index, chosen)]
        yield from self._do(asked, trials, chosen)

    def _of_pair(self, index: int, chosen: Sequence[Statement]) -> Iterator[Job]:
        """The trials of one pair that are not done, in an order of chance."""
        arms = sorted({arm for said in chosen for arm in said.arms})
        if index < FIRST_PAIRS:
            arms = sorted(self._cell.card.arms)
        for arm in shuffled(arms, self._request.seed, index):
            if self._records.trial(arm, index) is None and arm not in self._records.untestable:
                yield self._cell.trial(arm, index, hp=self._records.hp(arm, index))

    def _do(self, jobs: Iterable[Job], trials: Trials, chosen: Sequence[Statement]) -> Iterator[Told]:
        """Do trials and learn from them."""
        asked = list(jobs)
        for num, ended in enumerate(trials.run(asked), start=1):
            self._take(ended, chosen)
            yield TrialsDone(self._cell.label, PARTS.get(ended.job.kind, "pairs"), num, len(asked))
            if ended.status == "failed":
                where = f"{ended.job.arm or ended.job.kind} {ended.job.launch}"
                yield Decided(f"{self._cell.label}: {where} failed: {ended.reason}: {ended.message}")
        yield from self._refuse_broken()

    def _take(self, ended: TrialEnded, chosen: Sequence[Statement]) -> None:
        metrics = [said.metric for said in chosen if ended.job.arm in ("", *said.arms)]
        lacks = missing_metric(ended, metrics)
        if lacks:
            ended = replace(ended, status="failed", outcome=None, reason="refused", message=lacks)
        self._records.take(ended)
        self._log.trial(ended)

    def _refuse_broken(self) -> Iterator[Told]:
        """Try a claim no further when all first trials of an arm, or of another kind, failed."""
        failed: dict[str, list[TrialEnded]] = {}
        for ended in self._records.trials.values():
            failed.setdefault(ended.job.arm or ended.job.kind, []).append(ended)
        for name, all_ended in failed.items():
            if len(all_ended) >= BROKEN and all(e.status == "failed" for e in all_ended):
                self._broken = f"all {len(all_ended)} trials of {name} failed: {all_ended[-1].message}"
                yield Decided(f"{self._cell.label} is not gone on with: {self._broken}")
                return

    def _block(self, chosen: Sequence[Statement], launches: Launches) -> Iterator[Told]:
        """One launch of each arm of the speed statements, back to back, in an order of chance."""
        arms = sorted({arm for said in chosen for arm in said.arms})
        index = 0
        while all((arm, index) in self._records.rates for arm in arms):
            index += 1
        seed = Seeds(self._request.seed).seed("speed", index)
        missing = [arm for arm in arms if (arm, index) not in self._records.rates]
        jobs = [self._cell.launch(arm, index, seed) for arm in shuffled(missing, self._request.seed, index)]
        for event in launches.run(iter(jobs)):
            yield event
            if isinstance(event, JobEnded) and event.reason != "interrupted":
                record = {
                    "cell": self._cell.key, "arm": event.job.arm, "index": index, "rate": event.rate,
                    "elapsed_s": round(event.elapsed_s, 3), "status": event.status, "reason": event.reason,
                    "message": event.message,
                }  # fmt: skip
                self._records.take_launch(record)
                self._log.write("launch", **record)
        lost = [arm for arm in arms if sum(key[0] == arm for key in self._records.lost) >= BROKEN]
        if lost:
            self._broken = f"launches of {lost[0]} failed: {next(iter(self._records.lost.values()))}"
            yield Decided(f"{self._cell.label} is not gone on with: {self._broken}")

    def _looks(self, chosen: Sequence[Statement]) -> Iterator[Told]:
        found = self.judgements
        for said in chosen:
            now = found[said.name]
            span = None if now.interval is None else (now.interval.low, now.interval.high)
            yield Looked(
                self._cell.label, said.name, now.verdict, now.effect, span, now.n, self._records.spent_s,
                not now.is_open,
            )  # fmt: skip

    def _vary(self, trials: Trials) -> Iterator[Told]:
        """Trials of the defended arm in which one source of variation varies alone."""
        paired = [said for said in self._cell.card.said if said.kind in PAIRED]
        if not paired:
            self._is_varied = True
            return
        arm = paired[0].arms[0]
        sources = [source for source in self._cell.card.varies if source != "hpo"]
        jobs = [
            self._cell.varied(arm, index, hp=self._records.hp(arm, index), source=source)
            for source in sources
            for index in range(VARIED)
        ]
        todo = self._not_done(jobs)
        yield Decided(f"{self._cell.label}: {len(todo)} trials for the share of {', '.join(sources)}.")
        yield from self._do(todo, trials, paired[:1])
        self._is_varied = not self._not_done(jobs)

    def _not_done(self, jobs: Sequence[Job]) -> list[Job]:
        known = {key[:4] for key in self._records.trials}
        return [job for job in jobs if (job.kind, job.stream, job.arm, job.launch) not in known]
