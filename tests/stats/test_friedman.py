import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from cupel.stats.friedman import _beta_p, _exact_p, friedman
from cupel.stats.task_table import ranks


def naive_exact(placed: np.ndarray) -> float:
    """Every order within every task, tried one by one."""
    centred = placed - (placed.shape[1] + 1) / 2
    observed = (centred.sum(axis=0) ** 2).sum()
    orders = itertools.product(itertools.permutations(range(placed.shape[1])), repeat=placed.shape[0])
    sums = [sum(row[list(order)] for row, order in zip(centred, some, strict=True)) for some in orders]
    return float(np.mean([(s**2).sum() >= observed - 1e-9 for s in sums]))


@settings(max_examples=40)
@given(hnp.arrays(float, st.tuples(st.integers(2, 4), st.integers(2, 3)), elements=st.integers(0, 3)))
def test_all_orders_tried_one_by_one_agree_also_with_ties(values: np.ndarray) -> None:
    found = friedman(ranks(values))
    if np.isnan(found.p):
        assert np.all(values == values[:, :1])
    else:
        assert found.method == "exact"
        assert found.p == pytest.approx(naive_exact(ranks(values)))


@pytest.mark.parametrize(("tasks", "k", "digits"), [(8, 4, 3), (12, 3, 0), (24, 6, 1)])
def test_chi_square_of_scipy_agrees_also_with_ties(tasks: int, k: int, digits: int) -> None:
    values = np.random.default_rng(tasks).normal(size=(tasks, k)).round(digits)
    found, other = friedman(ranks(values)), stats.friedmanchisquare(*values.T)
    assert found.chi2 == pytest.approx(other.statistic)
    assert found.p_chi2 == pytest.approx(other.pvalue)
    assert found.w == pytest.approx(other.statistic / (tasks * (k - 1)))


def test_f_of_iman_and_davenport_by_hand() -> None:
    # Demsar (2006), table 6: chi-square 9.28 with N = 14, k = 4 gives F = 3.69 with 3 and 39 degrees of freedom
    chi2, tasks, k = 9.28, 14, 4
    assert (tasks - 1) * chi2 / (tasks * (k - 1) - chi2) == pytest.approx(3.69, abs=0.005)
    values = np.random.default_rng(0).normal(size=(tasks, k))
    found = friedman(ranks(values))
    assert found.f == pytest.approx((tasks - 1) * found.chi2 / (tasks * (k - 1) - found.chi2))
    assert found.p_f == pytest.approx(stats.f.sf(found.f, k - 1, (k - 1) * (tasks - 1)))


@pytest.mark.parametrize(
    ("k", "tasks", "s", "published"),
    # Tables of the exact law of S (Kendall; Hollander & Wolfe, table A.22) for k methods and N tasks
    [(3, 3, 18, 0.028), (3, 4, 26, 0.042), (3, 5, 32, 0.039), (4, 2, 20, 0.042), (4, 3, 37, 0.033), (3, 10, 62, 0.046)],
)
def test_the_exact_law_is_the_tabulated_one(k: int, tasks: int, s: int, published: float) -> None:
    rng, order = np.random.default_rng(0), np.tile(np.arange(1.0, k + 1), (tasks, 1))
    draws = (rng.permuted(order, axis=1) for _ in range(10_000))
    placed = next(p for p in draws if ((p.sum(axis=0) - tasks * (k + 1) / 2) ** 2).sum() == s)
    assert friedman(placed).p == pytest.approx(published, abs=6e-4)


def test_the_beta_law_is_close_to_the_exact_one() -> None:
    for seed in range(30):
        placed = ranks(np.random.default_rng(seed).normal(size=(7, 4)) + np.array([0, 0.3, 0.6, 0.9]))
        centred = placed - 2.5
        s = float((centred.sum(axis=0) ** 2).sum())
        exact = _exact_p(centred)
        assert exact is not None
        assert _beta_p(s, (centred**2).sum(axis=1), 4) == pytest.approx(exact, rel=0.35, abs=0.02)


def test_full_agreement_of_many_has_the_p_of_its_one_order() -> None:
    placed = np.tile(np.arange(1.0, 11), (4, 1))
    found = friedman(placed)
    assert found.w == 1
    assert found.f == np.inf
    assert found.p == pytest.approx(1 / 3628800**3)


def test_no_differences_at_all_are_no_test() -> None:
    assert np.isnan(friedman(np.full((5, 3), 2.0)).p)


def test_tasks_on_which_all_are_equal_change_nothing_but_w() -> None:
    placed = ranks(np.random.default_rng(2).normal(size=(6, 3)))
    with_ties = np.vstack([placed, np.full((3, 3), 2.0)])
    assert friedman(with_ties).p == pytest.approx(friedman(placed).p)
