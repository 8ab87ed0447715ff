"""Bands of profiles hold the true curve: at each threshold, and as a whole."""

import numpy as np
import pytest
from scipy.special import bdtr
from scipy.stats import norm

from cupel.stats.performance_profile import ProfileRow, performance_profile
from cupel.stats.resample import Resample

NUM = 150
TAU = np.linspace(-4, 4, 33)
SHAPES = [(3, 5), (5, 1), (5, 20), (10, 5), (30, 20)]


def placed(num_tasks: int) -> tuple[np.ndarray, float]:
    return (np.linspace(-2, 2, num_tasks), 0.5) if num_tasks > 1 else (np.zeros(1), 1.0)


def curve(num_tasks: int) -> np.ndarray:
    mean, sd = placed(num_tasks)
    return norm.sf((TAU[:, None] - mean) / sd).mean(axis=1)


def runs(seed: int, shape: tuple[int, int]) -> np.ndarray:
    mean, sd = placed(shape[1])
    return mean + sd * np.random.default_rng([seed, *shape]).normal(size=shape)


def rows(shape: tuple[int, int], band, num: int = 199) -> list[ProfileRow]:
    return [
        performance_profile(runs(seed, shape), TAU, band=band, resample=Resample(num=num)).rows[0]
        for seed in range(NUM)
    ]


def is_inside(row: ProfileRow, true: np.ndarray) -> np.ndarray:
    return (row.low <= true) & (true <= row.high)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_pointwise_band_holds_the_curve_at_each_threshold(shape: tuple[int, int]) -> None:
    true = curve(shape[1])
    told = (true > 0.01) & (true < 0.99)
    inside = np.array([is_inside(row, true)[told] for row in rows(shape, "pointwise")])
    assert inside.mean() > 0.94
    assert bdtr(inside.sum(axis=0).min(), NUM, 0.91) > 0.001  # the worst threshold of all


def test_plain_percentiles_leave_the_ends_of_the_curve_without_a_band() -> None:
    true, shape = curve(5), (5, 5)
    told = (true > 0.01) & (true < 0.99)
    inside = []
    for seed in range(NUM):
        x = runs(seed, shape)
        index = np.random.default_rng(seed).integers(0, shape[0], size=(199, *shape))
        drawn = (np.take_along_axis(x[None], index, axis=1)[..., None] > TAU).mean(axis=(1, 2))
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        inside.append(((low <= true) & (true <= high))[told])
    assert np.mean(inside) < 0.8
    assert np.mean(inside, axis=0).min() < 0.4


@pytest.mark.parametrize("shape", SHAPES)
def test_the_simultaneous_band_holds_the_whole_curve(shape: tuple[int, int]) -> None:
    true = curve(shape[1])
    held = sum(bool(np.all(is_inside(row, true))) for row in rows(shape, "simultaneous"))
    assert bdtr(held, NUM, 0.95) > 0.001


@pytest.mark.parametrize("shape", [(3, 5), (10, 20)])
def test_areas_are_held(shape: tuple[int, int]) -> None:
    true = float(np.mean([norm.expect(lambda x: np.clip(x, -4, 4) + 4, loc=m, scale=0.5) for m in placed(shape[1])[0]]))
    held = sum(row.area_interval.contains(true) for row in rows(shape, "pointwise", num=499))
    assert bdtr(held, NUM, 0.95) > 0.001
    assert bdtr(NUM - held, NUM, 0.05) > 0.001


@pytest.mark.parametrize(("band", "shape"), [("pointwise", (3, 8)), ("pointwise", (10, 24)), ("simultaneous", (5, 10))])
def test_bands_for_tasks_like_these(band, shape: tuple[int, int]) -> None:
    true = norm.sf(TAU / np.sqrt(1.25))
    told = (true > 0.01) & (true < 0.99)
    inside = []
    for seed in range(NUM):
        rng = np.random.default_rng([seed, *shape])
        x = 0.5 * rng.normal(size=(1, shape[1])) + rng.normal(size=shape)
        row = performance_profile(x, TAU, band=band, resample=Resample("tasks", num=199)).rows[0]
        inside.append(is_inside(row, true)[told])
    held = np.array(inside)
    if band == "simultaneous":
        assert bdtr(held.all(axis=1).sum(), NUM, 0.95) > 0.001
    else:
        assert held.mean() > 0.94
