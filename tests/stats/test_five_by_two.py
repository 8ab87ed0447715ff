import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cupel.stats.five_by_two import five_by_two

P = np.array([[0.02, 0.03], [0.01, 0.03], [0.02, 0.02], [0.04, 0.03], [0.03, 0.02]])


def naive(p: np.ndarray) -> tuple[float, float]:
    """Both statistics, written out as in the papers."""
    variances, squares = [], 0.0
    for first, second in p.tolist():
        mean = (first + second) / 2
        variances.append((first - mean) ** 2 + (second - mean) ** 2)
        squares += first**2 + second**2
    return p[0, 0] / np.sqrt(sum(variances) / 5), squares / (2 * sum(variances))


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_the_papers_formulas_agree(seed: int) -> None:
    p = np.random.default_rng(seed).normal(0.5, 1, SHAPE)
    found = five_by_two(p)
    t, f = naive(p)
    assert found.t == pytest.approx(t)
    assert found.f == pytest.approx(f)
    assert found.p_t == pytest.approx(2 * stats.t.sf(abs(t), 5))
    assert found.p == pytest.approx(stats.f.sf(f, 10, 5))


SHAPE = (5, 2)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(0, 3))
def test_the_interval_holds_what_f_does_not_refuse(seed: int, centre: float) -> None:
    p = np.random.default_rng(seed).normal(centre, 1, SHAPE)
    found = five_by_two(p)
    if found.interval is None:
        assert five_by_two(p - p.mean()).p < 0.05  # type: ignore[operator]
        return
    width = found.interval.high - found.interval.low
    for edge, inward in ((found.interval.low, 1), (found.interval.high, -1)):
        assert five_by_two(p - edge - inward * 1e-6 * width).p > 0.05  # type: ignore[operator]
        assert five_by_two(p - edge + inward * 1e-6 * width).p < 0.05  # type: ignore[operator]


def test_which_fold_is_first_moves_t_and_not_f() -> None:
    turned = five_by_two(P[::-1])
    assert turned.p == pytest.approx(five_by_two(P).p)
    assert turned.t != pytest.approx(five_by_two(P).t)


def test_a_failed_fold_leaves_no_test() -> None:
    p = P.copy()
    p[1, 1] = np.nan
    found = five_by_two(p)
    assert (found.n, found.p, found.interval) == (9, None, None)
    assert [note.code for note in found.warnings] == ["failures"]
    assert found.text()


def test_folds_that_agree_leave_no_test() -> None:
    found = five_by_two(np.full((5, 2), 0.3))
    assert found.p is None
    assert found.estimate == pytest.approx(0.3)
    assert [note.code for note in found.warnings] == ["no spread"]


def test_replications_that_disagree_have_no_interval_and_it_is_said() -> None:
    p = np.array([[5.0, 5.01], [-5, -5.01], [4, 4.02], [-4, -4.0], [0.0, 0.01]])
    found = five_by_two(p)
    assert found.interval is None
    assert found.p is not None
    assert [note.code for note in found.warnings] == ["overlapping splits"]
    assert len(found.to_frame()) == 1


@pytest.mark.parametrize(("p", "match"), [(P.T, "five replications"), (np.full((5, 2), np.nan), "finite")])
def test_another_shape_is_refused(p: np.ndarray, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        five_by_two(p)
