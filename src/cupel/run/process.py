"""Worker processes: started fresh or forked from a zygote, watched, and ended with everything they started."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import psutil

from cupel.run.guardian import MARK, is_marked, kill_marked

PR_SET_CHILD_SUBREAPER = 36
START_TIMEOUT_S = 120.0
REAP_S = 0.5


class Worker(Protocol):
    """A running worker."""

    pid: int

    def poll(self) -> int | None:
        """Exit code (negative for a signal), None while it runs."""


class FreshWorker:
    """A worker in a new Python process and a session of its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        with contextlib.ExitStack() as stack:
            out, err = (
                stack.enter_context((folder / "rank0" / name).open("ab")) for name in ("stdout.log", "stderr.log")
            )
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cupel.run.worker", str(folder), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=dict(environment),
                start_new_session=True,
            )
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Exit code, None while it runs."""
        return self._process.poll()


class Zygote:
    """The fork server of one round.

    Args:
        packages: what it imports before it forks.
        environment: its environment; the workers inherit it.
        log: file for what it prints itself.
    """

    def __init__(self, packages: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cupel.run.zygote", str(os.getpid()), *packages],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=err,
                env=dict(environment),
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._text = b""
        self._is_ready = False

    @property
    def is_alive(self) -> bool:
        """Whether it can fork."""
        return self._process.poll() is None

    def fork(self, folder: Path, is_stopped: Callable[[], bool]) -> ForkedWorker:
        """A worker for a job folder.

        Args:
            folder: the job's folder.
            is_stopped: whether to wait no longer, since the user asked to stop.

        Raises:
            OSError: the server is gone, takes longer than two minutes to load its packages, or was not waited for.
        """
        assert self._process.stdin is not None
        if not self._is_ready:
            self._wait_for("ready", is_stopped)
            self._is_ready = True
        self._process.stdin.write(json.dumps(os.fspath(folder)).encode() + b"\n")
        self._process.stdin.flush()
        return ForkedWorker(self, int(self._wait_for("pid", is_stopped)))

    def _wait_for(self, key: str, is_stopped: Callable[[], bool]) -> Any:
        """The value of the next answer, which must have this key."""
        end = time.monotonic() + START_TIMEOUT_S
        while not is_stopped() and time.monotonic() < end:
            answer = self._answer(0.1)
            if answer is not None and key in answer:
                return answer[key]
            if answer is not None or self._process.poll() is not None:
                raise OSError(f"the fork server ended with {self._process.poll()}; see zygote.log in the run folder")
        raise OSError("the fork server was not waited for" if is_stopped() else "the fork server does not answer")

    def exit_of(self, pid: int) -> int | None:
        """Exit code of a forked worker, None while it runs."""
        answer = self._answer(0.0)
        if answer is not None and answer.get("pid") == pid:
            return int(answer["exit"])
        if self._process.poll() is None:
            return None
        # The server is gone and its workers end with it; on Linux they have become children of this process.
        with contextlib.suppress(ChildProcessError):
            ended, status = os.waitpid(pid, os.WNOHANG)
            return os.waitstatus_to_exitcode(status) if ended else None
        return None if psutil.pid_exists(pid) else -int(signal.SIGKILL)

    def close(self) -> None:
        """End the server."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _answer(self, timeout_s: float) -> dict[str, Any] | None:
        """The next line of the server, None where there is none within the time."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._text:
            if not select.select([descriptor], [], [], timeout_s)[0]:
                return None
            data = os.read(descriptor, 65536)
            if not data:
                return None
            self._text += data
        line, _, self._text = self._text.partition(b"\n")
        return dict(json.loads(line))


class ForkedWorker:
    """A worker forked from a zygote."""

    def __init__(self, zygote: Zygote, pid: int) -> None:
        self._zygote = zygote
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """Exit code, None while it runs."""
        if self._code is None:
            self._code = self._zygote.exit_of(self.pid)
        return self._code


class Guardian:
    """The small process that ends what a killed supervisor leaves running."""

    def __init__(self, mark: str) -> None:
        environment = {k: v for k, v in os.environ.items() if k != MARK}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "cupel.run.guardian", mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """The run ended in order."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self._process.communicate(b"bye\n", timeout=5)
        self._process.kill()
        self._process.wait()


def adopt_orphans() -> None:
    """Let processes whose parent died become children of this one, so that they can be found (Linux)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def descendants(pid: int) -> list[psutil.Process]:
    """The process and everything below it; those that end meanwhile are left out."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def end_all(pid: int, seen: Sequence[psutil.Process], mark: str, keep: Sequence[int]) -> None:
    """Kill a worker's session, all that was seen below it, and every marked orphan that came to us.

    Args:
        pid: the worker, leader of its session.
        seen: its descendants as they were seen while it ran.
        mark: the run's mark.
        keep: processes of the run that go on (the fork server).
    """
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    below = [process for process in seen if process.pid != pid]
    for process in below:
        with contextlib.suppress(psutil.Error):
            process.kill()
    if sys.platform == "linux":
        children = psutil.Process().children(recursive=True)
        orphans = [p for p in children if p.pid not in (pid, *keep) and is_marked(p, mark)]
        for process in orphans:
            with contextlib.suppress(psutil.Error):
                process.kill()
        below += orphans
    else:
        kill_marked(mark, keep)
    psutil.wait_procs(below, timeout=REAP_S)  # those that came to us leave no zombie
