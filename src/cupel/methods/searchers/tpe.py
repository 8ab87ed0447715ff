"""Tree-structured Parzen estimator, by Optuna's sampler in memory (extra `hpo`).

Trials that are still being trained count as if they had the worst loss ("constant liar"), so that workers that ask at
once are not sent to the same place.

Source: Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization (NeurIPS); Watanabe 2023 on the details.
"""

from __future__ import annotations

from cupel.methods.optuna_trials import OptunaTrials, sampler_seed
from cupel.spec.search import Search


class Tpe(OptunaTrials):
    """TPE with Optuna's defaults.

    Args:
        search: what is searched.
        startup: configurations that are drawn at random first.
        multivariate: model parameters together instead of each by itself.

    Raises:
        ImportError: Optuna is not installed.
    """

    def __init__(self, search: Search, *, startup: int = 10, multivariate: bool = False) -> None:
        import warnings

        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                seed=sampler_seed(search), n_startup_trials=startup, multivariate=multivariate, constant_liar=True
            )
        super().__init__(search, sampler)
