"""A server that does trials: each in a process forked from it, so that packages are loaded once and nothing is shared.

`python -m cupel.run.trial_server PARENT fork|once torch ...` imports the named packages, then reads one trial a line
from standard input: `{"job": {...}, "log": PATH}`. With `fork` it forks a process of its own session for each and
answers on standard output, one JSON object a line: `{"pid": 12}` at the start, and at the end `{"exit": 0, "result":
{...}}` (a negative number is a signal; a process that left no result has none). With `once`, for accelerators, whose
context does not survive a fork, it does one trial itself and ends.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from cupel.run.parent import die_with_parent
from cupel.run.trial_worker import load_claim, timed_trial
from cupel.spec.job import Job

MOST_BYTES = 60_000
"""Bytes of a result at most: they fit into a pipe that nobody reads yet."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until standard input ends."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    is_forking = arguments[1] == "fork"
    die_with_parent(int(arguments[0]), watches=not is_forking)
    answers = os.dup(1)
    os.dup2(2, 1)  # what a package prints while it is imported is no answer
    for package in arguments[2:]:
        try:
            importlib.import_module(package)
        except Exception as error:  # noqa: BLE001  the trial that needs it fails likewise and says so
            sys.stderr.write(f"{package} was not preloaded: {error!r}\n")
    known: set[str] = set()
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        job, log = Job.from_dict(asked["job"]), str(asked["log"])
        if not is_forking:
            _say(answers, pid=os.getpid())
            _into(log)
            _say(answers, exit=0, result=timed_trial(job))
            return 0
        if job.source not in known:
            known.add(job.source)
            with contextlib.suppress(BaseException):  # the trial fails likewise and says so
                load_claim(job)
            gc.freeze()  # a collection in a child would touch, and so copy, every page that holds an object
        _serve(answers, job, log)
    return 0


def _serve(answers: int, job: Job, log: str) -> None:
    """One trial in a forked process."""
    readable, writable = os.pipe()
    server = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(answers)
        os.close(readable)
        _become_trial(job, log, writable, server)
    os.close(writable)
    _say(answers, pid=pid)
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)  # what it started and left
    os.set_blocking(readable, False)
    try:
        text = os.read(readable, 2 * MOST_BYTES)
    except BlockingIOError:
        text = b""
    os.close(readable)
    code = os.waitstatus_to_exitcode(status)
    _say(answers, exit=code, result=json.loads(text) if text.endswith(b"\n") else None)


def _become_trial(job: Job, log: str, writable: int, server: int) -> None:
    """In the child: a session and a log of its own, then the trial; never returns."""
    code = 1
    try:
        os.setsid()
        _into(log)
        die_with_parent(server, watches=sys.platform != "linux")
        text = json.dumps(timed_trial(job)).encode() + b"\n"
        if len(text) > MOST_BYTES:
            text = _too_long(len(text))
        os.write(writable, text)
        code = 0
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _too_long(num_bytes: int) -> bytes:
    message = f"the outcome has {num_bytes} bytes; expected at most {MOST_BYTES}: a few numbers and a short note"
    return json.dumps({"reason": "refused", "message": message, "elapsed_s": 0.0}).encode() + b"\n"


def _into(log: str) -> None:
    """Send what is printed to a log; nothing is read."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(out, 1)
    os.dup2(out, 2)


def _say(descriptor: int, **answer: Any) -> None:
    """Answer the supervisor in one line."""
    os.write(descriptor, (json.dumps(answer) + "\n").encode())


if __name__ == "__main__":
    sys.exit(main())
