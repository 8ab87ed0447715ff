"""Checks of what is handed to a statistic; every refusal says what was asked, found, expected, and what to do."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cupel.spec.errors import UsageError

Floats = NDArray[np.float64]
TIMES = {"M": "dates", "m": "durations"}
"""Kinds of arrays that numpy would turn into numbers, in whatever unit they happen to be stored in."""
MOST_SHOWN = 60


def floats(name: str, values: ArrayLike) -> Floats:
    """Return `values` as an array of floats, of whatever shape.

    Args:
        name: what the caller calls them, for the message.
        values: numbers, or text that reads as numbers; None and masked values become NaN.

    Raises:
        UsageError: when some of them are no numbers: words, dates, durations, complex numbers, lists of several
            lengths, or something that is no sequence at all.
    """
    if isinstance(values, AbstractSet | Mapping | Iterator):
        raise UsageError(
            f"`{name}` is a {type(values).__name__}; expected a sequence of numbers, whose order is known. Hand over a "
            "list or an array."
        )
    kind = _kind(values)
    if kind in TIMES:
        raise UsageError(
            f"`{name}` holds {TIMES[kind]}; expected plain numbers. Say in which unit: for durations in seconds, "
            "`x / np.timedelta64(1, 's')`."
        )
    if kind == "c":
        raise UsageError(f"`{name}` holds complex numbers; expected real ones. Hand over their real part or size.")
    try:
        array: Floats = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(_no_numbers(name, values)) from None
    return np.where(np.ma.getmaskarray(values), np.nan, array) if np.ma.isMaskedArray(values) else array


def _kind(values: Any) -> str:
    """The kind of array that numpy makes of them; empty where it makes none."""
    try:
        return np.asarray(values).dtype.kind
    except (TypeError, ValueError):
        return ""


def _no_numbers(name: str, values: Any) -> str:
    """Which element is no number, in words."""
    is_one = isinstance(values, str | bytes) or not hasattr(values, "__len__")
    bad = None if is_one else next(((k, part) for k, part in enumerate(values) if not _is_readable(part)), None)
    if bad is None and not is_one:
        return f"`{name}` holds lists of different lengths; expected as many numbers in each. Hand over one at a time."
    where, found = ("", values) if bad is None else (f"[{bad[0]}]", bad[1])
    shown = repr(found) if len(repr(found)) <= MOST_SHOWN else f"{repr(found)[:MOST_SHOWN]}..."
    return f"`{name}`{where} is {shown}; expected a real number that a float can hold, or NaN for a run that failed."


def _is_readable(part: Any) -> bool:
    try:
        np.asarray(part, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def series(name: str, values: ArrayLike) -> Floats:
    """Return `values` as a one-dimensional array of floats.

    Args:
        name: what the caller calls them, for the message.
        values: (n,) numbers; NaN and infinity are let through.

    Raises:
        UsageError: when they have another shape, or are no numbers.
    """
    array = floats(name, values)
    if array.ndim != 1:
        raise UsageError(
            f"`{name}` has shape {array.shape}; expected one number per run, pair or step, shape (n,). "
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


def number(name: str, value: Any) -> float:
    """Return `value` as a float; NaN and infinity are let through.

    Args:
        name: what the caller calls it, for the message.
        value: a real number; text is none.

    Raises:
        UsageError: when it is no real number.
    """
    try:
        if not isinstance(value, str | bytes):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise UsageError(f"`{name}` is {value!r}; expected a real number.")


def numbers(**named: Any) -> None:
    """Refuse what is no real number, by its name; NaN and infinity are let through.

    Raises:
        UsageError: for the first that is none.
    """
    for name, value in named.items():
        number(name, value)


def truth(name: str, value: Any) -> bool:
    """Return `value` as a truth value.

    Raises:
        UsageError: when it is none: whether runs are paired is never guessed from None or a word.
    """
    if not isinstance(value, bool | np.bool_):
        raise UsageError(f"`{name}` is {value!r}; expected True or False.")
    return bool(value)


def ends(name: str, pair: Any) -> tuple[float, float]:
    """Return the lower and the upper end of a range.

    Args:
        name: what the caller calls it, for the message.
        pair: two numbers, the lower one first.

    Raises:
        UsageError: when they are not two numbers in this order.
    """
    array = floats(name, pair)
    if array.shape != (2,) or not array[0] < array[1]:
        raise UsageError(f"`{name}` is {pair!r}; expected two numbers, the lowest and the highest, such as (-1, 1).")
    return float(array[0]), float(array[1])


def chosen(name: str, given: Any, *, least: int = 1, most: int | None = None) -> tuple[str, ...]:
    """Return names that were chosen, none of them twice.

    Args:
        name: what the caller calls them, for the message.
        given: a sequence of names; a text is one name and no sequence.
        least: how many there must be.
        most: how many there may be; None for any number.

    Raises:
        UsageError: when there are too few or too many, or one is named twice.
    """
    is_sequence = isinstance(given, Iterable) and not isinstance(given, str | bytes | AbstractSet)
    names = tuple(given) if is_sequence else ()
    if len(set(names)) < len(names) or not least <= len(names) <= (most or len(names)):
        expected = f"{least} different names" + ("" if most == least else " or more")
        raise UsageError(f"{name} = {given!r}; expected {expected} in a list.")
    return names


def fraction(name: str, value: Any) -> float:
    """Return `value` as a float strictly between 0 and 1.

    Args:
        name: what the caller calls it, for the message.
        value: a level, a power, a quantile.

    Raises:
        UsageError: when it lies outside, or is no number.
    """
    if not 0 < number(name, value) < 1:
        raise UsageError(f"`{name}` is {value}; expected a fraction strictly between 0 and 1, such as 0.95.")
    return float(value)


def whole(name: str, value: Any, *, least: int = 0) -> int:
    """Return `value` as a whole number of at least `least`.

    Args:
        name: what the caller calls it, for the message.
        value: a seed, a number of runs, of resamples, ...; 5.0 is whole, too.
        least: the smallest that is allowed.

    Raises:
        UsageError: when it is none.
    """
    try:
        found = int(value) if isinstance(value, float) and value.is_integer() else operator.index(value)
    except TypeError:
        found = least - 1
    if found < least:
        raise UsageError(f"`{name}` is {value!r}; expected a whole number of at least {least}.")
    return found


def exponential(log: float) -> float:
    """The exponential of a log ratio; infinite where no float can hold it, as with one wild launch among three."""
    try:
        return math.exp(log)
    except OverflowError:
        return math.inf
