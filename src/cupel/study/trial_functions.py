"""Trials of a Python function, one after another in this process: no isolation and no time limit."""

from __future__ import annotations

import inspect
import math
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cupel.spec.errors import UsageError
from cupel.spec.tuning import Attempt, AttemptEnded, OnReport, Report


class TrialStoppedError(Exception):
    """Raised by `Trial.report` in a function that need not go on; let it pass."""


@dataclass
class Trial:
    """What a function that is tuned may ask and tell.

    Args:
        number: of the trial, from 0.
        seed: for all that is random.
        start: resource that the trial has had already; its `state` is what it left then.
        resource: resource to train up to; None where the function decides.
        state: anything that the function wants to find again when it is trained further.
    """

    number: int
    seed: int
    start: float
    resource: float | None
    state: Any = None
    _on_value: Callable[[float, float | None], bool] = field(default=lambda *_: True, repr=False)

    def report(self, value: float, step: float | None = None) -> None:
        """Report a value on the way.

        Raises:
            TrialStoppedError: the trial need not go on; the function lets it pass.
        """
        if not self._on_value(float(value), step):
            raise TrialStoppedError


class TrialFunctions:
    """Calls a function for each attempt.

    Args:
        function: takes the configuration, and a `Trial` where it has a second argument; returns the value, or None
            where it reported its values.

    Raises:
        UsageError: it takes no argument, or more than two.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._takes_trial = _num_arguments(function) == 2
        self._waiting: list[Attempt] = []
        self._states: dict[int, Any] = {}

    def start(self, attempt: Attempt) -> None:
        """Keep an attempt until `collect`."""
        self._waiting.append(attempt)

    def stop(self, key: str) -> None:
        """Forget an attempt that was not called yet."""
        self._waiting = [attempt for attempt in self._waiting if attempt.key != key]

    def collect(self, on_report: OnReport, timeout_s: float) -> Iterator[AttemptEnded]:
        """Call the function for what was started."""
        del timeout_s
        waiting, self._waiting = self._waiting, []
        for attempt in waiting:
            yield self._call(attempt, on_report)

    def _call(self, attempt: Attempt, on_report: OnReport) -> AttemptEnded:
        started = time.monotonic()
        num_reports = 0

        def on_value(value: float, step: float | None) -> bool:
            nonlocal num_reports
            num_reports += 1
            return on_report(Report(attempt.key, value, step))

        is_further = attempt.start > 0
        state = self._states.get(attempt.trial) if is_further else None
        trial = Trial(attempt.trial, attempt.seed, attempt.start, attempt.resource, state, on_value)
        arguments: tuple[Any, ...] = (dict(attempt.parameters), *((trial,) if self._takes_trial else ()))
        try:
            value = self._function(*arguments)
        except TrialStoppedError:
            return AttemptEnded(attempt.key, "stopped", time.monotonic() - started)
        except Exception as error:  # noqa: BLE001 (whatever the user's function raises is the end of one trial only)
            tail = tuple(traceback.format_exc().splitlines()[-40:])
            message = f"{type(error).__name__}: {error}"
            return AttemptEnded(attempt.key, "failed", time.monotonic() - started, "crashed", message, tail)
        finally:
            self._states[attempt.trial] = trial.state
        if value is not None:
            on_value(_number(value), attempt.resource)
        if not num_reports:
            message = "the function returned None and reported nothing; expected a number"
            return AttemptEnded(attempt.key, "failed", time.monotonic() - started, "no value", message)
        return AttemptEnded(attempt.key, "ok", time.monotonic() - started)


def _number(value: Any) -> float:
    """A returned value as a number, NaN for what is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _num_arguments(function: Callable[..., Any]) -> int:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1  # a built-in that says nothing of itself
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty]
    has_rest = any(p.kind == p.VAR_POSITIONAL for p in parameters)
    if not (1 <= len(plain) <= 2 or (has_rest and not plain)):
        raise UsageError(
            f"The function takes {len(plain)} arguments; expected the configuration, and a trial as the second if it "
            "wants one."
        )
    return max(len(plain), 1)
