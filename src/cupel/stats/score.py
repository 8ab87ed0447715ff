"""The score of a machine on a suite, relative to a named reference run.

Formula
    For each entry, the log ratio of its rate to the reference's rate, both
    geometric means over launches; for entries where lower is better the
    sign is turned. The score is the exponential of the weighted mean of the
    log ratios: 1.00 is the reference, 2.00 is twice as fast.
    There is no "+1" in it: the score does not depend on units.

Interval
    Each entry's variance is s^2 / n of its log rates plus the same of the
    reference's; weights squared; degrees of freedom by Welch and
    Satterthwaite; Student's t. It speaks of these entries on this machine.
    After `--launches auto` the spread is the pilot's (`cupel explain side`).
    Where all entries have the same number of launches, the score of each
    round of launches is taken too: what disturbs all entries at once is in
    it. The wider of the two intervals is shown.
    If any entry or its reference has a single launch, or launches that are
    equal to the last digit, its spread is unknown and there is no interval.
    A second interval treats the entries as a sample of "other entries like
    these" (Student's t over their log ratios); it is usually far wider.

When an entry failed
    The score is incomplete: it is computed from the entries that have a
    rate, its coverage says "24 of 26", and a floored value stands beside it
    in which each failed entry counts as 1/100 of the reference (the floor
    is declared). A failure is never zero and never silently left out.
    Entries that the reference does not have are named and do not count.

Source: Fleming & Wallace (1986), Communications of the ACM 29, 218-221
(geometric mean of normalised results); rule R4 of Cupel's statistics.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from cupel.spec.errors import UsageError
from cupel.stats.checked import exponential, fraction
from cupel.stats.interval import Interval
from cupel.stats.side import MeanLog, Side, degrees_of_freedom, mean_log
from cupel.stats.student import t_quantile

Better = Literal["higher", "lower"]
FLOOR = 0.01
"""Share of the reference that a missing entry counts as in `floored_value`."""
Rates = Mapping[str, ArrayLike | Side | None]


@dataclass(frozen=True)
class Score:
    """A score and all that belongs to it.

    Attributes:
        value: the score over the entries that have a rate; None when there is none.
        interval: of the value, for these entries; None when a spread is unknown (`reason` says whose).
        reason: why there is no interval; empty when there is one.
        coverage_num: entries that count and have a rate.
        coverage_of: entries that count.
        missing: entries without a rate.
        unreferenced: entries that the reference lacks; they do not count.
        unasked: entries of the reference that were not asked for.
        floored_value: the score with each missing entry at the floor; None when nothing counts.
        floor: what share of the reference a missing entry counts as.
        log_ratios: entry to its log ratio, positive when better than the reference.
        influence: entry to the relative change of the score if that entry were left out.
        population_interval: for other entries like these; None below 3 entries.
        df: degrees of freedom of `interval`.
        text: the score in one line.
        unspread: entries whose spread is unknown, here or in the reference; with any, there is no interval.
    """

    value: float | None
    interval: Interval | None
    reason: str
    coverage_num: int
    coverage_of: int
    missing: tuple[str, ...]
    unreferenced: tuple[str, ...]
    unasked: tuple[str, ...]
    floored_value: float | None
    floor: float
    log_ratios: Mapping[str, float]
    influence: Mapping[str, float]
    population_interval: Interval | None
    df: float | None
    text: str
    unspread: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether every entry that counts has a rate."""
        return self.coverage_num == self.coverage_of > 0


@dataclass(frozen=True)
class _Cell:
    name: str
    weight: float
    log_ratio: float
    sides: tuple[MeanLog, MeanLog]  # the launches, and the reference's
    sign: int  # of a higher rate

    @property
    def is_unspread(self) -> bool:
        return any(side.sd is None for side in self.sides)


