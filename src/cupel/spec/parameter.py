"""What one hyperparameter may be: a number in a range, linear or logarithmic, or one of some choices.

Every kind maps its values to [0, 1] and back, so that whoever proposes values needs to know one scale only. A prior is
where an expert expects the best value: the mode of a normal law on that scale, cut to [0, 1].
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TypeAlias

from cupel.spec.card import Scalar
from cupel.spec.errors import UsageError

PRIOR_SD = 0.25
"""Spread of a prior on the scale from 0 to 1 (Mallik et al. 2023 take 0.25 where the expert is moderately sure)."""


@dataclass(frozen=True)
class Float:
    """A real number in [low, high].

    Args:
        low: the least value.
        high: the largest.
        log: whether ratios matter instead of differences; needs `low` > 0.
        prior: where an expert expects the best value, None without an opinion.

    Raises:
        UsageError: an empty or infinite range, a logarithm of what is not positive, a prior outside.
    """

    low: float
    high: float
    log: bool = False
    prior: float | None = None

    def __post_init__(self) -> None:
        _check_range(self)

    def value_at(self, unit: float) -> float:
        """The value at a place in [0, 1]."""
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            value = math.exp(low + unit * (high - low))
        else:
            value = self.low + unit * (self.high - self.low)
        # searchers draw hundreds of thousands of values; comparisons are several times faster than max
        return self.low if value < self.low else min(value, self.high)

    def place_of(self, value: Scalar) -> float:
        """The place in [0, 1] of a value."""
        number = float(value)
        if self.log:
            return math.log(number / self.low) / math.log(self.high / self.low)
        return (number - self.low) / (self.high - self.low)

    def holds(self, value: object) -> bool:
        """Whether a value is one of this parameter's."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and self.low <= float(value) <= self.high  # type: ignore[arg-type]

    def spread(self, num: int) -> list[Scalar]:
        """Values at equal steps of the scale, both ends included; the middle where there is one only."""
        return [self.value_at(k / (num - 1) if num > 1 else 0.5) for k in range(num)]


@dataclass(frozen=True)
class Int:
    """A whole number in [low, high]; each is the middle of a cell of its own on the scale.

    Args:
        low: the least value.
        high: the largest.
        log: whether ratios matter instead of differences; needs `low` > 0.
        prior: where an expert expects the best value, None without an opinion.

    Raises:
        UsageError: an empty range, an end that is no whole number, a prior outside.
    """

    low: int
    high: int
    log: bool = False
    prior: float | None = None

    def __post_init__(self) -> None:
        if not all(isinstance(end, int) and not isinstance(end, bool) for end in (self.low, self.high)):
            raise UsageError(f"int({self.low}, {self.high}): the ends must be whole numbers; take float for others.")
        _check_range(self)

    def value_at(self, unit: float) -> int:
        """The value at a place in [0, 1]."""
        if self.log:
            low, high = self._ends()
            value = round(math.exp(low + unit * (high - low)))
        else:
            value = round(self.low - 0.5 + unit * (self.high - self.low + 1))
        return self.low if value < self.low else min(value, self.high)

    def place_of(self, value: Scalar) -> float:
        """The place in [0, 1] of a value: the middle of its cell."""
        low, high = self._ends()
        number = math.log(float(value)) if self.log else float(value)
        return (number - low) / (high - low)

    def holds(self, value: object) -> bool:
        """Whether a value is one of this parameter's."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high

    def spread(self, num: int) -> list[Scalar]:
        """At most that many different values at equal steps of the scale."""
        if num > self.high - self.low:
            return list(range(self.low, self.high + 1))
        return list(dict.fromkeys(self.value_at((k + 0.5) / num) for k in range(num)))

    def _ends(self) -> tuple[float, float]:
        low, high = self.low - 0.5, self.high + 0.5
        return (math.log(low), math.log(high)) if self.log else (low, high)


@dataclass(frozen=True)
class Choice:
    """One of some values without an order.

    Args:
        values: at least one; numbers, texts or truth values, all different.
        prior: the value that an expert expects to be best, None without an opinion.

    Raises:
        UsageError: no values, one given twice, a prior that is none of them.
    """

    values: tuple[Scalar, ...]
    prior: Scalar | None = None

    def __post_init__(self) -> None:
        texts = [str(value) for value in self.values]
        twice = sorted({text for text in texts if texts.count(text) > 1})
        if not texts or twice:
            found = f"{', '.join(twice)} more than once" if twice else "none"
            raise UsageError(f"cat({', '.join(texts)}): found {found}; expected one or more different values.")
        if self.prior is not None and not self.holds(self.prior):
            raise UsageError(f"cat({', '.join(texts)}): the prior {self.prior} is none of them.")

    def value_at(self, unit: float) -> Scalar:
        """The value at a place in [0, 1]."""
        return self.values[min(int(unit * len(self.values)), len(self.values) - 1)]

    def place_of(self, value: Scalar) -> float:
        """The middle of the value's cell in [0, 1]."""
        return (self.index_of(value) + 0.5) / len(self.values)

    def index_of(self, value: Scalar) -> int:
        """Which of the values it is."""
        return next(k for k, own in enumerate(self.values) if own == value and type(own) is type(value))

    def holds(self, value: object) -> bool:
        """Whether a value is one of this parameter's."""
        return any(own == value and type(own) is type(value) for own in self.values)

    def spread(self, num: int) -> list[Scalar]:
        """All values, whatever the number asked."""
        del num
        return list(self.values)


