"""Stepping: call a step until time is up, and keep what each one took.

The loop takes one mark per step and appends to lists; everything else (seconds, losses, writing) happens about once a
second, outside the timed part. The first step stands apart: it holds compilation and lazy set-up, and the time to go on
is counted from its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cupel.measure.clock import Clock
from cupel.spec.errors import WrongWorkError
from cupel.spec.protocols import Done, Step

FLUSH_NS = 1_000_000_000
SHORT_STEP_S = 0.005
MOST_ROWS = 2000
"""Rows written at a time; steps that are faster than that are written in groups, their items and seconds summed."""
MIN_STEPS = 40
"""Steps to aim for: 30 kept ones are needed for an interval within the launch."""
STRETCH = 1.6
"""By how much the time may be stretched to reach that many steps."""


@dataclass(frozen=True)
class StepRow:
    """One step, resolved.

    Args:
        index: number of the step from 0.
        end_s: its end in s since the stepping began.
        seconds: its duration in s.
        items: its items.
        loss: its loss; None where there is none or it is read later.
        also: its further counts.
        steps: how many steps the row stands for; more than one where they are too fast to be told apart.
    """

    index: int
    end_s: float
    seconds: float
    items: float
    loss: float | None
    also: dict[str, float] | None
    steps: int = 1


@dataclass(frozen=True)
class Limits:
    """How long to step.

    Args:
        stepping_s: seconds to go on after the first step.
        min_steps: steps to aim for; the time is stretched by up to 60 % to reach them.
        agree: says on every rank of a job what its first rank handed over, for ranks that must take the same steps; the
            first then decides at which step the next look at the time is, and when it was the last.
    """

    stepping_s: float
    min_steps: int = MIN_STEPS
    agree: Callable[[int], int] | None = None


@dataclass
class _Pending:
    """Steps whose marks are not resolved yet."""

    start: Any
    marks: list[Any] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)


def run_steps(
    step: Step,
    clock: Clock,
    *,
    limits: Limits,
    write: Callable[[Sequence[StepRow]], None],
    has_late_losses: bool = False,
) -> list[Any]:
    """Call `step` until the limits are reached.

    Args:
        step: does one unit of work.
        clock: says when steps ended.
        limits: how long to go on.
        write: takes the rows of steps that are over, about once a second, outside the timed part.
        has_late_losses: leave the losses alone until the end (reading one would make the host wait for the device).

    Returns:
        The losses that were left for later, in order; empty where they stand in the rows.
    """
    recorder = _Recorder(clock, write, has_late_losses=has_late_losses)
    pending = _Pending(clock.mark())
    recorder.origin = pending.start
    pending.done.append(step())
    pending.marks.append(clock.mark())
    clock.finish()
    begin_ns = clock.host_ns(clock.mark())
    pending = recorder.flush(pending)
    enough_ns = begin_ns + int(limits.stepping_s * 1e9)
    last_ns = begin_ns + int(limits.stepping_s * STRETCH * 1e9)
    count, min_steps = 1, limits.min_steps
    flush_ns = begin_ns + FLUSH_NS
    look_at, agree = 2, limits.agree
    mark, host_ns, marks, done = clock.mark, clock.host_ns, pending.marks, pending.done
    while True:
        did = step()
        now = mark()
        marks.append(now)
        done.append(did)
        count += 1
        now_ns = host_ns(now)
        if agree is not None and count == look_at:
            is_over = (now_ns >= enough_ns and count >= min_steps) or now_ns >= last_ns
            look_at = agree(0 if is_over else count + _ahead(count, now_ns - begin_ns, enough_ns - begin_ns))
            if not look_at:
                break
        if now_ns < flush_ns and (now_ns < enough_ns or agree is not None):
            continue
        if agree is None and ((now_ns >= enough_ns and count >= min_steps) or now_ns >= last_ns):
            break
        if now_ns >= flush_ns:
            pending = recorder.flush(pending)
            marks, done = pending.marks, pending.done
            flush_ns = now_ns + FLUSH_NS
    clock.finish()
    recorder.flush(pending)
    return recorder.late_losses


def _ahead(count: int, past_ns: int, enough_ns: int) -> int:
    """Steps until the next look at the time: half of those that are left, at most a second's."""
    per_step_ns = max(past_ns, 1) / max(count - 1, 1)
    return max(1, int(min(enough_ns - past_ns, FLUSH_NS) / 2 / per_step_ns))


