"""Chance that a t interval ends up where a verdict wants it, and the smallest n that gives the chance asked for."""

from __future__ import annotations

import math
from collections.abc import Callable

from cupel.spec.errors import UsageError
from cupel.stats.checked import fraction, numbers
from cupel.stats.first_sufficient import first_sufficient
from cupel.stats.student import t_quantile

MOST = 1_000_000


def beyond_power(excess: float, se: float, df: float, level: float) -> float:
    """Probability that the two-sided interval at `level` lies wholly above a bar.

    Args:
        excess: how far the true effect is above the bar; may be negative.
        se: true standard error of the estimate, above 0.
        df: degrees of freedom of its estimate, above 0.
        level: of the interval.

    Returns:
        1 - P(T' <= t), T' noncentral t with shift excess / se.
    """
    from scipy.special import nctdtr

    cut, shift = t_quantile(level, df), excess / se
    missed = float(nctdtr(df, shift, cut))
    if math.isnan(missed):  # scipy gives up far beyond the cut, where nothing is missed, and far below it
        missed = 0.0 if shift > cut else 1.0
    return 1 - missed


def smallest_n(suffices: Callable[[int], bool], what: str) -> int:
    """The first number from 2 on that suffices.

    Raises:
        UsageError: when over a million would be needed; `what` says of what.
    """
    n = first_sufficient(suffices, 2, MOST)
    if n is None:
        raise UsageError(f"{what} needs over {MOST}. Ask for a larger difference or region, or for less power.")
    return n


def check_plan(sizes: dict[str, float], power: float, level: float) -> None:
    """Refuse a plan whose sizes are not finite and above 0, or whose power or level is no fraction.

    Raises:
        UsageError: with the names and the values.
    """
    fraction("power", power)
    fraction("level", level)
    numbers(**sizes)
    if not all(0 < size < math.inf for size in sizes.values()):
        named = ", ".join(f"{name} = {size:g}" for name, size in sizes.items())
        raise UsageError(f"{named}; expected numbers above 0.")


def check_beyond(effect: float, beyond: float) -> None:
    """Refuse a bar that the effect to be found does not exceed.

    Raises:
        UsageError: no number of runs shows that an effect is beyond a bar that it is not beyond.
    """
    numbers(beyond=beyond)
    if not 0 <= beyond < effect:
        raise UsageError(
            f"effect = {effect:g}, beyond = {beyond:g}; expected a difference larger than the bar it is to be shown "
            "beyond, and a bar of at least 0. No number of runs shows what is not so."
        )
