"""What the renderers say alike: signs and words of a status, numbers with their intervals, text made safe to print.

The document holds the statistics; nothing here computes one. A value that is null, infinite or not a number is unknown
and shown as a dash.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

from cupel.spec.units import format_duration, format_percent, format_rate

Document: TypeAlias = Mapping[str, Any]

DASH = "—"
DEFAULT_LEVEL = 0.95
WIDE_FRAC = 0.25
"""From here on an interval is visibly not symmetric about its rate: rates vary by factors."""
CALM_CODES = frozenset(
    {"one session", "one session each", "several sessions", "note", "power cap", "application clocks"}
)
"""Warnings that are said, but are no sign that something is wrong with this run."""

HIDDEN = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Marks that turn the direction of text round: nobody sees them, and they can make a name read as another."""


@dataclass(frozen=True)
class Sign:
    """A mark for the eye, the word that goes with it, and what to write where the mark cannot be encoded.

    Args:
        mark: one character.
        word: the word, for those who do not see the colour or do not know the mark.
        ascii: stands in for the mark.
        tone: `good`, `warn`, `bad` or `calm`; each output has its colours for them.
    """

    mark: str
    word: str
    ascii: str
    tone: str


STATUS = {
    "ok": Sign("✓", "ok", "+", "good"),
    "unstable": Sign("!", "unstable", "!", "warn"),
    "failed": Sign("✗", "failed", "x", "bad"),
    "skipped": Sign("–", "skipped", "-", "calm"),
    "pending": Sign("…", "pending", ".", "calm"),
    "unfinished": Sign("…", "unfinished", ".", "warn"),
}
VERDICT = {
    "faster": Sign("▲", "faster", "^", "good"),
    "slower": Sign("▼", "slower", "v", "warn"),
    "equivalent": Sign("≈", "equivalent", "=", "calm"),
    "undecided": Sign("◇", "undecided", "?", "calm"),
}
CLAIM = {
    "supported": Sign("▲", "better", "^", "good"),
    "contradicted": Sign("▼", "not better", "v", "warn"),
}
"""Verdicts on "A is better than B"; `equivalent` and `undecided` are those above."""
ASCII = str.maketrans(
    {"×": "x", "±": "~", "—": "-", "–": "-", "·": "-", "…": ".", "▸": ">", "─": "-", "°": " ", "µ": "u"}
    | {sign.mark: sign.ascii for sign in (*STATUS.values(), *VERDICT.values())}
)
"""One character for one, so that columns stay in line where only ASCII can be written."""


def status_sign(status: object) -> Sign:
    """The sign of an entry's or launch's status; an unknown one is shown by its own word."""
    return STATUS.get(str(status)) or Sign("?", plain(status) or "unknown", "?", "calm")


def verdict_sign(verdict: object) -> Sign:
    """The sign of a verdict on runs or on methods; an unknown one is shown by its own word."""
    return VERDICT.get(str(verdict)) or CLAIM.get(str(verdict)) or Sign("◇", plain(verdict) or "undecided", "?", "calm")


def plain(value: object) -> str:
    r"""A text on one line without control characters; empty for none.

    Example:
        >>> plain("a\x1b[31m\nb")
        'a\\x1b[31m b'
    """
    return " ".join(plain_block(value).split())


