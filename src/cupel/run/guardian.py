"""The guardian: a small process that outlives a killed supervisor and ends what it left running.

`python -m cupel.run.guardian MARK` reads lines from standard input. `bye` ends it quietly. When the input ends
without that word, the supervisor is gone: every process whose environment carries the mark is killed, the guardian
excepted. Workers end themselves too; the guardian is for what they started.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

MARK = "CUPEL_RUN_MARK"
"""Environment variable that every process of a run inherits."""


def main(argv: Sequence[str] | None = None) -> int:
    """Wait for the end of the supervisor."""
    mark = (sys.argv[1:] if argv is None else argv)[0]
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    for line in sys.stdin:
        if line.strip() == "bye":
            return 0
    kill_marked(mark)
    return 0


def kill_marked(mark: str, keep: Sequence[int] = ()) -> int:
    """Kill every other process of this user that carries the mark; returns how many.

    A process that forks while we look is caught by the next look.

    Args:
        mark: the run's mark.
        keep: processes that go on.
    """
    import psutil

    killed, spared = 0, (os.getpid(), *keep)
    for _ in range(5):
        marked = [
            process for process in psutil.process_iter() if process.pid not in spared and is_marked(process, mark)
        ]
        for process in marked:
            with contextlib.suppress(psutil.Error):
                process.kill()
        killed += len(marked)
        if not marked:
            break
    return killed


def is_marked(process: psutil.Process, mark: str) -> bool:
    """Whether a process carries the mark; one that is gone or not ours does not."""
    import psutil

    try:
        return process.environ().get(MARK) == mark
    except (psutil.Error, OSError):
        return False


if __name__ == "__main__":
    sys.exit(main())
