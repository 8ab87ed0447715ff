"""BOHB's model: kernel densities of the good and of the bad configurations; proposed is what is likeliest to be good.

Notation: l, g densities of the good and the bad; q `good_frac`; N_min `least`; N_s `candidates`; ρ `random_frac`; b_w
`width_factor`.

Rules
    A model is made of the losses at one resource: the largest with enough of
    them, N_min + 1 at the least for either side. Of n losses the best
    max(N_min, ⌊q n⌋) are good, the worst max(N_min, ⌊(1 - q) n⌋) of the rest bad;
    failures are bad. N_min is one more than the number of parameters.
    Densities are products over parameters of normal kernels (numbers, on the
    scale from 0 to 1) and Aitchison-Aitken kernels (choices), with the rule of
    thumb 1.06 sd n^(-1/(4 + d)) for the widths, 0.001 at the least.
    With probability ρ, and while there is no model, a configuration is drawn
    uniformly. Else N_s candidates are drawn around good ones, their kernels
    wider by b_w, and the one with the largest l / g is proposed.
    A parameter that has no part in a configuration is filled in from one where
    it has, as the reference implementation does.

Differences from the reference implementation: kernels of choices use the number of their values (it takes those that
happen to be in the data, and then meets densities that are no numbers), and their width is 1 at the most.

Source: Falkner et al. 2018, BOHB: Robust and Efficient Hyperparameter Optimization at Scale (ICML), section 4; Bergstra
et al. 2011 (TPE); defaults of HpBandSter 0.7.4.
"""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from cupel.spec.errors import UsageError
from cupel.spec.parameter import Choice
from cupel.spec.search import Search
from cupel.spec.seeds import Seeds
from cupel.spec.space import Configuration, Space

LEAST_WIDTH = 1e-3
LEAST_DENSITY = 1e-32


