"""Tuning the arms of a claim by grids: as many trials for each arm, and no optimum on the edge of a grid.

Each arm's grid is tried; an arm whose grid is smaller spends the trials that it has left around its best. An arm whose
best value is the first or last of a grid has that grid widened by its own ratio (or its own step), and every other arm
is given as many trials more. After three widenings an arm that is still on an edge is said to be there.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from cupel.spec.errors import UsageError

Grid: TypeAlias = Mapping[str, Sequence[Any]]
MOST_WIDENINGS = 3


@dataclass
class ArmTuning:
    """The tuning of one arm.

    Args:
        grid: values by hyperparameter, ascending where they are numbers.
        values: losses told so far, lower is better, by configuration; infinite where none of its trials ended well.
    """

    grid: dict[str, list[Any]]
    values: dict[str, float] = field(default_factory=dict)
    first: dict[str, list[Any]] = field(init=False)

    def __post_init__(self) -> None:
        """Keep the grid as it was asked: it is widened by its own ratio, whatever was tried between."""
        self.first = {name: sorted(values) if _is_scale(values) else values for name, values in self.grid.items()}

    @property
    def num_grid(self) -> int:
        """Configurations of the grid."""
        return math.prod(len(values) for values in self.grid.values())

    def whole_grid(self) -> list[dict[str, Any]]:
        """Every configuration of the grid."""
        names = list(self.grid)
        return [dict(zip(names, values, strict=True)) for values in itertools.product(*self.grid.values())]

    def tell(self, hp: Mapping[str, Any], loss: float) -> None:
        """Learn the loss of a configuration."""
        self.values[_text(hp)] = loss if math.isfinite(loss) else math.inf

    @property
    def best(self) -> tuple[dict[str, Any], float]:
        """The best configuration and its loss."""
        text = min(self.values, key=lambda key: self.values[key])
        return dict(json.loads(text)), self.values[text]

    def edges(self) -> list[str]:
        """Hyperparameters whose best value is the least or largest that was tried."""
        best, loss = self.best
        found = []
        for name, values in self.grid.items():
            is_scale = len(values) > 1 and _is_scale(values)
            if is_scale and math.isfinite(loss) and self._further(name, best[name]) not in (None, best[name]):
                found.append(name)
        return found

    def _further(self, name: str, last: Any) -> Any:
        """The value beyond `last` where it is an end of its scale, `last` where nothing is beyond; None elsewhere."""
        values, first = sorted(self.grid[name]), self.first[name]
        if last not in (values[0], values[-1]):
            return None
        return _beyond(last, first[:2] if last == values[0] else first[:-3:-1])

    def widened(self) -> list[dict[str, Any]]:
        """The best configuration with each hyperparameter that is on an edge one value further."""
        best, _ = self.best
        found = []
        for name in self.edges():
            further = self._further(name, best[name])
            self.grid[name] = sorted([*self.grid[name], further])
            found.append({**best, name: further})
        return found

    def refined(self, num: int) -> list[dict[str, Any]]:
        """Configurations around the best that were not tried: midway to its neighbours, then beyond the grid's ends.

        The grid takes them in, so that the next ones lie between. There are fewer where nothing is a number.
        """
        found: list[dict[str, Any]] = []
        best, _ = self.best
        for name, value in itertools.islice(itertools.chain(self._between(best), self._outside()), num):
            found.append({**best, name: value})
            self.grid[name] = sorted([*self.grid[name], value])
        return found

    def _between(self, best: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Values between the best and its neighbours."""
        for name, tried in list(self.grid.items()):
            values = sorted(tried) if _is_scale(tried) else []
            for low, high in itertools.pairwise(values):
                middle = _midway(low, high)
                if best[name] in (low, high) and middle not in (low, high):
                    yield name, middle

    def _outside(self) -> Iterator[tuple[str, Any]]:
        """Values beyond the ends of each scale."""
        for name, tried in list(self.grid.items()):
            if len(self.first[name]) > 1 and _is_scale(tried):
                yield from (
                    (name, v) for v in map(partial(self._further, name), (max(tried), min(tried))) if v not in tried
                )


@dataclass
class EqualTuning:
    """The tuning of several arms, with as many trials for each.

    Args:
        grids: by arm; an arm without a grid has nothing to tune and gets no trial.
    """

    grids: Mapping[str, Grid]
    arms: dict[str, ArmTuning] = field(init=False)
    num_widenings: int = 0

    def __post_init__(self) -> None:
        """Refuse grids that cannot be."""
        for arm, grid in self.grids.items():
            for name, values in grid.items():
                if isinstance(values, str) or not isinstance(values, Sequence) or not len(values):
                    raise UsageError(f"space(): {arm}.{name} is {values!r}; expected the values to try, ascending.")
        self.arms = {arm: ArmTuning({n: list(v) for n, v in grid.items()}) for arm, grid in self.grids.items() if grid}

    def first(self) -> list[tuple[str, dict[str, Any]]]:
        """The grids."""
        return [(arm, hp) for arm, tuning in self.arms.items() for hp in tuning.whole_grid()]

    def next(self) -> list[tuple[str, dict[str, Any]]]:
        """What to try next, as many for each arm as it is behind; empty when tuning is over."""
        most = max(len(tuning.values) for tuning in self.arms.values())
        wider: dict[str, list[dict[str, Any]]] = {}
        if self.num_widenings < MOST_WIDENINGS:
            wider = {arm: tuning.widened() for arm, tuning in self.arms.items() if tuning.edges()}
            self.num_widenings += 1
        most += max((len(found) for found in wider.values()), default=0)
        asked = []
        for arm, tuning in self.arms.items():
            mine = wider.get(arm, [])
            mine += tuning.refined(most - len(tuning.values) - len(mine))
            asked += [(arm, hp) for hp in mine]
        return asked

    @property
    def is_settled(self) -> bool:
        """Whether no arm is on an edge, or grids were widened often enough."""
        return self.num_widenings >= MOST_WIDENINGS or not any(tuning.edges() for tuning in self.arms.values())


def _text(hp: Mapping[str, Any]) -> str:
    return json.dumps(dict(hp), sort_keys=True)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_scale(values: Sequence[Any]) -> bool:
    return all(_is_number(value) for value in values)


def _beyond(last: Any, near: Sequence[Any]) -> Any:
    """The value that goes on a scale: by its ratio where it is above 0, else by its step; whole where it is.

    A scale of whole numbers above 0 ends at 1: `last` is given back where nothing is beyond.

    Args:
        last: the last value so far.
        near: the last two values of the scale as it was asked, the outer first.
    """
    outer, inner = near
    further = last * outer / inner if min(outer, inner) > 0 else last + outer - inner
    if all(isinstance(value, int) for value in (last, *near)):
        whole = round(further)
        whole = whole if whole != last else last + (1 if outer > inner else -1)
        return whole if whole > 0 or min(outer, inner) <= 0 else last
    return float(f"{further:.12g}")


def _midway(low: Any, high: Any) -> Any:
    middle = math.sqrt(low * high) if low > 0 else (low + high) / 2
    if isinstance(low, int) and isinstance(high, int):
        return round(middle)
    return float(f"{middle:.12g}")
