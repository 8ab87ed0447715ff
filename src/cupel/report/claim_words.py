"""Verdicts in words: one sentence each, and what would change them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cupel.report.words import DASH, Sign, bounds, failure_text, finite, num, number_text, plain

WORDS = {
    "supported": "supported",
    "contradicted": "contradicted",
    "equivalent": "equivalent in practice",
    "undecided": "undecided",
    "not testable": "not testable on this device",
}


SIGNS = {
    "supported": Sign("✓", "supported", "+", "good"),
    "contradicted": Sign("✗", "contradicted", "x", "bad"),
    "equivalent": Sign("=", "equivalent", "=", "good"),
    "undecided": Sign("?", "undecided", "?", "warn"),
    "not testable": Sign("·", "not testable", "-", "calm"),
}
GRAVE = ("unequal failures", "drift")
"""Notes that are shown wherever the verdict is."""
UNITS = {"exact": "instance", "speed": "block", "published": "record"}
"""What is counted, by the kind of a statement; pairs of trials for the others."""
TURNED = "Effects are turned so that what is above 0, or above 1 for a ratio, is in favour of the arm that is defended."


def number(value: float | None) -> str:
    """A number with four significant digits; a dash for none."""
    return number_text(value)


def count_text(verdict: Mapping[str, Any]) -> str:
    """`12 pairs`."""
    return num(verdict["n"], UNITS.get(verdict["kind"], "pair"))


def sign_of(word: object) -> Sign:
    """The sign of a verdict on a statement; an unknown one is shown by its own word."""
    return SIGNS.get(str(word)) or Sign("?", str(word), "?", "calm")


def effect_cell(verdict: Mapping[str, Any]) -> str:
    """The effect in a table: `×1.034`, `+0.012`, `0 of 60 fail`; a dash for none.

    Example:
        >>> effect_cell({"kind": "speed", "scale": "log", "effect": 1.5, "n": 6, "unit": "steps/s"})
        '×1.5'
        >>> effect_cell({"kind": "quality", "scale": "linear", "effect": 0.25, "n": 6, "unit": "nats"})
        '+0.25 nats'
    """
    effect = finite(verdict["effect"])
    if effect is None:
        return DASH
    if verdict["kind"] == "exact":
        return f"{round(effect * verdict['n'])} of {verdict['n']} fail"
    unit = f" {verdict['unit']}" if verdict["unit"] else ""
    if verdict["kind"] == "published":
        return f"{number(effect)}{unit}"
    if verdict["scale"] == "log":
        return f"×{number(effect)}"
    return f"{'+' if effect > 0 else ''}{number(effect)}{unit}"


def interval_cell(verdict: Mapping[str, Any], interval: Sequence[float] | None = None) -> str:
    """The interval in a table: `0.98 to 1.09`, `at most 4.9 % fail`; a dash for none.

    Args:
        verdict: a verdict.
        interval: another interval than its own.
    """
    ends = bounds(verdict["interval"] if interval is None else interval)
    if ends is None:
        return DASH
    if verdict["kind"] == "exact":
        return f"at most {100 * ends[1]:.2g} % fail"
    return f"{number(ends[0])} to {number(ends[1])}"


def counted(verdicts: Sequence[Mapping[str, Any]], key: str = "verdict") -> str:
    """`3 supported, 1 undecided`, in the order of the words; verdicts without a word are left out."""
    words = [verdict[key] for verdict in verdicts]
    return ", ".join(f"{words.count(word)} {word}" for word in SIGNS if word in words)


def verdict_notes(verdict: Mapping[str, Any]) -> Iterator[str]:
    """What a reader of a verdict must know, in words; each once."""
    notes = verdict["warnings"]
    if verdict["num_failed"] and "failures" not in {note["code"] for note in notes}:
        yield f"{num(verdict['num_failed'], 'pair')} left out, since an arm failed in them."
    yield from dict.fromkeys(note["text"] for note in notes)


def alike_failures(failures: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Failures by what is said of them, in the order in which they came."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for failure in failures:
        found.setdefault(failure_text(failure), []).append(failure)
    return found


def failed_text(failures: Sequence[Mapping[str, Any]], most: int = 10) -> str:
    """Which trials failed: `baseline 0 (tuning), 11, method 3`; after so many, how many more."""
    named, last = [], ""
    for failure in failures[:most]:
        arm, stream = plain(failure["arm"]), f" ({plain(failure['stream'])})" if failure["stream"] else ""
        named.append(f"{'' if arm == last else f'{arm} '}{failure['index']}{stream}")
        last = arm
    more = f" and {len(failures) - most} more" if len(failures) > most else ""
    return ", ".join(named) + more


def effect_text(verdict: Mapping[str, Any]) -> str:
    """Effect, interval and n: `ratio 1.034 (95 % 0.98 to 1.09 at any stop, n = 12 pairs)`."""
    n, effect, interval = verdict["n"], verdict["effect"], verdict["interval"]
    count = f"n = {count_text(verdict)}"
    if effect is None:
        return count
    if verdict["kind"] == "exact":
        return f"{round(effect * n)} of {n} instances fail" if effect else f"no failure in {n} instances"
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
    if word == "undecided" and kind != "published":
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


def estimator_text(varies: Sequence[str], *, is_tuned: bool) -> str:
    """Which of the two estimators of Bouthillier et al. (2021) the trials of a claim are, and what it leaves out."""
    if "hpo" in varies:
        return "Hyperparameters are chosen anew in each trial (IdealEst): what tuning adds is in the spread of all."
    if is_tuned:
        return (
            "Hyperparameters were chosen once (FixHOptEst): what tuning adds to the spread is in none of these numbers."
        )
    return "Nothing is tuned: hyperparameters are part of the task."
