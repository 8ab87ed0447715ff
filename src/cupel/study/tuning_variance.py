"""Tuning as a source of variance: the whole search again and again, its choice trained again with other seeds.

A published result depends on the seeds of its training, and on which hyperparameters the tuning happened to find. Here
the tuning is repeated K times at each budget and each choice is trained S times with fresh seeds, never with those of
the search; the standard deviation between tunings then stands beside that between seeds
(`cupel explain tuning_spread`). Repetition k has the same seed at each budget, so that budgets are compared on the
same searches.

Source: Bouthillier et al. 2021, Accounting for Variance in Machine Learning Benchmarks, section 3 (ξ_H).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from cupel.spec.errors import UsageError
from cupel.spec.seeds import Seeds
from cupel.stats.frame import frame_of
from cupel.stats.tuning_spread import TuningSpread, tuning_spread

Choice = TypeVar("Choice")
FEWEST = 2


@dataclass(frozen=True)
class TuningVariance:
    """What tunings and seeds add to the variance, by budget.

    Attributes:
        budgets: in the order asked.
        spreads: of each budget; their `method` says which budget.
        values: (budgets, tunings, seeds) the loss of each retraining; NaN where a tuning found nothing.
    """

    budgets: tuple[float, ...]
    spreads: tuple[TuningSpread, ...]
    values: np.ndarray[tuple[int, int, int], np.dtype[np.float64]]

    @property
    def sufficient(self) -> float | None:
        """The least budget from which on tunings add less than seeds; None where they add more at the largest."""
        found = None
        for budget, spread in sorted(zip(self.budgets, self.spreads, strict=True), key=lambda pair: -pair[0]):
            if spread.between is None or spread.within is None or spread.between >= spread.within:
                break
            found = budget
        return found

    def to_frame(self) -> Any:
        """One row per retraining: method (the budget), budget, hpo_run, seed, value."""
        place = np.indices(self.values.shape).reshape(3, -1)
        return frame_of({
            "method": [f"budget {self.budgets[b]:g}" for b in place[0]],
            "budget": [self.budgets[b] for b in place[0]],
            "hpo_run": place[1].tolist(),
            "seed": place[2].tolist(),
            "value": self.values.ravel().tolist(),
        })  # fmt: skip

    def text(self) -> str:
        """A line per budget."""
        return "\n".join(spread.text() for spread in self.spreads)


def tuning_variance(
    tune: Callable[[float, int], Choice | None],
    train: Callable[[Choice, int], float],
    *,
    budgets: Sequence[float],
    repeats: tuple[int, int] = (20, 5),
    seed: int = 0,
) -> TuningVariance:
    """Repeat a tuning and the training of what it chose.

    Args:
        tune: (budget, seed) to what was chosen, such as a configuration; None where nothing was found.
        train: (choice, seed) to the value of a training, such as its loss on held-out data.
        budgets: of the tuning, in any unit that `tune` knows.
        repeats: how often to tune, and how often to train each choice.
        seed: root of all seeds.

    Returns:
        Both standard deviations with intervals, by budget.

    Raises:
        UsageError: no budget, one given twice, or fewer than 2 repeats.

    Cost: the budgets times the tunings, and budgets x tunings x trainings.

    Example:
        >>> import random
        >>> def tune(budget, seed):
        ...     return min(random.Random(f"{seed} {k}").random() for k in range(int(budget)))
        >>> def train(choice, seed):
        ...     return choice + random.Random(seed).gauss(0, 0.01)
        >>> found = tuning_variance(tune, train, budgets=(2, 200))
        >>> found.spreads[0].between > 10 * found.spreads[1].between, found.sufficient
        (True, 200)
    """
    if not budgets or len(set(budgets)) < len(budgets):
        raise UsageError(f"budgets are {list(budgets)}; expected one or more, each once.")
    if min(repeats) < FEWEST:
        raise UsageError(f"repeats are {repeats}; expected {FEWEST} tunings and {FEWEST} trainings of each, or more.")
    num_tunings, num_trainings = repeats
    seeds = Seeds(seed)
    values = np.full((len(budgets), num_tunings, num_trainings), math.nan)
    for run in range(num_tunings):
        fresh = [seeds.seed("retrain", run, k) for k in range(num_trainings)]
        for row, budget in enumerate(budgets):
            choice = tune(budget, seeds.seed("hpo", run))
            if choice is not None:
                values[row, run] = [train(choice, one) for one in fresh]
    spreads = [tuning_spread(f"budget {budget:g}", list(values[row])) for row, budget in enumerate(budgets)]
    return TuningVariance(tuple(budgets), tuple(spreads), values)
