"""Tuning within a claim: the choice of each arm's hyperparameters, by trials whose seeds the verdict never uses."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, Protocol

from cupel.ledger.claim_log import CellRecords, Tuned, hp_text
from cupel.run.claim_plan import ClaimCell
from cupel.spec.errors import UsageError
from cupel.spec.events import Decided, TrialsDone
from cupel.spec.job import Job
from cupel.spec.statement import PAIRED, Statement
from cupel.spec.trial import TrialEnded
from cupel.study.equal_tuning import EqualTuning

SEEDS = {"tiny": 1, "small": 2, "full": 3}
"""Trials of each configuration, by size; its loss is their mean."""


class Trials(Protocol):
    """What does trials."""

    def run(self, jobs: Iterable[Job]) -> Iterator[TrialEnded]:
        """Do trials, in any order of ending."""


class Log(Protocol):
    """What keeps the records of a run."""

    def trial(self, ended: TrialEnded) -> None:
        """Keep a trial that is over."""

    def write(self, kind: str, **fields: Any) -> None:
        """Keep another record."""


class ClaimTuning:
    """Tunes a claim's arms, each with as many trials.

    Args:
        cell: the claim.
        records: what is known of it.
        log: where records are kept.
    """

    def __init__(self, cell: ClaimCell, records: CellRecords, log: Log) -> None:
        self._cell = cell
        self._records = records
        self._log = log
        self._space: Mapping[str, Any] | None = None
        paired = [said for said in cell.card.said if said.kind in PAIRED]
        self._headline: Statement | None = paired[0] if paired else None
        self.is_unfinished = False

    def ask_space(self, trials: Trials) -> Iterator[Decided]:
        """Learn what the claim's arms may be tuned over.

        Raises:
            UsageError: `space` failed, or names an arm that the card does not have.
        """
        if self._space is not None:
            return
        for ended in trials.run([_space_job(self._cell)]):
            if ended.status == "failed":
                raise UsageError(f"{self._cell.label}: space() failed: {ended.message}")
            self._space = ended.space or {}
            strange = sorted(set(self._space) - set(self._cell.card.arms))
            if strange:
                raise UsageError(
                    f"{self._cell.label}: space() has grids for {', '.join(strange)}; the card's arms are "
                    f"{', '.join(self._cell.card.arms)}."
                )
        if self._space:
            yield Decided(f"{self._cell.label}: tuning {', '.join(self._space)} with as many trials each.")

    def tune(self, trials: Trials, index: int | None) -> Iterator[Decided | TrialsDone]:
        """Tune the arms for all trials, or for one where tuning is a source that varies; nothing where it was done."""
        if not self._space or any((arm, index) in self._records.tuned for arm in self._space):
            return
        tuning = EqualTuning(self._space)
        self.is_unfinished = True
        asked = tuning.first()
        while asked:
            if not (yield from self._try(asked, tuning, trials, index)):
                return  # stopped, or another claim's turn
            asked = [] if tuning.is_settled and _is_level(tuning) else tuning.next()
        self.is_unfinished = False
        for arm, mine in tuning.arms.items():
            best, loss = mine.best
            found = Tuned(best, None if math.isinf(loss) else self._signed(loss), len(mine.values), tuple(mine.edges()))
            self._records.tuned[arm, index] = found
            self._log.write(
                "tuned", cell=self._cell.key, trial=index, arm=arm, hp=best, value=found.value,
                num_trials=found.num_trials, edge=list(found.edge),
            )  # fmt: skip
            where = f", still on the edge of {', '.join(found.edge)}" if found.edge else ""
            text = " ".join(f"{k}={v}" for k, v in best.items())
            yield Decided(f"{self._cell.label}: {arm} tuned to {text} ({found.num_trials} configurations{where}).")

    def _try(
        self, asked: Sequence[tuple[str, dict[str, Any]]], tuning: EqualTuning, trials: Trials, index: int | None
    ) -> Generator[TrialsDone, None, bool]:
        """Try configurations and tell their losses; False where some were not done."""
        stream = "tuning" if index is None else f"tuning {index}"
        seeds = range(SEEDS[self._cell.job.size])
        jobs = {
            (arm, hp_text(hp), k): self._cell.trial(arm, k, hp=hp, stream=stream) for arm, hp in asked for k in seeds
        }
        known = self._records.trials
        todo = [job for (arm, hp, k), job in jobs.items() if ("trial", stream, arm, k, hp) not in known]
        for num, ended in enumerate(trials.run(todo), start=1):
            self._records.take(ended)
            self._log.trial(ended)
            yield TrialsDone(self._cell.label, "tuning", num, len(todo))
        for arm, hp in asked:
            ended_all = [known.get(("trial", stream, arm, k, hp_text(hp))) for k in seeds]
            if any(ended is None for ended in ended_all):
                return False
            tuning.arms[arm].tell(hp, fmean(self._loss(ended) for ended in ended_all))
        return True

    def _loss(self, ended: TrialEnded | None) -> float:
        """What a trial is chosen by, lower is better; infinite where it failed."""
        assert ended is not None
        assert self._headline is not None
        if ended.outcome is None or not ended.outcome.is_testable:
            return math.inf
        chosen = ended.outcome.selection
        value = ended.outcome.metric(self._headline.metric) if chosen is None else chosen
        return self._signed(value) if math.isfinite(value) else math.inf

    def _signed(self, value: float) -> float:
        """A value as a loss, and back."""
        assert self._headline is not None
        return value if self._headline.better == "lower" else -value


def _space_job(cell: ClaimCell) -> Job:
    return dataclasses.replace(cell.job, kind="space")


def _is_level(tuning: EqualTuning) -> bool:
    """Whether all arms had as many trials as each other, as far as their grids go."""
    return len({len(arm.values) for arm in tuning.arms.values()}) == 1
