"""How many seeds of each method show that two methods are equivalent when seeds are not paired.

Formula
    The smallest n for which the interval of the difference of the means of
    n runs of each lies inside -rope to rope with the power asked for; the
    power is that of `equivalence_power` with se = sd sqrt(2 / n) and
    2n - 2 degrees of freedom, sd the spread between the runs of a method.

    of each at 95 %, power 90 %, no true difference:
       rope / sd    0.3   0.5   0.8     1   1.5     2
       n            290   105    42    27    13     8

Source: Schuirmann (1987), J. Pharmacokinetics and Biopharmaceutics 15,
657-680.
"""

from __future__ import annotations

import math

from cupel.stats.equivalence_power import equivalence_power
from cupel.stats.noncentral_power import check_plan, smallest_n
from cupel.stats.pairs_for_equivalence import check_inside


def seeds_for_equivalence(
    rope: float, sd: float, *, effect: float = 0.0, power: float = 0.9, level: float = 0.95
) -> int:
    """Smallest number of runs of each method that shows equivalence with probability `power`.

    Args:
        rope: half width of the region of practical equivalence, > 0, in the unit of the metric; or a log ratio.
        sd: standard deviation between the runs of one method, > 0, same unit.
        effect: true difference of the means, inside the region.
        power: chance of showing it.
        level: of the interval.

    Returns:
        Runs of each method, at least 2.

    Raises:
        UsageError: when an argument is out of range, the effect is not inside the region, or over a million runs
            would be needed.

    Source: Schuirmann (1987).

    Example:
        >>> seeds_for_equivalence(1.0, 1.0)
        27
    """
    check_plan({"rope": rope, "sd": sd}, power, level)
    check_inside(effect, rope)
    return smallest_n(
        lambda n: equivalence_power(sd * math.sqrt(2 / n), 2 * n - 2, rope=rope, effect=effect, level=level) >= power,
        f"rope = {rope:g} with sd = {sd:g}",
    )
