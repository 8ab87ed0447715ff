import math

import numpy as np
import pytest
from scipy.special import gamma as gamma_function

from cupel.stats.estimator_cost import estimator_cost
from cupel.stats.estimator_mse import estimator_mse
from cupel.stats.spread_interval import sd_of_sd


def measures(k: int, m: int, rho: float, seed: int = 0) -> np.ndarray:
    """Normal measures with variance 4 and correlation rho within a repetition."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, math.sqrt(rho), (1, m))
    return 10 + 2 * (shared + rng.normal(0, math.sqrt(1 - rho), (k, m)))


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8])
def test_a_known_correlation_is_found(rho: float) -> None:
    found = estimator_mse(measures(20, 20_000, rho), mu=9.5, sigma=2.0)
    assert found.rho == pytest.approx(rho, abs=0.02)
    assert found.bias == pytest.approx(0.5, abs=0.06)
    assert found.variance == pytest.approx(4 * (1 / 20 + 19 / 20 * rho), rel=0.06)
    assert found.k_eq == pytest.approx(1 / (1 / 20 + 19 / 20 * rho), rel=0.06)
    assert found.mse == pytest.approx(found.variance + 0.25, abs=0.08)
    assert found.mse_ideal == 4 / 20


def test_the_published_number_is_no_correlation() -> None:
    found = estimator_mse(measures(50, 5000, 0.8), mu=10)
    assert found.rho_published == pytest.approx(50 / 49 * 0.8 / 0.2, rel=0.05)


def test_rho_is_the_mean_correlation_of_pairs_of_measures() -> None:
    a = measures(6, 40, 0.4)
    covariance = np.cov(a)
    off_diagonal = covariance[~np.eye(6, dtype=bool)].mean()
    assert estimator_mse(a, mu=0).rho == pytest.approx(off_diagonal / np.diag(covariance).mean())


def naive_rho(a: np.ndarray) -> float:
    """The formula of the reference, as it stands."""
    k = a.shape[0]
    column_variance = a.var(axis=0).mean()
    return (k * a.mean(axis=0).var() - column_variance) / ((k - 1) * column_variance)


def test_the_published_number_is_the_published_formula() -> None:
    a = measures(7, 20, 0.5)
    assert estimator_mse(a, mu=0).rho_published == pytest.approx(naive_rho(a))


def test_equations_7_and_8_add_up() -> None:
    found = estimator_mse(measures(8, 20, 0.4), mu=9)
    assert found.variance is not None
    assert found.rho is not None
    assert found.measure_variance is not None
    v = found.measure_variance
    assert found.variance == pytest.approx(v / 8 + 7 / 8 * found.rho * v)
    assert found.mse == pytest.approx(found.variance + found.bias**2)


@pytest.mark.parametrize(
    ("task", "sigma", "sd", "k_eq"), [("RTE init", 0.03106, 0.01968, 2.49), ("RTE all", 0.03106, 0.00979, 10.06)]
)
def test_k_eq_of_the_released_spreads(task: str, sigma: float, sd: float, k_eq: float) -> None:
    a = np.array([[-sd, sd, 0.0]])
    assert estimator_mse(a, mu=0, sigma=sigma).k_eq == pytest.approx(k_eq, rel=5e-3)


@pytest.mark.parametrize("n", [2, 5, 20, 100])
def test_the_spread_of_a_spread_has_the_papers_formula(n: int) -> None:
    half = (n - 1) / 2
    ratio = gamma_function(n / 2) / gamma_function(half)
    assert sd_of_sd(3.0, n) == pytest.approx(3 / ratio * math.sqrt(half - ratio**2))


def test_the_spread_of_a_spread_by_drawing_and_at_its_ends() -> None:
    drawn = np.random.default_rng(0).normal(size=(20_000, 6)).std(axis=1, ddof=1)
    assert sd_of_sd(drawn.mean(), 6) == pytest.approx(drawn.std(), rel=0.02)
    assert sd_of_sd(1.0, 1) == math.inf
    assert sd_of_sd(1.0, 10_000) == pytest.approx(sd_of_sd(1.0, 10_001), rel=1e-3)


def test_a_failed_measure_takes_its_repetition_with_it() -> None:
    a = measures(4, 10, 0.2)
    a[2, 3] = math.nan
    found = estimator_mse(a, mu=10)
    assert found.n == 9
    assert found.bias == pytest.approx(np.delete(a, 3, axis=1).mean() - 10)
    assert "1 of 10 repetitions" in found.warnings[0].text


def test_one_repetition_knows_no_spread() -> None:
    found = estimator_mse([[1.0], [2.0]], mu=1.0, sigma=1.0)
    assert found.bias == 0.5
    assert (found.variance, found.sd, found.rho, found.rho_published, found.mse, found.k_eq) == (None,) * 6
    assert found.warnings[0].code == "one hpo run"
    assert "not known" in found.text()


def test_one_measure_has_no_correlation() -> None:
    found = estimator_mse([[1.0, 2.0, 4.0]], mu=1.0)
    assert found.rho is None
    assert found.variance == pytest.approx(7 / 3)
    assert "sd 1.53" in found.text()


@pytest.mark.parametrize("wrong", [[1.0, 2.0], [[math.nan]], np.zeros((0, 3))])
def test_what_is_no_matrix_of_measures_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match="expected"):
        estimator_mse(wrong, mu=0)


def test_a_truth_or_a_spread_that_cannot_be_is_refused() -> None:
    for wrong in ({"mu": math.nan}, {"mu": 0, "sigma": 0}):
        with pytest.raises(ValueError, match="expected a number, and a spread above 0"):
            estimator_mse([[1.0, 2.0]], **wrong)


def test_the_frame_has_the_numbers() -> None:
    pytest.importorskip("pandas")
    assert estimator_mse([[1.0, 3.0], [2.0, 4.0]], mu=2.0).to_frame()["bias"].tolist() == [0.5]


def test_the_cost_of_a_hundred_measures_is_fifty_times_less() -> None:
    found = estimator_cost(100, trials=100)
    assert (found.ideal, found.once, found.ratio) == (10_000, 200, 50.0)
    assert estimator_cost(1, trials=1).ratio == 0.5
    with pytest.raises(ValueError, match="`k` is 0; expected a whole number of at least 1"):
        estimator_cost(0, trials=5)
