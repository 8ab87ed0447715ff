"""The verdict on a claim, from the interval of its effect.

Rules, in this order
    supported     the interval lies wholly beyond the bar
    contradicted  it lies wholly on the other side of no effect
    contradicted  it lies wholly between no effect and the bar
                  (better, but not by the bar)
    equivalent    it lies wholly inside the region of practical equivalence
    undecided     everything else, and when there is no interval

    On the linear scale the effect is a difference: no effect is 0 and the
    region is -rope to +rope. On the log scale it is a ratio: no effect is
    1, a bar of 0.05 stands for a ratio of 1.05, and the region is
    1 / (1 + rope) to 1 + rope. An effect above no effect is good.

    The verdict on two runs of a machine (faster, slower, equivalent,
    undecided) follows the same idea: `cupel explain compare_rates`.

Source: architecture of Cupel, "Verdicts"; Lakens (2017), Social
Psychological and Personality Science 8, 355-362 (equivalence).
"""

from __future__ import annotations

import math
from typing import Literal

from cupel.spec.errors import UsageError
from cupel.stats.checked import numbers
from cupel.stats.interval import Interval

Verdict = Literal["supported", "contradicted", "equivalent", "undecided"]


def verdict(
    interval: Interval | None,
    *,
    bar: float = 0.0,
    rope: float | None = None,
    scale: Literal["linear", "log"] = "linear",
) -> Verdict:
    """Read the verdict off the interval of the effect.

    Args:
        interval: of the effect, oriented so that larger is better; None when there is none.
        bar: what the claim promises beyond no effect, >= 0; 0 for a claim of any improvement.
        rope: half width of the region of practical equivalence, > 0; None for no such region.
        scale: `linear` for a difference, `log` for a ratio.

    Returns:
        The verdict; `undecided` without an interval.

    Raises:
        UsageError: when the bar is negative or the region is not above 0.
    """
    numbers(bar=bar, rope=1.0 if rope is None else rope)
    if not 0 <= bar < math.inf or (rope is not None and not 0 < rope < math.inf):
        raise UsageError(f"bar = {bar}, rope = {rope}; expected a bar of at least 0 and a region above 0, or None.")
    if scale not in ("linear", "log"):
        raise UsageError(f"scale = {scale!r}; expected 'linear' for a difference or 'log' for a ratio.")
    if interval is None:
        return "undecided"
    none, beyond = (0.0, bar) if scale == "linear" else (1.0, 1.0 + bar)
    if interval.low > beyond:
        return "supported"
    if interval.high < none or (none < interval.low and interval.high < beyond):
        return "contradicted"
    if rope is None:
        return "undecided"
    low, high = (-rope, rope) if scale == "linear" else (1 / (1 + rope), 1 + rope)
    return "equivalent" if low < interval.low and interval.high < high else "undecided"
