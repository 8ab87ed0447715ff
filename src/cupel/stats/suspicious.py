"""What is wrong with a series of steps, in words (rule R6).

Source: statistics of Cupel, rule R6; the ramps are the fault that Milabench's `ppo` (linear) and `dqn` (quadratic)
carried from v1.0.0 to v1.2.2: work added up over the whole launch, divided by the time of the last step.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, floats, number, series, whole
from cupel.stats.note import Note

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

DRIFT_FRAC = 0.05
DRIFT_P = 0.003
DRIFT_BATCHES = 10
"""Drift is tested on the medians of this many batches: single steps follow each other, which Mann-Kendall takes for a
trend. With an AR(1) of 0.9 it says drift in 28 to 40 % of launches of 30 to 200 steps, on batches in at most 5 %."""
SPIKE_TIMES = 10.0
RAMP_TIMES = 3.0
STALL_TIMES = 2.0
MOST_POINTS = 500


def suspicious(
    items: ArrayLike,
    seconds: ArrayLike,
    *,
    losses: ArrayLike | None = None,
    peak_rate: float | None = None,
    start: int = 1,
) -> tuple[Note, ...]:
    """List what makes the numbers of a launch hard to believe.

    Args:
        items: (n,) or one number: items done in each step.
        seconds: (n,) time of each step, step 0 first, s.
        losses: (n,) loss after each step, where there is one.
        peak_rate: the most items per second that the device can do, by its data sheet.
        start: first step that counts; drift, spikes and stalls are looked for from there on.

    Returns:
        Notes, the most serious first; empty when nothing was found. Step 0 is left out, but
        for ramps in fewer than 8 steps.

    Raises:
        UsageError: when the shapes do not fit, or an option is out of range.

    Source: rule R6.
    """
    work, time = matched(items, seconds)
    start = whole("start", start)
    if peak_rate is not None and not number("peak_rate", peak_rate) > 0:
        raise UsageError(f"peak_rate = {peak_rate}; expected items per second above 0, or None.")
    notes: list[Note | None] = []
    fair = np.isfinite(work) & np.isfinite(time) & (work >= 0) & (time > 0)
    ok = fair & (work > 0)
    if not fair.all():
        bad = int((~fair).sum())
        where = int(np.flatnonzero(~fair)[0])
        text = (
            f"{bad} of {ok.size} steps have a time that is not a finite number above zero, or items that are none, "
            f"first step {where}."
        )
        notes.append(Note("not finite", text))
    if losses is not None:
        notes.append(_bad_loss(_of_each_step(losses, time.size)))
    rates = work[ok] / time[ok]
    body = rates[min(int(ok[:start].sum()), max(rates.size - 1, 0)) :]
    if body.size:
        notes += [_impossible(body, peak_rate), _ramp(rates), _drift(body), _spike(body), _stalls(body, time[ok])]
    return tuple(note for note in notes if note is not None)


def matched(items: ArrayLike, seconds: ArrayLike) -> tuple[Floats, Floats]:
    """Return items and seconds as arrays of one length; one number of items serves all steps.

    Raises:
        UsageError: when the lengths differ or there is no step.
    """
    time = series("seconds", seconds)
    work = floats("items", items)
    work = np.full(time.shape, float(work)) if work.ndim == 0 else series("items", work)
    if work.size != time.size or time.size == 0:
        raise UsageError(f"items has {work.size} steps, seconds {time.size}; expected the same number, at least one.")
    return work, time


def _of_each_step(losses: ArrayLike, num_steps: int) -> Floats:
    values = series("losses", losses)
    if values.size != num_steps:
        raise UsageError(f"losses has {values.size} steps, seconds {num_steps}; expected the same number.")
    return values


def mann_kendall(x: Floats) -> tuple[float, float]:
    """Test for a monotone trend.

    Args:
        x: (n,) finite values; longer series are reduced to medians of at most 500 blocks.

    Returns:
        Kendall's tau with time (-1 to 1) and the two-sided p-value (normal approximation, ties corrected);
        (0, 1) for fewer than 4 values or equal values.

    Source: Mann (1945), Econometrica 13, 245-259; Kendall (1975).
    """
    if x.size > MOST_POINTS:
        x = np.array([np.median(part) for part in np.array_split(x, MOST_POINTS)])
    n = x.size
    if n < 4:
        return 0.0, 1.0
    total = float(np.triu(np.sign(x[None, :] - x[:, None]), 1).sum())
    ties = np.unique(x, return_counts=True)[1].astype(np.float64)
    spread = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    if spread <= 0:
        return 0.0, 1.0
    z = max(abs(total) - 1, 0) / math.sqrt(spread)
    return total / (n * (n - 1) / 2), math.erfc(z / math.sqrt(2))


def _bad_loss(loss: Floats) -> Note | None:
    bad = np.flatnonzero(~np.isfinite(loss))
    if not bad.size:
        return None
    text = (
        f"The loss is not a number at {bad.size} of {loss.size} steps, first at step {int(bad[0])}: the work is wrong."
    )
    return Note("not finite", text)


def _impossible(rates: Floats, peak: float | None) -> Note | None:
    if peak is None or not (rates > peak).any():
        return None
    above = int((rates > peak).sum())
    text = f"{above} of {rates.size} steps are faster than the device can be: {rates.max():.4g}/s, peak {peak:.4g}/s."
    return Note("impossible rate", text)


def _ramp(rates: Floats) -> Note | None:
    """Growth over the whole launch, not only at its start (that would be warm-up)."""
    rates = rates[1:] if rates.size >= 8 else rates
    n = rates.size
    if n < 4:
        return None
    part, middle = max(1, n // 8), n // 2
    head, tail = float(np.median(rates[:part])), float(np.median(rates[-part:]))
    late = float(np.median(rates[middle : middle + part]))
    tau, _ = mann_kendall(rates)
    if tail < RAMP_TIMES * head or tail < 1.2 * late or tau < 0.6:
        return None
    text = f"The rate grows from {head:.4g}/s to {tail:.4g}/s through the whole launch, as when work is added up twice."
    return Note("ramp", text)


def _drift(rates: Floats) -> Note | None:
    third = rates.size // 3
    if third < 2:
        return None
    change = float(np.median(rates[-third:]) / np.median(rates[:third])) - 1
    batches = np.array([np.median(part) for part in np.array_split(rates, min(DRIFT_BATCHES, rates.size))])
    if abs(change) <= DRIFT_FRAC or mann_kendall(batches)[1] >= DRIFT_P:
        return None
    return Note("drift", f"The rate drifts by {change:+.1%} from the first third of the launch to the last.")


def _spike(rates: Floats) -> Note | None:
    median = float(np.median(rates))
    high = int((rates > SPIKE_TIMES * median).sum())
    if not high:
        return None
    text = (
        f"{high} of {rates.size} steps are over 10 times the median rate ({rates.max():.4g}/s, median {median:.4g}/s)."
    )
    return Note("spike", text)


def _stalls(rates: Floats, time: Floats) -> Note | None:
    slow = rates < np.median(rates) / STALL_TIMES
    if not slow.any():
        return None
    spent = time[-rates.size :]
    share = float(spent[slow].sum() / spent.sum())
    text = (
        f"{int(slow.sum())} of {rates.size} steps took over twice the median time, {share:.0%} of all time; they count."
    )
    return Note("stalls", text)
