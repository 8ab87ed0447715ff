"""A rung of ASHA: which configurations are among its best and have not been promoted, at O(log n) per loss.

The best ⌊n / eta⌋ of n are kept apart from the rest by two heaps that exchange their ends; whatever enters the best is
put on a third heap, from which the next to promote is taken. An entry that has left the best meanwhile is passed over
when it comes up, and enters again when it returns.
"""

from __future__ import annotations

import heapq

Entry = tuple[float, int]
"""Loss, then order of arrival, so that ties are decided."""


class Rung:
    """The losses of one rung.

    Args:
        eta: one in so many may be promoted.
    """

    def __init__(self, eta: int) -> None:
        self._eta = eta
        self._num = 0
        self._trial_of: list[int] = []
        self._best: list[tuple[float, int]] = []  # its worst first: both numbers negated
        self._rest: list[Entry] = []
        self._candidates: list[Entry] = []
        self._is_best: list[bool] = []

    def add(self, trial: int, loss: float) -> None:
        """Take a loss."""
        entry = (loss, self._num)
        self._num += 1
        self._trial_of.append(trial)
        self._is_best.append(False)
        if self._best and entry < _plain(self._best[0]):
            worst = _plain(heapq.heapreplace(self._best, _negated(entry)))
            self._is_best[worst[1]] = False
            self._enter(entry)
            heapq.heappush(self._rest, worst)
        else:
            heapq.heappush(self._rest, entry)
        if self._num // self._eta > len(self._best):
            entry = heapq.heappop(self._rest)
            heapq.heappush(self._best, _negated(entry))
            self._enter(entry)

    def pop_promotable(self) -> int | None:
        """The best trial that may be promoted and was not, taken out; None where there is none."""
        while self._candidates:
            loss, order = heapq.heappop(self._candidates)
            if self._is_best[order] and loss != float("inf"):
                self._trial_of[order], trial = -1, self._trial_of[order]
                if trial >= 0:
                    return trial
        return None

    def _enter(self, entry: Entry) -> None:
        """An entry joins the best."""
        self._is_best[entry[1]] = True
        if self._trial_of[entry[1]] >= 0:
            heapq.heappush(self._candidates, entry)


def _negated(entry: Entry) -> tuple[float, int]:
    return -entry[0], -entry[1]


_plain = _negated
