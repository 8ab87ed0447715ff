"""How many paired seeds show that two methods are equivalent.

Formula
    The smallest n for which the interval of the mean difference of n pairs
    lies inside -rope to rope with the power asked for; the power is that of
    `equivalence_power` with se = s / sqrt(n) and n - 1 degrees of freedom,
    s the standard deviation of the differences of a pair.

    pairs at 95 %, power 90 %, no true difference:
       rope / s     0.3   0.5   0.8     1   1.5     2
       n            147    54    23    16     8     6

Source: Schuirmann (1987), J. Pharmacokinetics and Biopharmaceutics 15,
657-680.
"""

from __future__ import annotations

import math

from cupel.spec.errors import UsageError
from cupel.stats.checked import numbers
from cupel.stats.equivalence_power import equivalence_power
from cupel.stats.noncentral_power import check_plan, smallest_n


def pairs_for_equivalence(
    rope: float, sd: float, *, effect: float = 0.0, power: float = 0.9, level: float = 0.95
) -> int:
    """Smallest number of pairs that shows equivalence with probability `power`.

    Args:
        rope: half width of the region of practical equivalence, > 0, in the unit of the metric; or a log ratio.
        sd: standard deviation of the difference of a pair, > 0, same unit.
        effect: true mean difference, inside the region.
        power: chance of showing it.
        level: of the interval.

    Returns:
        Pairs, at least 2.

    Raises:
        UsageError: when an argument is out of range, the effect is not inside the region, or over a million pairs
            would be needed.

    Source: Schuirmann (1987).

    Example:
        >>> pairs_for_equivalence(1.0, 1.0)
        16
    """
    check_plan({"rope": rope, "sd": sd}, power, level)
    check_inside(effect, rope)
    return smallest_n(
        lambda n: equivalence_power(sd / math.sqrt(n), n - 1, rope=rope, effect=effect, level=level) >= power,
        f"rope = {rope:g} with sd = {sd:g}",
    )


def check_inside(effect: float, rope: float) -> None:
    """Refuse a true difference that is not inside the region.

    Raises:
        UsageError: no number of runs shows that it is.
    """
    numbers(effect=effect)
    if not abs(effect) < rope:
        raise UsageError(f"effect = {effect:g}, rope = {rope:g}; expected a true difference inside the region.")