class _Recorder:
    """Resolves marks into rows, in order, and hands them on."""

    def __init__(
        self,
        clock: Clock,
        write: Callable[[Sequence[StepRow]], None],
        *,
        has_late_losses: bool,
    ) -> None:
        self._clock = clock
        self._write = write
        self._has_late_losses = has_late_losses
        self._num_rows = 0
        self._step_s = math.inf
        self.origin: Any = None
        self.late_losses: list[Any] = []

    def flush(self, pending: _Pending) -> _Pending:
        """Hand on the steps that are over; return what is left, ready to go on.

        Where steps are so short that an accelerator would run dry while records are written, it is waited for once
        instead, and the pause is in no step.
        """
        if self._step_s < SHORT_STEP_S:
            self._clock.finish()
        num_past = 0
        for mark in pending.marks:
            if not self._clock.is_past(mark):
                break
            num_past += 1
        rows, start = [], pending.start
        for mark, did in zip(pending.marks[:num_past], pending.done[:num_past], strict=True):
            rows.append(self._row(did, start, mark))
            start = mark
        if rows:
            self._step_s = rows[-1].seconds
            self._write(grouped(rows, math.ceil(len(rows) / MOST_ROWS)))
        left = _Pending(start, pending.marks[num_past:], pending.done[num_past:])
        if not left.marks:  # nothing is under way: a fresh mark keeps this pause out of the next step
            left.start = self._clock.mark()
        return left

    def _count(self, value: Any, what: str) -> float:
        """A count as a float; one that is no number would make every later figure worthless."""
        count = float(value)
        if not math.isfinite(count) or count < 0:
            raise WrongWorkError(f"step {self._num_rows} did {value!r} {what}; expected a finite number from 0.")
        return count

    def _row(self, did: Done, start: Any, mark: Any) -> StepRow:
        """One step's row."""
        loss = None
        if did.loss is not None:
            if self._has_late_losses:
                self.late_losses.append(did.loss)
            else:
                loss = float(did.loss)
        row = StepRow(
            index=self._num_rows,
            end_s=self._clock.seconds(self.origin, mark),
            seconds=self._clock.seconds(start, mark),
            items=self._count(did.items, "items"),
            loss=loss,
            also={str(unit): self._count(count, unit) for unit, count in did.also.items()} if did.also else None,
        )
        self._num_rows += 1
        return row


def grouped(rows: Sequence[StepRow], size: int) -> Sequence[StepRow]:
    """The rows in groups of that size: items, seconds and counts summed, the last loss (a bad one first of all)."""
    if size <= 1:
        return rows
    groups = [rows[first : first + size] for first in range(0, len(rows), size)]
    return [_sum(group) for group in groups]


def _sum(group: Sequence[StepRow]) -> StepRow:
    losses = [row.loss for row in group if row.loss is not None]
    bad = [loss for loss in losses if not math.isfinite(loss)]
    units = group[-1].also or {}
    return StepRow(
        index=group[0].index,
        end_s=group[-1].end_s,
        seconds=math.fsum(row.seconds for row in group),
        items=math.fsum(row.items for row in group),
        loss=bad[0] if bad else losses[-1] if losses else None,
        also={unit: math.fsum((row.also or {}).get(unit, 0.0) for row in group) for unit in units} or None,
        steps=len(group),
    )


def format_rows(rows: Sequence[StepRow]) -> str:
    """The rows as record lines; written by hand, since this stands between two steps."""
    lines = []
    for row in rows:
        more = "" if row.steps == 1 else f',"steps":{row.steps}'
        if row.loss is not None:
            more += f',"loss":{row.loss!r}' if math.isfinite(row.loss) else f',"loss":"{row.loss}"'
        if row.also:
            more += ',"also":{' + ",".join(f'"{unit}":{count!r}' for unit, count in row.also.items()) + "}"
        head = f'"i":{row.index},"end_s":{row.end_s:.9f},"s":{row.seconds:.9f},"n":{row.items!r}'
        lines.append(f'{{"kind":"step",{head}{more}}}\n')
    return "".join(lines)
