"""A bracket of successive halving, all of whose rungs are complete before the next begins."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence


def rung_sizes(num: int, *, eta: int, num_rungs: int) -> list[int]:
    """Configurations on each rung: ⌊n η^-i⌋ for i = 0, 1, ...; rungs that would be empty are left out.

    Example:
        >>> rung_sizes(81, eta=3, num_rungs=5)
        [81, 27, 9, 3, 1]
    """
    return [size for size in (num // eta**k for k in range(num_rungs)) if size > 0]


class Bracket:
    """One bracket: which trial is trained to which resource next, by number.

    Args:
        first: number of its first trial; the others follow.
        sizes: configurations on each rung.
        resources: what each rung trains up to; as many as there are sizes.
    """

    def __init__(self, first: int, sizes: Sequence[int], resources: Sequence[float]) -> None:
        self.resources = tuple(resources)
        self._sizes = list(sizes)
        self._level = 0
        self._todo = deque(range(first, first + sizes[0]))
        self._num_awaited = sizes[0]
        self._losses: list[tuple[float, int]] = []

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to ask for or to wait for."""
        return self._level >= len(self._sizes)

    def ask(self) -> tuple[int, int] | None:
        """A trial and its rung; None while the rung waits for losses, or when the bracket is over."""
        return (self._todo.popleft(), self._level) if self._todo else None

    def take(self, trial: int, loss: float | None) -> None:
        """Take a trial's loss on the rung in work, None where none will come; the last one opens the next rung."""
        if loss is not None:
            self._losses.append((loss, trial))
        self._num_awaited -= 1
        if self._num_awaited == 0:
            self._rise()

    def _rise(self) -> None:
        """Open the next rung for the best; a trial that cannot be trained does not rise, whatever room there is."""
        alive = sorted((loss, trial) for loss, trial in self._losses if loss < float("inf"))
        self._losses = []
        self._level += 1
        if self.is_over:
            return
        if not alive:
            self._level = len(self._sizes)
            return
        self._todo.extend(trial for _, trial in alive[: self._sizes[self._level]])
        self._num_awaited = len(self._todo)
