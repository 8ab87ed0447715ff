"""Recorded learning curves: a table of configuration x resource -> loss, as a cluster trains them.

The table is CSV with a header, or a JSON list of objects with the same keys; one row for each loss:

    lr,width,resource,loss,seed,cost
    0.01,64,1,0.93,0,1.0

The columns of the space's parameters (empty where one has no part), `resource` and `loss` are needed; `seed` where
configurations were trained several times, `cost` where time per unit of resource differs between them. A loss that is
empty or no number stands for a configuration that could not be trained.

A configuration that was not recorded has the curve of the nearest one: nearest in the unit cube, a choice that differs
counting as the whole length of a parameter. Between recorded resources the loss is interpolated linearly.
"""

from __future__ import annotations

import csv
import json
import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from cupel.spec.errors import UsageError
from cupel.spec.parameter import Choice, Int, Parameter
from cupel.spec.read_space import scalar
from cupel.spec.space import Configuration, Space

NO_PART = -1.0
"""Place of a parameter that has no part: as far from any value as the ends of the scale are from each other."""
Curve = tuple[list[float], list[float]]
"""Resources, rising, and the losses there."""


class RecordedCurves:
    """A table of learning curves.

    Args:
        rows: one mapping for each loss, with the columns above; values as text or as they are.
        space: the hyperparameters that were recorded.

    Raises:
        UsageError: no rows, a column that is missing, a value outside the space, a loss recorded twice, a cost or
            resource that is not above 0.

    Cost: one distance to each recorded configuration for each new configuration.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]], space: Space) -> None:
        self.space = space
        self._configurations: list[Configuration] = []
        self._curves: list[list[Curve]] = []
        self._costs: list[float] = []
        self._index_of: dict[tuple[Any, ...], int] = {}
        for parameters, seeds, costs in _grouped(rows, space):
            self._index_of[tuple(parameters.items())] = len(self._configurations)
            self._configurations.append(parameters)
            self._curves.append([_curve(seeds[seed]) for seed in sorted(seeds)])
            self._costs.append(fmean(costs))
        if not self._configurations:
            raise UsageError("The table of curves has no rows; expected one row for each loss.")
        self._points = np.array([_point(found, space) for found in self._configurations])
        self.max_resource = min(resources[-1] for curves in self._curves for resources, _ in curves)

    @classmethod
    def read(cls, path: Path, space: Space) -> RecordedCurves:
        """The curves in a file, JSON where its name ends so, else CSV.

        Raises:
            UsageError: the file cannot be read, or as above; the message names the file.
        """
        try:
            text = path.read_text(encoding="utf-8")
            rows = json.loads(text) if path.suffix == ".json" else list(csv.DictReader(text.splitlines()))
            return cls(rows, space)
        except (OSError, ValueError) as error:  # of JSON, of the decoding, or our own
            raise UsageError(f"{path}: {error}") from error

    def __len__(self) -> int:
        return len(self._configurations)

    def loss(self, parameters: Configuration, resource: float, seed: int) -> float:
        """The recorded loss; the seed chooses among the recorded ones.

        Raises:
            UsageError: a resource outside the recorded ones.
        """
        curves = self._curves[self._nearest(parameters)]
        resources, losses = curves[seed % len(curves)]
        after = bisect_left(resources, resource)
        if after < len(resources) and resources[after] == resource:
            return losses[after]
        if after == 0 or after == len(resources):
            raise UsageError(
                f"The loss at resource {resource:g} was asked; recorded are {resources[0]:g} to {resources[-1]:g}. "
                "Choose the least and the largest resource of the search in between."
            )
        before = after - 1
        if math.isinf(losses[before]) or math.isinf(losses[after]):
            return math.inf
        share = (resource - resources[before]) / (resources[after] - resources[before])
        return losses[before] + share * (losses[after] - losses[before])

    def cost(self, parameters: Configuration) -> float:
        """Time that one unit of resource takes: the mean of what was recorded, 1 where nothing was."""
        return self._costs[self._nearest(parameters)]

    def _nearest(self, parameters: Configuration) -> int:
        key = tuple(parameters.items())
        found = self._index_of.get(key)
        if found is None:
            gaps = self._points - np.array(_point(parameters, self.space))
            found = self._index_of[key] = int((gaps**2).sum(axis=1).argmin())
        return found


Group = tuple[Configuration, dict[int, list[tuple[float, float]]], list[float]]


def _grouped(rows: Iterable[Mapping[str, Any]], space: Space) -> Iterable[Group]:
    """Each configuration with its losses by seed, and its costs."""
    groups: dict[tuple[Any, ...], Group] = {}
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise UsageError(f"Row {number} of the table of curves is {row!r}; expected an object with named values.")
        missing = [name for name in ("resource", "loss", *space) if name not in row]
        if missing:
            raise UsageError(
                f"Row {number} of the table of curves lacks {', '.join(missing)}; expected the columns "
                f"{', '.join((*space, 'resource', 'loss'))}."
            )
        given = {name: _value(row[name], space.parameters[name]) for name in space if row[name] not in ("", None)}
        parameters = space.check(given)
        _, seeds, costs = groups.setdefault(tuple(parameters.items()), (parameters, {}, []))
        losses = seeds.setdefault(int(row.get("seed") or 0), [])
        losses.append((_above_zero(row["resource"], "resource", number), _loss(row["loss"])))
        costs.append(_above_zero(row.get("cost") or 1, "cost", number))
    return groups.values()


def _value(given: Any, parameter: Parameter) -> Any:
    """A cell as a value of its parameter; what it cannot be stays as it is, and is refused by the space."""
    if isinstance(parameter, Choice):
        return next((value for value in parameter.values if given in (value, str(value))), given)
    value = scalar(given) if isinstance(given, str) else given
    return int(value) if isinstance(parameter, Int) and isinstance(value, float) and value.is_integer() else value


def _above_zero(given: Any, name: str, number: int) -> float:
    value = float(given)
    if not 0 < value < math.inf:
        raise UsageError(f"Row {number} of the table of curves has the {name} {given}; expected a number above 0.")
    return value


def _loss(given: Any) -> float:
    value = math.nan if given in ("", None) else float(given)
    return math.inf if math.isnan(value) else value


def _curve(points: Sequence[tuple[float, float]]) -> Curve:
    resources, losses = map(list, zip(*sorted(points), strict=True))
    twice = next((a for a, b in pairwise(resources) if a == b), None)
    if twice is not None:
        raise UsageError(
            f"A configuration has two losses at resource {twice:g}; give each training its own number in `seed`."
        )
    return resources, losses


def _point(parameters: Configuration, space: Space) -> list[float]:
    """Coordinates whose squared distances are those of the places; choices that differ are at distance 1."""
    found: list[float] = []
    for name, parameter in space.parameters.items():
        has_part = name in parameters
        if isinstance(parameter, Choice):
            where = parameter.index_of(parameters[name]) if has_part else None
            found += [math.sqrt(0.5) * (k == where) for k in range(len(parameter.values))]
        else:
            found.append(parameter.place_of(parameters[name]) if has_part else NO_PART)
    return found
