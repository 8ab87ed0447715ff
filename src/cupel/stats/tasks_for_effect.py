"""How many tasks show a difference between methods on tasks like these.

Formula
    T tasks drawn from those one means, each method with n runs on each.
    sd_i is how much a method's advantage differs from task to task (the
    task-by-method interaction, per method), sd_e the spread of a run around
    its method's mean on its task (what pairing leaves of it).
       variance of the mean difference = 2 sd_i^2 / T + 2 sd_e^2 / (T n)
       power = P(T' > t(T - 1)),   T' noncentral t, T - 1 degrees of
                                   freedom, shift (d - b) / its root
    The smallest T whose power reaches the power asked for. More runs per
    task shrink the second part only: however many, T stays above what
    sd_i alone asks for.

Source: the mixed model value ~ method + (1 | task) + (1 | task:method),
balanced; Westfall, Kenny & Judd (2014), J. Exp. Psychol. General 143,
2020-2045 (random stimuli).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cupel.spec.errors import UsageError
from cupel.stats.noncentral_power import check_beyond, check_plan
from cupel.stats.pairs_for_effect import pairs_for_effect


@dataclass(frozen=True)
class TaskSpread:
    """How the results of a method spread.

    Attributes:
        interaction: standard deviation of the task-by-method interaction, of each method, >= 0.
        noise: standard deviation of a run around its method's mean on its task, >= 0.
        runs: runs of each method on each task, at least 1.
    """

    interaction: float
    noise: float
    runs: int

    @property
    def sd(self) -> float:
        """Standard deviation, between tasks, of the difference of two methods' means on a task."""
        return math.sqrt(2 * self.interaction**2 + 2 * self.noise**2 / self.runs)


def tasks_for_effect(
    effect: float, spread: TaskSpread, *, beyond: float = 0.0, power: float = 0.9, level: float = 0.95
) -> int:
    """Smallest number of tasks that shows a true mean difference over tasks with probability `power`.

    Args:
        effect: true mean difference over all tasks like these, > 0, in the unit of the metric.
        spread: between tasks, between runs, and the runs per task; the first two not both 0.
        beyond: what the whole interval has to lie beyond, >= 0; 0 for no difference, the rope for a verdict.
        power: chance of finding it.
        level: of the interval.

    Returns:
        Tasks, at least 2; below 5 a verdict on tasks like these is refused, whatever the plan says.

    Raises:
        UsageError: when an argument is out of range, the effect does not exceed `beyond`, or over a million tasks
            would be needed.

    Source: balanced mixed model.

    Example:
        >>> tasks_for_effect(0.01, TaskSpread(interaction=0.0133, noise=0.0416, runs=50))
        47
    """
    if not (spread.interaction >= 0 and spread.noise >= 0 and spread.runs >= 1):
        raise UsageError(f"{spread}; expected spreads of at least 0 and at least 1 run on each task.")
    check_plan({"effect": effect, "sd": spread.sd}, power, level)
    check_beyond(effect, beyond)
    return pairs_for_effect(effect, spread.sd, beyond=beyond, power=power, level=level)
