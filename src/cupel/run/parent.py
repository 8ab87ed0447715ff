"""A process that ends when its parent does."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

ORPHAN_POLL_S = 0.5
PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, *, watches: bool = True) -> None:
    """End this process within 2 s of the parent's death: at once by the kernel where it can, else by looking.

    Args:
        parent: process id of the parent as it was when this process was started.
        watches: start the thread that looks; a process that will fork must not have one.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(ORPHAN_POLL_S)
        os.kill(os.getpid(), signal.SIGKILL)

    if watches:
        threading.Thread(target=watch, name="orphan watch", daemon=True).start()
