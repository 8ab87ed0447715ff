"""The records of a run of claims: one file, from which every verdict can be computed again.

    claims.jsonl
      trial     cell, arm, index, stream, hp, kind, status, outcome, elapsed_s, reason, message, log_tail
      launch    cell, arm, index, rate (None where it failed), elapsed_s, reason, message, null_s
      tuned     cell, trial (None: for all), arm, hp, value, num_trials, edge
      asked     t: the run was begun or gone on with
      finished  reason, elapsed_s

`cell` is the claim with its size and settings. Lines are handed to the system whole and at once, so that a killed
process loses none but the trial that it was about.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cupel.ledger.records import RecordWriter, read_records
from cupel.spec.errors import UsageError
from cupel.spec.job import Job
from cupel.spec.outcome import Outcome
from cupel.spec.statement import Statement
from cupel.spec.trial import TrialEnded

NAME = "claims.jsonl"
Key = tuple[str, str, str, int, str]
"""Kind, stream, arm, index, hyperparameters."""


def hp_text(hp: Mapping[str, Any]) -> str:
    """Hyperparameters as a word that compares."""
    return json.dumps(dict(hp), sort_keys=True)


@dataclass(frozen=True)
class Tuned:
    """What tuning chose for an arm.

    Args:
        hp: its hyperparameters.
        value: mean selection value over the tuning trials of that choice; None where nothing was tuned.
        num_trials: trials that the arm was given.
        edge: hyperparameters whose best value is still the last of its grid, though it was widened; empty is well.
    """

    hp: Mapping[str, Any]
    value: float | None = None
    num_trials: int = 0
    edge: tuple[str, ...] = ()


@dataclass
class CellRecords:
    """What is known of one claim.

    Args:
        trials: ended trials, instances and recomputations, by key.
        rates: rate of each launch by arm and block; NaN where it failed or could not be done.
        tuned: by arm and by trial (None: for all trials).
        untestable: why this device cannot show it, by what said so.
        lost: launches that failed, by arm and block: why.
        spent_s: seconds of all trials and launches.
    """

    trials: dict[Key, TrialEnded] = field(default_factory=dict)
    rates: dict[tuple[str, int], float] = field(default_factory=dict)
    tuned: dict[tuple[str, int | None], Tuned] = field(default_factory=dict)
    untestable: dict[str, str] = field(default_factory=dict)
    lost: dict[tuple[str, int], str] = field(default_factory=dict)
    spent_s: float = 0.0

    def take(self, ended: TrialEnded) -> None:
        """Learn from a trial."""
        job = ended.job
        self.trials[job.kind, job.stream, job.arm, job.launch, hp_text(job.hp)] = ended
        self.spent_s += ended.elapsed_s
        if ended.outcome is not None and not ended.outcome.is_testable:
            self.untestable[job.arm or job.kind] = ended.outcome.note

    def take_launch(self, record: Mapping[str, Any]) -> None:
        """Learn from a launch: its record."""
        key, rate = (record["arm"], record["index"]), record.get("rate")
        self.rates[key] = math.nan if rate is None else float(rate)
        self.spent_s += record.get("elapsed_s") or 0.0
        self.lost.pop(key, None)
        if record.get("reason") == "not supported here":
            self.untestable[key[0]] = str(record.get("message", ""))
        elif rate is None:
            self.lost[key] = f"{record.get('reason', 'failed')}: {record.get('message', '')}"

    @property
    def failed(self) -> list[TrialEnded]:
        """Trials that failed."""
        return [ended for ended in self.trials.values() if ended.status == "failed"]

    def forget_failures(self) -> None:
        """Let what failed be tried again."""
        self.trials = {key: ended for key, ended in self.trials.items() if ended.status == "ok"}
        self.rates = {key: rate for key, rate in self.rates.items() if key not in self.lost}
        self.lost = {}

    def hp(self, arm: str, index: int) -> Mapping[str, Any]:
        """The hyperparameters of an arm in a trial."""
        found = self.tuned.get((arm, index)) or self.tuned.get((arm, None))
        return found.hp if found else {}

    def trial(self, arm: str, index: int) -> TrialEnded | None:
        """The trial of an arm at its tuned hyperparameters, None where there is none."""
        return self.trials.get(("trial", "", arm, index, hp_text(self.hp(arm, index))))

    def num_pairs(self, arms: Iterable[str]) -> int:
        """Pairs, from the first on without a gap, in which all of these arms have ended."""
        index, asked = 0, tuple(arms)
        while all(self.trial(arm, index) is not None for arm in asked):
            index += 1
        return index

    def numbers(self, arm: str, metric: str, num: int) -> list[float]:
        """A metric of an arm's first trials; NaN where one failed."""
        return [_number(self.trial(arm, index), metric) for index in range(num)]

    def pairs(self, statement: Statement) -> tuple[list[float], list[float]]:
        """The metric of a statement's two arms, pair by pair."""
        if statement.kind == "speed":
            num = 0
            while all((arm, num) in self.rates for arm in statement.arms):
                num += 1
            first, second = ([self.rates[arm, index] for index in range(num)] for arm in statement.arms)
            return first, second
        num = self.num_pairs(statement.arms)
        return self.numbers(statement.arms[0], statement.metric, num), self.numbers(
            statement.arms[1], statement.metric, num
        )

    def instances(self, metric: str) -> list[float]:
        """A metric of the instances so far, from the first on without a gap."""
        found: list[float] = []
        while (ended := self.trials.get(("instance", "", "", len(found), "{}"))) is not None:
            found.append(_number(ended, metric))
        return found

    @property
    def recomputed(self) -> TrialEnded | None:
        """The recomputation of recorded data."""
        return self.trials.get(("recompute", "", "", 0, "{}"))


