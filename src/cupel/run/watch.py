"""Watching one job: telemetry, progress, limits, its end and how it failed."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from cupel.ledger.job_folder import JobFolder
from cupel.ledger.records import RecordWriter, parse_record
from cupel.ledger.run_folder import RunFolder
from cupel.measure.energy import joules
from cupel.measure.null_work import null_seconds
from cupel.measure.telemetry import Sampler
from cupel.run.launch_rate import launch_rate
from cupel.run.process import Worker, descendants, end_all
from cupel.run.stop import Stop
from cupel.run.worker_exit import DISK_FULL_EXIT
from cupel.spec.events import Event, JobEnded, JobStatus, Phase, Progress
from cupel.spec.job import Job

POLL_S = 0.02
TELEMETRY_S = 1.0
STACK_WAIT_S = 0.3
"""Time that a job gets to write its stack before it is killed for its time-out."""
LOG_LIMIT_BYTES = 32 * 2**20
LOG_KEEP_BYTES = 64 * 1024
UNKILLABLE_S = 10.0
"""Time after the first kill at which a worker that is still there is left behind."""
DISK_FULL = "disk full"
DISK_FULL_TEXT = "no room for the run's records; make some, then go on with cupel resume"


class Watch:
    """The supervisor's side of one job.

    Args:
        job: the job.
        folder: its folder; this is the only writer of `supervisor.jsonl`.
        run_folder: the run, which has room kept back for a full disk.
        sampler: reads the sensors.
        stop: how often the user asked to stop.
    """

    def __init__(self, job: Job, folder: JobFolder, run_folder: RunFolder, sampler: Sampler, stop: Stop) -> None:
        self._job = job
        self._folder = folder
        self._run_folder = run_folder
        self._sampler = sampler
        self._stop = stop
        self._writer = RecordWriter(folder.path / "supervisor.jsonl")
        self._events = _Tail(folder.rank_path / "events.jsonl")
        self._started = time.monotonic()
        self._seen: dict[int, psutil.Process] = {}
        self._next_sample = self._started
        self._cause: tuple[str, str] | None = None
        self._samples: list[dict[str, Any]] = []
        self._killed_at: float | None = None
        self._rate: float | None = None
        self._null_s = null_seconds()

    def until_end(self, worker: Worker, *, mark: str, keep: Sequence[int]) -> Iterator[Event]:
        """Watch the worker until it is over; leaves nothing of it running."""
        self._started = self._next_sample = time.monotonic()
        self._record("start", t=time.time(), pid=worker.pid, null_s=self._null_s)
        code: int | None = None
        try:
            while (code := worker.poll()) is None and not self._is_given_up:
                self._cause = self._cause or self._limit(worker.pid)
                if self._cause is not None:
                    self._kill(worker.pid)
                if time.monotonic() >= self._next_sample:
                    yield self._sample(worker.pid)
                time.sleep(POLL_S)
        finally:
            end_all(worker.pid, list(self._seen.values()), mark, keep)
        yield self._end(-int(signal.SIGKILL) if code is None else code)
        self._writer.close()

    @property
    def _is_given_up(self) -> bool:
        """Whether the worker cannot be killed (it hangs in a driver or a file system); the run goes on without it."""
        return self._killed_at is not None and time.monotonic() - self._killed_at > UNKILLABLE_S

    def _limit(self, pid: int) -> tuple[str, str] | None:
        """Why the job must be ended now, None where it may go on."""
        job = self._job
        if self._stop.is_now:
            return "interrupted", "stopped by the user"
        if time.monotonic() - self._started > job.timeout_s:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGUSR2)  # its stack goes to its log
            time.sleep(STACK_WAIT_S)
            return (
                "timed out",
                f"no result after {job.timeout_s:g} s; give it more with --timeout, or see its stack in the log",
            )
        size = sum(_size(path) for path in self._logs)
        if size > LOG_LIMIT_BYTES:
            return (
                "flooded its log",
                f"{size / 2**20:.0f} MiB of output; at most {LOG_LIMIT_BYTES // 2**20} MiB are taken",
            )
        return None

    @property
    def _logs(self) -> list[Path]:
        """The logs of every rank."""
        return [path / name for path in self._folder.rank_paths for name in ("stdout.log", "stderr.log")]

    def _kill(self, pid: int) -> None:
        """Kill the worker and what is seen below it."""
        self._killed_at = self._killed_at or time.monotonic()
        self._look(pid)
        for process in self._seen.values():
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)

    def _look(self, pid: int) -> list[int]:
        """Process ids of the job, remembered for its end."""
        now = descendants(pid)
        self._seen.update({process.pid: process for process in now})
        return [process.pid for process in now]

    def _sample(self, pid: int) -> Progress:
        """One telemetry record, and where the job is."""
        self._next_sample = max(self._next_sample + TELEMETRY_S, time.monotonic())
        sample = self._sampler.sample(self._look(pid))
        stamped = {"t": time.time(), "elapsed_s": time.monotonic() - self._started, **sample}
        self._samples.append(stamped)
        self._record("telemetry", **stamped)
        self._events.read()
        devices = self._devices(sample)
        return Progress(
            job=self._job,
            phase=self._events.phase,
            num_steps=self._events.num_steps,
            rate=None if self._events.rate is None else self._events.rate * self._num_counted,
            elapsed_s=time.monotonic() - self._started,
            memory_bytes=_total(devices, "memory_bytes") if devices else sample.get("memory_bytes"),
            power_w=_total(devices, "power_w"),
        )

    @property
    def _num_counted(self) -> int:
        """Ranks that have items of their own, about as many each as the first."""
        return 1 if self._job.counts_once else self._job.ranks

    def _end(self, code: int) -> JobEnded:
        """How it ended, recorded and told."""
        elapsed_s = time.monotonic() - self._started
        status, reason, message = self._judge(code)
        for path in self._logs:
            _shorten(path)
        tail = tuple(self._folder.log_tail()) if status == "failed" else ()
        if status != "ok" and reason != "interrupted":
            self._record("failure", t=time.time(), reason=reason, message=message, log_tail=list(tail))
        told = status if reason != "interrupted" else "interrupted"
        self._record("end", t=time.time(), status=told, elapsed_s=elapsed_s, exit=code, **self._energy())
        return JobEnded(self._job, status, reason, message, self._rate, elapsed_s, tail)

    def _judge(self, code: int) -> tuple[JobStatus, str, str]:
        """Status, reason and message."""
        if self._cause is not None:
            return ("failed", *self._cause)
        failure = self._folder.last("failure")
        if failure is not None:
            reason, message = str(failure.get("reason", "crashed")), str(failure.get("message", ""))
            return "skipped" if reason == "not supported here" else "failed", reason, message
        if code != 0 or not self._folder.has_results_of_ranks():
            return ("failed", *_explain_exit(code))
        self._rate = launch_rate(self._folder)
        if self._job.kind == "launch" and self._rate is None:
            return "failed", "wrong work", "the launch left no step that did anything; expected items in its steps"
        return "ok", "", ""

    def _energy(self) -> dict[str, float | None]:
        """Energy and mean power of the job's device over the stepping; None where not measurable."""
        times = {r["phase"]: r["t"] for r in self._folder.rank_records if r["kind"] == "phase"}
        start, end = times.get("stepping"), times.get("finishing")
        first = next((r["s"] for r in self._folder.rank_records if r["kind"] == "step"), None)
        if start is None or end is None or first is None:
            return {"energy_j": None, "power_w": None}
        start += first  # compilation is not the work
        power, counter = zip(*(self._readings(s) for s in self._samples), strict=True) if self._samples else ((), ())
        energy_j = joules([s["t"] for s in self._samples], power, counter_j=counter, t0_s=start, t1_s=end)
        return {
            "energy_j": energy_j,
            "power_w": energy_j / (end - start) if energy_j is not None and end > start else None,
        }

    def _readings(self, sample: dict[str, Any]) -> tuple[float | None, float | None]:
        """Power in W and energy counter in J of what the job runs on: its accelerator, or the processor."""
        if self._job.device == "cpu":
            return None, sample.get("cpu_energy_j")
        devices = self._devices(sample)
        return _total(devices, "power_w"), _total(devices, "energy_j")

    def _devices(self, sample: dict[str, Any]) -> list[dict[str, Any]]:
        """The sample of the job's accelerators; empty on a CPU."""
        if self._job.device == "cpu":
            return []
        index = int(self._job.device.partition(":")[2] or 0)
        indices = (index,) if self._job.ranks == 1 else range(self._job.ranks)
        return [d for d in sample.get("devices") or [] if d.get("index") in indices]

    def _record(self, kind: str, **fields: Any) -> None:
        """Write a record; on a full disk, once more with the room kept back."""
        try:
            self._writer.write(kind, **fields)
        except OSError:
            if self._run_folder.release_reserve():
                with contextlib.suppress(OSError):
                    self._writer.write(kind, **fields)


