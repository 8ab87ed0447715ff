"""Estimators of how well a method performs: one that tunes for every measure, and one that tunes once.

A pipeline tunes its hyperparameters, trains with the choice and measures the result on data that neither saw. Its
performance is the mean of such measures over everything that is random in it. Two ways to estimate it from k measures:

    ideal           every measure draws everything anew, the tuning included (IdealEst, algorithm 1)
    fixed tuning    everything is drawn and tuned once; then k trainings with that choice, each of which draws some
                    sources of variation anew and leaves the others as they were (FixHOptEst, algorithm 2)

Measures of the second kind share one tuning and whatever is not drawn anew, so that their mean does not settle at the
performance however many there are: `cupel explain estimator_mse`.

Paper to code: P(S_tv) is `tune` then `measure`; xi_O, xi_H the seeds of named sources; k `k`; V, what is drawn anew,
`redrawn`: ("init",) for Init, ("split",) for Data, all of xi_O for All.

Source: Bouthillier et al. (2021), Accounting for Variance in Machine Learning Benchmarks (MLSys; arXiv 2103.03098),
section 3, algorithms 1 and 2.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from cupel.spec.errors import UsageError
from cupel.spec.seeds import Seeds

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class MeasureSeeds(Seeds):
    """Seeds of one measure: some sources of variation are drawn anew, the others as the estimator began with them.

    Args:
        root: that of the estimator's own seeds.
        base: those seeds.
        index: number of the measure.
        redrawn: names of the sources that are drawn anew; None for all of them.
    """

    base: Seeds = field(default_factory=lambda: Seeds(0))
    index: int = 0
    redrawn: tuple[str, ...] | None = None

    def seed(self, *names: str | int) -> int:
        """A seed in [0, 2**63), of this measure where the first name is one that is drawn anew."""
        if names and (self.redrawn is None or names[0] in self.redrawn):
            return self.base.seed(*names, "measure", self.index)
        return self.base.seed(*names)


@dataclass(frozen=True)
class Estimate:
    """What an estimator found.

    Attributes:
        measures: the k measures, in order.
        num_tunings: how often hyperparameters were tuned.
    """

    measures: tuple[float, ...]
    num_tunings: int

    @property
    def mean(self) -> float:
        """The estimate."""
        return statistics.fmean(self.measures)


def ideal_estimate(
    tune: Callable[[Seeds], Choice], measure: Callable[[Choice, Seeds], float], *, k: int, seeds: Seeds
) -> Estimate:
    """Tune, train and measure k times, everything drawn anew each time.

    Unbiased, and its variance is that of one measure divided by k.

    Args:
        tune: returns hyperparameters. Whatever is random in it comes from the seeds, by name: `seeds.seed("split")`,
            `seeds.seed("hpo")`, ...
        measure: trains with those hyperparameters, everything random in it from the seeds, and returns a number.
        k: measures, at least 1.
        seeds: of the whole estimate.

    Raises:
        UsageError: k is below 1.

    Cost: k tunings and k trainings.

    Source: Bouthillier et al. (2021), algorithm 1.

    Example:
        >>> import random
        >>> from cupel.spec.seeds import Seeds
        >>> def tune(seeds):  # a tuner that is off by its own luck
        ...     return random.Random(seeds.seed("hpo")).gauss(0, 1)
        >>> def measure(choice, seeds):
        ...     return 5 - choice**2 + random.Random(seeds.seed("init")).gauss(0, 1)
        >>> found = ideal_estimate(tune, measure, k=400, seeds=Seeds(0))  # the truth is 5 - 1 = 4
        >>> found.num_tunings, abs(found.mean - 4) < 0.3
        (400, True)
        >>> once = fixed_tuning_estimate(tune, measure, k=400, seeds=Seeds(0), redrawn=("init",))
        >>> once.num_tunings, abs(once.mean - (5 - tune(Seeds(0)) ** 2)) < 0.2  # near what one tuning leads to
        (1, True)
    """
    each = [MeasureSeeds(seeds.root, seeds, index, None) for index in range(_checked(k))]
    return Estimate(tuple(float(measure(tune(own), own)) for own in each), k)


def fixed_tuning_estimate(
    tune: Callable[[Seeds], Choice],
    measure: Callable[[Choice, Seeds], float],
    *,
    k: int,
    seeds: Seeds,
    redrawn: Sequence[str],
) -> Estimate:
    """Tune once, then train and measure k times with that choice.

    Args:
        tune: as of `ideal_estimate`; called once, with the seeds themselves.
        measure: as of `ideal_estimate`.
        k: measures, at least 1.
        seeds: of the whole estimate.
        redrawn: the sources that each training draws anew; all others stay as they were in the tuning.

    Raises:
        UsageError: k is below 1, or nothing is drawn anew, so that all measures would be the same.

    Cost: one tuning and k trainings.

    Source: Bouthillier et al. (2021), algorithm 2.
    """
    num, sources = _checked(k), tuple(redrawn)
    if not sources or isinstance(redrawn, str):
        raise UsageError(f"redrawn={redrawn!r} was asked; expected names of sources, such as ('split', 'init').")
    choice = tune(seeds)
    each = [MeasureSeeds(seeds.root, seeds, index, sources) for index in range(num)]
    return Estimate(tuple(float(measure(choice, own)) for own in each), 1)


def _checked(k: int) -> int:
    if k < 1:
        raise UsageError(f"k={k} was asked; expected 1 measure or more.")
    return k
