"""Asynchronous successive halving by stopping: each configuration is started for the whole and stopped on the way.

What other tools offer under the name of ASHA. Whether a configuration goes on is decided once, when it reports at a
rung, from what has been reported there so far; one that was stopped is never taken up again, and the first at a rung
always passes. No checkpoint is needed, since nothing is ever continued later.

Rules
    percentile   stopped where its loss is above the 1/eta quantile (linear
                 interpolation) of the losses reported earlier, its own not
                 counted. Ray Tune's AsyncHyperBandScheduler, taken over by
                 syne-tune.
    rank         goes on where its loss is among the best max(1, ⌊n / eta⌋) of
                 the n reported, its own counted. Optuna's
                 SuccessiveHalvingPruner.

Cost: O(log n) comparisons and one insertion into a sorted list per report.

Source: the tools named, at versions 2.60 and 5.0; the algorithm with promotion is `asha`.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from cupel.methods.losses import Losses
from cupel.methods.samplers.uniform import Uniform
from cupel.spec.errors import UsageError
from cupel.spec.search import Sampler, Search, Work

RULES = ("percentile", "rank")


class AshaStopping:
    """Successive halving by stopping.

    Args:
        search: what is searched.
        rule: who goes on, one of `RULES`.
        skipped: rungs left out at the bottom.
        sampler: where new configurations come from; uniform draws when None.

    Raises:
        UsageError: no such rule, or more rungs are skipped than there are.
    """

    def __init__(
        self, search: Search, *, rule: str = "percentile", skipped: int = 0, sampler: Sampler | None = None
    ) -> None:
        if rule not in RULES:
            raise UsageError(f"asha_stopping: rule is {rule!r}; expected one of {', '.join(RULES)}.")
        self.search = search
        self.rule = rule
        self.resources = search.rungs(skipped)
        self._sampler: Sampler = Uniform(search) if sampler is None else sampler
        self._losses = Losses()
        self._reported: dict[float, list[float]] = {resource: [] for resource in self.resources[:-1]}
        self._num_sampled = 0

    def ask(self) -> Work | None:
        """The next configuration, for all rungs; None when all are asked for."""
        if self._num_sampled >= self.search.trials:
            return None
        trial = self._num_sampled
        self._num_sampled += 1
        return self._losses.expect(Work(trial, self._sampler.sample(self.resources[0]), 0, self.resources))

    def tell(self, trial: int, resource: float, loss: float) -> bool:
        """Take a loss at a rung and decide."""
        found = self._losses.take(trial, resource, loss)
        if found is None:
            return self._losses.is_awaited(trial)
        self._sampler.learn(self._losses.works[trial].parameters, resource, found)
        if resource not in self._reported:
            return False
        reported = self._reported[resource]
        goes_on = found < float("inf") and self._goes_on(found, reported)
        insort(reported, found)
        if not goes_on:
            self._losses.drop(trial)
        return goes_on

    def drop(self, trial: int) -> None:
        """Nothing more will come of a configuration."""
        self._losses.drop(trial)

    def _goes_on(self, loss: float, earlier: list[float]) -> bool:
        """Whether a loss is good enough among those reported before it."""
        if not earlier:
            return True
        if self.rule == "rank":
            return bisect_left(earlier, loss) < max(1, (len(earlier) + 1) // self.search.eta)
        place = (len(earlier) - 1) / self.search.eta
        low = int(place)
        high = min(low + 1, len(earlier) - 1)
        if earlier[high] == float("inf"):
            cutoff = earlier[low] if place == low else float("inf")
        else:
            cutoff = earlier[low] + (place - low) * (earlier[high] - earlier[low])
        return loss <= cutoff
