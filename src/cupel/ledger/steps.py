"""The steps of a launch, as its records say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Steps:
    """The steps of a launch, in order.

    Args:
        seconds: duration of each step in s.
        items: items of each step.
        end_s: end of each step in s since the stepping began.
        losses: loss of each step; None where there is none.
        also: further counts of each step, by unit.
        last_step: number of the step; of the last one, where a record stands for a group of very fast steps.
    """

    seconds: list[float] = field(default_factory=list)
    items: list[float] = field(default_factory=list)
    end_s: list[float] = field(default_factory=list)
    losses: list[float | None] = field(default_factory=list)
    also: dict[str, list[float]] = field(default_factory=dict)
    last_step: list[int] = field(default_factory=list)


def steps_of(records: Iterable[dict[str, Any]]) -> Steps:
    """The steps in what one rank wrote."""
    steps = Steps()
    for record in records:
        if record["kind"] == "step":
            _append_step(steps, record)
        elif record["kind"] == "losses":
            late = [_loss(value) for value in record["loss"]]
            steps.losses[:] = [late[last] if last < len(late) else None for last in steps.last_step]
    return steps


def _append_step(steps: Steps, record: dict[str, Any]) -> None:
    """Add one step's record; a record that lacks a number is passed over."""
    try:
        seconds, items, end_s = float(record["s"]), float(record["n"]), float(record["end_s"])
    except (KeyError, TypeError, ValueError):
        return
    steps.seconds.append(seconds)
    steps.items.append(items)
    steps.end_s.append(end_s)
    steps.last_step.append(int(record.get("i", 0)) + int(record.get("steps", 1)) - 1)
    steps.losses.append(_loss(record.get("loss")))
    for unit, count in (record.get("also") or {}).items():
        steps.also.setdefault(unit, []).append(float(count))


def _loss(value: Any) -> float | None:
    """A loss as it was written: a number, the words that JSON lacks (`nan`, `inf`), or null for none."""
    return None if value is None else float(value)
