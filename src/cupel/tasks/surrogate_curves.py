"""Made-up learning curves of a language model with nine hyperparameters: many problems of one kind, by seed.

Formula, with d = u - c the distances of the configuration's places in the unit cube from seeded centres c
    badness   sum_j w_j d_j^2 + sum_j k_j d_j d_j+1; weights w sum to 1, and
              |k_j| <= MOST_COUPLING sqrt(w_j w_j+1) keeps it positive
    asymptote BEST + SPREAD badness
    tau       R TAU exp(h . d), h seeded but for two: small learning rates and
              wide models take longer
    loss      asymptote + (START - asymptote) (1 + resource / tau)^-POWER
              + noise; START throughout where the learning rate is beyond what
              clipping and initialisation bear (training diverges)
    noise     NOISE_SD (z_1 cos(TURN ln resource) + z_2 sin(TURN ln resource))
              with normal z fixed by seed and configuration: the same spread
              everywhere, and much alike at neighbouring rungs
    cost      1 on the average over the space and linear in the width, from
              LEAST_COST on, so that R units of time are the time(R) of papers
Cheap losses tell something about the final ones, but configurations that learn fast look better than they are.

Notation: R `max_resource`; u places; the rest are the constants below.

Source: made for this project; the kind of problem is that of the experiment with 500 workers in Li et al. 2020 (MLSys).
"""

from __future__ import annotations

import math
import operator
import random
import struct
from hashlib import blake2b
from itertools import pairwise
from typing import Any

from cupel.spec.errors import UsageError
from cupel.spec.parameter import Choice
from cupel.spec.read_space import read_space
from cupel.spec.seeds import Seeds
from cupel.spec.space import Configuration

SPACE = read_space(
    "batch_size=int(10,80), time_steps=int(10,80), width=int(200,1500), lr=log(0.01,100), decay=float(0.01,0.99), "
    "decay_epochs=int(1,10), clip=float(1,10), dropout=float(0.1,1), init=log(0.001,1)"
)
"""The nine hyperparameters."""
BEST, SPREAD, START = 75.0, 220.0, 600.0
WEIGHT_SD, MOST_COUPLING = 0.8, 0.8
TAU, POWER = 0.015, 1.2
LR_SLOPE, WIDTH_SLOPE, SLOPE_SD = -1.6, 0.5, 0.35
LR_CENTRE = (0.3, 0.5)
"""Where the best learning rate may lie: below what any clipping and initialisation bear."""
EDGE, EDGE_SPREAD, CLIP_COST, INIT_COST = 0.74, 0.04, 0.12, 0.10
NOISE_SD, TURN = 0.9, 0.45
LEAST_COST = 0.4
_NAMES = tuple(SPACE)
_values = operator.itemgetter(*_NAMES)
_WIDTH, _LR, _CLIP, _INIT = (_NAMES.index(name) for name in ("width", "lr", "clip", "init"))
_UNIFORM = 2.0**-32
_pack = struct.Struct("<qd").pack
_unpack = struct.Struct("<II").unpack


