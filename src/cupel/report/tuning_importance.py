"""What each parameter of a tuning run explains, as a part of its document.

Only values at one resource are compared: at the one that most trials have a value at, the larger of two.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from typing import Any

from cupel.ledger.tuning_log import TrialRecord
from cupel.spec.space import Space
from cupel.stats.parameter_importance import LEVEL, SCALES, ParameterShare, parameter_importance

DRAWING = ("random_search", "grid", "sobol", "successive_halving", "hyperband", "asha", "asha_stopping")
"""Searchers whose configurations do not depend on earlier values."""


def fullest_resource(trials: Collection[TrialRecord]) -> float | None:
    """The resource at which most trials have a value, the largest of several; None where none has one."""
    counts = Counter(r for trial in trials for r, value in trial.told.items() if math.isfinite(value))
    return max(counts, key=lambda resource: (counts[resource], resource), default=None)


def describe_importance(space: Space, trials: Collection[TrialRecord], searcher: str) -> dict[str, Any] | None:
    """The importance of the parameters; None where no trial has a value.

    Args:
        space: what was searched.
        trials: all of them.
        searcher: its name, with its options.
    """
    resource = fullest_resource(trials)
    if resource is None:
        return None
    compared = [trial for trial in trials if resource in trial.told]
    found = parameter_importance(
        [trial.parameters for trial in compared], [trial.told[resource] for trial in compared], space=space
    )
    promoted = sum(min(trial.told) < resource for trial in compared)
    return {
        "resource": resource,
        "n": found.n,
        "scale": found.scale,
        "scale_text": SCALES[found.scale],
        "level": LEVEL,
        "parameters": [_parameter(share) for share in found.shares],
        "notes": _notes(searcher, promoted, found.num_left_out),
    }


def _parameter(share: ParameterShare) -> dict[str, Any]:
    interval = share.interval
    return {
        "name": share.name,
        "share": share.share,
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        "n": share.n,
        "reason": share.reason,
    }


def _notes(searcher: str, num_promoted: int, num_failed: int) -> list[str]:
    """What makes the shares something else than main effects over the space."""
    notes = []
    if num_failed:
        notes.append(f"{num_failed} that failed there are left out: what makes trials fail is not in the shares.")
    if num_promoted:
        notes.append(f"{num_promoted} of the trials got there by having been good before: a selection.")
    name = searcher.partition(":")[0]
    if name not in DRAWING:
        notes.append(f"{name} draws where values were good: parameters move together, and shares overlap.")
    return notes
