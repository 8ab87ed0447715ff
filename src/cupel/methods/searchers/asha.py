"""ASHA: asynchronous successive halving, by promotion, as its paper has it.

A worker that is free promotes the best configuration that is among the top 1/eta of its rung and was not promoted
before, looking from the highest rung down; where there is none it grows the bottom rung by a new configuration. Nobody
waits, and a configuration passed over today may still be promoted tomorrow.

Notation: r, R `min_resource`, `max_resource`; η `eta`; s `skipped`; rung k trains up to r η^(s+k); θ a configuration.

Differences from the paper: the number of configurations is limited (`trials`); the last rung is R itself where R / r is
no power of η; a configuration that cannot be trained counts in its rung with an infinite loss and is never promoted.

Cost: O(log n) per `ask` and `tell` with n losses in a rung.

Source: Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning (MLSys), algorithm 2.
"""

from __future__ import annotations

from cupel.methods.losses import Losses
from cupel.methods.rung import Rung
from cupel.methods.samplers.uniform import Uniform
from cupel.spec.search import Sampler, Search, Work


class Asha:
    """Asynchronous successive halving.

    Args:
        search: what is searched.
        skipped: rungs left out at the bottom (s of the paper, the early-stopping rate).
        sampler: where new configurations come from; uniform draws when None.

    Raises:
        UsageError: more rungs are skipped than there are.
    """

    def __init__(self, search: Search, *, skipped: int = 0, sampler: Sampler | None = None) -> None:
        self.search = search
        self.resources = search.rungs(skipped)
        self._sampler: Sampler = Uniform(search) if sampler is None else sampler
        self._losses = Losses()
        self._rungs = [Rung(search.eta) for _ in self.resources[:-1]]
        self._level_of = {resource: level for level, resource in enumerate(self.resources)}
        self._num_sampled = 0

    def ask(self) -> Work | None:
        """A promotion where one is due, else a new configuration; None when all are sampled and none can rise now."""
        for level in range(len(self._rungs) - 1, -1, -1):
            trial = self._rungs[level].pop_promotable()
            if trial is not None:
                parameters = self._losses.works[trial].parameters
                work = Work(trial, parameters, self.resources[level], (self.resources[level + 1],))
                return self._losses.expect(work)
        if self._num_sampled >= self.search.trials:
            return None
        trial = self._num_sampled
        self._num_sampled += 1
        return self._losses.expect(Work(trial, self._sampler.sample(self.resources[0]), 0, (self.resources[0],)))

    def tell(self, trial: int, resource: float, loss: float) -> bool:
        """Take a loss: the configuration is on its rung now."""
        found = self._losses.take(trial, resource, loss)
        if found is not None:
            level = self._level_of[resource]
            if level < len(self._rungs):
                self._rungs[level].add(trial, found)
            self._sampler.learn(self._losses.works[trial].parameters, resource, found)
        return False

    def drop(self, trial: int) -> None:
        """A configuration whose work was lost is on no further rung."""
        self._losses.drop(trial)
