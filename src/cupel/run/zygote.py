"""A fork server for one round of launches on a CPU: it imports what the round needs once, then forks a worker per job.

`python -m cupel.run.zygote PARENT torch ...` imports the named packages, then reads one job folder per line from
standard input. For each it forks a worker in a session of its own and answers on standard output, one JSON object a
line: `{"pid": 12}` at the start, `{"pid": 12, "exit": 0}` at the end (a negative number is a signal, as `subprocess`
has it). It never runs an entry itself, and a new one is started for each round, so that rounds share nothing. Never
used with an accelerator: a context does not survive a fork.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cupel.run.parent import die_with_parent


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until standard input ends."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    die_with_parent(int(arguments[0]), watches=False)
    answers = os.dup(1)
    os.dup2(2, 1)  # what a package prints while it is imported is no answer
    for package in arguments[1:]:
        try:
            importlib.import_module(package)
        except Exception as error:  # noqa: BLE001  the worker that needs it fails likewise and says so in its record
            sys.stderr.write(f"{package} was not preloaded: {error!r}\n")
    _say(answers, ready=True)
    for line in sys.stdin.buffer:
        folder = Path(json.loads(line))
        pid = os.fork()
        if pid == 0:
            os.close(answers)
            _become_worker(folder)
        _say(answers, pid=pid)
        _, status = os.waitpid(pid, 0)
        _say(answers, pid=pid, exit=os.waitstatus_to_exitcode(status))
    return 0


def _say(descriptor: int, **answer: int) -> None:
    """Answer the supervisor in one line."""
    os.write(descriptor, (json.dumps(answer) + "\n").encode())


def _become_worker(folder: Path) -> None:
    """In the child: a session of its own, its own logs, then the job; never returns."""
    from cupel.run import worker

    code = 1
    try:
        server = os.getppid()
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        for number, name in ((1, "stdout.log"), (2, "stderr.log")):
            log = os.open(folder / "rank0" / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(log, number)
        die_with_parent(server)
        code = worker.do_job(folder)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
