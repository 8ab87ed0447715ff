import numpy as np
import pytest
from scipy import stats

from cupel.stats.cv_limit import cv_limit


@pytest.mark.parametrize(("n", "level"), [(2, 0.8), (3, 0.8), (10, 0.95)])
def test_the_limit_by_definition(n: int, level: float) -> None:
    assert cv_limit(0.02, n, level) == pytest.approx(0.02 * np.sqrt((n - 1) / stats.chi2.ppf(1 - level, n - 1)))


def test_the_true_spread_lies_below_as_often_as_promised() -> None:
    spreads = np.random.default_rng(0).normal(size=(4000, 3)).std(axis=1, ddof=1)
    assert np.mean([cv_limit(float(s), 3) >= 1 for s in spreads]) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(("cv", "n", "level"), [(0.1, 1, 0.8), (-0.1, 3, 0.8), (0.1, 3, 80)])
def test_what_has_no_spread_is_refused(cv: float, n: int, level: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        cv_limit(cv, n, level)
