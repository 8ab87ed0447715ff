"""The ranks of a job: one process each, started together, and ended together when one of them fails.

A job of several ranks has a launcher: the worker that the supervisor started and watches. It does no work itself. Its
ranks are forked from it on a CPU (what it has loaded they need not load again), and fresh processes elsewhere, since
the context of an accelerator does not survive a fork. The first rank that fails ends the others: they would wait for
it for ever. So does one that cannot count its operations, but by then every rank has left its result: nothing failed.

Source: rules of Cupel; the rendezvous is torch's `file://` (documentation of torch.distributed).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cupel.ledger.records import RecordWriter, read_records
from cupel.run.parent import die_with_parent
from cupel.run.worker_exit import UNCOUNTED_EXIT
from cupel.spec.job import Job

MEETING = "rendezvous"
"""File of the job folder by which ranks find each other; gone when they have ended."""
GRACE_S = 2.0
"""Time that other ranks get to leave a record of their own after one has failed."""
POLL_S = 0.02
MEET_TIMEOUT_S = 600.0
BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl", "xpu": "cpu:gloo,xpu:xccl"}
"""What carries messages, by kind of device, in torch's words; on AMD `cuda` and `nccl` stand for ROCm and RCCL."""
_HELD: list[object] = []
"""What lives as long as this process, which ends at once (`os._exit`) with whatever it has."""


def rank_path(path: Path, rank: int) -> Path:
    """The folder that a rank writes to."""
    return path / f"rank{rank}"


def run_ranks(path: Path, job: Job, do_rank: Callable[[Path, int], int]) -> int:
    """Start every rank of a job, wait for them, and end them all when one fails.

    Args:
        path: the job's folder.
        job: the job.
        do_rank: does the work of one rank in this process and returns its exit code.

    Returns:
        0, or the exit code of the first rank that failed.
    """
    (path / MEETING).unlink(missing_ok=True)
    for rank in range(job.ranks):
        rank_path(path, rank).mkdir(exist_ok=True)
    may_fork = sys.platform == "linux" and job.device == "cpu"
    running = {
        rank: _fork(path, rank, do_rank=do_rank) if may_fork else _start(path, rank) for rank in range(job.ranks)
    }
    signal.signal(signal.SIGUSR2, lambda *_: _signal_all(running, signal.SIGUSR2))
    code = _wait(path, running)
    _signal_all(running, signal.SIGKILL)
    (path / MEETING).unlink(missing_ok=True)
    return code


