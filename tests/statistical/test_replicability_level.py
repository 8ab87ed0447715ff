"""The count of tasks with an established improvement is rarely too high, and finds what is there."""

import numpy as np
import pytest
from scipy.special import bdtr, ndtr

from cupel.stats.replicability import Combine, replicability

DRAWS = 2000


def counts(shifts: np.ndarray, combine: Combine, shared: float, seed: int) -> np.ndarray:
    """(DRAWS,) counts from one-sided normal tests with these shifts, a share of their noise in common."""
    rng = np.random.default_rng(seed)
    z = np.sqrt(shared) * rng.normal(size=(DRAWS, 1)) + np.sqrt(1 - shared) * rng.normal(size=(DRAWS, shifts.size))
    return np.array([replicability(p, combine=combine).estimate for p in ndtr(-(z + shifts))])


@pytest.mark.parametrize(("combine", "shared"), [("bonferroni", 0.0), ("bonferroni", 0.7), ("fisher", 0.0)])
@pytest.mark.parametrize("true", [0, 2])
def test_it_rarely_counts_more_tasks_than_there_are(combine: Combine, shared: float, true: int) -> None:
    shifts = np.array([4.0] * true + [0.0] * (4 - true))
    too_many = int(np.sum(counts(shifts, combine, shared, seed=true) > true))
    assert bdtr(too_many - 1, DRAWS, 0.05) < 0.999, too_many / DRAWS


def test_fisher_counts_too_many_where_tasks_depend_on_each_other() -> None:
    """What its warning is for."""
    too_many = int(np.sum(counts(np.zeros(4), "fisher", 0.7, seed=5) > 0))
    assert 1 - bdtr(too_many - 1, DRAWS, 0.05) < 1e-6


def test_it_finds_the_tasks_that_there_are() -> None:
    for combine in ("bonferroni", "fisher"):
        found = counts(np.array([4.0, 4, 4, 0]), combine, 0.0, seed=6)  # type: ignore[arg-type]
        assert np.mean(found >= 3) > 0.8
