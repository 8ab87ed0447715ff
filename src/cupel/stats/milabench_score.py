"""The score as Milabench computes it, for suites that ask for it.

Formula, exactly (milabench/summary.py, milabench/report/__init__.py)
    of a series of rates: sort; if there are 5 or more, drop the lowest and
      the highest; mean, standard deviation (ddof 0), sem = std / sqrt(n)
    perf  = that mean over the rates of all devices pooled
    score = sum over devices of the device's own mean x (1 - fail / n),
      n being the number of processes
    Score = exp( sum of w x ln(score + 1) / sum of w ); a missing or NaN
      score counts as 0; -1 when the weights sum to 0
    value_v1 is the same without the "+1", as in v1.0.0.

Known faults, kept here on purpose so that numbers can be compared
    - a mean of rates is not a throughput: stalls count for too little
    - sem treats dependent steps of one launch as independent; between
      launches the spread is about 8 times larger (median of 25 benchmarks)
    - dropping lowest and highest keeps the warm-up of the other devices
    - "+1" and "missing = 0" make the score, and ratios of scores, depend on
      the unit of each entry; v1.0.0 and later scores cannot be compared
    - 1 crash in 8 reads as "12.5 % slower"
    - there is no interval

Source: mila-iqia/milabench (MIT), main of 2026-07; the "+1" came after
v1.0.0 (commit "handle-score==0").
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class MilabenchEntry:
    """One row of Milabench's table.

    Attributes:
        perf: pooled trimmed mean of rates; NaN without rates.
        sem_frac: pooled sem / perf; NaN without rates.
        std_frac: pooled std / perf; NaN without rates.
        score: sum of device means x success ratio; NaN without rates.
        num_devices: series handed over.
        num_failed: processes that failed.
    """

    perf: float
    sem_frac: float
    std_frac: float
    score: float
    num_devices: int
    num_failed: int


@dataclass(frozen=True)
class MilabenchScore:
    """Milabench's score.

    Attributes:
        value: with the "+1"; -1 when the weights sum to 0.
        value_v1: without it, as in v1.0.0; 0 when an entry with weight has no score.
        per_entry: entry to its row.
        missing: entries with weight and without rates.
    """

    value: float
    value_v1: float
    per_entry: Mapping[str, MilabenchEntry]
    missing: tuple[str, ...]


def milabench_score(
    device_rates: Mapping[str, Sequence[ArrayLike]],
    weights: Mapping[str, float],
    *,
    failures: Mapping[str, int] | None = None,
    processes: Mapping[str, int] | None = None,
) -> MilabenchScore:
    """Compute Milabench's score.

    Args:
        device_rates: entry to one series of step rates per device; a single series for a job over all devices.
        weights: entry to weight; entries named here without rates are missing and score 0.
        failures: entry to the number of its processes that failed, 0 where absent.
        processes: entry to the number of its processes, failed ones included; one per series where absent.

    Returns:
        Both variants of the score, and the table's rows.

    Raises:
        UsageError: when a weight is negative or a series has the wrong shape.
    """
    if any(not 0 <= weight < math.inf for weight in weights.values()):
        raise UsageError(f"weights are {dict(weights)}; expected finite numbers of at least 0.")
    failed, started = failures or {}, processes or {}
    entries = {
        name: _entry(rates, failed.get(name, 0), started.get(name, len(rates))) for name, rates in device_rates.items()
    }
    scores = {name: entries[name].score if name in entries else math.nan for name in weights}
    return MilabenchScore(
        value=combined(scores, weights, 1.0),
        value_v1=combined(scores, weights, 0.0),
        per_entry=entries,
        missing=tuple(name for name, value in scores.items() if math.isnan(value) and weights[name] > 0),
    )


def combined(scores: Mapping[str, float], weights: Mapping[str, float], plus: float) -> float:
    """Combine the entries' scores.

    Args:
        scores: entry to score, NaN for none.
        weights: entry to weight.
        plus: 1 for the score of today, 0 for that of v1.0.0.

    Returns:
        The score; -1 when the weights sum to 0.
    """
    total = sum(weights.values())
    if total == 0:
        return -1.0
    terms = [(weight, scores[name]) for name, weight in weights.items() if weight > 0]
    inner = [(weight, (0.0 if math.isnan(value) else value) + plus) for weight, value in terms]
    if any(value <= 0 for _, value in inner):
        return 0.0
    return math.exp(sum(weight * math.log(value) for weight, value in inner) / total)


def _trimmed(rates: Floats) -> Floats:
    ordered: Floats = np.sort(rates)
    return ordered[1:-1] if ordered.size >= 5 else ordered


def _entry(device_rates: Sequence[ArrayLike], num_failed: int, num_processes: int) -> MilabenchEntry:
    devices = [series("device_rates", rates) for rates in device_rates]
    kept = [_trimmed(rates) for rates in devices if rates.size]
    if not kept:
        return MilabenchEntry(math.nan, math.nan, math.nan, math.nan, len(devices), num_failed)
    pooled = _trimmed(np.concatenate(devices))
    mean, std = float(pooled.mean()), float(pooled.std())
    success = max(0.0, 1 - num_failed / max(num_processes, 1))
    total = sum(float(rates.mean()) for rates in kept) * success
    return MilabenchEntry(mean, std / math.sqrt(pooled.size) / mean, std / mean, total, len(devices), num_failed)
