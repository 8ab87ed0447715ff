"""Performance profiles of costs: on what share of tasks a method is within a factor of the best.

Formula
    r = cost of the method on the task / least cost of any method there;
    the cost is the median over runs, infinite where it is not solved.
    share(tau) = share of tasks with r <= tau. share(1): where it is (or
    ties for) the best; share at infinity: what it solves at all.
    A task that no method solves counts and is solved by none. A task on
    which a method has no run is left out for all, with a note.
    A failed run is unsolved: more than half of them, and the task is.

Interval
    At each tau the tasks within it are a binomial count: Clopper-Pearson,
    for tasks like these, the methods compared being these.

Reading several methods
    The ratios are to the best of those present. With more than two, only
    the curve of the one that leads can be read as a ranking: the order of
    the others may turn when the leader is taken away. `pair(a, b)` redoes
    the profile for two.

Source: Dolan & More (2002), Mathematical Programming 91, 201-213; Gould &
Scott (2016), ACM Transactions on Mathematical Software 43(2), 15.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.checked import Floats, chosen, floats, fraction
from cupel.stats.frame import Frame, frame_of
from cupel.stats.interval import Interval
from cupel.stats.note import Note
from cupel.stats.run_strata import named
from cupel.stats.solve_costs import solve_costs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class DolanMore:
    """Profiles of the costs of methods.

    Attributes:
        methods: names.
        tasks: names of the tasks compared.
        cost: (methods, tasks) median over runs; infinite where unsolved.
        metric: what was measured.
        level: of the intervals.
        scope: what the intervals speak about.
        method: how the intervals are made.
        warnings: what a reader of the curves must know.
    """

    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    cost: Floats
    metric: str
    level: float
    scope: str
    method: str
    warnings: tuple[Note, ...]

    @cached_property
    def ratio(self) -> Floats:
        """(methods, tasks) to the least cost on the task; infinite where unsolved."""
        return ratios(self.cost)

    @property
    def n(self) -> int:
        """Tasks compared."""
        return len(self.tasks)

    def share(self, tau: ArrayLike) -> Floats:
        """(methods, thresholds) share of tasks within each factor of the best, 0 to 1."""
        at = np.atleast_1d(floats("tau", tau))
        within = (self.ratio[:, :, None] <= at) & np.isfinite(self.ratio)[:, :, None]
        return np.asarray(within.mean(axis=1))

    def interval(self, name: str, tau: float) -> Interval:
        """Of the share of one method at one factor.

        Raises:
            UnknownNameError: no method of that name.
        """
        low, high = self._ends(self.share(tau))
        k = self._index(name)
        return Interval(float(low[k, 0]), float(high[k, 0]), self.level, self.method)

    def pair(self, a: str, b: str) -> DolanMore:
        """The profile of two methods by themselves, on the tasks compared here.

        Raises:
            UnknownNameError: no method of that name.
        """
        index = [self._index(a), self._index(b)]
        kept = tuple(note for note in self.warnings if note.code != "two solvers")
        return replace(self, methods=(a, b), cost=self.cost[index], warnings=kept)

    def to_frame(self) -> Any:
        """One row per method and factor at which any share changes, with the ends of the interval."""
        finite = self.ratio[np.isfinite(self.ratio)]
        at = np.unique(np.append(finite, 1.0))
        shares = self.share(at)
        low, high = self._ends(shares)
        columns: dict[str, list[Any]] = {"name": [name for name in self.methods for _ in range(at.size)]}
        columns |= {"tau": at.tolist() * len(self.methods), "share": shares.ravel().tolist()}
        return frame_of(columns | {"low": low.ravel().tolist(), "high": high.ravel().tolist()})

    def text(self) -> str:
        """Shares at 1, 2 and infinity of each method, and the warnings."""
        lines = [f"Within a factor of the least {self.metric}, share of {self.n} tasks ({self.scope}):"]
        shares = self.share([1.0, 2.0, math.inf])
        low, high = self._ends(shares)
        for k, name in enumerate(self.methods):
            best, twice, solved = (
                f"{shares[k, j]:.0%} ({low[k, j]:.0%} to {high[k, j]:.0%})" for j in range(shares.shape[1])
            )
            lines.append(f"  {name}: best on {best}, within 2 x on {twice}, solves {solved}")
        return "\n".join([*lines, *(f"  {note.text}" for note in self.warnings)])

    def _index(self, name: str) -> int:
        if name not in self.methods:
            raise UnknownNameError("method", name, self.methods)
        return self.methods.index(name)

    def _ends(self, shares: Floats) -> tuple[Floats, Floats]:
        from scipy.special import betaincinv

        num = np.rint(shares * self.n)
        tail = (1 - self.level) / 2
        low = np.where(num > 0, betaincinv(np.maximum(num, 1), self.n - num + 1, tail), 0.0)
        high = np.where(num < self.n, betaincinv(num + 1, np.maximum(self.n - num, 1), 1 - tail), 1.0)
        return low, high


def dolan_more(frame: Frame, methods: Sequence[str] | None = None, *, level: float = 0.95) -> DolanMore:
    """Compare the costs of methods by their ratio to the best on each task.

    Args:
        frame: results whose values are costs above 0, lower is better; a failed run is unsolved. Arrays (runs, tasks)
            by method are taken too.
        methods: which to compare; None: all. The best is the best of these.
        level: of the intervals.

    Returns:
        Ratios, and shares at any factor. Tasks without a run of some method are left out, with a note.

    Raises:
        UsageError: higher is declared as better, a cost is not above 0, an unknown method, or no task is left.

    Source: Dolan & More (2002).

    Example:
        >>> times = {"A": np.array([[1.0, 4.0, 2.0]]), "B": np.array([[2.0, 2.0, np.nan]])}
        >>> dolan_more(times).share([1.0, 2.0]).round(2).tolist()
        [[0.67, 1.0], [0.33, 0.67]]
    """
    fraction("level", level)
    costs = solve_costs(frame)
    names = costs.methods if methods is None else chosen("methods", methods)
    unknown = next((name for name in names if name not in costs.methods), None)
    if unknown is not None:
        raise UnknownNameError("method", unknown, costs.methods)
    cost = costs.cost[[costs.methods.index(name) for name in names]]
    is_whole = np.all(np.isfinite(cost) | np.isinf(cost), axis=0)
    tasks = tuple(task for task, kept in zip(costs.tasks, is_whole, strict=True) if kept)
    if not tasks:
        raise UsageError("On no task do all methods have a run. Expected runs of each on the same tasks.")
    notes = list(costs.warnings)
    if len(tasks) < len(costs.tasks):
        gone = [task for task, kept in zip(costs.tasks, is_whole, strict=True) if not kept]
        text = f"{len(gone)} tasks on which a method has no run are left out: {named(gone)}."
        notes.append(Note("missing cells", text))
    return DolanMore(
        methods=names,
        tasks=tasks,
        cost=cost[:, is_whole],
        metric=costs.metric,
        level=level,
        scope="tasks like these",
        method="Clopper-Pearson over tasks",
        warnings=(*notes, *_only_the_leader(len(names))),
    )


def _only_the_leader(num_methods: int) -> tuple[Note, ...]:
    """The warning of Gould and Scott, for more than two methods."""
    if num_methods <= 2:
        return ()
    text = (
        f"{num_methods} methods: only the curve of the leader ranks; the order of the others may turn without it. "
        "Compare two: pair(a, b)."
    )
    return (Note("two solvers", text),)


def ratios(cost: Floats) -> Floats:
    """(methods, tasks) cost over the least on each task; infinite where unsolved."""
    best = cost.min(axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(cost), cost / best, np.inf)
