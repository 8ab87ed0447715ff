"""Both estimators against the paper's algorithms written out, on a pipeline that is not of this package."""

import random
import statistics

import numpy as np
import pytest

from cupel.methods.performance_estimators import MeasureSeeds, fixed_tuning_estimate, ideal_estimate
from cupel.spec.errors import UsageError
from cupel.spec.seeds import Seeds, TrialSeeds
from cupel.stats.estimator_mse import estimator_mse

SD = {"split": 2.0, "init": 1.0, "hpo": 1.5}


def draw(seeds: Seeds, source: str) -> float:
    return random.Random(seeds.seed(source)).gauss(0, SD[source])


class Bench:
    """A pipeline whose measures are sums of one normal number a source; keeps a log of what it was asked."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def tune(self, seeds: Seeds) -> float:
        self.log.append("tune")
        return draw(seeds, "hpo")

    def measure(self, choice: float, seeds: Seeds) -> float:
        self.log.append("measure")
        return choice + draw(seeds, "split") + draw(seeds, "init")


def test_ideal_tunes_for_every_measure_and_draws_everything_anew() -> None:
    bench = Bench()
    found = ideal_estimate(bench.tune, bench.measure, k=3, seeds=Seeds(5))
    assert bench.log == ["tune", "measure"] * 3
    assert found.num_tunings == 3
    expected = []
    for i in range(3):  # algorithm 1: draw xi_O, xi_H and the split; tune; train; measure
        total = sum(random.Random(Seeds(5).seed(s, "measure", i)).gauss(0, SD[s]) for s in ("hpo", "split", "init"))
        expected.append(total)
    assert found.measures == pytest.approx(expected)
    assert found.mean == pytest.approx(statistics.fmean(expected))


@pytest.mark.parametrize("redrawn", [("init",), ("split",), ("split", "init")])
def test_fixed_tuning_draws_anew_what_it_is_told_and_nothing_else(redrawn: tuple[str, ...]) -> None:
    bench, seeds = Bench(), Seeds(6)
    found = fixed_tuning_estimate(bench.tune, bench.measure, k=4, seeds=seeds, redrawn=redrawn)
    assert bench.log == ["tune", *["measure"] * 4]
    assert found.num_tunings == 1
    choice = draw(seeds, "hpo")  # algorithm 2: tuned once
    for i, measure in enumerate(found.measures):
        parts = [
            random.Random(seeds.seed(s, "measure", i) if s in redrawn else seeds.seed(s)).gauss(0, SD[s])
            for s in ("split", "init")
        ]
        assert measure == pytest.approx(choice + sum(parts))


def test_correlation_and_error_are_those_of_the_variance_that_is_shared() -> None:
    bench, m, k = Bench(), 600, 5
    total = sum(sd**2 for sd in SD.values())
    rhos, errors = {}, {}
    for redrawn in (("init",), ("split", "init"), None):
        measures = []
        for j in range(m):
            seeds = MeasureSeeds(0, Seeds(0), j)
            if redrawn is None:
                found = ideal_estimate(bench.tune, bench.measure, k=k, seeds=seeds)
            else:
                found = fixed_tuning_estimate(bench.tune, bench.measure, k=k, seeds=seeds, redrawn=redrawn)
            measures.append(found.measures)
        judged = estimator_mse(np.array(measures).T, mu=0.0)
        shared = 0.0 if redrawn is None else total - sum(SD[s] ** 2 for s in redrawn)
        rhos[redrawn], errors[redrawn] = judged.rho, judged.mse
        assert judged.rho == pytest.approx(shared / total, abs=0.06)
        assert judged.mse == pytest.approx(shared + (total - shared) / k, rel=0.2)  # eq. 7, without a bias
    assert errors[None] < errors["split", "init"] < errors[("init",)]


def test_seeds_of_a_run_in_which_one_source_varies_stay_so_within_an_estimate() -> None:
    first, second = (MeasureSeeds(0, TrialSeeds(0, trial, ("init",)), 2) for trial in (0, 1))
    assert first.seed("split") == second.seed("split")
    assert first.seed("init") != second.seed("init")
    nested = MeasureSeeds(0, first, 3, ("init",))
    assert nested.seed("split") == first.seed("split")
    assert nested.seed("init") not in (first.seed("init"), second.seed("init"))
    assert nested.child("init").root == nested.seed("init")


def test_the_global_generator_is_left_alone() -> None:
    state = random.getstate()
    bench = Bench()
    ideal_estimate(bench.tune, bench.measure, k=2, seeds=Seeds(0))
    assert random.getstate() == state


def test_what_cannot_be_is_refused_in_words() -> None:
    bench = Bench()
    with pytest.raises(UsageError, match="k=0 was asked"):
        ideal_estimate(bench.tune, bench.measure, k=0, seeds=Seeds(0))
    for redrawn in ((), "init"):
        with pytest.raises(UsageError, match="expected names of sources"):
            fixed_tuning_estimate(bench.tune, bench.measure, k=2, seeds=Seeds(0), redrawn=redrawn)