def score(
    rates: Rates,
    reference: Mapping[str, ArrayLike | Side],
    *,
    weights: Mapping[str, float] | None = None,
    better: Mapping[str, Better] | None = None,
    level: float = 0.95,
) -> Score:
    """Score a run against a reference.

    Args:
        rates: entry to the rates of its launches, plain or as a `Side`; None or empty for an entry whose launches
            all failed.
        reference: entry to the rates of the reference's launches.
        weights: entry to weight, >= 0, 1 where absent; entries named only here were asked for and are missing.
        better: entry to direction, `higher` where absent.
        level: of the intervals.

    Returns:
        The score; value and intervals are None where they cannot be known, with the reason.

    Raises:
        UsageError: when a rate is not above zero, or a weight is negative.

    Source: rule R4.
    """
    fraction("level", level)
    weigh = _weights(rates, weights or {})
    asked = {name: weight for name, weight in weigh.items() if name in reference and weight > 0}
    handed = {name: mean_log(f"rates[{name!r}]", values) for name, values in rates.items() if has_launch(values)}
    directions = better or {}
    cells = [
        _cell(name, asked[name], (handed[name], reference[name]), directions.get(name, "higher"))
        for name in asked
        if name in handed
    ]
    missing = tuple(name for name in asked if name not in handed)
    mean, se, df = _wider(_combine(cells), _over_rounds(cells, (rates, reference)), level)
    reason = _reason(cells)
    value = exponential(mean) if cells else None
    method = f"launches, Welch-Satterthwaite t, df = {df:.1f}"
    interval = None if reason else _interval(mean, t_quantile(level, df) * se, level, method)
    lost = sum(asked[name] for name in missing) / (sum(asked.values()) or 1.0)
    floored = exponential(mean * (1 - lost) + math.log(FLOOR) * lost) if asked else None
    return Score(
        value=value,
        interval=interval,
        reason=reason,
        coverage_num=len(cells),
        coverage_of=len(asked),
        missing=missing,
        unreferenced=tuple(name for name in weigh if name not in reference),
        unasked=tuple(name for name in reference if name not in weigh),
        floored_value=floored,
        floor=FLOOR,
        log_ratios={cell.name: cell.log_ratio for cell in cells},
        influence=_influence(cells, mean),
        population_interval=_population(cells, mean, level),
        df=None if reason else df,
        text=_text(value, interval, reason, (len(cells), len(asked))),
        unspread=tuple(cell.name for cell in cells if cell.is_unspread),
    )


def has_launch(values: ArrayLike | Side | None) -> TypeGuard[ArrayLike | Side]:
    """Whether there is a rate at all."""
    rates = values.rates if isinstance(values, Side) else values
    return rates is not None and np.size(rates) > 0


def _weights(rates: Rates, weights: Mapping[str, float]) -> dict[str, float]:
    bad = {name: weight for name, weight in weights.items() if not 0 <= weight < math.inf}
    if bad:
        raise UsageError(f"weights {bad} are not finite numbers of at least 0; a weight of 0 leaves an entry out.")
    return {name: float(weights.get(name, 1.0)) for name in (*rates, *(w for w in weights if w not in rates))}


def _cell(name: str, weight: float, values: tuple[MeanLog, ArrayLike | Side], direction: Better) -> _Cell:
    if direction not in {"higher", "lower"}:
        raise UsageError(f"better[{name!r}] is {direction!r}; expected 'higher' or 'lower'.")
    if not has_launch(values[1]):
        raise UsageError(f"reference[{name!r}] is empty; leave the entry out of the reference instead.")
    sides = (values[0], mean_log(f"reference[{name!r}]", values[1]))
    sign = 1 if direction == "higher" else -1
    return _Cell(name, weight, (sides[0].mean - sides[1].mean) * sign, sides, sign)


def _combine(cells: list[_Cell]) -> tuple[float, float, float]:
    """Weighted mean of the log ratios, its standard error and degrees of freedom (0, 0, 0 without cells)."""
    total = sum(cell.weight for cell in cells)
    if not cells:
        return 0.0, 0.0, 0.0
    mean = sum(cell.weight * cell.log_ratio for cell in cells) / total
    sides = [(cell, side) for cell in cells for side in cell.sides if side.sd is not None]
    parts = [((cell.weight / total) ** 2 * side.variance, side.df) for cell, side in sides]
    df = degrees_of_freedom(parts, has_two_stages=any(side.is_two_stage for _, side in sides))
    return mean, math.sqrt(sum(v for v, _ in parts)), df


