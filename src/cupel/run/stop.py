"""Stopping a run by signal: once means finish the launch and stop, twice means stop now."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Stop:
    """How often the user asked to stop."""

    def __init__(self) -> None:
        self.requests = 0

    @property
    def is_asked(self) -> bool:
        """Start no further job."""
        return self.requests >= 1

    @property
    def is_now(self) -> bool:
        """End the running job, too."""
        return self.requests >= 2

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Count Ctrl-C; a termination or a lost terminal stops at once. Signals reach the main thread only."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def count(number: int, frame: FrameType | None) -> None:
            del frame
            self.requests += 1 if number == signal.SIGINT else 2

        # what was ignored stays so: a run under nohup outlives its terminal
        asked = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        names = [name for name in asked if signal.getsignal(name) is not signal.SIG_IGN]
        before = [signal.signal(name, count) for name in names]
        try:
            yield
        finally:
            for name, handler in zip(names, before, strict=True):
                signal.signal(name, handler)