class SurrogateCurves:
    """One problem of the family.

    Args:
        seed: which problem.
        max_resource: the resource of a full training (R), above 0.

    Raises:
        UsageError: a resource that is not above 0.

    Example:
        >>> curves = SurrogateCurves(seed=1)
        >>> curves.expected(curves.optimum, 1) > curves.expected(curves.optimum, 64) > BEST
        True
    """

    space = SPACE

    def __init__(self, seed: int = 0, *, max_resource: float = 64) -> None:
        if not 0 < max_resource < math.inf:
            raise UsageError(f"max_resource is {max_resource:g}; expected a number above 0.")
        self.max_resource = max_resource
        rng = random.Random(Seeds(seed).seed("surrogate"))
        self._centre = [rng.uniform(0.25, 0.75) for _ in _NAMES]
        self._centre[_LR] = rng.uniform(*LR_CENTRE)
        raw = [math.exp(rng.gauss(0, WEIGHT_SD)) for _ in _NAMES]
        self._weights = [weight / sum(raw) for weight in raw]
        roots = [math.sqrt(weight) for weight in self._weights]
        self._couplings = [rng.uniform(-MOST_COUPLING, MOST_COUPLING) * a * b for a, b in pairwise(roots)]
        self._slopes = [rng.gauss(0, SLOPE_SD) for _ in _NAMES]
        self._slopes[_LR], self._slopes[_WIDTH] = LR_SLOPE, WIDTH_SLOPE
        self._edge = EDGE + rng.uniform(-EDGE_SPREAD, EDGE_SPREAD)
        lines = [_line(place, centre) for place, centre in enumerate(self._centre)]
        self._steps, self._offsets = [step for step, _ in lines], [offset for _, offset in lines]

    @property
    def optimum(self) -> Configuration:
        """The configuration with the best asymptote."""
        found = self.space.at(self._centre)
        assert found is not None
        return found

    def loss(self, parameters: Configuration, resource: float, seed: int) -> float:
        """The loss at a resource, as a perplexity."""
        asymptote, tau = self._shape(parameters)
        mean = asymptote + (START - asymptote) * math.pow(1 + resource / tau, -POWER)
        a, b = _unpack(blake2b(_pack(seed, asymptote), digest_size=8).digest())
        radius = math.sqrt(-2 * math.log((a + 0.5) * _UNIFORM))  # polar form of two normals
        return mean + NOISE_SD * radius * math.cos(2 * math.pi * _UNIFORM * b - TURN * math.log(resource))

    def expected(self, parameters: Configuration, resource: float) -> float:
        """The mean of the loss over seeds: what a configuration is worth."""
        asymptote, tau = self._shape(parameters)
        return asymptote + (START - asymptote) * math.pow(1 + resource / tau, -POWER)

    def cost(self, parameters: Configuration) -> float:
        """Time that one unit of resource takes."""
        place = self._steps[_WIDTH] * float(parameters["width"]) + self._offsets[_WIDTH] + self._centre[_WIDTH]
        return LEAST_COST + 2 * (1 - LEAST_COST) * place

    def good(self, share: float, *, num: int = 20_000) -> float:
        """The mean loss after full training that a share of the space stays below, by drawing from it.

        Args:
            share: of configurations, 0 to 1.
            num: configurations drawn, always the same ones.
        """
        rng = random.Random(Seeds(0).seed("good"))
        losses = sorted(self.expected(self.space.draw(rng), self.max_resource) for _ in range(num))
        return losses[min(int(share * num), num - 1)]

    def _shape(self, parameters: Configuration) -> tuple[float, float]:
        """Asymptote and time constant of a configuration."""
        values: list[Any] = list(_values(parameters))
        values[_LR], values[_INIT] = math.log(values[_LR]), math.log(values[_INIT])
        gaps = list(map(operator.add, map(operator.mul, self._steps, values), self._offsets))
        clip, init = gaps[_CLIP] + self._centre[_CLIP], gaps[_INIT] + self._centre[_INIT]
        if gaps[_LR] + self._centre[_LR] > self._edge - CLIP_COST * clip - INIT_COST * init:
            return START, 1.0
        badness = sum(map(operator.mul, self._weights, map(operator.mul, gaps, gaps)))
        badness += sum(map(operator.mul, self._couplings, map(operator.mul, gaps, gaps[1:])))
        return BEST + SPREAD * badness, self.max_resource * TAU * math.exp(sum(map(operator.mul, self._slopes, gaps)))


def _line(number: int, centre: float) -> tuple[float, float]:
    """Slope and offset by which a value, or its logarithm, becomes the distance of its place from a centre."""
    parameter = SPACE.parameters[_NAMES[number]]
    assert not isinstance(parameter, Choice)
    low, high = (math.log(end) if parameter.log else end for end in (parameter.low, parameter.high))
    first, last = parameter.place_of(parameter.low), parameter.place_of(parameter.high)
    slope = (last - first) / (high - low)
    return slope, first - slope * low - centre
