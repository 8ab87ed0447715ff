"""How many trainings an estimator costs that tunes once, against one that tunes for every measure.

Formula (k measures, T trials of the tuner)
    ideal: every measure has its own tuning      k T trainings
    once:  one tuning, then k trainings          k + T trainings
    ratio = k T / (k + T): 50 for k = T = 100. The paper's 51 is in hours,
    1070 h / 21 h = 50.95.
    What the cheap estimator pays is a correlation between its measures
    that more of them do not average out (`cupel explain estimator_mse`).

Source: Bouthillier et al. (2021), "Accounting for Variance in Machine
Learning Benchmarks", section 3, algorithms 1 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass

from cupel.stats.checked import whole


@dataclass(frozen=True)
class EstimatorCost:
    """Trainings that both estimators take.

    Attributes:
        ideal: with a tuning for every measure.
        once: with one tuning.
        ratio: ideal / once.
    """

    ideal: int
    once: int
    ratio: float

    def text(self) -> str:
        """One line."""
        return f"{self.ideal} trainings with a tuning for each measure, {self.once} with one: {self.ratio:.3g} x"


def estimator_cost(k: int, *, trials: int) -> EstimatorCost:
    """Count the trainings of the ideal estimator and of the one that tunes once.

    Args:
        k: measures, at least 1.
        trials: of the tuner in one tuning, at least 1.

    Raises:
        UsageError: when one of them is below 1.

    Source: Bouthillier et al. (2021), section 3.

    Example:
        >>> estimator_cost(100, trials=100).text()
        '10000 trainings with a tuning for each measure, 200 with one: 50 x'
    """
    k, trials = whole("k", k, least=1), whole("trials", trials, least=1)
    return EstimatorCost(k * trials, k + trials, k * trials / (k + trials))
