"""Covariance matrix adaptation, by Optuna's sampler in memory (extra `hpo`).

Choices and parameters under a condition, which it cannot model, are drawn independently.

Source: Hansen and Ostermeier 2001, Completely Derandomized Self-Adaptation in Evolution Strategies.
"""

from __future__ import annotations

from cupel.methods.optuna_trials import OptunaTrials, sampler_seed
from cupel.spec.search import Search


class CmaEs(OptunaTrials):
    """CMA-ES with Optuna's defaults.

    Args:
        search: what is searched.

    Raises:
        ImportError: Optuna or cmaes is not installed.
    """

    def __init__(self, search: Search) -> None:
        import cmaes  # noqa: F401 (Optuna asks for it only once it samples, which is too late)
        import optuna

        independent = optuna.samplers.RandomSampler(seed=sampler_seed(search))
        sampler = optuna.samplers.CmaEsSampler(
            seed=sampler_seed(search), independent_sampler=independent, warn_independent_sampling=False
        )
        super().__init__(search, sampler)
