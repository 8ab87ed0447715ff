"""The back end of trials: servers beside each other, each doing one trial at a time in a process of its own.

On a CPU trials are forked from servers that have their packages loaded; on an accelerator each has a fresh process. A
trial that crashes, hangs or fills its log is a result of its own, and the rest goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from cupel.run.guardian import MARK, kill_marked
from cupel.run.process import Guardian, adopt_orphans
from cupel.run.stop import Stop
from cupel.spec.job import Job
from cupel.spec.outcome import Outcome
from cupel.spec.trial import TrialEnded
from cupel.spec.units import format_duration

PRELOADED = {"torch": ("torch", "torch._dynamo"), "models": ("torch", "torch._dynamo", "transformers"),
             "digits": ("sklearn.datasets",)}  # fmt: skip
"""What a server imports before it forks, by extra."""
POLL_S = 0.05
TAIL_LINES = 40
MOST_LOG_BYTES = 8 * 2**20


class TrialPool:
    """Does trials, several at once.

    Args:
        folder: the run folder; logs of trials that failed stay in its `trials/`.
        stop: how often the user asked to stop.
        workers: trials at once.
        needs: extras that the trials need.
        threads: intra-op threads of each trial.
    """

    def __init__(self, folder: Path, stop: Stop, *, workers: int, needs: Iterable[str], threads: int = 1) -> None:
        self._logs = folder / "trials"
        self._stop = stop
        self._packages = sorted({package for need in needs for package in PRELOADED.get(need, ())})
        self._threads = threads
        self._mark = f"{os.getpid()}-{time.time_ns()}"
        self._servers: list[_Server | None] = [None] * workers
        self._guardian: Guardian | None = None

    def affinity(self) -> int:
        """Trials that may run at once."""
        return len(self._servers)

    def __enter__(self) -> Self:
        adopt_orphans()
        self._logs.mkdir(exist_ok=True)
        self._guardian = Guardian(self._mark)
        return self

    def __exit__(self, *exc_info: object) -> None:
        for server in self._servers:
            if server is not None:
                server.close()
        kill_marked(self._mark, ())
        if self._guardian is not None:
            self._guardian.dismiss()
        with contextlib.suppress(OSError):
            self._logs.rmdir()  # where no trial left a log

    def cancel(self) -> None:
        """End what runs and start no other."""
        self._stop.requests = 2

    def run(self, jobs: Iterable[Job]) -> Iterator[TrialEnded]:
        """Do trials as they are drawn; they end in any order. A stop that is asked starts no further one."""
        waiting = iter(jobs)
        is_empty = False
        while True:
            for slot, server in enumerate(self._servers):
                if is_empty or self._stop.is_asked or (server is not None and server.job is not None):
                    continue
                job = next(waiting, None)
                is_empty = job is None
                if job is not None:
                    self._start(slot, job)
            busy = [server for server in self._servers if server is not None and server.job is not None]
            if not busy:
                return
            if self._stop.is_now:
                for server in busy:
                    server.abandon()
                return
            select.select([server.descriptor for server in busy], [], [], POLL_S)
            for server in busy:
                ended = server.look()
                if ended is not None:
                    yield ended

    def _start(self, slot: int, job: Job) -> None:
        """Give a job to the server of a slot; one that is gone or of another kind is replaced."""
        is_forking = sys.platform == "linux" and job.device == "cpu"
        server = self._servers[slot]
        if server is None or not server.is_fit(is_forking):
            if server is not None:
                server.close()
            server = _Server(self._packages, self._environment(), self._logs / f"server{slot}.log", is_forking)
            self._servers[slot] = server
        server.start(job, self._logs / f"{job.id}.log")

    def _environment(self) -> dict[str, str]:
        threads = str(self._threads)
        return {
            **os.environ,
            MARK: self._mark,
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
        }


class _Server:
    """One server process and the trial that it does."""

    def __init__(self, packages: Sequence[str], environment: dict[str, str], log: Path, is_forking: bool) -> None:  # noqa: FBT001
        self._is_forking = is_forking
        self._log_of_server = log
        with log.open("ab") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cupel.run.trial_server", str(os.getpid()),
                 "fork" if is_forking else "once", *packages],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, env=environment, start_new_session=True,
            )  # fmt: skip
        assert self._process.stdout is not None
        self.descriptor = self._process.stdout.fileno()
        os.set_blocking(self.descriptor, False)
        self._text = b""
        self._num_done = 0
        self.job: Job | None = None
        self._log = log
        self._pid: int | None = None
        self._started = 0.0
        self._end_reason = ""

    def is_fit(self, is_forking: bool) -> bool:  # noqa: FBT001
        """Whether it can do another trial of this kind."""
        return self._process.poll() is None and self._is_forking is is_forking and (is_forking or not self._num_done)

    def start(self, job: Job, log: Path) -> None:
        """Begin a trial."""
        self.job, self._log, self._pid, self._end_reason = job, log, None, ""
        self._started = time.monotonic()
        asked = json.dumps({"job": job.as_dict(), "log": str(log.resolve())}) + "\n"
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # a server that is gone shows itself when it is looked at
            self._process.stdin.write(asked.encode())
            self._process.stdin.flush()

    def look(self) -> TrialEnded | None:
        """What there is of the trial: its end, or None while it runs."""
        assert self.job is not None
        for answer in self._answers():
            if "pid" in answer:
                self._pid = int(answer["pid"])
            if "exit" in answer:
                return self._ended(int(answer["exit"]), answer.get("result"))
        if self._process.poll() is not None:
            return self._ended(int(self._process.returncode), None)
        self._end_overdue(self.job)
        return None

    def _end_overdue(self, job: Job) -> None:
        """Kill a trial that takes too long or writes too much."""
        if self._end_reason:
            return
        if time.monotonic() - self._started > job.timeout_s:
            self._end_reason = f"timed out: it did not end within {format_duration(job.timeout_s)}"
        elif self._log.exists() and self._log.stat().st_size > MOST_LOG_BYTES:
            self._end_reason = f"log flood: it printed more than {MOST_LOG_BYTES >> 20} MiB"
        if self._end_reason:
            self._kill()

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            if self._pid is None:  # it is still loading packages
                self._process.kill()
            else:
                os.killpg(self._pid, signal.SIGKILL)

    def abandon(self) -> None:
        """End the trial and the server; nothing is told of it."""
        self._kill()
        self.job = None
        self.close()

    def close(self) -> None:
        """End the server."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        with contextlib.suppress(OSError):
            if self._log_of_server.stat().st_size == 0:
                self._log_of_server.unlink()

    def _answers(self) -> Iterator[dict[str, Any]]:
        with contextlib.suppress(BlockingIOError):
            self._text += os.read(self.descriptor, 1 << 20)
        while b"\n" in self._text:
            line, _, self._text = self._text.partition(b"\n")
            yield json.loads(line)

    def _ended(self, code: int, result: dict[str, Any] | None) -> TrialEnded:
        job = self.job
        assert job is not None
        self.job = None
        self._num_done += 1
        whole_s = time.monotonic() - self._started
        if result is not None and "outcome" in result:
            with contextlib.suppress(OSError):
                self._log.unlink()
            found = Outcome.from_dict(result["outcome"])
            return TrialEnded(job, "ok", found, float(result["elapsed_s"]), space=result.get("space"))
        tail = self._tail()
        if result is not None:
            return TrialEnded(job, "failed", None, whole_s, result["reason"], result["message"], tail)
        reason, _, message = self._end_reason.partition(": ")
        if not reason:
            by = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            reason, message = "crashed", f"its process ended by {by} and left no result"
            if code == -signal.SIGKILL:
                message += "; the system kills what needs more memory than there is"
        return TrialEnded(job, "failed", None, whole_s, reason, message, tail)

    def _tail(self) -> tuple[str, ...]:
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace")[-65536:].splitlines()
        except OSError:
            return ()
        return tuple(line[:2000] for line in lines if line.strip())[-TAIL_LINES:]
