import numpy as np
import pytest
from scipy.stats import binom, norm

from cupel.stats.detection_rates import DELTA, detection_rates

# sd of the bias over sd of a run, FixHOptEst(k = 10, All); from the authors' released stats.json
BIAS_ALL = {"VGG": 0.7364, "VOC": 0.2203, "SST-2": 0.4251, "RTE": 0.4074, "MHC": 0.1420}


def test_the_figures_that_were_simulated_from_the_released_spreads() -> None:
    rates = {task: detection_rates([0.4, 0.5, 0.75], bias_frac=bias) for task, bias in BIAS_ALL.items()}
    test = np.mean([found.test for found in rates.values()], axis=0)
    assert test == pytest.approx([0.077, 0.17, 0.78], abs=0.006)
    by_task = {task: found.test[1] for task, found in rates.items()}
    expected = {"VGG": 0.30, "SST-2": 0.20, "RTE": 0.20, "VOC": 0.09, "MHC": 0.05}
    assert by_task == pytest.approx(expected, abs=0.012)


def test_the_ideal_estimator_has_the_rates_of_the_reference() -> None:
    found = detection_rates([0.5, 0.75])
    assert found.test == pytest.approx([0.0164, 0.9449], abs=5e-5)
    assert found.single[0] == pytest.approx(0.079, abs=5e-4)
    assert found.single_code[0] == pytest.approx(0.089, abs=5e-4)
    assert 1 - found.single[1] == pytest.approx(0.769, abs=5e-4)
    assert found.average[1] < 1e-5
    assert found.wins_needed == 33


def test_the_papers_false_alarms_are_not_what_comes_out() -> None:
    mean = np.mean([detection_rates([0.5], bias_frac=bias).test[0] for bias in BIAS_ALL.values()])
    assert mean > 3 * 0.05


def drawn_rates(p: float, bias: float, k: int, seed: int) -> tuple[float, float, float]:
    """The procedure of the paper, drawn: biases, then runs, then the three ways to compare."""
    rng = np.random.default_rng(seed)
    num = 20_000
    gap = norm.ppf(p) * np.sqrt(2)
    a = gap + rng.normal(0, bias, (num, 1)) + rng.normal(size=(num, k))
    b = rng.normal(0, bias, (num, 1)) + rng.normal(size=(num, k))
    wins = (a > b).sum(axis=1)
    low, high = binom.ppf([[0.025], [0.975]], k, wins / k) / k
    found = np.where(wins == k, True, (low > 0.5) & (high > 0.75))
    average = a.mean(axis=1) - b.mean(axis=1) > DELTA
    return float(np.mean(a[:, 0] - b[:, 0] > DELTA)), float(average.mean()), float(found.mean())


@pytest.mark.parametrize(("p", "bias", "k"), [(0.5, 0.736, 50), (0.75, 0.425, 29), (0.7, 0.0, 20), (0.9, 0.3, 10)])
def test_drawing_comes_to_what_is_computed(p: float, bias: float, k: int) -> None:
    found = detection_rates([p], bias_frac=bias, k=k)
    computed = np.array([found.single[0], found.average[0], found.test[0]])
    drawn = np.array(drawn_rates(p, bias, k, seed=k))
    assert np.all(np.abs(drawn - computed) < 4 * np.sqrt(computed * (1 - computed) / 20_000) + 1e-4)


def test_the_exact_interval_asks_for_more_wins_than_the_published_one() -> None:
    published, exact = (detection_rates([0.5], k=29, interval=name) for name in ("published", "exact"))
    assert published.wins_needed == 20
    assert exact.wins_needed == 21
    assert published.test[0] == pytest.approx(binom.sf(19, 29, 0.5))


def test_rates_rise_with_the_truth_and_bias_makes_false_alarms() -> None:
    p = np.linspace(0.4, 0.99, 25)
    for name in ("single", "average", "test", "single_code", "average_code"):
        assert np.all(np.diff(getattr(detection_rates(p, bias_frac=0.5), name)) >= 0), name
    alarms = [detection_rates([0.5], bias_frac=bias).test[0] for bias in (0, 0.1, 0.3, 1.0)]
    assert alarms == sorted(alarms)


def test_more_runs_do_not_mend_a_bias() -> None:
    any_win = [detection_rates([0.5], bias_frac=0.4, k=k, gamma=0.501).test[0] for k in (50, 500, 50_000)]
    assert any_win[0] < any_win[1] < any_win[2]
    assert any_win[2] == pytest.approx(0.5, abs=0.02)
    often = detection_rates([0.5], bias_frac=0.4, k=50_000).test[0]
    assert often == pytest.approx(norm.sf(norm.ppf(0.75) / 0.4), abs=0.004)  # biases that look like gamma stay


def test_two_runs_can_show_nothing_with_the_exact_interval() -> None:
    found = detection_rates([0.99], k=2, interval="exact")
    assert found.wins_needed is None
    assert found.test.tolist() == [0.0]


@pytest.mark.parametrize(
    "wrong", [{"probabilities": [0.0]}, {"probabilities": []}, {"bias_frac": -1}, {"k": 0}, {"gamma": 0.5}]
)
def test_numbers_out_of_range_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match=r"expected probabilities between|`k` is 0; expected"):
        detection_rates(**({"probabilities": [0.5]} | wrong))


def test_the_frame_has_a_column_for_each_way() -> None:
    pytest.importorskip("pandas")
    frame = detection_rates([0.5, 0.8]).to_frame()
    assert list(frame)[:5] == ["probability", "oracle", "single", "average", "test"]
    assert frame["oracle"].tolist() == [0.0, 1.0]
