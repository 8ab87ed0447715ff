"""Clocks: who says when a step ended.

A clock's `mark` is taken after each step. On a CPU it is `perf_counter_ns`. On an accelerator it is a device event
that is recorded in the stream and resolved later, so that the host never waits for the device inside the timed part,
except that it may not run more than a few steps ahead (else it would queue minutes of work before looking at the
time).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

RUN_AHEAD = 8
"""Steps that the host may be ahead of the device, at most."""
AHEAD_S = 0.5
"""Seconds of work that the host may be ahead: with slow steps it is only one of them, or time would run over."""


class Clock(Protocol):
    """What stepping needs of a clock."""

    def mark(self) -> Any:
        """A mark after the work handed over so far; costs no wait for it, but for the bounded run-ahead."""

    def host_ns(self, mark: Any) -> int:
        """Host time of about now in ns, for deciding when to stop; `mark` is the newest one."""

    def is_past(self, mark: Any) -> bool:
        """Whether the work before the mark is done, without waiting."""

    def seconds(self, earlier: Any, later: Any) -> float:
        """Seconds between two marks that are past."""

    def finish(self) -> None:
        """Wait until every mark is past."""


class HostClock:
    """The monotonic clock of the host: work is done when the call returns.

    Args:
        now_ns: the clock; another one in tests.
    """

    def __init__(self, now_ns: Callable[[], int] = time.perf_counter_ns) -> None:
        self.mark = now_ns

    def host_ns(self, mark: int) -> int:
        """The mark itself."""
        return mark

    def is_past(self, mark: int) -> bool:
        """Always: a host mark is taken after the work."""
        del mark
        return True

    def seconds(self, earlier: int, later: int) -> float:
        """Seconds between two marks."""
        return (later - earlier) * 1e-9

    def finish(self) -> None:
        """Nothing to wait for."""


class DeviceClock:
    """Events of an accelerator, recorded lazily and resolved outside the timed part.

    Args:
        new_event: makes an event with timing (`torch.cuda.Event(enable_timing=True)`); it must have `record()`,
        `query()`,
            `synchronize()` and `elapsed_time(later)` in ms.
        now_ns: the host's clock.
        run_ahead: steps that the host may be ahead.
    """

    def __init__(
        self,
        new_event: Callable[[], Any],
        now_ns: Callable[[], int] = time.perf_counter_ns,
        *,
        run_ahead: int = RUN_AHEAD,
    ) -> None:
        self._new_event = new_event
        self._now_ns = now_ns
        self._most_ahead = run_ahead
        self._ahead = 1
        self._recent: deque[Any] = deque(maxlen=run_ahead + 2)

    def mark(self) -> Any:
        """An event behind the work handed over so far."""
        event = self._new_event()
        event.record()
        self._recent.append(event)
        if len(self._recent) > self._ahead + 1:
            reached = self._recent[-1 - self._ahead]
            reached.synchronize()
            step_s = float(self._recent[-2 - self._ahead].elapsed_time(reached)) * 1e-3
            self._ahead = max(1, min(self._most_ahead, int(AHEAD_S / step_s) if step_s > 0 else self._most_ahead))
        return event

    def host_ns(self, mark: Any) -> int:
        """The host's clock."""
        del mark
        return self._now_ns()

    def is_past(self, mark: Any) -> bool:
        """Whether the device has reached the event."""
        return bool(mark.query())

    def seconds(self, earlier: Any, later: Any) -> float:
        """Seconds between two events."""
        return float(earlier.elapsed_time(later)) * 1e-3

    def finish(self) -> None:
        """Wait for the newest event."""
        if self._recent:
            self._recent[-1].synchronize()


def clock_for(device: Any) -> Clock:
    """The clock of a device: host time for a CPU, device events for an accelerator."""
    kind = getattr(device, "type", str(device).partition(":")[0])
    if kind == "cpu":
        return HostClock()
    import torch

    if kind == "cuda":
        new_cuda_event: Callable[..., Any] = torch.cuda.Event
        return DeviceClock(lambda: new_cuda_event(enable_timing=True))
    new_event: Callable[..., Any] = torch.Event
    return DeviceClock(lambda: new_event(device=device, enable_timing=True))
