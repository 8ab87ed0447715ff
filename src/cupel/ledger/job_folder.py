"""The folder of one job: who writes what, and what can be read from it at any moment.

    <job id>/
      job.json             the job, whole: enough to replay it
      supervisor.jsonl     written by the supervisor alone: start, telemetry, failure, end
      rank<k>/events.jsonl written by the rank alone: phase, step, losses, failure, result
      rank<k>/stdout.log stderr.log
      attempts/<n>/        what an earlier attempt of the same job left, when it was tried again

A job has a result when each of its ranks wrote one, whether or not its supervisor lived to see it.
"""

from __future__ import annotations

import json
import shutil
from functools import cached_property
from pathlib import Path
from typing import Any

from cupel.ledger.merge_ranks import merge_in_time, merge_together
from cupel.ledger.records import read_records, write_json
from cupel.ledger.steps import Steps, steps_of
from cupel.spec.errors import RunFolderError
from cupel.spec.job import Job

TAIL_LINES = 40
TAIL_BYTES = 64 * 1024


class JobFolder:
    """A job on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rank_path = path / "rank0"

    def prepare(self, job: Job) -> None:
        """Make the folder for a first attempt, or put an earlier attempt aside for another."""
        self.path.mkdir(parents=True, exist_ok=True)
        left = [path for path in (self.path / "supervisor.jsonl", *self.rank_paths) if path.exists()]
        if left:
            attempts = self.path / "attempts"
            attempts.mkdir(exist_ok=True)
            earlier = attempts / str(len(list(attempts.iterdir())))
            earlier.mkdir()
            for path in left:
                shutil.move(path, earlier / path.name)
        self.rank_path.mkdir()
        write_json(self.path / "job.json", job.as_dict())

    @property
    def rank_paths(self) -> list[Path]:
        """The folders of the ranks that there are, in order."""
        found = [path for path in self.path.glob("rank*") if path.name[4:].isdigit()]
        return sorted(found, key=lambda path: int(path.name[4:]))

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
        """Everything that rank 0 wrote, in order."""
        return list(read_records(self.rank_path / "events.jsonl"))

    @cached_property
    def other_records(self) -> list[list[dict[str, Any]]]:
        """The same of each further rank."""
        return [list(read_records(path / "events.jsonl")) for path in self.rank_paths[1:]]

    def last(self, kind: str) -> dict[str, Any] | None:
        """The last record of a kind, the rank's before the supervisor's; of failures of several ranks the first."""
        if kind == "failure" and self.other_records:
            records = [r for rank in (self.rank_records, *self.other_records) for r in rank if r["kind"] == kind]
            if records:
                return min(records, key=lambda r: (not r.get("is_first"), float(r.get("t", 0.0))))
        found: dict[str, Any] | None = None
        for record in (*self.supervisor_records, *self.rank_records):
            if record["kind"] == kind:
                found = record
        return found

    def has_result(self) -> bool:
        """Whether every rank left a result and the supervisor did not find fault with it."""
        is_faulted = any(r["kind"] == "failure" for r in self.supervisor_records)
        return not is_faulted and self.has_results_of_ranks()

    def has_results_of_ranks(self) -> bool:
        """Whether every rank left a result."""
        ranks = (self.rank_records, *self.other_records)
        is_each = all(any(record["kind"] == "result" for record in rank) for rank in ranks)
        return is_each and len(ranks) >= self.job.ranks

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
        """The steps that were recorded, also of a launch that was cut short; of several ranks, joined."""
        ranks = [steps_of(records) for records in (self.rank_records, *self.other_records)]
        if len(ranks) == 1:
            return ranks[0]
        if self.job.settings.get("devices") == "each":
            return merge_in_time(ranks)
        return merge_together(ranks, counts_once=self.job.counts_once)

    def telemetry(self) -> list[dict[str, Any]]:
        """Telemetry records in order."""
        return [r for r in self.supervisor_records if r["kind"] == "telemetry"]

    def log_tail(self, num_lines: int = TAIL_LINES) -> list[str]:
        """The last lines of the job's log, standard error after standard output."""
        lines: list[str] = []
        for path in self.rank_paths or [self.rank_path]:
            for name in ("stdout.log", "stderr.log"):
                lines += _tail(path / name)
        return lines[-num_lines:]


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
