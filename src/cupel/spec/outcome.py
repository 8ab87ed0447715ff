"""What a trial of a claim gives: numbers, what they cost, or why there are none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cupel.spec.errors import UsageError

VALUE = "value"
"""The name of a value that was given without one."""


@dataclass(frozen=True)
class Outcome:
    """What one trial, one instance or one recomputation found.

    Args:
        value: the measured number, or several by the metrics that the card's statements name. A single number stands
            for the metric of whichever statement asks.
        costs: what it took, in units that no host changes: `macs`, `steps`, `gradients`, `samples`, `live_bytes`.
        selection: what hyperparameters are chosen by, in the direction of the headline; the headline's own metric where
            it is None. Give it where the metric is one of a test set.
        interval: of a published value, recomputed from recorded data: its 95 % interval.
        n: what that interval rests on.
        note: what a reader must know; the reason, where nothing was testable.
        is_testable: False where this device cannot show it (`not_testable`).
    """

    value: float | Mapping[str, float]
    costs: Mapping[str, float] = field(default_factory=dict)
    selection: float | None = None
    interval: tuple[float, float] | None = None
    n: int | None = None
    note: str = ""
    is_testable: bool = True

    @classmethod
    def not_testable(cls, reason: str) -> Outcome:
        """Say that this device cannot show it; no failure, and no evidence either way."""
        return cls(value={}, note=reason, is_testable=False)

    @property
    def values(self) -> dict[str, float]:
        """Values by metric."""
        if isinstance(self.value, Mapping):
            return {name: float(value) for name, value in self.value.items()}
        return {VALUE: float(self.value)}

    def metric(self, name: str) -> float:
        """The number that a statement asks for: a value, else a cost.

        Raises:
            UsageError: there is none of that name.
        """
        values = self.values
        found = values.get(name, values.get(VALUE, self.costs.get(name)))
        if found is None:
            raise UsageError(
                f"The metric {name!r} was asked; the outcome has {', '.join([*values, *self.costs]) or 'no numbers'}. "
                "Name it in Outcome(value={...}), or correct the statement."
            )
        return float(found)

    def as_dict(self) -> dict[str, Any]:
        """The outcome as plain data; numbers that JSON lacks become words."""
        return {
            "values": {name: _plain(value) for name, value in self.values.items()},
            "costs": {name: _plain(float(cost)) for name, cost in self.costs.items()},
            "selection": None if self.selection is None else _plain(float(self.selection)),
            "interval": None if self.interval is None else [float(end) for end in self.interval],
            "n": self.n,
            "note": self.note,
            "is_testable": self.is_testable,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Outcome:
        """An outcome from plain data."""
        selection, interval = data.get("selection"), data.get("interval")
        return cls(
            value={name: float(value) for name, value in data["values"].items()},
            costs={name: float(cost) for name, cost in data.get("costs", {}).items()},
            selection=None if selection is None else float(selection),
            interval=None if interval is None else (float(interval[0]), float(interval[1])),
            n=data.get("n"),
            note=str(data.get("note", "")),
            is_testable=bool(data.get("is_testable", True)),
        )


def _plain(value: float) -> float | str:
    """A number as JSON has it: `nan` and `inf` as words."""
    return value if math.isfinite(value) else str(value)
