import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupel.stats.pelt import MIN_SIZE, RESOLUTION, pelt


def optimal_partition(x: np.ndarray, penalty: float) -> tuple[int, ...]:
    """Optimal partitioning without pruning, as in Jackson et al. (2005), with variances computed afresh."""
    n = len(x)
    best, last = [-penalty] + [math.inf] * n, [0] * (n + 1)
    for stop in range(MIN_SIZE, n + 1):
        for start in range(stop - MIN_SIZE + 1):
            cost = best[start] + (stop - start) * math.log(np.var(x[start:stop]) + RESOLUTION) + penalty
            if cost < best[stop]:
                best[stop], last[stop] = cost, start
    points, at = [], last[n]
    while at:
        points.append(at)
        at = last[at]
    return tuple(reversed(points))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 60), st.integers(0, 3), st.sampled_from([2.0, 10.0, 60.0]))
def test_pruning_loses_nothing(seed: int, n: int, num_shifts: int, penalty: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n) * 0.02
    for at in rng.integers(0, n, num_shifts):
        x[at:] += rng.normal()
    assert pelt(x, penalty) == optimal_partition(x, penalty)


def test_a_single_shift_as_ruptures_finds_it() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0.2, 0.01, 40), rng.normal(0.0, 0.01, 160)])
    assert pelt(x, 15 * math.log(200)) == (40,)


# ruptures 1.1.10: Pelt(model="normal", min_size=2, jump=1).fit(x).predict(pen=20), without the last point (n)
RUPTURES = {
    0: (115,),
    1: (54, 83, 100),
    2: (4, 74),
    3: (97, 115),
    4: (71, 105),
    5: (25, 40, 103),
    6: (5, 31, 96),
    7: (58, 75),
    8: (68, 97),
    9: (36, 60, 104),
    10: (38, 44),
    11: (13, 76),
}


@pytest.mark.parametrize(("seed", "points"), RUPTURES.items())
def test_recorded_results_of_ruptures(seed: int, points: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=120) * 0.02
    for at in rng.integers(0, 120, 3):
        x[at:] += rng.normal() * 0.1
    assert pelt(x, 20.0) == points


def test_a_change_of_variance_alone_is_found() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 0.005, 150), rng.normal(0, 0.1, 150)])
    (point,) = pelt(x, 15 * math.log(300))
    assert abs(point - 150) <= 3


@pytest.mark.parametrize("x", [[], [1.0], [1.0, 1.0], [3.0] * 50])
def test_nothing_to_find(x: list[float]) -> None:
    assert pelt(np.asarray(x, dtype=float), 20.0) == ()


@pytest.mark.parametrize("period", [(0.0, 0.1), (0.0, -0.9, -0.4)])
def test_a_periodic_series_is_one_segment(period: tuple[float, ...]) -> None:
    x = np.resize(np.asarray(period), 300) + np.random.default_rng(2).normal(size=300) * 0.003
    assert pelt(x, 15 * math.log(300)) == ()


def test_large_levels_keep_their_digits() -> None:
    x = np.concatenate([np.full(20, 1e6), np.full(20, 1e6 + 0.1)]) + np.random.default_rng(3).normal(size=40) * 1e-3
    assert pelt(x, 15 * math.log(40)) == (20,)
