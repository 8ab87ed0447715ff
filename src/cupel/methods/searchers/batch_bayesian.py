"""Batch Bayesian optimisation: a Gaussian process of the losses, asked for many proposals at once; all in full.

Works in hand are believed to end as the process expects ("Kriging believer"): they leave the expected losses as they
are and take the uncertainty away around them, so that workers that ask at once are sent to different places.

Rules
    The better half of the losses is kept, in units of its spread about the
    median; the worse half becomes normal scores by rank, so that it does
    not matter how bad the bad ones are. What cannot be trained ties with
    the worst.
    Numbers are places on their scale from 0 to 1 (1/2 without a part),
    choices one coordinate a value, 1/√2 apart from 0, so that two values
    are 1 apart.
    The kernel is fitted anew when the losses have become a quarter more,
    to 200 of them at the most: the best half, and others at random.
    Proposed is the candidate with the greatest expected improvement over
    the best score. Candidates are half uniform draws and half changes of
    the best configurations, made anew as often as the points allow.
    The first `startup` losses are of uniform draws, and so are proposals
    as long as fewer have come.

Cost: about 5 ms for a proposal at 100 points, 10 ms at 1,500.

Source: Desautels, Krause, Burdick 2014, Parallelizing Exploration-Exploitation Tradeoffs in Gaussian Process Bandit
Optimization, JMLR 15 (hallucinated observations); Ginsbourger, Le Riche, Carraro 2010, Kriging Is Well-Suited to
Parallelize Optimization (believer; expected improvement). The same kernel, criterion and treatment of works in hand
are what Google Vizier is said to use for searches of this size (Golovin et al. 2017; from memory, not checked).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import log_ndtr, ndtri

from cupel.methods.full_trials import FullTrials
from cupel.methods.gaussian_process import Floats, GaussianProcess, Matern, fitted_kernel
from cupel.spec.errors import UsageError
from cupel.spec.parameter import Choice
from cupel.spec.search import Search
from cupel.spec.seeds import Seeds
from cupel.spec.space import Configuration

MOST_FITTED = 200
GROWTH = 1.25
NUM_BEST = 8
"""Configurations that are changed to make candidates."""
CHANGE_SDS = (0.02, 0.05, 0.1, 0.2)
POINTS_PER_USE = 16
"""Candidates serve one proposal more for so many points, as making them anew costs the square of the points."""
FAR_BELOW = -12.0
"""Standard scores below which the logarithm of the expected improvement is taken from its asymptote."""


class BatchBayesian(FullTrials):
    """A Gaussian process that proposes for many workers.

    Args:
        search: what is searched.
        startup: losses of uniform draws before the model is asked.
        candidates: from which a proposal is chosen.

    Raises:
        UsageError: fewer than 2 of either.
    """

    def __init__(self, search: Search, *, startup: int = 10, candidates: int = 256) -> None:
        super().__init__(search)
        if min(startup, candidates) < 2:
            raise UsageError(f"startup is {startup} and candidates {candidates}; expected 2 or more of each.")
        self.startup, self.candidates = startup, candidates
        self._numpy_rng = np.random.default_rng(Seeds(search.seed).seed("hpo", "candidates"))
        self._configurations: dict[int, Configuration] = {}
        self._points: dict[int, list[float]] = {}
        self._seen: dict[int, float] = {}
        self._believed: dict[int, float] = {}
        self._order: list[int] = []
        self._process: GaussianProcess | None = None
        self._kernel: Matern | None = None
        self._num_fitted = 0
        self._pool: _Pool | None = None

    def propose(self, trial: int) -> Configuration:
        """The best candidate by the model; a draw while there is none."""
        if len(self._seen) < self.startup:
            self._process = None
            found = self.search.space.draw(self.rng)
            self._configurations[trial] = found
            return found
        process = self._process
        if process is None or len(self._seen) >= GROWTH * self._num_fitted:
            process = self._begun_anew()
        values = self._values()
        pool = self._pool
        if pool is None or pool.uses > len(self._order) // POINTS_PER_USE:
            pool = self._pool = _Pool(process, *self._drawn())
        elif pool.process is not process:
            pool = self._pool = _Pool(process, pool.configurations, pool.points, uses=pool.uses)
        chosen, self._believed[trial] = pool.take(process.solve(values), min(self._scores().values()))
        self._configurations[trial] = pool.configurations[chosen]
        self._order.append(trial)
        return pool.configurations[chosen]

    def learn(self, trial: int, parameters: Configuration, loss: float) -> None:
        """Take a loss in the place of what was believed."""
        self._seen[trial] = loss
        if trial not in self._believed:
            self._configurations[trial] = parameters
            self._process = None

    def forget(self, trial: int) -> None:
        """Believe nothing of it any more."""
        self._configurations.pop(trial, None)
        self._believed.pop(trial, None)
        self._process = None

    def _scores(self) -> dict[int, float]:
        """Scores of the losses seen; low is good."""
        return dict(zip(self._seen, scores_of(np.array(list(self._seen.values()))).tolist(), strict=True))

    def _values(self) -> Floats:
        """Score, or belief, of each point of the process."""
        known = self._believed | self._scores()
        return np.array([known[trial] for trial in self._order])

    def _begun_anew(self) -> GaussianProcess:
        """A process of all points, what was seen first, and beliefs by what was seen alone."""
        scores = self._scores()
        waiting = [trial for trial in self._configurations if trial not in scores]
        self._order = [*scores, *waiting]
        for trial in self._order:
            if trial not in self._points:
                self._points[trial] = self._encoded(self._configurations[trial])
        points = np.array([self._points[trial] for trial in self._order])
        num = len(scores)
        values = np.array([*scores.values(), *[0.0] * len(waiting)])
        self._process = process = GaussianProcess(self._kernel_of(points[:num], values[:num]), points)
        beliefs = process.factor[num:, :num] @ process.solve(values)[:num]
        self._believed = dict.fromkeys(scores, 0.0) | dict(zip(waiting, beliefs.tolist(), strict=True))
        return process

    def _kernel_of(self, points: Floats, values: Floats) -> Matern:
        """The kernel in use, fitted anew where enough has come since it was."""
        num = len(values)
        if self._kernel is not None and num < GROWTH * self._num_fitted:
            return self._kernel
        self._num_fitted = num
        if num > MOST_FITTED:
            order = np.argsort(values, kind="stable")
            half = MOST_FITTED // 2
            others = self._numpy_rng.choice(order[half:], size=MOST_FITTED - half, replace=False)
            chosen = np.concatenate([order[:half], others])
            points, values = points[chosen], values[chosen] - values[chosen].mean()
        self._kernel = fitted_kernel(points, values, self._kernel)
        return self._kernel

    def _drawn(self) -> tuple[list[Configuration], Floats]:
        """Candidates, and their points: half of them drawn, half changes of the best."""
        rng, space = self._numpy_rng, self.search.space
        places = rng.random((self.candidates, len(space)))
        half = self.candidates // 2
        places[half:] = self._changed(places[half:])
        found = [space.at(row) or space.draw(self.rng) for row in places.tolist()]
        return found, np.array([self._encoded(one) for one in found])

    def _changed(self, drawn: Floats) -> Floats:
        """Places near those of the best configurations, as many as were drawn; a choice that changes is as drawn."""
        rng, space = self._numpy_rng, self.search.space
        num, d = drawn.shape
        best = [trial for _, trial in sorted((loss, trial) for trial, loss in self._seen.items())[:NUM_BEST]]
        known = [space.places_of(self._configurations[best[row % len(best)]]) for row in range(num)]
        centres = np.array([[own.get(name, np.nan) for name in space] for own in known])
        centres = np.where(np.isnan(centres), drawn, centres)
        is_choice = np.array([isinstance(parameter, Choice) for parameter in space.parameters.values()])
        near = centres + rng.choice(CHANGE_SDS, size=(num, 1)) * rng.standard_normal((num, d))
        moved = np.where(is_choice, drawn, np.clip(near, 0.0, 1.0))
        is_kept = rng.random((num, d)) < np.where(is_choice, 0.75, 0.5)
        return np.where(is_kept, centres, moved)

    def _encoded(self, parameters: Configuration) -> list[float]:
        """Coordinates of a configuration."""
        point: list[float] = []
        for name, parameter in self.search.space.parameters.items():
            value = parameters.get(name)
            if isinstance(parameter, Choice):
                which = parameter.index_of(value) if value is not None else -1
                point += [math.sqrt(0.5) * (k == which) for k in range(len(parameter.values))]
            else:
                point.append(0.5 if value is None else parameter.place_of(value))
        return point


class _Pool:
    """Candidates, and what the process knows of them; each proposal is made known to the process."""

    def __init__(
        self, process: GaussianProcess, configurations: list[Configuration], points: Floats, *, uses: int = 0
    ) -> None:
        self.process, self.configurations, self.points = process, configurations, points
        self.white = process.whiten(points)
        self.uses = uses

    def take(self, solved: Floats, best: float) -> tuple[int, float]:
        """The candidate of the greatest expected improvement, and its expected score; it joins the process."""
        mean = self.white.T @ solved
        left = self.process.kernel.variance - np.square(self.white).sum(axis=0)
        sd = np.sqrt(np.maximum(left, 1e-12))
        chosen = int(np.argmax(log_expected_improvement(mean, sd, best)))
        white = self.white[:, chosen]
        covariances = self.process.kernel.between(self.points[chosen : chosen + 1], self.points)
        diagonal = self.process.add(self.points[chosen], white)
        self.white = np.vstack([self.white, (covariances - white @ self.white) / diagonal])
        self.uses += 1
        return chosen, float(mean[chosen])


def scores_of(losses: Floats) -> Floats:
    """Losses in units of the better half's spread about the median; the worse half by rank alone.

    Example:
        >>> import numpy as np
        >>> scores_of(np.array([3.0, 1.0, 2.0, 4.0, np.inf])).round(2)  # 3 is the median
        array([ 0.  , -1.55, -0.77,  0.52,  1.28])
    """
    num = len(losses)
    middle = np.sort(losses)[(num - 1) // 2]
    _, which, counts = np.unique(losses, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[
        which
    ]  # equal losses share a rank; scipy.stats takes seconds to load
    by_rank = ndtri((ranks - 0.5) / num)
    if not np.isfinite(middle):
        return np.asarray(by_rank)
    is_good = losses <= middle
    spread = math.sqrt(np.mean(np.square(losses[is_good] - middle)))
    return np.where(is_good, (losses - middle) / (spread or 1.0), by_rank)


def log_expected_improvement(mean: Floats, sd: Floats, best: float) -> Floats:
    """Logarithm of E[max(best - f, 0)] for normal f; finite however small it is.

    Example:
        >>> import numpy as np
        >>> log_expected_improvement(np.zeros(1), np.ones(1), 0.0).round(4)  # log of 1 / sqrt(2 pi)
        array([-0.9189])
    """
    u = (best - mean) / sd
    near = np.maximum(u, FAR_BELOW)
    density = -near * near / 2 - 0.5 * math.log(2 * math.pi)
    inside = np.log(np.exp(density) + near * np.exp(log_ndtr(near)))
    far = np.minimum(u, FAR_BELOW)
    beyond = -far * far / 2 - 0.5 * math.log(2 * math.pi) - 2 * np.log(-far) + np.log1p(-3 / far**2)
    return np.asarray(np.log(sd) + np.where(u > FAR_BELOW, inside, beyond))
