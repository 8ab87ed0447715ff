"""What the renderers of a tuning run say alike: configurations, ranges, the best value and how sure it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cupel.report.words import DASH, Document, Sign, num, number_text, plain, status_sign
from cupel.spec.units import format_duration

STATES = {"trials": "complete", "budget": "ended by its budget", "interrupted": "not finished"}
OPEN = Sign("…", "open", ".", "calm")


def number(value: float | None) -> str:
    """A value with five significant digits; a dash for none."""
    return DASH if value is None else f"{value:.5g}"


def value_text(value: object) -> str:
    """A value of a parameter: numbers with five significant digits, truth values as scripts are given them."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.5g}" if isinstance(value, float) else plain(value)


def assignments(parameters: Mapping[str, Any]) -> str:
    """`lr=0.001, width=64`."""
    return ", ".join(f"{name}={value_text(value)}" for name, value in parameters.items())


def again_text(again: Mapping[str, Any], metric: str) -> str:
    """The mean over fresh seeds in words."""
    if again["low"] is None:
        return f"{metric} {number(again['mean'])} over {num(again['n'], 'fresh seed')}; no interval: {again['note']}"
    ends = f"{number(again['low'])} to {number(again['high'])}"
    return f"{metric} {number(again['mean'])} over {num(again['n'], 'fresh seed')}, 95 % interval {ends}"


def at_text(document: Document, resource: float) -> str:
    """` at 9`; nothing where trials are trained as the script sees fit."""
    return f" at {resource:g}" if document["asked"]["max_resource"] is not None else ""


def headline(document: Document) -> str:
    """The result in a sentence."""
    asked, best = document["asked"], document["best"]
    tuned = f"{plain(asked['script'])} tuned by {plain(asked['searcher'])}"
    if best is None:
        return f"{tuned}: no trial reached a value."
    metric, again = plain(asked["metric"]), best["reevaluated"]
    selected = f"{metric} {number(best['value'])}{at_text(document, best['resource'])} as selected"
    if again is None:
        return f"{tuned}: {selected}, not trained again with fresh seeds."
    return f"{tuned}: {again_text(again, metric)} ({number(best['value'])} as selected)."


def state_text(document: Document) -> str:
    """`complete`, `ended by its budget`, `not finished`."""
    return STATES.get(document["ended"], STATES["interrupted"])


def cost_texts(document: Document) -> tuple[str, str, str]:
    """Worker time, energy, and the time that the run took."""
    costs = document["costs"]
    energy = "energy not measurable" if costs["energy_j"] is None else f"{costs['energy_j'] / 3600:.3g} Wh"
    return format_duration(costs["device_s"]), energy, format_duration(costs["elapsed_s"])


def trial_sign(trial: Document) -> Sign:
    """The sign of a trial's status."""
    return OPEN if trial["status"] == "open" else status_sign(trial["status"])


def range_text(parameter: Mapping[str, Any], condition: Sequence[Any] | None = None) -> str:
    """What was searched of a parameter.

    Args:
        parameter: as `Space.as_dict` writes it.
        condition: the other parameter, and the values of it with which this one has a part.

    Example:
        >>> range_text({"kind": "Int", "low": 1, "high": 8, "log": True, "prior": None}, ["opt", ["sgd"]])
        '1 to 8, whole, logarithmic, if opt=sgd'
    """
    if parameter["kind"] == "Choice":
        parts = [" | ".join(map(value_text, parameter["values"]))]
    else:
        parts = [f"{number_text(parameter['low'])} to {number_text(parameter['high'])}"]
        parts += ["whole"] if parameter["kind"] == "Int" else []
        parts += ["logarithmic"] if parameter["log"] else []
    if parameter["prior"] is not None:
        parts.append(f"expected {value_text(parameter['prior'])}")
    if condition is not None:
        parts.append(f"if {plain(condition[0])}={'|'.join(map(value_text, condition[1]))}")
    return ", ".join(parts)


def by_merit(document: Document) -> Iterator[Document]:
    """Trials as the incumbent is chosen: trained furthest first, then the better value; those without a value last."""
    sign = 1.0 if document["asked"]["better"] == "lower" else -1.0
    valued = [trial for trial in document["trials"] if trial["value"] is not None]
    yield from sorted(valued, key=lambda t: (-t["resource"], sign * t["value"], t["trial"]))
    yield from (trial for trial in document["trials"] if trial["value"] is None)
