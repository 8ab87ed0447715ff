import random

import numpy as np
import pytest

from cupel.spec.errors import UsageError
from cupel.stats.tuning_spread import tuning_spread
from cupel.study.tuning_problem import TuningProblem
from cupel.study.tuning_variance import TuningVariance, tuning_variance
from cupel.tasks.cluster import Cluster
from cupel.tasks.surrogate_curves import SurrogateCurves


def planted(between: float, within: float, **options) -> TuningVariance:
    """Tunings whose choices have a spread that shrinks with the budget, and trainings with one that does not."""
    return tuning_variance(
        lambda budget, seed: random.Random(seed).gauss(0, between / budget),
        lambda choice, seed: choice + random.Random(seed).gauss(0, within),
        **options,
    )


def test_planted_spreads_are_found_and_the_sufficient_budget_with_them() -> None:
    found = planted(2.0, 0.5, budgets=(1, 2, 16), repeats=(60, 5))
    assert [spread.hpo_runs for spread in found.spreads] == [60] * 3
    for budget, spread in zip(found.budgets, found.spreads, strict=True):
        assert spread.between_interval.contains(2.0 / budget)
        assert spread.within_interval.contains(0.5)
    assert found.sufficient == 16
    assert found.text().count("sd between tunings") == 3


def test_budgets_need_not_be_in_order_and_one_budget_that_is_too_small_says_so() -> None:
    assert planted(2.0, 0.5, budgets=(16, 1), repeats=(40, 5)).sufficient == 16
    assert planted(2.0, 0.5, budgets=(1,), repeats=(40, 5)).sufficient is None


def test_seeds_are_fresh_and_the_same_at_each_budget() -> None:
    asked: list[tuple[float, int]] = []
    trained: list[int] = []
    tuning_variance(
        lambda budget, seed: asked.append((budget, seed)) or 0.0,
        lambda _, seed: trained.append(seed) or 0.0,
        budgets=(1, 2),
        repeats=(3, 4),
    )
    by_budget = [[seed for budget, seed in asked if budget == which] for which in (1, 2)]
    assert by_budget[0] == by_budget[1]
    assert len(set(by_budget[0])) == 3
    assert len(set(trained)) == 12
    assert not set(trained) & set(by_budget[0])


def test_the_frame_gives_the_same_spreads_back() -> None:
    found = planted(1.0, 0.5, budgets=(1, 3), repeats=(6, 3))
    frame = found.to_frame()
    columns = {name: list(frame[name]) for name in ("budget", "hpo_run", "seed", "value")}
    for budget, spread in zip(found.budgets, found.spreads, strict=True):
        rows = [k for k, one in enumerate(columns["budget"]) if one == budget]
        values = np.array([columns["value"][k] for k in rows]).reshape(6, 3)
        assert tuning_spread(f"budget {budget:g}", list(values)) == spread


def test_a_tuning_that_found_nothing_is_counted_as_failed() -> None:
    found = tuning_variance(
        lambda _, seed: None if seed % 2 else seed,
        lambda choice, seed: choice % 7 + random.Random(seed).random(),
        budgets=(1,),
        repeats=(12, 2),
    )
    assert found.spreads[0].num_failed == 2 * (12 - found.spreads[0].hpo_runs) > 0
    assert np.isnan(found.values).any()


@pytest.mark.parametrize("options", [{"budgets": ()}, {"budgets": (1, 1)}, {"budgets": (1,), "repeats": (1, 5)}])
def test_too_little_is_refused(options: dict) -> None:
    with pytest.raises(UsageError, match="expected"):
        planted(1.0, 1.0, **options)


def test_in_the_simulator_the_spread_of_tunings_falls_with_the_budget_and_that_of_seeds_stays() -> None:
    curves = SurrogateCurves(0)
    problem = TuningProblem(curves.space, curves.loss, curves.cost, max_resource=64, eta=4)

    def tune(budget: float, seed: int):
        found = problem.found("asha", [64 * budget], Cluster(workers=9, straggler_sd=0.2, seed=seed))[0]
        return found and found[0]

    def train(parameters, seed: int) -> float:
        return problem.retrained(parameters, [seed])[0]

    found = tuning_variance(tune, train, budgets=(0.5, 6), repeats=(16, 4))
    assert found.spreads[0].between > 1.5 * found.spreads[1].between
    assert found.spreads[0].between > found.spreads[0].within
    assert found.spreads[0].within_interval.contains(0.9)
    assert found.values[0].mean() > found.values[1].mean()
