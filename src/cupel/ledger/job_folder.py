"""The folder of one job: who writes what, and what can be read from it at any moment.

    <job id>/
      job.json             the job, whole: enough to replay it
      supervisor.jsonl     written by the supervisor alone: start, telemetry, failure, end
      rank<k>/events.jsonl written by the rank alone: phase, step, losses, failure, result
      rank<k>/stdout.log stderr.log
      attempts/<n>/        what an earlier attempt of the same job left, when it was tried again

A job has a result when its rank wrote one, whether or not its supervisor lived to see it.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cupel.ledger.records import read_records, write_json
from cupel.spec.errors import RunFolderError
from cupel.spec.job import Job

TAIL_LINES = 40
TAIL_BYTES = 64 * 1024


@dataclass(frozen=True)
class Steps:
    """The steps of a launch, in order.

    Args:
        seconds: duration of each step in s.
        items: items of each step.
        end_s: end of each step in s since the stepping began.
        losses: loss of each step; None where there is none.
        also: further counts of each step, by unit.
        last_step: number of the step; of the last one, where a record stands for a group of very fast steps.
    """

    seconds: list[float] = field(default_factory=list)
    items: list[float] = field(default_factory=list)
    end_s: list[float] = field(default_factory=list)
    losses: list[float | None] = field(default_factory=list)
    also: dict[str, list[float]] = field(default_factory=dict)
    last_step: list[int] = field(default_factory=list)


class JobFolder:
    """A job on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rank_path = path / "rank0"

    def prepare(self, job: Job) -> None:
        """Make the folder for a first attempt, or put an earlier attempt aside for another."""
        self.path.mkdir(parents=True, exist_ok=True)
        if (self.path / "supervisor.jsonl").exists() or self.rank_path.exists():
            attempts = self.path / "attempts"
            attempts.mkdir(exist_ok=True)
            earlier = attempts / str(len(list(attempts.iterdir())))
            earlier.mkdir()
            for name in ("supervisor.jsonl", "rank0"):
                if (self.path / name).exists():
                    shutil.move(self.path / name, earlier / name)
        self.rank_path.mkdir()
        write_json(self.path / "job.json", job.as_dict())

    @cached_property
    def job(self) -> Job:
        """The job itself.

        Raises:
            RunFolderError: `job.json` is damaged.
        """
        try:
            return Job.from_dict(json.loads((self.path / "job.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise RunFolderError(f"{self.path / 'job.json'} cannot be read: {error}.") from error

    @cached_property
    def supervisor_records(self) -> list[dict[str, Any]]:
        """Start, telemetry, failure and end, in order."""
        return list(read_records(self.path / "supervisor.jsonl"))

    @cached_property
    def rank_records(self) -> list[dict[str, Any]]:
        """Everything that the rank wrote, in order."""
        return list(read_records(self.rank_path / "events.jsonl"))

    def last(self, kind: str) -> dict[str, Any] | None:
        """The last record of a kind, the rank's before the supervisor's."""
        found: dict[str, Any] | None = None
        for record in (*self.supervisor_records, *self.rank_records):
            if record["kind"] == kind:
                found = record
        return found

    def has_result(self) -> bool:
        """Whether the rank left a result and the supervisor did not find fault with it."""
        is_faulted = any(r["kind"] == "failure" for r in self.supervisor_records)
        return not is_faulted and any(r["kind"] == "result" for r in self.rank_records)

    @property
    def status(self) -> str:
        """`ok`, `failed`, `skipped`, or `unfinished` (neither a result nor an end)."""
        if self.has_result():
            return "ok"
        end = self.last("end")
        if end is not None and end.get("status") in ("failed", "skipped"):
            return str(end["status"])
        return "failed" if self.last("failure") is not None else "unfinished"

    def steps(self) -> Steps:
        """The steps that were recorded, also of a launch that was cut short."""
        steps = Steps()
        for record in self.rank_records:
            if record["kind"] == "step":
                _append_step(steps, record)
            elif record["kind"] == "losses":
                late = [_loss(value) for value in record["loss"]]
                steps.losses[:] = [late[last] if last < len(late) else None for last in steps.last_step]
        return steps

    def telemetry(self) -> list[dict[str, Any]]:
        """Telemetry records in order."""
        return [r for r in self.supervisor_records if r["kind"] == "telemetry"]

    def log_tail(self, num_lines: int = TAIL_LINES) -> list[str]:
        """The last lines of the job's log, standard error after standard output."""
        lines: list[str] = []
        for name in ("stdout.log", "stderr.log"):
            lines += _tail(self.rank_path / name)
        return lines[-num_lines:]


def _append_step(steps: Steps, record: dict[str, Any]) -> None:
    """Add one step's record; a record that lacks a number is passed over."""
    try:
        seconds, items, end_s = float(record["s"]), float(record["n"]), float(record["end_s"])
    except (KeyError, TypeError, ValueError):
        return
    steps.seconds.append(seconds)
    steps.items.append(items)
    steps.end_s.append(end_s)
    steps.last_step.append(int(record.get("i", 0)) + int(record.get("steps", 1)) - 1)
    steps.losses.append(_loss(record.get("loss")))
    for unit, count in (record.get("also") or {}).items():
        steps.also.setdefault(unit, []).append(float(count))


def _loss(value: Any) -> float | None:
    """A loss as it was written: a number, the words that JSON lacks (`nan`, `inf`), or null for none."""
    return None if value is None else float(value)


def _tail(path: Path) -> list[str]:
    """The last lines of a text file that may be large, absent or no text."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line[:2000] for line in text.splitlines() if line.strip()][-TAIL_LINES:]
