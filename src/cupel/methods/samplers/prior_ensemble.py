"""PriorBand's ensemble: uniform draws, draws from an expert's prior, and changes of the best so far.

Notation: η `eta`; r the rung that a configuration starts on, from 0; p_U, p_π, p_λ̂ probabilities of the three.

Rules
    p_U = 1 / (1 + η^r): the costlier the start, the more the expert is believed.
    The rest is the prior's, until there is an incumbent to speak of: a
    configuration was trained in full, the resource spent is that of the first
    bracket of successive halving, and some rung has η losses.
    From then on the rest is shared between prior and incumbent in proportion to
    how likely they make the best ⌊n / η⌋ of the highest rung with η losses, the
    best counting most (weights k, k - 1, ..., 1).
    The incumbent is the configuration with the least loss on any rung. To change
    it, each parameter is drawn anew with probability one half: numbers from a
    normal law around its place (sd 0.25, cut to [0, 1]), choices from the others.
    The prior's mode is tried first (our addition: it is what the expert said).

Source: Mallik et al. 2023, PriorBand: Practical Hyperparameter Optimization in the Age of Deep Learning (NeurIPS),
section 5 and algorithm 2; checked against NePS 0.12.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace

from cupel.methods.bracket import rung_sizes
from cupel.spec.card import Scalar
from cupel.spec.errors import UsageError
from cupel.spec.parameter import Choice, Parameter, prior_density, prior_draw
from cupel.spec.search import Search
from cupel.spec.seeds import Seeds
from cupel.spec.space import Configuration

CHANGED_FRAC = 0.5


class PriorEnsemble:
    """The three ways to come by a configuration, weighed by what was seen.

    Args:
        search: the space with its priors, and the seed; its initial configurations come first.

    Raises:
        UsageError: no parameter has a prior.
    """

    def __init__(self, search: Search) -> None:
        mode = search.space.prior_mode
        if mode is None:
            raise UsageError(
                "priorband needs an expert's expectation of the best values and found none in the space; write it "
                "after a parameter, such as lr=log(1e-5,1)~1e-3, or take hyperband or bohb."
            )
        self._search, self._space = search, search.space
        self._rng = random.Random(Seeds(search.seed).seed("hpo"))
        self._first = [*self._space.initial, *([mode] if self._space.is_allowed(mode) else [])]
        self._rungs = search.rungs()
        self._seen: dict[float, list[tuple[float, int, Configuration]]] = {resource: [] for resource in self._rungs}
        self._num_sampled = self._num_seen = 0
        self._spent = 0.0
        steps = [high - low for low, high in zip((0, *self._rungs[:-1]), self._rungs, strict=True)]
        self._cost_of = dict(zip(self._rungs, steps, strict=True))
        sizes = rung_sizes(search.eta ** (len(self._rungs) - 1), eta=search.eta, num_rungs=len(self._rungs))
        self._bracket_cost = sum(size * step for size, step in zip(sizes, steps, strict=True))

    def sample(self, resource: float) -> Configuration:
        """A configuration that will start on the rung of a resource."""
        self._num_sampled += 1
        if self._num_sampled <= len(self._first):
            return self._space.completed(self._first[self._num_sampled - 1], self._rng)
        uniform, prior, _ = self.weights(resource)
        draw = self._rng.random()
        if draw < uniform:
            return self._space.draw(self._rng)
        if draw < uniform + prior:
            return self._space.draw_prior(self._rng)
        return self._changed(self._incumbent())

    def learn(self, parameters: Configuration, resource: float, loss: float) -> None:
        """Take a loss; what failed counts as resource spent and no more."""
        self._spent += self._cost_of[resource]
        if math.isfinite(loss):
            self._seen[resource].append((loss, self._num_seen, parameters))
            self._num_seen += 1

    def weights(self, resource: float) -> tuple[float, float, float]:
        """Probabilities of a uniform draw, of the prior, and of a change of the incumbent."""
        uniform = 1 / (1 + self._search.eta ** self._rungs.index(resource))
        rest = 1 - uniform
        top = self._top()
        if not top:
            return uniform, rest, 0.0
        centres = self._incumbent()
        by_incumbent = _score(top, {n: _centred(p, centres.get(n)) for n, p in self._space.parameters.items()})
        by_prior = _score(top, self._space.parameters)
        total = by_incumbent + by_prior
        share = by_incumbent / total if total > 0 else 0.5
        return uniform, rest * (1 - share), rest * share

    def _top(self) -> list[Configuration]:
        """The best of the highest rung with η losses, best first; none while the incumbent has no part."""
        eta = self._search.eta
        if not self._seen[self._rungs[-1]] or self._spent < self._bracket_cost:
            return []
        for resource in reversed(self._rungs):
            seen = self._seen[resource]
            if len(seen) >= eta:
                return [parameters for _, _, parameters in sorted(seen, key=lambda row: row[:2])[: len(seen) // eta]]
        return []

    def _incumbent(self) -> Configuration:
        return min((row for seen in self._seen.values() for row in seen), key=lambda row: row[:2])[2]

    def _changed(self, incumbent: Configuration) -> Configuration:
        """The incumbent with about half of its parameters drawn anew nearby."""
        found: Configuration = dict(incumbent)
        for _ in range(100):
            values: dict[str, Scalar] = dict(incumbent)
            for name, value in incumbent.items():
                if self._rng.random() < CHANGED_FRAC:
                    values[name] = self._nearby(self._space.parameters[name], value)
            found = self._space.completed(values, self._rng) if not self._space.constraints else self._tried(values)
            if found:
                return found
        return self._space.draw(self._rng)

    def _tried(self, values: dict[str, Scalar]) -> Configuration:
        """The values made whole, empty where they miss a constraint."""
        drawn = self._space.draw(self._rng)
        whole = self._space.whole(
            {**{n: p.value_at(0.5) for n, p in self._space.parameters.items()}, **drawn, **values}
        )
        return whole if self._space.is_allowed(whole) else {}

    def _nearby(self, parameter: Parameter, value: Scalar) -> Scalar:
        if isinstance(parameter, Choice):
            others = [other for other in parameter.values if other != value]
            return self._rng.choice(others) if others else value
        return prior_draw(_centred(parameter, value), self._rng)


def _centred(parameter: Parameter, value: Scalar | None) -> Parameter:
    """The parameter with its prior at a value; without one where there is no value."""
    return replace(parameter, prior=value)  # type: ignore[arg-type]


def _score(top: list[Configuration], parameters: dict[str, Parameter]) -> float:
    """How likely a law makes the best configurations, the first counting most."""
    total = 0.0
    for weight, found in zip(range(len(top), 0, -1), top, strict=True):
        total += weight * math.prod(prior_density(parameters[name], value) for name, value in found.items())
    return total
