"""Trials of a script, in any language: processes that are given a configuration and print what came out.

    argv          --name=value for each parameter that has a part, in the order of the space, and nothing else
    environment   CUPEL_RESOURCE    train up to this (epochs, steps; absent where the script decides)
                  CUPEL_CHECKPOINT  a path that is the trial's own: absent at first, whatever is there later is what the
                                    trial left at its last rung
                  CUPEL_SEED        seed of all that is random
                  CUPEL_WORKER      which of the workers it is on, from 0
    stdout        lines of JSON such as {"val_loss": 0.3, "step": 5}; other lines are left alone

Each attempt is a session of its own and is ended with everything below it. Its output is kept in `trials/<trial>/`.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from cupel.run.guardian import MARK, kill_marked
from cupel.run.process import Guardian, adopt_orphans, descendants
from cupel.spec.errors import UsageError
from cupel.spec.tuning import Attempt, AttemptEnded, OnReport, Report, TuningRequest, arguments
from cupel.spec.units import format_duration

POLL_S = 0.02
GRACE_S = 3.0
"""A script that is told to stop has so long to write its checkpoint before it is killed."""
MOST_LOG_BYTES = 32 * 2**20
MOST_LINE_BYTES = 2**20
TAIL_LINES = 40
TAIL_BYTES = 64 * 1024


def script_command(script: str) -> list[str]:
    """The words that start a script: by this Python where it is Python, else by itself or by its first line.

    Raises:
        UsageError: there is no such file, or nothing says how to run it.
    """
    path = Path(script)
    if not path.is_file():
        raise UsageError(f"The script {script} is not there; expected a file to be run for each trial.")
    path = path.resolve()
    if path.suffix == ".py":
        return [sys.executable, str(path)]
    if os.access(path, os.X_OK):
        return [str(path)]
    with path.open("rb") as file:
        first = file.readline(1000)
    if first.startswith(b"#!"):
        return [*first[2:].decode("utf-8", "replace").split(), str(path)]
    raise UsageError(
        f"The script {script} is not executable and does not begin with #!; nothing says how to run it. "
        f"Name its interpreter in the first line, such as #!/usr/bin/env Rscript, and chmod +x {script}."
    )


class TrialProcesses:
    """Starts a script for each attempt, and reads what the attempts print.

    Args:
        command: the words that start the script.
        folder: the run folder; logs and checkpoints go into its `trials/`.
        request: the key of the value, the attempts that run at once, and the time that one may take.
        directory: the scripts' working directory; this process's own when None.
        now_s: a clock.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        request: TuningRequest,
        directory: Path | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command = list(command)
        self._folder = folder.resolve()
        self._directory = directory
        self._metric = request.metric
        self._timeout_s = request.timeout_s
        self._now_s = now_s
        self._free = list(range(request.workers - 1, -1, -1))
        self._running: dict[str, _Running] = {}
        self._not_started: list[AttemptEnded] = []
        self._mark = f"{os.getpid()}-{time.time_ns()}"
        self._guardian: Guardian | None = None
        self._threads = str(max(1, (os.cpu_count() or 1) // request.workers))
        self._devices = [d for d in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if d]

    def __enter__(self) -> Self:
        adopt_orphans()
        self._guardian = Guardian(self._mark)
        return self

    def __exit__(self, *exc_info: object) -> None:
        for running in self._running.values():
            running.kill()
            running.close()
        kill_marked(self._mark, keep=())
        if self._guardian is not None:
            self._guardian.dismiss()

    @property
    def pids(self) -> list[int]:
        """Processes of the attempts in work."""
        return [running.process.pid for running in self._running.values()]

    def start(self, attempt: Attempt) -> None:
        """Start the script for an attempt; one that cannot be started ends as failed."""
        worker = self._free.pop()
        place = self._folder / "trials" / attempt.home
        running = _Running(attempt, worker, place=place, started=self._now_s())
        command = [*self._command, *arguments(attempt.parameters)]
        try:
            running.start(command, self._environment(attempt, worker, place), self._directory)
        except OSError as error:
            self._free.append(worker)
            message = f"the script could not be started: {error.strerror or error}"
            self._not_started.append(AttemptEnded(attempt.key, "failed", 0.0, "could not start", message))
        else:
            self._running[attempt.key] = running

    def stop(self, key: str) -> None:
        """Tell an attempt to stop; it is killed where it takes its time."""
        running = self._running.get(key)
        if running is not None and running.stopped_at is None:
            running.stopped_at = self._now_s()
            running.signal(signal.SIGTERM)

    def collect(self, on_report: OnReport, timeout_s: float) -> Iterator[AttemptEnded]:
        """Hand on reports and ends, as soon as there is an end or the time is over."""
        end = self._now_s() + timeout_s
        while True:
            yield from self._not_started
            has_ended = bool(self._not_started)
            self._not_started = []
            for running in list(self._running.values()):
                ended = self._look(running, on_report)
                if ended is not None:
                    has_ended = True
                    yield ended
            if has_ended or self._now_s() >= end or not self._running:
                return
            time.sleep(POLL_S)

    def _look(self, running: _Running, on_report: OnReport) -> AttemptEnded | None:
        """Read what an attempt printed; how it ended, where it did."""
        code = running.process.poll()  # before reading: what is printed until the end is read below
        for line in running.lines(is_last=code is not None):
            report = self._report(running, line)
            if report is not None and not on_report(report):
                self.stop(running.attempt.key)
        now_s = self._now_s()
        if code is None:
            is_late = self._timeout_s is not None and now_s - running.started > self._timeout_s
            if is_late and not running.is_late:
                running.is_late = True
                self.stop(running.attempt.key)
            if running.stopped_at is not None and now_s - running.stopped_at > GRACE_S:
                running.kill()
            return None
        running.kill()  # what it left running
        running.close()
        del self._running[running.attempt.key]
        self._free.append(running.worker)
        return self._ended(running, code, now_s - running.started)

    def _ended(self, running: _Running, code: int, elapsed_s: float) -> AttemptEnded:
        key = running.attempt.key
        if running.is_late:
            message = f"it took longer than {format_duration(self._timeout_s or 0)}"
            return AttemptEnded(key, "failed", elapsed_s, "timed out", message, running.tail())
        if running.stopped_at is not None:
            return AttemptEnded(key, "stopped", elapsed_s)
        if code == 0 and running.num_reports:
            return AttemptEnded(key, "ok", elapsed_s)
        if code == 0:
            found = f"lines of JSON with {', '.join(sorted(running.keys)[:8])}" if running.keys else "no line of JSON"
            message = f'it printed {found}; expected lines such as {{"{self._metric}": 0.3, "step": 5}} on stdout'
            return AttemptEnded(key, "failed", elapsed_s, "no value", message, running.tail())
        if code < 0:
            name = signal.Signals(-code).name
            hint = "; the system may have run out of memory" if name == "SIGKILL" else ""
            return AttemptEnded(key, "lost", elapsed_s, "crashed", f"it was ended by {name}{hint}", running.tail())
        return AttemptEnded(key, "failed", elapsed_s, "crashed", f"it exited with {code}", running.tail())

    def _report(self, running: _Running, line: bytes) -> Report | None:
        """The report in a line, None where it is none."""
        if not line.lstrip().startswith(b"{"):
            return None
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, dict):
            return None
        running.keys |= found.keys()
        value, step = found.get(self._metric, ...), found.get("step")
        if value is None or isinstance(value, str):
            value = math.nan  # what JSON has for a number that is none
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        running.num_reports += 1
        is_number = isinstance(step, int | float) and not isinstance(step, bool) and math.isfinite(step)
        return Report(running.attempt.key, float(value), float(step) if is_number else None)  # type: ignore[arg-type]

    def _environment(self, attempt: Attempt, worker: int, place: Path) -> dict[str, str]:
        environment = {
            "OMP_NUM_THREADS": self._threads,
            **os.environ,
            MARK: self._mark,
            "PYTHONUNBUFFERED": "1",
            "CUPEL_SEED": str(attempt.seed),
            "CUPEL_CHECKPOINT": str(place / "checkpoint"),
            "CUPEL_WORKER": str(worker),
            "CUPEL_METRIC": self._metric,
        }
        environment.pop("CUPEL_RESOURCE", None)
        if attempt.resource is not None:
            environment["CUPEL_RESOURCE"] = f"{attempt.resource:.15g}"
        if len(self._devices) > 1:
            environment["CUDA_VISIBLE_DEVICES"] = self._devices[worker % len(self._devices)]
        return environment


class _Running:
    """An attempt in work."""

    process: subprocess.Popen[bytes]

    def __init__(self, attempt: Attempt, worker: int, *, place: Path, started: float) -> None:
        self.attempt = attempt
        self.worker = worker
        self.started = started
        self.stopped_at: float | None = None
        self.is_late = False
        self.num_reports = 0
        self.keys: set[str] = set()
        self._rest = b""
        self._num_logged = 0
        self._log_path = place / f"{attempt.key}.log"
        self._error_path = place / f"{attempt.key}.err"
        self._log: IO[bytes] | None = None

    def start(self, command: Sequence[str], environment: Mapping[str, str], directory: Path | None) -> None:
        """Start the process, its output in a pipe.

        Raises:
            OSError: its folder cannot be made, or the command cannot be run.
        """
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log = self._log_path.open("wb")
        try:
            with self._error_path.open("wb") as errors:
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=dict(environment),
                    cwd=directory,
                    start_new_session=True,
                )
        except OSError:
            self._log.close()
            raise
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)

    def lines(self, *, is_last: bool) -> Iterator[bytes]:
        """Whole lines since the last call; the rest too, where nothing more will come."""
        assert self.process.stdout is not None
        while True:
            try:
                data = os.read(self.process.stdout.fileno(), 65536)
            except BlockingIOError:
                break
            if not data:
                break
            if self._log is not None and self._num_logged < MOST_LOG_BYTES:
                with contextlib.suppress(OSError):  # a full disk takes the log, not the values
                    self._log.write(data)
                self._num_logged += len(data)
            *lines, self._rest = (self._rest + data).split(b"\n")
            yield from lines
            if len(self._rest) > MOST_LINE_BYTES:
                self._rest = b""
        if is_last and self._rest:
            rest, self._rest = self._rest, b""
            yield rest

    def signal(self, number: int) -> None:
        """Send a signal to the attempt's whole session."""
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """End the attempt and everything below it, what moved to another session included."""
        below = descendants(self.process.pid) if self.process.poll() is None else []
        self.signal(signal.SIGKILL)
        for process in below:
            with contextlib.suppress(Exception):  # whatever psutil has to say of a process that is gone
                process.kill()

    def close(self) -> None:
        """Take leave of the process and close the files."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=GRACE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        if self._log is not None:
            with contextlib.suppress(OSError):
                self._log.close()

    def tail(self) -> tuple[str, ...]:
        """The last lines of what it printed, errors last."""
        lines: list[str] = []
        for path in (self._log_path, self._error_path):
            with contextlib.suppress(OSError), path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - TAIL_BYTES))
                lines += file.read().decode("utf-8", "replace").splitlines()[-TAIL_LINES:]
        return tuple(line[:2000] for line in lines if line.strip())[-TAIL_LINES:]