def _wait(path: Path, running: dict[int, int]) -> int:
    """Wait for all ranks (rank to process id), after a failure for some grace only; the exit code of the first failure.

    Which one was first is not told by the order in which ends are noticed: those that lose a rank fail within
    milliseconds. A rank that left no word of its own was first, else the one whose record is the oldest.
    """
    failed: dict[int, int] = {}
    deadline = float("inf")
    ends = _Ends(running)
    while running and time.monotonic() < deadline:
        ends.wait(POLL_S if failed else 1.0)
        for rank, pid in list(running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            del running[rank]
            ends.forget(pid)
            code = os.waitstatus_to_exitcode(status)
            if code:
                failed[rank] = code
                deadline = min(deadline, time.monotonic() + GRACE_S)
    if not failed or UNCOUNTED_EXIT in failed.values():
        return 0
    said = {rank: _own_failure(path, rank) for rank in failed}
    first = min(failed, key=lambda rank: float((said[rank] or {}).get("t", 0.0)))
    _note_first(path, first, words=said[first], code=failed[first])
    return failed[first] if failed[first] > 0 else 128 - failed[first]


class _Ends:
    """Waits for the end of any of some processes, at once where the system can tell (Linux), else by looking."""

    def __init__(self, running: dict[int, int]) -> None:
        self._poll = select.poll()
        self._descriptors: dict[int, int] = {}
        for pid in running.values() if hasattr(os, "pidfd_open") else ():
            with contextlib.suppress(OSError):
                self._descriptors[pid] = os.pidfd_open(pid)
                self._poll.register(self._descriptors[pid], select.POLLIN)

    def wait(self, timeout_s: float) -> None:
        """Return when one ended, or when the time is up."""
        if self._descriptors:
            self._poll.poll(timeout_s * 1000)
        else:
            time.sleep(POLL_S)

    def forget(self, pid: int) -> None:
        """Look no more at one that was waited for."""
        descriptor = self._descriptors.pop(pid, None)
        if descriptor is not None:
            self._poll.unregister(descriptor)
            os.close(descriptor)


def _own_failure(path: Path, rank: int) -> dict[str, Any] | None:
    """What a rank said of its own failure, None where it could not."""
    records = read_records(rank_path(path, rank) / "events.jsonl")
    return next((record for record in records if record["kind"] == "failure"), None)


def _note_first(path: Path, rank: int, *, words: dict[str, Any] | None, code: int) -> None:
    """Mark the rank that failed first: what the others say of it is that it does not answer."""
    said = words or {"reason": "crashed", "message": f"rank {rank} {ended_words(code)} and left no result"}
    with contextlib.suppress(OSError):
        writer = RecordWriter(rank_path(path, rank) / "events.jsonl")
        writer.write("failure", t=time.time(), reason=said["reason"], message=said["message"], is_first=True)
        writer.close()


def ended_words(code: int) -> str:
    """How a process ended, in words.

    Example:
        >>> ended_words(3), ended_words(-9)
        ('exited with 3', 'was ended by SIGKILL')
    """
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"


def _signal_all(running: dict[int, int], number: int) -> None:
    for pid in running.values():
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def _fork(path: Path, rank: int, *, do_rank: Callable[[Path, int], int]) -> int:
    """A rank forked from this process, in its session, with logs of its own."""
    launcher = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        for number, name in ((1, "stdout.log"), (2, "stderr.log")):
            log = os.open(rank_path(path, rank) / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(log, number)
        die_with_parent(launcher)
        code = do_rank(path, rank)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _start(path: Path, rank: int) -> int:
    """A rank in a fresh process, in the session of this one."""
    with contextlib.ExitStack() as stack:
        folder = rank_path(path, rank)
        out, err = (stack.enter_context((folder / name).open("ab")) for name in ("stdout.log", "stderr.log"))
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "cupel.run.worker", str(path), str(os.getpid()), str(rank)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
    process.returncode = 0  # it is waited for by its id, with the others
    return process.pid


class Gang:
    """The ranks of a job as they see each other.

    Args:
        path: the job's folder.
        rank: of this process, from 0.
        world: number of ranks.
        kind: of the ranks' devices (`cpu`, `cuda`, `xpu`); messages on the host go by gloo in any case.
    """

    def __init__(self, path: Path, rank: int, *, world: int, kind: str) -> None:
        import torch
        import torch.distributed as dist

        dist.init_process_group(
            BACKENDS[kind],
            init_method=f"file://{(path / MEETING).resolve()}",
            rank=rank,
            world_size=world,
            timeout=dt.timedelta(seconds=MEET_TIMEOUT_S),
        )
        self._dist: Any = dist
        self._message = torch.zeros(1, dtype=torch.int64)

    def agree(self, value: int) -> int:
        """What rank 0 says, on every rank; each waits for it."""
        self._message[0] = value
        self._dist.broadcast(self._message, src=0)
        return int(self._message[0])

    def told(self, value: float) -> float:
        """What rank 0 found, on every rank; each waits for it."""
        message = self._message.double().fill_(value)
        self._dist.broadcast(message, src=0)
        return float(message[0])

    def meet(self) -> None:
        """Wait until every rank is here."""
        self.agree(0)
        self._dist.all_reduce(self._message)

    def part(self) -> None:
        """Leave when all are done, so that no exchange of a slower one is cut off; one that is gone keeps no one."""
        with contextlib.suppress(RuntimeError):
            self.meet()

    def hold(self, *used: object) -> None:
        """Keep what takes part in exchanges until the process has ended.

        Taken apart, such as by the return from a function, it waits for threads that may wait for Python: for ever.
        """
        _HELD.extend(used)