Parameter: TypeAlias = Float | Int | Choice


def prior_draw(parameter: Parameter, rng: random.Random, sd: float = PRIOR_SD) -> Scalar:
    """A value from a parameter's prior; uniform where it has none.

    Numbers: normal around the prior's place, drawn anew until it falls into [0, 1]. Choices: the prior's value gets the
    weight that the normal law has in the middle cell, the others share the rest.
    """
    if parameter.prior is None:
        return parameter.value_at(rng.random())
    if isinstance(parameter, Choice):
        others = [value for value in parameter.values if value != parameter.prior]
        is_prior = not others or rng.random() < choice_weight(parameter, sd)
        return parameter.prior if is_prior else rng.choice(others)
    centre = parameter.place_of(parameter.prior)
    while True:
        place = rng.gauss(centre, sd)
        if 0 <= place <= 1:
            return parameter.value_at(place)


def prior_density(parameter: Parameter, value: Scalar, sd: float = PRIOR_SD) -> float:
    """Density of the prior at a value, relative to the uniform law (1 where there is no prior)."""
    if parameter.prior is None:
        return 1.0
    if isinstance(parameter, Choice):
        num, weight = len(parameter.values), choice_weight(parameter, sd)
        return num * weight if value == parameter.prior else num * (1 - weight) / max(num - 1, 1)
    centre, place = parameter.place_of(parameter.prior), parameter.place_of(value)
    inside = (math.erf((1 - centre) / sd / math.sqrt(2)) + math.erf(centre / sd / math.sqrt(2))) / 2
    return math.exp(-((place - centre) ** 2) / (2 * sd**2)) / (sd * math.sqrt(2 * math.pi)) / inside


def choice_weight(parameter: Choice, sd: float = PRIOR_SD) -> float:
    """Probability of a choice's prior value: 1/n at least, nearer to 1 the smaller the spread."""
    num = len(parameter.values)
    return 1 / num + (1 - 1 / num) * math.erf(0.5 / num / sd / math.sqrt(2)) if num > 1 else 1.0


def _check_range(parameter: Float | Int) -> None:
    low, high = parameter.low, parameter.high
    text = f"{type(parameter).__name__.lower()}({low}, {high})"
    if not (math.isfinite(low) and math.isfinite(high)) or not low < high:
        raise UsageError(f"{text}: expected a finite least value below a finite largest one.")
    if parameter.log and low <= 0:
        raise UsageError(f"{text} on a logarithmic scale: the least value is {low:g}; expected more than 0.")
    if parameter.prior is not None and not low <= parameter.prior <= high:
        raise UsageError(f"{text}: the prior {parameter.prior:g} lies outside; expected a value in the range.")
