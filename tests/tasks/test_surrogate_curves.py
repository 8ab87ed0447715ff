import math
import random
import statistics

import numpy as np
import pytest
from scipy.stats import kstest, spearmanr

from cupel.spec.errors import UsageError
from cupel.tasks.surrogate_curves import (
    BEST,
    LEAST_COST,
    MOST_COUPLING,
    NOISE_SD,
    SPACE,
    SPREAD,
    START,
    TURN,
    SurrogateCurves,
)

DRAWS = [SPACE.draw(random.Random(seed)) for seed in range(600)]


def trainable(curves: SurrogateCurves) -> list[dict]:
    return [found for found in DRAWS if curves.expected(found, 1) != START]


def test_the_loss_is_the_formula_of_the_docstring() -> None:
    curves, found = SurrogateCurves(2), trainable(SurrogateCurves(2))[0]
    places = np.array([SPACE.parameters[name].place_of(found[name]) for name in SPACE])
    gaps = places - np.array(curves._centre)
    quadratic = np.diag(curves._weights)
    for j, coupling in enumerate(curves._couplings):
        quadratic[j, j + 1] = quadratic[j + 1, j] = coupling / 2
    assert sum(curves._weights) == pytest.approx(1)
    assert np.linalg.eigvalsh(quadratic).min() > 0
    roots = np.sqrt(curves._weights)
    assert np.all(np.abs(curves._couplings) <= MOST_COUPLING * roots[:-1] * roots[1:])
    asymptote = BEST + SPREAD * gaps @ quadratic @ gaps
    tau = 64 * 0.015 * math.exp(np.dot(curves._slopes, gaps))
    for resource in (1, 7.5, 64):
        expected = asymptote + (START - asymptote) * (1 + resource / tau) ** -1.2
        assert curves.expected(found, resource) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(12))
def test_each_problem_has_an_optimum_that_can_be_trained_and_a_region_that_diverges(seed: int) -> None:
    curves = SurrogateCurves(seed)
    at_best, found = curves.expected(curves.optimum, 64), trainable(curves)
    assert BEST < at_best < BEST + 5
    assert min(curves.expected(one, 1e9) for one in found) > curves.expected(curves.optimum, 1e9)
    assert 0.25 < len(found) / len(DRAWS) < 0.8
    diverged = [one for one in DRAWS if curves.expected(one, 1) == START]
    assert all(curves.expected(one, 64) == START for one in diverged)
    assert statistics.median(one["lr"] for one in diverged) > statistics.median(one["lr"] for one in found)
    assert at_best < curves.good(1 / 100, num=500) < curves.good(1 / 5, num=500)


def test_losses_fall_along_the_curve_and_cheap_ones_tell_something_but_not_all() -> None:
    curves = SurrogateCurves(0)
    found = trainable(curves)
    losses = np.array([[curves.expected(one, resource) for one in found] for resource in (1, 4, 16, 64)])
    assert np.all(np.diff(losses, axis=0) < 0)
    cheap, late = (spearmanr(losses[k], losses[3]).statistic for k in (0, 2))
    assert 0.15 < cheap < 0.7
    assert cheap + 0.1 < late < 0.97


def test_noise_is_normal_and_alike_at_neighbouring_resources() -> None:
    curves, one = SurrogateCurves(1), SurrogateCurves(1).optimum
    noise = np.array([
        [curves.loss(one, resource, seed) - curves.expected(one, resource) for resource in (1, 4, 64)]
        for seed in range(3000)
    ])  # fmt: skip
    for column in noise.T:
        assert kstest(column / NOISE_SD, "norm").pvalue > 0.001
    assert np.corrcoef(noise.T)[0, 1] == pytest.approx(math.cos(TURN * math.log(4)), abs=0.03)
    assert np.corrcoef(noise.T)[0, 2] == pytest.approx(math.cos(TURN * math.log(64)), abs=0.07)


def test_seed_configuration_and_resource_decide_the_loss() -> None:
    one, other = trainable(SurrogateCurves(0))[:2]
    curves, again = SurrogateCurves(0), SurrogateCurves(0)
    assert curves.loss(one, 4, 7) == again.loss(one, 4, 7)
    assert curves.loss(one, 4, 8) != curves.loss(one, 4, 7)
    shift = [curves.loss(found, 4, 7) - curves.expected(found, 4) for found in (one, other)]
    assert shift[0] != shift[1]
    assert SurrogateCurves(1).expected(one, 4) != curves.expected(one, 4)


def test_cost_is_one_on_the_average_and_grows_with_the_width() -> None:
    curves = SurrogateCurves(0)
    assert statistics.fmean(map(curves.cost, DRAWS)) == pytest.approx(1, abs=4 * 0.35 / math.sqrt(len(DRAWS)))
    widths = [curves.cost({"width": width}) for width in (200, 850, 1500)]
    assert widths == pytest.approx([LEAST_COST, 1, 2 - LEAST_COST], abs=0.002)


def test_a_resource_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="max_resource"):
        SurrogateCurves(0, max_resource=0)
