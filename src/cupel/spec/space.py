"""A space of hyperparameters: what may be tried, under which conditions, and where to begin.

A configuration is a mapping from names to values; a parameter whose condition is not met has no part in it. Everything
that proposes configurations reaches the space through this class.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from cupel.spec.card import Scalar
from cupel.spec.constraint import Constraint
from cupel.spec.errors import UnknownNameError, UsageError
from cupel.spec.parameter import Choice, Float, Int, Parameter, prior_density, prior_draw

Configuration: TypeAlias = dict[str, Scalar]
MAX_DRAWS = 10_000
"""Draws in a row that may miss the constraints before the space is taken for empty."""


@dataclass(frozen=True)
class Condition:
    """A parameter has a part only where another one has one of some values."""

    name: str
    values: tuple[Scalar, ...]

    def is_met(self, parameters: Mapping[str, Scalar]) -> bool:
        """Whether the other one is there and has one of the values."""
        return self.name in parameters and parameters[self.name] in self.values


class Space:
    """A space of hyperparameters.

    Args:
        parameters: name to parameter, in the order in which a script is given them.
        conditions: name to the condition under which it has a part; it may only look at names before it.
        constraints: texts (`cupel.spec.constraint`) or functions of a configuration, all to be met.
        initial: configurations to begin with, whole or in part (the rest is drawn).

    Raises:
        UsageError: no parameters, a condition or constraint on an unknown name, an initial value outside.

    Example:
        >>> space = Space({"lr": Float(1e-5, 1, log=True), "width": Int(32, 512)})
        >>> sorted(space.draw(random.Random(0)))
        ['lr', 'width']
    """

    def __init__(
        self,
        parameters: Mapping[str, Parameter],
        *,
        conditions: Mapping[str, Condition] | None = None,
        constraints: Sequence[str | Callable[[Configuration], bool]] = (),
        initial: Sequence[Mapping[str, Scalar]] = (),
    ) -> None:
        if not parameters:
            raise UsageError("The space is empty; expected one parameter or more, such as lr=log(1e-5,1).")
        self.parameters = dict(parameters)
        self.conditions = dict(conditions or {})
        self.constraints = tuple(Constraint(text) if isinstance(text, str) else text for text in constraints)
        self._check_names()
        self.initial = tuple(dict(start) for start in initial)
        for start in self.initial:
            self._check_values(start, where="An initial configuration")
        self._values_at = [(name, parameter.value_at) for name, parameter in self.parameters.items()]
        self._checks = [c.is_met if isinstance(c, Constraint) else c for c in self.constraints]

    def __len__(self) -> int:
        return len(self.parameters)

    def __iter__(self) -> Iterator[str]:
        return iter(self.parameters)

    def draw(self, rng: random.Random) -> Configuration:
        """A configuration drawn uniformly on the parameters' scales."""
        if not self.conditions and not self._checks:
            unit = rng.random
            return {name: value_at(unit()) for name, value_at in self._values_at}
        return self._accepted(lambda _, parameter: parameter.value_at(rng.random()))

    def draw_prior(self, rng: random.Random) -> Configuration:
        """A configuration drawn from the experts' priors; uniform in parameters without one."""
        return self._accepted(lambda _, parameter: prior_draw(parameter, rng))

    def prior_density(self, parameters: Mapping[str, Scalar]) -> float:
        """Density of the priors at a configuration, relative to the uniform law."""
        density = 1.0
        for name, value in parameters.items():
            density *= prior_density(self.parameters[name], value)
        return density

    @property
    def prior_mode(self) -> Configuration | None:
        """The configuration of all priors, those without at the middle of their scale; None without any prior."""
        if all(parameter.prior is None for parameter in self.parameters.values()):
            return None
        return self.whole({n: p.prior if p.prior is not None else p.value_at(0.5) for n, p in self.parameters.items()})

    def at(self, places: Sequence[float]) -> Configuration | None:
        """The configuration at a place in the unit cube; None where it misses a constraint.

        Args:
            places: one number in [0, 1] for each parameter in order, those without a part included.
        """
        found = self.whole({n: p.value_at(u) for (n, p), u in zip(self.parameters.items(), places, strict=True)})
        return found if self.is_allowed(found) else None

    def places_of(self, parameters: Mapping[str, Scalar]) -> dict[str, float]:
        """Places in [0, 1] of the parameters that have a part."""
        return {name: self.parameters[name].place_of(value) for name, value in parameters.items()}

    def grid(self, num: int) -> Iterator[Configuration]:
        """Every combination of at most `num` values of each number and all values of each choice, each once."""
        seen = set()
        for values in itertools.product(*(parameter.spread(num) for parameter in self.parameters.values())):
            found = self.whole(dict(zip(self.parameters, values, strict=True)))
            key = tuple(found.items())
            if key not in seen and self.is_allowed(found):
                seen.add(key)
                yield found

    def changed(self, parameters: Mapping[str, Scalar], name: str, rng: random.Random) -> Configuration | None:
        """The configuration with another value of one parameter; None where no other is found that is allowed.

        What gets a part by the change is drawn, what loses its part goes.
        """
        parameter = self.parameters[name]
        for _ in range(100):
            value = parameter.value_at(rng.random())
            if value == parameters[name]:
                continue
            found = self._filled(_with_change({**parameters, name: value}, rng))
            if self.is_allowed(found):
                return found
        return None

    def completed(self, start: Mapping[str, Scalar], rng: random.Random) -> Configuration:
        """A configuration with the given values, the rest drawn."""
        return self._accepted(_with_change(start, rng))

    def whole(self, values: Mapping[str, Scalar]) -> Configuration:
        """Those of the values that have a part."""
        return self._filled(lambda name, _: values[name])

    def is_allowed(self, parameters: Configuration) -> bool:
        """Whether a configuration meets every constraint."""
        return all(is_met(parameters) for is_met in self._checks)

    def check(self, parameters: Mapping[str, Scalar]) -> Configuration:
        """A configuration as given, in the order of the space.

        Raises:
            UsageError: a name too many or too few, a value outside, a constraint missed.
        """
        self._check_values(parameters, where="The configuration")
        missing = [n for n in self.parameters if n not in parameters and self._has_part(n, parameters)]
        too_many = [n for n in parameters if not self._has_part(n, parameters)]
        if missing or too_many:
            text = (
                f"lacks {', '.join(missing)}" if missing else f"has {', '.join(too_many)}, whose condition is not met"
            )
            raise UsageError(f"The configuration {dict(parameters)} {text}.")
        found = {name: parameters[name] for name in self.parameters if name in parameters}
        if not self.is_allowed(found):
            raise UsageError(f"The configuration {found} misses a constraint of the space.")
        return found

    def as_dict(self) -> dict[str, Any]:
        """The space as plain data.

        Raises:
            UsageError: a constraint is a function, which is no data.
        """
        if any(not isinstance(constraint, Constraint) for constraint in self.constraints):
            raise UsageError("A space with a function as constraint cannot be stored; write the constraint as a text.")
        return {
            "parameters": {n: {"kind": type(p).__name__, **vars(p)} for n, p in self.parameters.items()},
            "conditions": {n: [c.name, list(c.values)] for n, c in self.conditions.items()},
            "constraints": [c.text for c in self.constraints if isinstance(c, Constraint)],
            "initial": list(self.initial),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Space:
        """The space that `as_dict` wrote."""
        kinds = {"Float": Float, "Int": Int, "Choice": Choice}
        parameters: dict[str, Parameter] = {}
        for name, fields in data["parameters"].items():
            rest = {key: tuple(value) if key == "values" else value for key, value in fields.items() if key != "kind"}
            parameters[name] = kinds[fields["kind"]](**rest)
        conditions = {name: Condition(other, tuple(values)) for name, (other, values) in data["conditions"].items()}
        return cls(parameters, conditions=conditions, constraints=data["constraints"], initial=data["initial"])

    def with_initial(self, initial: Sequence[Mapping[str, Scalar]]) -> Space:
        """The same space with further configurations to begin with."""
        texts = [c.text if isinstance(c, Constraint) else c for c in self.constraints]
        starts = (*self.initial, *initial)
        return Space(self.parameters, conditions=self.conditions, constraints=texts, initial=starts)

    def with_priors(self, priors: Mapping[str, Scalar]) -> Space:
        """The same space with an expert's expectation of the best values."""
        unknown = [name for name in priors if name not in self.parameters]
        if unknown:
            raise UnknownNameError("parameter", unknown[0], self.parameters)
        parameters = {n: replace(p, prior=priors.get(n, p.prior)) for n, p in self.parameters.items()}  # type: ignore[arg-type]
        texts = [c.text if isinstance(c, Constraint) else c for c in self.constraints]
        return Space(parameters, conditions=self.conditions, constraints=texts, initial=self.initial)

    def _accepted(self, value_of: Callable[[str, Parameter], Scalar]) -> Configuration:
        """A configuration that meets the constraints, drawn again until it does."""
        for _ in range(MAX_DRAWS):
            found = self._filled(value_of)
            if not self._checks or self.is_allowed(found):
                return found
        texts = ", ".join(c.text if isinstance(c, Constraint) else repr(c) for c in self.constraints)
        raise UsageError(
            f"{MAX_DRAWS} configurations in a row missed the constraints ({texts}); widen them or the space."
        )

    def _filled(self, value_of: Callable[[str, Parameter], Scalar]) -> Configuration:
        """Values in order, for the parameters that have a part."""
        conditions = self.conditions
        if not conditions:
            return {name: value_of(name, parameter) for name, parameter in self.parameters.items()}
        found: Configuration = {}
        for name, parameter in self.parameters.items():
            if name not in conditions or conditions[name].is_met(found):
                found[name] = value_of(name, parameter)
        return found

    def _has_part(self, name: str, parameters: Mapping[str, Scalar]) -> bool:
        return name not in self.conditions or self.conditions[name].is_met(parameters)

    def _check_names(self) -> None:
        names = list(self.parameters)
        for name, condition in self.conditions.items():
            if name not in self.parameters:
                raise UnknownNameError("parameter", name, names)
            before = names[: names.index(name)]
            if condition.name not in before:
                raise UsageError(f"{name} depends on {condition.name}; expected a parameter before it: {before}.")
            for value in condition.values:
                if not self.parameters[condition.name].holds(value):
                    raise UsageError(f"{name} depends on {condition.name}={value}, which {condition.name} never is.")
        for constraint in self.constraints:
            for name in sorted(getattr(constraint, "names", ())):
                if name not in self.parameters:
                    raise UnknownNameError("parameter", name, names, see="It is in a constraint.")

    def _check_values(self, parameters: Mapping[str, Scalar], *, where: str) -> None:
        for name, value in parameters.items():
            if name not in self.parameters:
                raise UnknownNameError("parameter", name, self.parameters)
            if not self.parameters[name].holds(value):
                raise UsageError(f"{where} has {name}={value!r}; expected a value of {self.parameters[name]}.")


def _with_change(values: Mapping[str, Scalar], rng: random.Random) -> Callable[[str, Parameter], Scalar]:
    """The values given, and a draw for every other parameter."""

    def value_of(name: str, parameter: Parameter) -> Scalar:
        return values[name] if name in values else parameter.value_at(rng.random())

    return value_of
