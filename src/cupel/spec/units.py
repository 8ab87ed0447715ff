"""Numbers as people write them: durations, percentages, bytes and rates, in and out."""

from __future__ import annotations

import math
import re

from cupel.spec.errors import UsageError

_SECONDS = {"ms": 1e-3, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def parse_duration(text: str) -> float:
    """Seconds in `90`, `20s`, `20min`, `1h30m`.

    Raises:
        UsageError: the text is no duration, or not positive.

    Example:
        >>> parse_duration("1h30min")
        5400.0
    """
    compact = text.strip().replace(" ", "")
    parts = re.findall(r"(\d+(?:\.\d+)?)([a-z]*)", compact)
    is_whole = "".join(n + u for n, u in parts) == compact
    if not parts or not is_whole or any(u and u not in _SECONDS for _, u in parts):
        raise UsageError(f"{text!r} is no duration; expected a number with s, min or h, such as 90s, 20min or 1h30min.")
    seconds = sum(float(n) * _SECONDS.get(u, 1.0) for n, u in parts)
    if seconds <= 0:
        raise UsageError(f"The duration {text!r} is {seconds:g} s; expected more than 0.")
    return seconds


def parse_fraction(text: str, *, or_zero: bool = False) -> float:
    """A fraction in `2%` or `0.02`, strictly between 0 and 1.

    Args:
        text: what was written.
        or_zero: whether 0 is allowed too.

    Raises:
        UsageError: the text is no such fraction.

    Example:
        >>> parse_fraction("2%")
        0.02
    """
    body = text.strip()
    try:
        value = float(body[:-1]) / 100 if body.endswith("%") else float(body)
    except ValueError:
        value = math.nan
    if not (0 < value < 1 or (or_zero and value == 0)):
        zero = "0, " if or_zero else ""
        raise UsageError(
            f"{text!r} is no fraction; expected {zero}a percentage such as 2%, or a number between 0 and 1 such as "
            "0.02."
        )
    return value


def format_duration(seconds: float) -> str:
    """`12 ms`, `0.3 s`, `42 s`, `3 min 05 s`, `2 h 10 min`.

    Example:
        >>> format_duration(185)
        '3 min 05 s'
    """
    if not math.isfinite(seconds):
        return "unknown"
    if 0 < seconds < 0.0995:
        return f"{_significant(seconds * 1e3, 2)} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def format_rate(value: float | None) -> str:
    """A rate with four significant digits and an SI prefix from 10,000 on; a dash for none.

    Example:
        >>> format_rate(1234.5), format_rate(0.01234), format_rate(3.31e7), format_rate(None)
        ('1234', '0.01234', '33.10M', '—')
    """
    if value is None or not math.isfinite(value):
        return "—"
    if abs(value) < 1e4:
        return _significant(value, 4)
    scale, prefix = next(pair for pair in _PREFIXES if abs(value) >= pair[0])
    return _significant(value / scale, 4) + prefix


def format_percent(fraction: float | None, digits: int = 2) -> str:
    """`1.2 %` with the given significant digits; a dash for none.

    Example:
        >>> format_percent(0.0123)
        '1.2 %'
    """
    if fraction is None or not math.isfinite(fraction):
        return "—"
    return f"{_significant(fraction * 100, digits)} %"


def format_bytes(num_bytes: float | None) -> str:
    """Bytes in binary units; a dash for none.

    Example:
        >>> format_bytes(3 * 2**30)
        '3.0 GiB'
    """
    if num_bytes is None or not math.isfinite(num_bytes):
        return "—"
    for scale, unit in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if abs(num_bytes) >= scale:
            return f"{num_bytes / scale:.1f} {unit}"
    return f"{num_bytes:.0f} B"


def _significant(value: float, digits: int) -> str:
    """A number with that many significant digits, never in exponent form for ordinary sizes."""
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -6:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - magnitude)}f}"
