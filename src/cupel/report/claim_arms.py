"""The arms of a claim in numbers: every metric and cost, what was tuned, and what each source of variation adds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from cupel.ledger.claim_log import CellRecords
from cupel.spec.claim import Claim
from cupel.spec.statement import PAIRED
from cupel.spec.trial import TrialEnded
from cupel.stats.mean_interval import mean_interval


def describe_arms(card: Claim, records: CellRecords) -> list[dict[str, Any]]:
    """Each arm of the card with means and 95 % intervals of its metrics and costs, in the card's order."""
    found = []
    for arm, words in card.arms.items():
        ended = [e for e in (records.trial(arm, index) for index in range(_num(records, arm))) if e is not None]
        outcomes = [e.outcome for e in ended if e.outcome is not None and e.outcome.is_testable]
        metrics = {name: None for outcome in outcomes for name in outcome.values}
        costs = {name: None for outcome in outcomes for name in outcome.costs}
        rates = [rate for (name, _), rate in records.rates.items() if name == arm and not math.isnan(rate)]
        tuned = records.tuned.get((arm, None))
        found.append({
            "arm": arm, "words": words, "num_trials": len(ended),
            "num_failed": sum(e.status == "failed" for e in ended),
            "metrics": {name: _mean([o.values.get(name, math.nan) for o in outcomes]) for name in metrics},
            "costs": {name: _mean([o.costs.get(name, math.nan) for o in outcomes]) for name in costs},
            "wall_s": _mean([e.elapsed_s for e in ended if e.status == "ok"]),
            "rate": _mean(rates), "hp": dict(tuned.hp) if tuned else {},
            "notes": sorted({o.note for o in outcomes if o.note}),
        })  # fmt: skip
    return found


def describe_variance(card: Claim, records: CellRecords) -> list[dict[str, Any]]:
    """Spread of the headline metric when one source of variation varies alone, and when all do; empty unless asked."""
    paired = [said for said in card.said if said.kind in PAIRED]
    if not paired:
        return []
    said = paired[0]
    found = []
    for source in card.varies:
        trials = [e for key, e in records.trials.items() if key[1] == f"only {source}" and key[2] == said.arms[0]]
        values = _metric(trials, said.metric)
        if len(values) > 1:
            found.append({"source": source, "sd": statistics.stdev(values), "n": len(values)})
    if found:
        num = records.num_pairs(said.arms[:1])
        values = [value for value in records.numbers(said.arms[0], said.metric, num) if math.isfinite(value)]
        if len(values) > 1:
            found.append({"source": "all", "sd": statistics.stdev(values), "n": len(values)})
    return found


def _metric(trials: Sequence[TrialEnded], metric: str) -> list[float]:
    values = [e.outcome.metric(metric) for e in trials if e.outcome is not None and e.outcome.is_testable]
    return [value for value in values if math.isfinite(value)]


def _num(records: CellRecords, arm: str) -> int:
    """Trials of an arm at its tuned hyperparameters, gaps included."""
    return max((key[3] + 1 for key in records.trials if key[:3] == ("trial", "", arm)), default=0)


def _mean(values: Sequence[float]) -> dict[str, Any] | None:
    """Mean, its interval and spread; None without a value."""
    found = mean_interval(values)
    if found is None:
        return None
    span = None if found.interval is None else [found.interval.low, found.interval.high]
    return {"mean": found.mean, "interval": span, "sd": found.sd, "n": found.n}