def _over_rounds(cells: list[_Cell], sides: tuple[Rates, Rates]) -> tuple[float, float, float] | None:
    """The same from the score of each round, which whatever disturbs all entries at once moves as a whole.

    None for a single entry, and where on no side all entries have the same number of launches.
    """
    total = sum(cell.weight for cell in cells)
    parts: list[tuple[float, int]] = []
    has_rounds = False
    for number, rates in enumerate(sides):
        logs = [np.log(np.asarray(_plain(rates[cell.name]), dtype=np.float64)) for cell in cells]
        size = logs[0].size if logs else 0
        if len(cells) > 1 and size > 1 and all(row.size == size for row in logs):
            has_rounds = True
            rounds = sum(cell.sign * cell.weight / total * row for cell, row in zip(cells, logs, strict=True))
            parts.append((float(np.var(rounds, ddof=1)) / size, size - 1))
        else:
            known = [(cell.weight, cell.sides[number]) for cell in cells if cell.sides[number].sd is not None]
            parts += [((weight / total) ** 2 * side.variance, side.df) for weight, side in known]
    if not has_rounds:
        return None
    mean = sum(cell.weight * cell.log_ratio for cell in cells) / total
    return mean, math.sqrt(sum(v for v, _ in parts)), degrees_of_freedom(parts, has_two_stages=False)


def _wider(
    alone: tuple[float, float, float], together: tuple[float, float, float] | None, level: float
) -> tuple[float, float, float]:
    """The estimate with the wider interval: entries taken as independent, or rounds taken whole."""
    if together is None:
        return alone
    halves = [t_quantile(level, df) * se if se > 0 else 0.0 for _, se, df in (alone, together)]
    return together if halves[1] > halves[0] else alone


def _plain(values: ArrayLike | Side | None) -> ArrayLike:
    return values.rates if isinstance(values, Side) else values  # type: ignore[return-value]


def _interval(mean: float, half: float, level: float, method: str) -> Interval:
    return Interval(exponential(mean - half), exponential(mean + half), level, method)


def _reason(cells: list[_Cell]) -> str:
    """Why there is no interval; empty when there is one."""
    if not cells:
        return "no entry has both a rate and a reference"
    unspread = ", ".join(cell.name for cell in cells if cell.is_unspread)
    if not unspread:
        return ""
    if any(side.n == 1 for cell in cells for side in cell.sides):
        return f"a single launch, here or in the reference: {unspread}"
    return f"launches that are equal to the last digit, here or in the reference: {unspread}"


def _influence(cells: list[_Cell], mean: float) -> dict[str, float]:
    if len(cells) < 2:
        return {}
    rest = {cell.name: [other for other in cells if other is not cell] for cell in cells}
    return {name: exponential(_combine(others)[0] - mean) - 1 for name, others in rest.items()}


def _population(cells: list[_Cell], mean: float, level: float) -> Interval | None:
    k = len(cells)
    if k < 3:
        return None
    total = sum(cell.weight for cell in cells)
    squares = sum((cell.weight / total * (cell.log_ratio - mean)) ** 2 for cell in cells)
    half = t_quantile(level, k - 1) * math.sqrt(squares * k / (k - 1))
    return _interval(mean, half, level, "other entries like these, t over entries")


def _text(value: float | None, interval: Interval | None, reason: str, coverage: tuple[int, int]) -> str:
    """Say the score in one line."""
    done, asked = coverage
    if value is None:
        return f"no score: {reason} (0 of {asked} entries)"
    sure = f"{interval.level:.0%} {interval.low:.3f} to {interval.high:.3f}" if interval else f"no interval: {reason}"
    return f"{value:.3f} ({sure}; {done} of {asked} entries{'' if done == asked else ', incomplete'})"