def _number(ended: TrialEnded | None, metric: str) -> float:
    if ended is None or ended.outcome is None or not ended.outcome.is_testable:
        return math.nan
    return ended.outcome.metric(metric)


def missing_metric(ended: TrialEnded, metrics: Sequence[str]) -> str:
    """Why a trial's outcome lacks a metric that statements ask for; empty where it has all."""
    if ended.outcome is None or not ended.outcome.is_testable:
        return ""
    for metric in metrics:
        try:
            ended.outcome.metric(metric)
        except UsageError as error:
            return str(error)
    return ""


class ClaimLog:
    """Writes the records of one run.

    Args:
        folder: the run folder.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._writer = RecordWriter(folder / NAME)

    def trial(self, ended: TrialEnded) -> None:
        """Keep a trial that is over."""
        job = ended.job
        self.write(
            "trial", cell=job.cell, arm=job.arm, index=job.launch, stream=job.stream, hp=dict(job.hp), job=job.kind,
            status=ended.status, outcome=None if ended.outcome is None else ended.outcome.as_dict(),
            elapsed_s=round(ended.elapsed_s, 6), reason=ended.reason, message=ended.message,
            log_tail=list(ended.log_tail),
        )  # fmt: skip

    def write(self, kind: str, **fields: Any) -> None:
        """Append one record."""
        self._writer.write(kind, **fields)

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


def read_claims(folder: Path, cells: Mapping[str, Job]) -> dict[str, CellRecords]:
    """What a run folder knows of its claims, by cell; records of other cells are passed over.

    Args:
        folder: the run folder.
        cells: what the jobs of each cell have in common.
    """
    known = {cell: CellRecords() for cell in cells}
    for record in read_records(folder / NAME):
        found = known.get(str(record.get("cell")))
        if found is not None:
            _learn(found, record, cells[record["cell"]])
    return known


def _learn(found: CellRecords, record: Mapping[str, Any], job: Job) -> None:
    """Take one record in."""
    if record["kind"] == "trial":
        found.take(_trial(record, job))
    elif record["kind"] == "launch":
        found.take_launch(record)
    elif record["kind"] == "tuned":
        found.tuned[record["arm"], record.get("trial")] = Tuned(
            record["hp"], record.get("value"), record.get("num_trials", 0), tuple(record.get("edge", ()))
        )


def _trial(record: Mapping[str, Any], job: Job) -> TrialEnded:
    outcome = record.get("outcome")
    done = dataclasses.replace(
        job, kind=record["job"], arm=record["arm"], launch=record["index"], stream=record.get("stream", ""),
        hp=record.get("hp", {}),
    )  # fmt: skip
    return TrialEnded(
        done, record["status"], None if outcome is None else Outcome.from_dict(outcome), record["elapsed_s"],
        record.get("reason", ""), record.get("message", ""), tuple(record.get("log_tail", ())),
    )  # fmt: skip
