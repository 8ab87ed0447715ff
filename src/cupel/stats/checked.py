"""Checks of what is handed to a statistic; every refusal says what was asked, found, expected, and what to do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cupel.spec.errors import UsageError

Floats = NDArray[np.float64]


def series(name: str, values: ArrayLike) -> Floats:
    """Return `values` as a one-dimensional array of floats.

    Args:
        name: what the caller calls them, for the message.
        values: (n,) numbers; NaN and infinity are let through.

    Raises:
        UsageError: when they have another shape.
    """
    array: Floats = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise UsageError(
            f"`{name}` has shape {array.shape}; expected one number per step or launch, shape (n,). "
            "Hand over one series at a time.",
        )
    return array


def positive(name: str, values: ArrayLike) -> Floats:
    """Return `values` as a one-dimensional array of finite positive floats.

    Args:
        name: what the caller calls them, for the message.
        values: (n,) numbers above zero.

    Raises:
        UsageError: when one of them is not a finite number above zero, with its index.
    """
    array = series(name, values)
    bad = np.flatnonzero(~(np.isfinite(array) & (array > 0)))
    if bad.size:
        first = int(bad[0])
        raise UsageError(
            f"`{name}`[{first}] is {array[first]}; expected finite numbers above zero. "
            f"{bad.size} of {array.size} are not: leave failed ones out and report them as failures.",
        )
    return array


def fraction(name: str, value: Any) -> float:
    """Return `value` as a float strictly between 0 and 1.

    Args:
        name: what the caller calls it, for the message.
        value: a level, a power, a quantile.

    Raises:
        UsageError: when it lies outside.
    """
    number = float(value)
    if not 0 < number < 1:
        raise UsageError(f"`{name}` is {value}; expected a fraction strictly between 0 and 1, such as 0.95.")
    return number


def exponential(log: float) -> float:
    """The exponential of a log ratio; infinite where no float can hold it, as with one wild launch among three."""
    try:
        return math.exp(log)
    except OverflowError:
        return math.inf
