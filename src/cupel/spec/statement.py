"""One statement of a claim: what is said, of which number, and when it counts as shown.

Three sentences can be said of a quantity. *Superiority*: better than the baseline, by more than a bar. *Equivalence*
and *non-inferiority*: within a margin of it, or no worse than a margin. *Exactness*: a number that every instance
must reach, such as a largest error; one that does not reach it refutes.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from cupel.spec.errors import CardError, UnknownNameError

StatementKind: TypeAlias = Literal["quality", "speed", "exact", "simulated", "published"]
Sentence: TypeAlias = Literal["superiority", "equivalence", "non-inferiority"]
PAIRED = ("quality", "simulated")
"""Kinds whose evidence is pairs of trials."""
WITH_ARMS = (*PAIRED, "speed")
"""Kinds that compare two arms."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement of a claim.

    Args:
        name: short, of small letters, digits and `_`; unique in the claim.
        kind: what counts as evidence: `quality` and `simulated` pairs of trials, `speed` interleaved launches, `exact`
            random instances, `published` recorded data.
        says: the statement in a sentence, method first.
        metric: which number of an `Outcome` it is of: a key of its values or of its costs. For `speed` the rate.
        better: direction of the metric.
        unit: of the metric; empty for a share or a number.
        sentence: what is said of the pair; without meaning for `exact`.
        bar: superiority: how much better than the baseline, as a difference (`linear`) or as a share (`log`: 0.05 is a
            ratio of 1.05). Exact: the number that each instance must reach.
        margin: equivalence and non-inferiority: how much apart still counts as equal; on the scale of `bar`.
        rope: superiority: half width of the region in which two arms are equal in practice; None for no such region.
        scale: `linear` for a difference of the two, `log` for their ratio (both above 0).
        arms: the two that are compared, what is defended first.
        bounds: lowest and highest value that the metric can have, where it has both; intervals then assume no law.
    """

    name: str
    kind: StatementKind
    says: str
    metric: str
    better: Literal["higher", "lower"]
    unit: str = ""
    sentence: Sentence = "superiority"
    bar: float = 0.0
    margin: float | None = None
    rope: float | None = None
    scale: Literal["linear", "log"] = "linear"
    arms: tuple[str, str] = ("method", "baseline")
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Refuse a statement that could only be misread."""
        if not _NAME.fullmatch(self.name):
            raise CardError(f"A statement is named {self.name!r}; expected small letters, digits and '_'.")
        for name, kinds in (("kind", StatementKind), ("sentence", Sentence)):
            if getattr(self, name) not in get_args(kinds):
                self._refuse(name, f"one of {', '.join(get_args(kinds))}")
        for name in ("says", "metric"):
            if not getattr(self, name):
                self._refuse(name, "words")
        for name, known in (("better", ("higher", "lower")), ("scale", ("linear", "log"))):
            if getattr(self, name) not in known:
                self._refuse(name, " or ".join(map(repr, known)))
        self._check_numbers()
        if self.kind in WITH_ARMS and (len(self.arms) != 2 or self.arms[0] == self.arms[1]):
            self._refuse("arms", "two different arms, what is defended first")

    def _check_numbers(self) -> None:
        if not math.isfinite(self.bar) or (self.bar < 0 and self.kind != "exact"):
            self._refuse("bar", "a number of at least 0")
        has_margin = self.sentence != "superiority" and self.kind != "exact"
        if has_margin and not (self.margin is not None and 0 < self.margin < math.inf):
            self._refuse("margin", f"a number above 0, since the sentence is {self.sentence}")
        if not has_margin and self.margin is not None:
            self._refuse("margin", "none: only equivalence and non-inferiority have one")
        if self.rope is not None and not (0 < self.rope < math.inf and self.sentence == "superiority"):
            self._refuse("rope", "a number above 0, and only for superiority")
        if self.bounds is not None and not (len(self.bounds) == 2 and self.bounds[0] < self.bounds[1]):
            self._refuse("bounds", "the lowest and the highest possible value")
        if self.bounds is not None and self.scale == "log":
            self._refuse("bounds", "none on the log scale: a ratio has no bounds")

    def _refuse(self, name: str, expected: str) -> None:
        raise CardError(f"Statement {self.name!r}: {name} is {getattr(self, name)!r}; expected {expected}.")


def read_statement(said: Mapping[str, Any]) -> Statement:
    """A statement from the literal dict of a card.

    Raises:
        CardError: a key that is unknown or missing, or a value that cannot be.
    """
    fields = {f.name: f for f in dataclasses.fields(Statement)}
    for key in said:
        if key not in fields:
            raise CardError(str(UnknownNameError("key of a statement", str(key), fields)))
    missing = [name for name, f in fields.items() if f.default is dataclasses.MISSING and name not in said]
    if missing:
        raise CardError(f"Statement {said.get('name', '?')!r} lacks {', '.join(missing)}.")
    for key, value in said.items():
        expected, is_valid = _VALUES.get(key, ("words", lambda v: isinstance(v, str)))
        if not is_valid(value):
            raise CardError(f"Statement {said.get('name', '?')!r}: {key} is {value!r}; expected {expected}.")
    return Statement(**said)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_pair_of(value: object, is_part: Callable[[object], bool]) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(map(is_part, value))


_VALUES: dict[str, tuple[str, Callable[[object], bool]]] = {
    "bar": ("a number", _is_number),
    "margin": ("a number, or None", lambda v: v is None or _is_number(v)),
    "rope": ("a number, or None", lambda v: v is None or _is_number(v)),
    "arms": ("the names of two arms", lambda v: _is_pair_of(v, lambda arm: isinstance(arm, str))),
    "bounds": ("two numbers, or None", lambda v: v is None or _is_pair_of(v, _is_number)),
}
"""What the keys of a statement that are no words may be."""
