"""The decisions of a tuning run on disk: one file, from which the run can be replayed and shown.

    decisions.jsonl
      asked        trial, parameters, start, milestones, bracket   the searcher asked for it
      started      trial, attempt, key, seed                       it was started
      report       trial, step, value                              it reported (value null: no finite number)
      told         trial, resource, value, goes_on                 the searcher was told (value null: cannot be trained)
      ended        trial, key, status, elapsed_s, reason, message  a start of it is over
      reevaluated  trial, seed, value, elapsed_s                   the best was trained again
      power        t, energy_j, power_w                            readings of the machine
      finished     reason, elapsed_s

Every record has `t`, seconds that the run has been going on, pauses between an end and a resume left out. Lines are
handed to the system whole and at once, so that a killed process loses none; a power cut may (nothing waits for the
disk).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cupel.ledger.records import RecordWriter, read_records
from cupel.spec.search import Work

NAME = "decisions.jsonl"


class TuningLog:
    """Writes the decisions of one run.

    Args:
        folder: the run folder.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._writer = RecordWriter(folder / NAME)

    def write(self, kind: str, **fields: Any) -> None:
        """Append one record; times to a tenth of a millisecond."""
        if "t" in fields:
            fields["t"] = round(fields["t"], 4)
        self._writer.write(kind, **fields)

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


def read_decisions(folder: Path) -> Iterator[dict[str, Any]]:
    """The records of a run, in order."""
    return read_records(folder / NAME)


@dataclass
class TrialRecord:
    """What is known of one trial.

    Args:
        trial: its number.
        parameters: its configuration.
        work: what was asked of it last.
        curve: (step, value) as reported, in order.
        told: values by resource; infinite or NaN where it could not be trained.
        is_open: whether its last work still awaits a value.
        attempts: starts so far.
        elapsed_s: wall seconds of all its starts.
        status: how its last start ended; empty while it runs.
        message: what happened, where it failed.
        asked_t, told_t: when it was first asked for and last told.
    """

    trial: int
    parameters: Mapping[str, Any]
    work: Work
    curve: list[tuple[float, float]] = field(default_factory=list)
    told: dict[float, float] = field(default_factory=dict)
    is_open: bool = True
    attempts: int = 0
    elapsed_s: float = 0.0
    status: str = ""
    message: str = ""
    asked_t: float = 0.0
    told_t: float = 0.0

    @property
    def resource(self) -> float:
        """The largest resource that a value came of; 0 before the first."""
        return max((resource for resource, value in self.told.items() if math.isfinite(value)), default=0.0)

    @property
    def value(self) -> float | None:
        """The value at that resource."""
        return self.told.get(self.resource)

    @property
    def has_failed(self) -> bool:
        """Whether it could not be trained to what was asked of it last."""
        return any(not math.isfinite(value) for value in self.told.values())


def trials_of(records: Iterator[dict[str, Any]] | Sequence[dict[str, Any]]) -> dict[int, TrialRecord]:
    """What the records say of each trial, by number, in the order of being asked for."""
    trials: dict[int, TrialRecord] = {}
    for record in records:
        trial = trials.get(record.get("trial", -1))
        if record["kind"] == "asked":
            work = work_of(record)
            found = trials.setdefault(work.trial, TrialRecord(work.trial, work.parameters, work, asked_t=record["t"]))
            found.work, found.is_open = work, True
        elif trial is not None:
            _take(trial, record)
    return trials


def work_of(record: Mapping[str, Any]) -> Work:
    """The work that an `asked` record is of."""
    milestones = tuple(record["milestones"])
    return Work(record["trial"], dict(record["parameters"]), record["start"], milestones, record.get("bracket", 0))


def _take(trial: TrialRecord, record: Mapping[str, Any]) -> None:
    kind = record["kind"]
    if kind == "started":
        trial.attempts += 1
        trial.status = ""
    elif kind == "report":
        trial.curve.append((record["step"], math.nan if record["value"] is None else record["value"]))
    elif kind == "told":
        trial.told[record["resource"]] = math.nan if record["value"] is None else record["value"]
        trial.told_t = record["t"]
        trial.is_open = bool(record["goes_on"])
    elif kind == "ended":
        trial.elapsed_s += record["elapsed_s"]
        trial.status, trial.message = record["status"], record.get("message", "")


def best_trial(trials: Mapping[int, TrialRecord], better: str) -> TrialRecord | None:
    """The incumbent: of the trials that were trained furthest the one with the best value; the earlier one at a tie."""
    sign = 1.0 if better == "lower" else -1.0
    known = [trial for trial in trials.values() if trial.value is not None and math.isfinite(trial.value)]
    return min(known, key=lambda t: (-t.resource, sign * (t.value or 0.0), t.trial), default=None)
