"""The best configuration trained again with fresh seeds, which nothing was selected on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cupel.run.stop import Stop
from cupel.spec.seeds import Seeds
from cupel.spec.space import Configuration
from cupel.spec.tuning import Attempt, AttemptEnded, Reevaluated, Report, Trainer, TuningRequest

WAIT_S = 0.5
SEED_RANGE = 2**31
"""Seeds of scripts are below this: more than one library takes no larger ones."""


@dataclass(frozen=True)
class Surroundings:
    """What a tuning run goes on in.

    Args:
        past: records of an earlier start of the same run.
        stop: how often the user asked to stop.
        now_s: a clock.
        tick: called about twice a second while trials run (telemetry).
    """

    past: Iterable[dict[str, Any]] = ()
    stop: Stop = field(default_factory=Stop)
    now_s: Callable[[], float] = time.monotonic
    tick: Callable[[], None] = lambda: None


class FreshSeeds:
    """Trains one configuration in full, once for each fresh seed.

    Args:
        request: what was asked.
        trainer: trains.
        write: appends a record.
        around: the user's wish to stop.
    """

    def __init__(
        self,
        request: TuningRequest,
        trainer: Trainer,
        write: Callable[..., None],
        around: Surroundings,
    ) -> None:
        self._request = request
        self._trainer = trainer
        self._write = write
        self._stop = around.stop
        self._tick = around.tick
        self._values: dict[str, float] = {}
        self._running: dict[str, tuple[int, int]] = {}

    def run(self, trial: int, parameters: Configuration, *, done: Collection[int]) -> Iterator[Reevaluated]:
        """Train it with every seed that was not done by an earlier start of the run.

        Args:
            trial: number of the trial.
            parameters: its configuration.
            done: numbers of the seeds that were done.
        """
        todo = deque(number for number in range(self._request.reevaluations) if number not in done)
        while todo or self._running:
            if self._stop.is_asked:
                todo.clear()
            if self._stop.is_now:
                for key in self._running:
                    self._trainer.stop(key)
            while todo and len(self._running) < self._request.workers:
                self._begin(todo.popleft(), trial, parameters)
            self._tick()
            for ended in self._trainer.collect(self._take, WAIT_S):
                yield from self._end(ended, trial)

    def _begin(self, number: int, trial: int, parameters: Configuration) -> None:
        request = self._request
        seed, key = Seeds(request.seed).seed("fresh", number) % SEED_RANGE, f"fresh.{number}"
        self._running[key] = (number, seed)
        is_by_script = request.fidelity == "seeds" or request.max_resource is None
        resource = None if is_by_script or request.max_resource is None else whole(request.max_resource)
        self._trainer.start(Attempt(key, trial, parameters, 0, resource, seed, home=key))

    def _take(self, report: Report) -> bool:
        """Keep the last value up to the largest resource; beyond it the attempt is stopped."""
        most = self._request.max_resource if self._request.fidelity == "resource" else None
        if most is not None and report.step is not None and report.step > most:
            return False
        self._values[report.key] = report.value
        return True

    def _end(self, ended: AttemptEnded, trial: int) -> Iterator[Reevaluated]:
        number, seed = self._running.pop(ended.key)
        if ended.status == "stopped" and self._stop.is_now:
            return
        has_value = ended.status in ("ok", "stopped")
        value = self._values.get(ended.key) if has_value else None
        elapsed_s = round(ended.elapsed_s, 4)
        self._write("reevaluated", trial=trial, number=number, seed=seed, value=value, elapsed_s=elapsed_s)
        yield Reevaluated(trial, seed, value)


def whole(resource: float) -> float:
    """A whole number as one, so that scripts are given `9` and not `9.0`.

    Example:
        >>> whole(9.0)
        9
    """
    return int(resource) if float(resource).is_integer() else resource
