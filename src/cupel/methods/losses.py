"""Losses that arrive once, in any order, and only where they were asked for."""

from __future__ import annotations

import math

from cupel.spec.errors import UsageError
from cupel.spec.search import Work


class Losses:
    """What was asked for and what has come: a guard for every searcher's `tell`."""

    def __init__(self) -> None:
        self.works: dict[int, Work] = {}
        """The last work of each trial."""
        self._awaited: dict[int, tuple[float, ...]] = {}

    def expect(self, work: Work) -> Work:
        """Note a work before it is handed out."""
        self.works[work.trial] = work
        self._awaited[work.trial] = work.milestones
        return work

    def take(self, trial: int, resource: float, loss: float) -> float | None:
        """The loss to use, infinite for one that is no number; None where it was not awaited.

        Raises:
            UsageError: the trial was never asked for.
        """
        if trial not in self.works:
            raise UsageError(f"A loss of trial {trial} was told; {len(self.works)} trials have been asked for.")
        awaited = self._awaited.get(trial, ())
        if resource not in awaited:
            return None
        # milestones below one that was told are past: a late loss of theirs says nothing new
        self._awaited[trial] = awaited[awaited.index(resource) + 1 :]
        return math.inf if math.isnan(loss) else loss

    def drop(self, trial: int) -> bool:
        """Await nothing more of a trial; whether something was awaited."""
        return bool(self._awaited.pop(trial, ()))

    def is_awaited(self, trial: int) -> bool:
        """Whether a loss of the trial is still to come."""
        return bool(self._awaited.get(trial))
