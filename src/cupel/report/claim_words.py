"""Verdicts in words: one sentence each, and what would change them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORDS = {
    "supported": "supported",
    "contradicted": "contradicted",
    "equivalent": "equivalent in practice",
    "undecided": "undecided",
    "not testable": "not testable on this device",
}


def number(value: float | None) -> str:
    """A number with four significant digits; a dash for none."""
    return "—" if value is None else f"{value:.4g}"


def effect_text(verdict: Mapping[str, Any]) -> str:
    """Effect, interval and n: `ratio 1.034 (95 % 0.98 to 1.09 at any stop, n = 12 pairs)`."""
    n, effect, interval = verdict["n"], verdict["effect"], verdict["interval"]
    unit = {"exact": "instance", "speed": "block", "published": "record"}.get(verdict["kind"], "pair")
    count = f"n = {n} {unit}{'s' if n != 1 else ''}"
    if effect is None:
        return count
    if verdict["kind"] == "exact":
        return f"{effect:.3g} of {n} instances fail" if effect else f"no failure in {n} instances"
    what = "ratio" if verdict["scale"] == "log" else "difference"
    if verdict["kind"] == "published":
        what = "value"
    with_unit = f" {verdict['unit']}" if verdict["unit"] and what != "ratio" else ""
    if interval is None:
        return f"{what} {number(effect)}{with_unit} (no interval yet, {count})"
    stop = " at any stop" if "any stop" in verdict["method"] else ""
    span = f"{number(interval[0])} to {number(interval[1])}"
    return f"{what} {number(effect)}{with_unit} (95 % {span}{stop}, {count})"


def sentence_of(verdict: Mapping[str, Any]) -> str:
    """The verdict on a statement in one sentence."""
    says = verdict["says"].rstrip(".")
    return f"{verdict['claim']}: {WORDS[verdict['verdict']]}: {says}; {effect_text(verdict)}."


def would_change(verdict: Mapping[str, Any]) -> str:
    """What would settle an open verdict, or change one that is in."""
    word, more, kind = verdict["verdict"], verdict["num_more"], verdict["kind"]
    if word == "undecided":
        return _would_settle(verdict["reason"], more, kind)
    if word == "not testable":
        return "a device that can show it."
    if kind == "exact":
        return "one instance that does not reach it." if word == "supported" else "a correction of the method."
    if kind == "published":
        return "other recorded data."
    return "another task, size or tuning; at this one further pairs would have to differ from those so far."


def _would_settle(reason: str, more: int | None, kind: str) -> str:
    if reason.startswith("Not "):
        return "what the reason names; more pairs alone would not."
    if more:
        unit = {"exact": "instances", "speed": "blocks of launches"}.get(kind, "pairs")
        return f"about {more} more {unit}, if mean and spread stay as they are."
    return "more pairs, or a larger effect; over 10,000 pairs would be needed as it stands, or it is unknown."
