"""The local back end: one job at a time on this machine, each in a process of its own.

On a CPU the workers of one call of `run` (a round) are forked from a fork server that has the round's packages
loaded; on an accelerator every worker is a fresh process. The supervisor (this process) alone writes
`supervisor.jsonl`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from cupel.ledger.records import RecordWriter
from cupel.ledger.run_folder import RunFolder
from cupel.measure.telemetry import Sampler
from cupel.run.guardian import MARK
from cupel.run.process import FreshWorker, Guardian, Worker, Zygote, adopt_orphans
from cupel.run.stop import Stop
from cupel.run.watch import DISK_FULL, DISK_FULL_TEXT, Watch
from cupel.spec.events import Event, JobEnded, JobStarted
from cupel.spec.job import Job

PRELOADED = {"torch": ("torch", "torch._dynamo"), "models": ("torch", "torch._dynamo", "transformers")}
"""What the fork server imports, by extra; torch itself imports its compiler when the first optimiser is made."""


class LocalBackend:
    """Runs jobs one after another.

    Args:
        folder: where records go.
        stop: how often the user asked to stop.
        needs: the extras that each entry needs, by entry key, for the fork server.
        launch_of: number of launches planned, by cell, None where open.
        preloads: use a fork server on a CPU.
    """

    def __init__(
        self,
        folder: RunFolder,
        stop: Stop,
        *,
        needs: Mapping[str, Sequence[str]],
        launch_of: Mapping[str, int | None],
        preloads: bool = True,
    ) -> None:
        self._folder = folder
        self._stop = stop
        self._needs = needs
        self._launch_of = launch_of
        self._preloads = preloads
        self._mark = f"{os.getpid()}-{time.time_ns()}"
        self._zygote: Zygote | None = None
        self._guardian: Guardian | None = None
        self._sampler = Sampler()

    def affinity(self) -> int:
        """Jobs that may run at once: one, so that they do not disturb each other."""
        return 1

    def __enter__(self) -> Self:
        adopt_orphans()
        self._guardian = Guardian(self._mark)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._close_zygote()
        self._sampler.close()
        if self._guardian is not None:
            self._guardian.dismiss()

    def cancel(self) -> None:
        """End the running job and start no other."""
        self._stop.requests = 2

    def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
        """Run the jobs of one round in order; a failure of one leaves the rest alone."""
        try:
            for job in jobs:
                if self._stop.is_asked:
                    return
                yield JobStarted(job, self._launch_of.get(job.cell))
                yield from self._one(job)
        finally:
            self._close_zygote()

    def _one(self, job: Job) -> Iterator[Event]:
        """Start, watch and end one job."""
        started = time.monotonic()
        try:
            job_folder = self._folder.job(job)
            watch = Watch(job, job_folder, self._folder, self._sampler, self._stop)
            worker = self._start(job, job_folder.path.resolve())
        except OSError as error:
            if self._stop.is_now:
                return
            yield self._not_started(job, error, time.monotonic() - started)
            return
        keep = (self._zygote.pid,) if self._zygote is not None else ()
        yield from watch.until_end(worker, mark=self._mark, keep=keep)
        if worker.poll() is None:
            self._close_zygote()  # it waits for a worker that cannot be killed

    def _not_started(self, job: Job, error: OSError, elapsed_s: float) -> JobEnded:
        """A job that has no worker: recorded with the room kept back, where the disk is what is full."""
        self._close_zygote()
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = DISK_FULL if is_full else "could not start"
        message = DISK_FULL_TEXT if is_full else f"the job could not be started: {error.strerror or error}"
        self._folder.release_reserve()
        with contextlib.suppress(OSError):
            writer = RecordWriter(self._folder.job(job).path / "supervisor.jsonl")
            writer.write("failure", t=time.time(), reason=reason, message=message, log_tail=[])
            writer.write("end", t=time.time(), status="failed", elapsed_s=elapsed_s)
            writer.close()
        return JobEnded(job, "failed", reason, message, None, elapsed_s)

    def _start(self, job: Job, path: Path) -> Worker:
        """A worker for the job: forked on a CPU, fresh elsewhere."""
        environment = self._environment(job)
        may_fork = self._preloads and sys.platform == "linux" and job.device == "cpu"
        is_forked = may_fork and _packages(self._needs.get(job.entry, ()))
        if not is_forked:
            return FreshWorker(path, environment)
        if self._zygote is not None and not self._zygote.is_alive:
            self._close_zygote()
        if self._zygote is None:
            packages = _packages([need for needs in self._needs.values() for need in needs])
            self._zygote = Zygote(packages, environment, self._folder.path / "zygote.log")
        return self._zygote.fork(path, lambda: self._stop.is_now)

    def _environment(self, job: Job) -> dict[str, str]:
        """The environment of a worker: this one's, with the thread counts made explicit."""
        threads = str(job.threads)
        return {
            **os.environ,
            MARK: self._mark,
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as the sensors number the devices
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
        }

    def _close_zygote(self) -> None:
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None


def _packages(needs: Iterable[str]) -> list[str]:
    """What to preload for entries that need these extras."""
    return sorted({package for need in needs for package in PRELOADED.get(need, ())})