class Density:
    """A product-kernel density on the unit cube.

    Args:
        points: places in [0, 1] of numbers, indices of choices; shape (n, d).
        num_values: for each of the d parameters its number of choices, 0 for a number.
    """

    def __init__(self, points: np.ndarray[Any, np.dtype[np.float64]], num_values: np.ndarray[Any, Any]) -> None:
        num, num_parameters = points.shape
        self.points = points
        self.num_values = num_values
        rule = 1.06 * points.std(axis=0) * num ** (-1.0 / (4 + num_parameters))
        self.widths = np.maximum(rule, LEAST_WIDTH)

    def at(self, places: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The density at m places of shape (m, d); shape (m,)."""
        difference = places[:, None, :] - self.points[None, :, :]
        widths = self.widths
        normal = np.exp(-0.5 * (difference / widths) ** 2) / (widths * math.sqrt(2 * math.pi))
        others = np.maximum(self.num_values - 1, 1)
        equal = np.where(difference == 0, 1 - np.minimum(widths, 1), np.minimum(widths, 1) / others)
        kernels = np.where(self.num_values > 0, equal, normal)
        found: np.ndarray[Any, np.dtype[np.float64]] = kernels.prod(axis=2).mean(axis=1)
        return found


class KernelDensity:
    """Proposes what the densities say is good.

    Args:
        search: the space and the seed; its initial configurations come first.
        good_frac: share of the configurations that count as good (q).
        candidates: drawn for each proposal (N_s).
        random_frac: share of proposals that are drawn uniformly (ρ).
        width_factor: how much wider the kernels are from which candidates are drawn (b_w).

    Raises:
        UsageError: a share that is none, or no candidates.
    """

    def __init__(
        self,
        search: Search,
        *,
        good_frac: float = 0.15,
        candidates: int = 64,
        random_frac: float = 1 / 3,
        width_factor: float = 3.0,
    ) -> None:
        if not (0 < good_frac < 1 and 0 <= random_frac <= 1 and candidates >= 1 and width_factor > 0):
            raise UsageError(
                f"good_frac is {good_frac}, random_frac {random_frac}, candidates {candidates}, width_factor "
                f"{width_factor}; expected shares from 0 to 1, one candidate or more and a factor above 0."
            )
        self._space = search.space
        self._rng = random.Random(Seeds(search.seed).seed("hpo"))
        self._numpy_rng = np.random.default_rng(Seeds(search.seed).seed("hpo", "candidates"))
        self._good_frac, self._candidates = good_frac, candidates
        self._random_frac, self._width_factor = random_frac, width_factor
        self._names = list(search.space)
        sizes = [len(p.values) if isinstance(p, Choice) else 0 for p in search.space.parameters.values()]
        self._num_values = np.array(sizes)
        self.least = len(sizes) + 1
        self._losses: dict[float, list[float]] = {}
        self._points: dict[float, list[list[float]]] = {}
        self._model: tuple[Density, Density] | None = None
        self._model_resource = -math.inf
        self._is_stale = False
        self._num_sampled = 0

    def sample(self, resource: float) -> Configuration:
        """A proposal; the resource that it is meant for does not matter."""
        del resource
        self._num_sampled += 1
        if self._num_sampled <= len(self._space.initial):
            return self._space.completed(self._space.initial[self._num_sampled - 1], self._rng)
        model = self._fitted()
        if model is None or self._rng.random() < self._random_frac:
            return self._space.draw(self._rng)
        return self._proposal(*model)

    def learn(self, parameters: Configuration, resource: float, loss: float) -> None:
        """Take a loss; what is below the resource of the model in use changes nothing."""
        if resource < self._model_resource:
            return
        self._losses.setdefault(resource, []).append(loss)
        self._points.setdefault(resource, []).append(_point(self._space, parameters))
        if len(self._losses[resource]) >= 2 * self.least:
            self._model_resource = resource
            self._is_stale = True

    def _fitted(self) -> tuple[Density, Density] | None:
        """The densities of the good and the bad at the resource in use, made anew if a loss has come since."""
        if self._is_stale:
            self._is_stale = False
            losses, points = self._losses[self._model_resource], self._points[self._model_resource]
            order = np.argsort(losses, kind="stable")
            num = len(losses)
            num_good = max(self.least, math.floor(self._good_frac * num + 1e-9))
            num_bad = max(self.least, math.floor((1 - self._good_frac) * num + 1e-9))
            data = np.array(points)
            good, bad = data[order[:num_good]], data[order[num_good : num_good + num_bad]]
            self._model = tuple(Density(self._filled(part), self._num_values) for part in (good, bad))  # type: ignore[assignment]
        return self._model

    def _filled(self, data: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Places of parameters without a part, taken from rows where they have one; drawn where there is none."""
        filled = data.copy()
        for row, column in np.argwhere(np.isnan(data)):
            known = np.flatnonzero(~np.isnan(data[:, column]))
            if len(known):
                filled[row, column] = data[self._numpy_rng.choice(known), column]
            elif self._num_values[column]:
                filled[row, column] = self._numpy_rng.integers(self._num_values[column])
            else:
                filled[row, column] = self._numpy_rng.random()
        return filled

    def _proposal(self, good: Density, bad: Density) -> Configuration:
        """The candidate with the largest l / g that the constraints allow; a draw where they allow none."""
        places = self._drawn(good)
        ratio = np.maximum(good.at(places), LEAST_DENSITY) / np.maximum(bad.at(places), LEAST_DENSITY)
        for row in np.argsort(-ratio, kind="stable"):
            found = self._configuration(places[row])
            if self._space.is_allowed(found):
                return found
        return self._space.draw(self._rng)

    def _drawn(self, good: Density) -> np.ndarray[Any, Any]:
        """Candidates around good configurations, shape (candidates, d)."""
        rng = self._numpy_rng
        centres = good.points[rng.integers(len(good.points), size=self._candidates)]
        widths = good.widths * self._width_factor
        uniform = rng.random(centres.shape)
        low, high = ndtr((0 - centres) / widths), ndtr((1 - centres) / widths)
        numbers = np.clip(centres + widths * ndtri(low + uniform * (high - low)), 0, 1)
        stays = rng.random(centres.shape) < 1 - good.widths
        choices = np.where(stays, centres, rng.integers(np.maximum(self._num_values, 1), size=centres.shape))
        return np.where(self._num_values > 0, choices, numbers)

    def _configuration(self, places: np.ndarray[Any, Any]) -> Configuration:
        values = {}
        for name, place in zip(self._names, places.tolist(), strict=True):
            parameter = self._space.parameters[name]
            values[name] = parameter.values[int(place)] if isinstance(parameter, Choice) else parameter.value_at(place)
        return self._space.whole(values)


def _point(space: Space, parameters: Configuration) -> list[float]:
    """Places of numbers, indices of choices, NaN without a part."""
    point = []
    for name, parameter in space.parameters.items():
        if name not in parameters:
            point.append(math.nan)
        elif isinstance(parameter, Choice):
            point.append(float(parameter.index_of(parameters[name])))
        else:
            point.append(parameter.place_of(parameters[name]))
    return point
