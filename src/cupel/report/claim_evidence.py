"""The numbers behind a statement: its pairs, the effect in each, and the interval after every look.

Where the effect must lie for which verdict is said on the effect's own scale, so that it can be drawn.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cupel.ledger.claim_log import CellRecords
from cupel.spec.statement import Statement
from cupel.stats.confidence_sequence import confidence_sequence
from cupel.stats.judge import LEVEL, NOISE_FLOOR_FRAC, differences


def describe_evidence(said: Statement, records: CellRecords, *, is_sequential: bool) -> dict[str, Any]:
    """What a statement rests on.

    Args:
        said: the statement.
        records: what the claim's trials gave.
        is_sequential: whether pairs were added one by one, so that there was an interval after each.

    Returns:
        For `exact` the `values` of the instances; for `published` the `outcome`; else `pairs` (the metric of both
        arms), `effects` (of each pair, larger is better, a ratio on the log scale, None where an arm failed) and
        `looks` (pair, counted from 1, with mean, low and high after it; None where nothing is excluded).
    """
    if said.kind == "exact":
        return {"values": records.instances(said.metric)}
    if said.kind == "published":
        ended = records.recomputed
        return {"outcome": None if ended is None or ended.outcome is None else ended.outcome.as_dict()}
    first, second = records.pairs(said)
    x, _ = differences(said, first, second)
    return {
        "pairs": [list(pair) for pair in zip(first, second, strict=True)],
        "effects": [_shown(said, float(value)) for value in x],
        "looks": _looks(said, x) if is_sequential else [],
    }


def _looks(said: Statement, x: np.ndarray[Any, np.dtype[np.float64]]) -> list[list[float | int | None]]:
    """The confidence sequence that the verdict was read off, look by look."""
    if said.bounds is None:
        found = confidence_sequence(x, level=LEVEL)
    else:
        width = said.bounds[1] - said.bounds[0]
        found = confidence_sequence(x, kind="betting", level=LEVEL, bounds=(-width, width))
    places = np.flatnonzero(~np.isnan(x))
    means = np.cumsum(x[places]) / np.arange(1, places.size + 1)
    ends = zip(places, means, found.lower, found.upper, strict=True)
    return [
        [int(place) + 1, *(_shown(said, float(value)) for value in (mean, low, high))]
        for place, mean, low, high in ends
    ]  # fmt: skip


def _shown(said: Statement, value: float) -> float | None:
    """A number of the differences on the scale that people read; None where it is none, or infinite."""
    if not math.isfinite(value):
        return None
    if said.scale == "linear":
        return value
    return math.exp(value) if abs(value) < 700 else None


def describe_limits(said: Statement) -> dict[str, Any]:
    """Where on the scale of its effect a statement is decided.

    Returns:
        `no_effect`; `bar_at`, beyond which the whole interval must lie for the statement to be supported; `region`,
        inside of which the two are equal in practice. Each None where the statement has none.
    """
    if said.kind in ("exact", "published"):
        return {"no_effect": None, "bar_at": said.bar, "region": None}
    is_log = said.scale == "log"
    bar, half = said.bar, said.rope if said.sentence == "superiority" else said.margin
    if said.kind == "speed" and said.sentence == "superiority":
        bar, half = max(bar, NOISE_FLOOR_FRAC), max(half or 0.0, NOISE_FLOOR_FRAC)
    region = None if half is None else [1 / (1 + half), 1 + half] if is_log else [-half, half]
    none = 1.0 if is_log else 0.0
    if said.sentence == "superiority":
        return {"no_effect": none, "bar_at": none + bar, "region": region}
    assert region is not None
    is_bounded = said.sentence == "equivalence"
    return {
        "no_effect": none, "bar_at": None if is_bounded else region[0], "region": region if is_bounded else None
    }  # fmt: skip
