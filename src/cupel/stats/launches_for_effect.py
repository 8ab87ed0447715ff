"""How many launches on each of two machines to see a given difference."""

from __future__ import annotations

import math

from cupel.spec.errors import UsageError
from cupel.stats.checked import fraction, numbers
from cupel.stats.student import t_power

MOST = 1_000_000


def launches_for_effect(cv: float, effect: float, *, power: float = 0.9, level: float = 0.95) -> int:
    """Smallest n per side for which a true difference of `effect` is found with probability `power`.

    Two-sample t on log rates with equal spread; "found" means that the interval excludes a ratio of 1.

    Args:
        cv: relative standard deviation between launches of one side, above 0.
        effect: relative difference to be found, such as 0.02; above 0.
        power: chance of finding it, 0 to 1.
        level: of the interval.

    Returns:
        Launches per side, at least 2.

    Raises:
        UsageError: when an argument is out of range, or more than a million launches would be needed.

    Source: rule R5 of Cupel's statistics; noncentral t.

    Example:
        >>> launches_for_effect(0.01, 0.02)
        7
    """
    fraction("level", level)
    fraction("power", power)
    numbers(cv=cv, effect=effect)
    if not (0 < cv < math.inf and 0 < effect < math.inf):
        raise UsageError(f"cv = {cv}, effect = {effect}; expected relative sizes above 0, such as 0.01.")

    def found(n: int) -> bool:
        return t_power(math.log1p(effect), cv * math.sqrt(2 / n), 2 * n - 2, level) >= power

    high = 2
    while not found(high):
        high *= 2
        if high > MOST:
            raise UsageError(f"cv = {cv}, effect = {effect} needs over {MOST} launches. Ask for a larger effect.")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high
