"""What a tuning run spent on each rung: worker seconds, and how many trials a value came of.

A start of a trial may pass several rungs; its seconds are split at the moments at which the searcher was told. What is
spent after the last of them belongs to the rung that the trial was on its way to, or to its last where it was stopped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class _Way:
    """Where a trial is.

    Args:
        awaited: resources at which a value is awaited, rising.
        begun_t: when its start began.
        passed: (time, resource) of the rungs that were told since then.
        is_stopped: whether the last of them ended its work.
    """

    awaited: list[float] = field(default_factory=list)
    begun_t: float = 0.0
    passed: list[tuple[float, float]] = field(default_factory=list)
    is_stopped: bool = False


def rung_costs(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What each rung cost.

    Args:
        records: the decisions of a run, in order.

    Returns:
        For each resource at which a value was awaited, rising: `resource`, `valued` and `failed` (trials),
        `device_s` (wall seconds of the workers on the way to it).
    """
    ways: dict[int, _Way] = {}
    rungs: dict[float, dict[str, Any]] = {}
    for record in records:
        way = ways.setdefault(record.get("trial", -1), _Way())
        match record["kind"]:
            case "asked":
                way.awaited = list(record["milestones"])
                for resource in way.awaited:
                    rungs.setdefault(resource, {"resource": resource, "valued": 0, "failed": 0, "device_s": 0.0})
            case "started":
                way.begun_t, way.passed, way.is_stopped = record["t"], [], False
            case "told":
                _tell(way, record)
                has_value = record["value"] is not None and math.isfinite(record["value"])
                rungs[record["resource"]]["valued" if has_value else "failed"] += 1
            case "ended":
                for resource, seconds in _split(way, record):
                    rungs[resource]["device_s"] += seconds
    return [rungs[resource] for resource in sorted(rungs)]


def _tell(way: _Way, record: Mapping[str, Any]) -> None:
    way.awaited = [resource for resource in way.awaited if resource > record["resource"]]
    way.passed.append((record["t"], record["resource"]))
    way.is_stopped = not record["goes_on"]


def _split(way: _Way, ended: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Resource and seconds of each part of a start that is over."""
    goes_on_to = way.awaited[0] if way.awaited and not way.is_stopped else None
    last = goes_on_to if goes_on_to is not None else way.passed[-1][1] if way.passed else None
    parts = [*way.passed, *([(ended["t"], last)] if last is not None else [])]
    took_t = ended["t"] - way.begun_t
    found, since = [], way.begun_t
    for at_t, resource in parts:
        share = (at_t - since) / took_t if took_t > 0 else 1 / len(parts)
        found.append((resource, share * ended["elapsed_s"]))
        since = at_t
    return found