def _explain_exit(code: int) -> tuple[str, str]:
    """Reason and message of a worker that left neither a result nor a failure."""
    if code == DISK_FULL_EXIT:
        return DISK_FULL, DISK_FULL_TEXT
    if code < 0:
        name = signal.Signals(-code).name
        hint = "; the system may have run out of memory" if name == "SIGKILL" else ""
        return "crashed", f"the worker was ended by {name}{hint}"
    return "crashed", f"the worker exited with {code} and left no result"


class _Tail:
    """What a rank has written so far, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self._items = 0.0
        self._seconds = 0.0
        self.phase: Phase = "starting"
        self.num_steps = 0

    @property
    def rate(self) -> float | None:
        """Items per second after the first step."""
        return self._items / self._seconds if self._seconds > 0 else None

    def read(self) -> None:
        """Take in what is new."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = self._rest + file.read()
                self._offset = file.tell()
        except OSError:
            return
        *lines, self._rest = data.split(b"\n")
        for line in lines:
            record = parse_record(line)
            if record is None:
                continue
            if record["kind"] == "phase":
                self.phase = record["phase"]
            elif record["kind"] == "step":
                self.num_steps += 1
                if record.get("i"):
                    self._items += record["n"]
                    self._seconds += record["s"]


def _total(devices: Sequence[dict[str, Any]], key: str) -> float | None:
    """A reading summed over devices; None where one has none."""
    readings = [float(device[key]) for device in devices if device.get(key) is not None]
    return sum(readings) if readings and len(readings) == len(devices) else None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _shorten(path: Path) -> None:
    """Cut a flooded log to its two ends."""
    size = _size(path)
    if size <= LOG_LIMIT_BYTES // 2:
        return
    with contextlib.suppress(OSError), path.open("r+b") as file:
        file.seek(-LOG_KEEP_BYTES, os.SEEK_END)
        end = file.read()
        file.seek(LOG_KEEP_BYTES)
        file.truncate()
        file.write(f"\n... {size - 2 * LOG_KEEP_BYTES} bytes left out ...\n".encode() + end)