def plain_block(value: object) -> str:
    """A text whose line ends and tabs stay and whose other control characters are written out."""
    if value is None:
        return ""
    text = str(value).replace("\r\n", "\n").replace("\r", "\n").expandtabs(4)
    text = HIDDEN.sub("", text)
    return "".join(c if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs") else _written_out(c) for c in text)


def _written_out(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < 256 else "\ufffd"


def finite(value: object) -> float | None:
    """The value as a number, None where it is unknown."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def bounds(interval: object) -> tuple[float, float] | None:
    """Both ends of an interval, None where either is unknown."""
    if not isinstance(interval, Sequence) or isinstance(interval, str) or len(interval) != 2:
        return None
    low, high = finite(interval[0]), finite(interval[1])
    return None if low is None or high is None else (low, high)


def spread(entry: Document) -> str:
    """How far the interval reaches from the rate: `0.8 %`; both ways where it is wide; a dash where there is none.

    Example:
        >>> spread({"rate": 100.0, "interval": [99.2, 100.8]}), spread({"rate": 100.0, "interval": [48.0, 208.0]})
        ('0.80 %', '-52 +108 %')
    """
    ends, rate = bounds(entry.get("interval")), finite(entry.get("rate"))
    if ends is None or not rate:
        return DASH
    below, above = ((rate - ends[0]) / abs(rate), (ends[1] - rate) / abs(rate))
    if max(below, above) > WIDE_FRAC:
        return f"{-100 * below:+.0f} {100 * above:+.0f} %"
    return format_percent((below + above) / 2)


def interval_text(interval: object) -> str:
    """`[12.1, 12.9]`; a dash where there is none."""
    ends = bounds(interval)
    return DASH if ends is None else f"[{format_rate(ends[0])}, {format_rate(ends[1])}]"


def ratio_text(ratio: object) -> str:
    """`1.031×`; a dash where there is none."""
    number = finite(ratio)
    return DASH if number is None else f"{format_ratio(number)}×"


def ratio_interval_text(interval: object) -> str:
    """`[1.012, 1.049]`; a dash where there is none."""
    ends = bounds(interval)
    return DASH if ends is None else f"[{format_ratio(ends[0])}, {format_ratio(ends[1])}]"


def format_ratio(ratio: float) -> str:
    """Three decimals near one, four significant digits far from it.

    Example:
        >>> format_ratio(1.0314), format_ratio(14.218), format_ratio(0.00123456)
        ('1.031', '14.22', '0.001235')
    """
    return f"{ratio:.3f}" if 0.1 <= abs(ratio) < 10 else format_rate(ratio)


def level_percent(document: Document) -> str:
    """`95 %`: the level of the intervals in a document or entry."""
    level = finite(document.get("level"))
    for entry in document.get("entries") or () if level is None else ():
        level = level if level is not None else finite(entry.get("level"))
    return f"{100 * (level or DEFAULT_LEVEL):.4g} %"


def seconds_text(seconds: object) -> str:
    """A step's or start's time, in µs, ms, s or minutes; a dash for none.

    Example:
        >>> seconds_text(0.00123), seconds_text(0.25), seconds_text(2.5), seconds_text(None)
        ('1.23 ms', '250 ms', '2.50 s', '—')
    """
    number = finite(seconds)
    if number is None:
        return DASH
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if abs(number) >= scale or unit == "µs":
            return format_duration(number) if number >= 60 else f"{_three(number / scale)} {unit}"
    return DASH


def number_text(value: object) -> str:
    """A number of any unit with four significant digits; a dash for none.

    Example:
        >>> number_text(0.0064144), number_text(-12345.6), number_text(float("nan")), number_text(20.0)
        ('0.006414', '-12346', '—', '20')
    """
    number = finite(value)
    if number is None:
        return DASH
    text = f"{number:.4g}"
    return f"{number:.0f}" if "e+" in text and abs(number) < 1e7 else text


def ends_text(interval: object) -> str:
    """`[-0.0035, 0.0163]` with three significant digits; a dash where there is none.

    Example:
        >>> ends_text([0.000123456, 0.5])
        '[0.000123, 0.5]'
    """
    ends = bounds(interval)
    if ends is None:
        return DASH
    low, high = (f"{x:.0f}" if 1e3 <= abs(x) < 1e7 else f"{x:.3g}" for x in ends)
    return f"[{low}, {high}]"


def p_text(p: object) -> str:
    """A p-value with two digits; `<0.0001` below that; a dash for none."""
    number = finite(p)
    if number is None:
        return DASH
    return "<0.0001" if number < 1e-4 else f"{number:.2g}"


def joules_text(joules: object) -> str:
    """Energy in J, kJ, or kWh; a dash for none.

    Example:
        >>> joules_text(12.0), joules_text(4200.0), joules_text(7.2e6)
        ('12.0 J', '4.20 kJ', '2.00 kWh')
    """
    number = finite(joules)
    if number is None:
        return DASH
    for scale, unit in ((3.6e6, "kWh"), (1e3, "kJ"), (1.0, "J")):
        if abs(number) >= scale:
            return f"{_three(number / scale)} {unit}"
    return f"{number:.3g} J"


def _three(value: float) -> str:
    """Three significant digits, never as a power of ten for ordinary sizes."""
    size = abs(value)
    return f"{value:.{2 if size < 10 else 1 if size < 100 else 0}f}"


def label_of(entry: Document) -> str:
    """What people call an entry."""
    return plain(entry.get("label") or entry.get("name") or entry.get("key")) or "(no name)"


def unit_of(entry: Document) -> str:
    """`images/s`."""
    unit = plain(entry.get("unit"))
    return f"{unit}/s" if unit else ""


def settings_text(settings: object) -> str:
    """`batch=4 precision=bf16`."""
    if not isinstance(settings, Mapping):
        return ""
    return " ".join(f"{plain(k)}={plain(v)}" for k, v in sorted(settings.items(), key=lambda pair: str(pair[0])))


def num(count: int, singular: str, plural: str = "") -> str:
    """`1 launch`, `2 launches`."""
    return f"{count} {singular if count == 1 else plural or singular + 's'}"


def launches_text(entry: Document) -> str:
    """`3` launches, or `2 of 3` where some are missing."""
    done, planned = finite(entry.get("num_launches")), finite(entry.get("planned_launches"))
    if done is None:
        return DASH
    return f"{done:.0f}" if planned is None or planned <= done else f"{done:.0f} of {planned:.0f}"


def warning_texts(holder: Document) -> Iterator[str]:
    """Warnings in words."""
    for warning in holder.get("warnings") or ():
        text = plain(warning.get("text")) or plain(warning.get("code"))
        if text:
            yield text


def calm_texts(holder: Document) -> set[str]:
    """Those of its warnings that are no sign that something is wrong."""
    return {
        text
        for w in holder.get("warnings") or ()
        if w.get("code") in CALM_CODES
        for text in warning_texts({"warnings": [w]})
    }


def settle_text(entry: Document) -> str:
    """What would settle an undecided entry of a comparison; empty for one that is decided.

    Example:
        >>> settle_text({"verdict": "undecided", "num_more": 4}), settle_text({"verdict": "undecided"})
        ('about 4 more launches per side', 'how many more launches is not known')
    """
    if entry.get("verdict") != "undecided":
        return ""
    if entry.get("not_compared"):
        return f"not compared: {plain(entry['not_compared'])}"
    more = finite(entry.get("num_more"))
    if more is None:
        note = plain(entry.get("interval_note"))
        return "how many more launches is not known" + (f" ({note})" if note else "")
    return f"about {num(int(more), 'more launch', 'more launches')} per side" if more > 0 else ""


def left_out_texts(document: Document) -> Iterator[str]:
    """What a comparison could not compare: in one run only, or without a rate in one of them."""
    for side in ("a", "b"):
        only = [label_of(x) if isinstance(x, Mapping) else plain(x) for x in document.get(f"only_in_{side}") or ()]
        if only:
            yield f"only in {side.upper()}, not compared: {', '.join(only)}"
    for row in document.get("unmeasured") or ():
        yield f"{label_of(row)}: not compared, {plain(row.get('status_a'))} in A, {plain(row.get('status_b'))} in B"


def failure_text(failure: Document) -> str:
    """`out of memory: 3 GiB asked for`."""
    reason, message = plain(failure.get("reason")), plain(failure.get("message"))
    if message.startswith(reason):
        return message or "failed"
    return f"{reason}: {message}" if message else reason or "failed"


def entry_notes(entry: Document) -> list[str]:
    """What a reader of an entry's number must know: failures, why there is no interval, warnings; no text twice."""
    texts = [failure_text(f) for f in entry.get("failures") or ()]
    counted = [f"{text} ({texts.count(text)} launches)" if texts.count(text) > 1 else text for text in texts]
    note = plain(entry.get("interval_note"))
    has_rate = finite(entry.get("rate")) is not None
    notes = [
        *counted,
        *([note] if note and has_rate and not bounds(entry.get("interval")) else ()),
        *warning_texts(entry),
    ]
    return list(dict.fromkeys(notes))


def count_status(document: Document) -> dict[str, int]:
    """How many entries are ok, unstable, failed, pending, skipped (those that were never started included)."""
    counts = dict.fromkeys(STATUS, 0)
    for entry in document.get("entries") or ():
        status = str(entry.get("status"))
        counts[status] = counts.get(status, 0) + 1
    counts["skipped"] += len(document.get("skipped") or ())
    return counts


def tail_of(failure: Document, num_lines: int) -> list[str]:
    """The last lines of a failure's log; the log may be one text or a list of lines."""
    tail = failure.get("log_tail") or ()
    block = tail if isinstance(tail, str) else "\n".join(str(line).rstrip("\n") for line in tail)
    lines = plain_block(block).splitlines()
    return lines[-num_lines:]
