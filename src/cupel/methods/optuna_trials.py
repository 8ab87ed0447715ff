"""What the searchers share that take a sampler of Optuna: its study lives in memory and is only asked and told."""

from __future__ import annotations

from typing import Any

from cupel.methods.full_trials import FullTrials
from cupel.spec.card import Scalar
from cupel.spec.errors import UsageError
from cupel.spec.parameter import Choice, Float, Parameter
from cupel.spec.search import Search
from cupel.spec.seeds import Seeds
from cupel.spec.space import MAX_DRAWS, Configuration

SEED_RANGE = 2**32


class OptunaTrials(FullTrials):
    """Asks a sampler of Optuna.

    Args:
        search: what is searched.
        sampler: of Optuna.
    """

    def __init__(self, search: Search, sampler: Any) -> None:
        import optuna

        super().__init__(search)
        self._optuna = optuna
        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(sampler=sampler, direction="minimize")
        optuna.logging.set_verbosity(level)
        self._trials: dict[int, Any] = {}

    def propose(self, trial: int) -> Configuration:
        """What the sampler suggests; suggestions that miss a constraint are told as failed and asked for again."""
        for _ in range(min(MAX_DRAWS, 1000)):
            asked = self._study.ask()
            found = self._suggested(asked)
            if self.search.space.is_allowed(found):
                self._trials[trial] = asked
                return found
            self._study.tell(asked, state=self._optuna.trial.TrialState.FAIL)
        raise UsageError("1000 suggestions in a row missed the constraints of the space; widen them or the space.")

    def learn(self, trial: int, parameters: Configuration, loss: float) -> None:
        """Tell the sampler; an initial configuration is added as one that was seen."""
        asked = self._trials.pop(trial, None)
        state = self._optuna.trial.TrialState
        if asked is None:
            self._study.add_trial(self._seen(parameters, loss))
        elif loss < float("inf"):
            self._study.tell(asked, loss)
        else:
            self._study.tell(asked, state=state.FAIL)

    def forget(self, trial: int) -> None:
        """Tell the sampler that nothing will come."""
        asked = self._trials.pop(trial, None)
        if asked is not None:
            self._study.tell(asked, state=self._optuna.trial.TrialState.FAIL)

    def _suggested(self, asked: Any) -> Configuration:
        """Suggestions in the order of the space, for the parameters that have a part."""
        found: Configuration = {}
        space = self.search.space
        for name, parameter in space.parameters.items():
            if name not in space.conditions or space.conditions[name].is_met(found):
                found[name] = self._suggestion(asked, name, parameter)
        return found

    @staticmethod
    def _suggestion(asked: Any, name: str, parameter: Parameter) -> Scalar:
        if isinstance(parameter, Choice):
            value: Scalar = asked.suggest_categorical(name, parameter.values)
        elif isinstance(parameter, Float):
            value = asked.suggest_float(name, parameter.low, parameter.high, log=parameter.log)
        else:
            value = asked.suggest_int(name, parameter.low, parameter.high, log=parameter.log)
        return value

    def _seen(self, parameters: Configuration, loss: float) -> Any:
        """A finished trial of Optuna with a configuration of ours."""
        distributions = {}
        for name in parameters:
            parameter = self.search.space.parameters[name]
            if isinstance(parameter, Choice):
                distributions[name] = self._optuna.distributions.CategoricalDistribution(parameter.values)
            else:
                of_optuna = self._optuna.distributions
                kind = of_optuna.FloatDistribution if isinstance(parameter, Float) else of_optuna.IntDistribution
                distributions[name] = kind(parameter.low, parameter.high, log=parameter.log)
        is_finite = loss < float("inf")
        states = self._optuna.trial.TrialState
        return self._optuna.create_trial(
            params=parameters,
            distributions=distributions,
            value=loss if is_finite else None,
            state=states.COMPLETE if is_finite else states.FAIL,
        )


def sampler_seed(search: Search) -> int:
    """Seed of a sampler of Optuna, which takes 32 bits."""
    return Seeds(search.seed).seed("hpo") % SEED_RANGE
