import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cupel.stats.paired_difference import PairedDifference, paired_difference
from cupel.stats.rank_sums import _law
from cupel.stats.sign_flip import sign_flip
from cupel.stats.standardised_effect import standardised

SEEDS = st.integers(0, 10_000)
A = np.array([0.91, 0.93, 0.92, 0.95, 0.90, 0.94, 0.97])
B = np.array([0.90, 0.90, 0.91, 0.92, 0.91, 0.90, 0.93])


def codes(found: PairedDifference) -> list[str]:
    return [note.code for note in found.warnings]


@settings(max_examples=25)
@given(SEEDS, st.integers(3, 20))
def test_the_paired_mean_is_scipys(seed: int, n: int) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, n))
    found, other = paired_difference(a, b), stats.ttest_rel(a, b)
    interval = other.confidence_interval(0.95)
    assert found.p == pytest.approx(other.pvalue)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((interval.low, interval.high))
    assert found.p_rank == pytest.approx(stats.wilcoxon(a, b, method="exact").pvalue)


@settings(max_examples=25)
@given(SEEDS, st.integers(3, 12), st.integers(3, 12))
def test_the_unpaired_mean_is_scipys(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), rng.normal(0.5, 2, size=m)
    found, other = paired_difference(a, b, paired=False), stats.ttest_ind(a, b, equal_var=False)
    interval = other.confidence_interval(0.95)
    assert found.p == pytest.approx(other.pvalue)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((interval.low, interval.high))
    assert found.share == pytest.approx(stats.mannwhitneyu(a, b).statistic / (n * m))


def test_brunner_and_munzel_of_samples_too_large_to_deal_is_scipys() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=40), rng.normal(0.3, 2, size=30)
    assert paired_difference(a, b, paired=False).p_rank == pytest.approx(stats.brunnermunzel(a, b).pvalue)


@settings(max_examples=30)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=8))
def test_all_signs_tried_one_by_one_agree(differences: list[int]) -> None:
    values = np.array(differences, dtype=float)
    sums = [abs(np.dot(signs, values)) for signs in itertools.product((-1, 1), repeat=values.size)]
    expected = float(np.mean([s >= abs(values.sum()) - 1e-9 for s in sums]))
    assert sign_flip(values, 0) == (pytest.approx(expected), "all signs")


def test_random_signs_are_close_to_all_of_them_and_never_zero() -> None:
    values = np.random.default_rng(2).normal(0.4, 1, size=17)
    signs = 1 - 2 * ((np.arange(2**17)[:, None] >> np.arange(17)) & 1)
    expected = float(np.mean(np.abs(signs @ values) >= abs(values.sum()) - 1e-9))
    p, how = sign_flip(values, 0)
    assert p == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 9999))
    assert how == "9999 random signs"
    assert sign_flip(np.ones(40), 0)[0] == 1 / 10_000
    assert sign_flip(values, 0) == sign_flip(values, 0)
    assert sign_flip(values, 0) != sign_flip(values, 1)


@pytest.mark.parametrize(("num_a", "num_b"), [(1, 1), (3, 4), (6, 2)])
def test_the_law_of_the_count_is_that_of_all_choices(num_a: int, num_b: int) -> None:
    few = min(num_a, num_b)
    choices = itertools.combinations(range(1, num_a + num_b + 1), few)
    sums = np.array([sum(c) - few * (few + 1) // 2 for c in choices])
    assert _law(num_a, num_b) == pytest.approx(np.bincount(sums, minlength=num_a * num_b + 1) / sums.size)


def test_the_shift_of_two_samples_is_the_published_one() -> None:
    # Hollander & Wolfe, permeability of membranes at 26 and 12 weeks; wilcox.test(x, y, conf.int = TRUE) in R
    x = np.array([0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46])
    y = np.array([1.15, 0.88, 0.90, 0.74, 1.21])
    found = paired_difference(x, y, paired=False)
    assert found.centre == pytest.approx(0.305)
    assert found.centre_interval is not None
    assert (found.centre_interval.low, found.centre_interval.high) == pytest.approx((-0.15, 0.76))


@settings(max_examples=25)
@given(SEEDS, st.integers(4, 9), st.integers(4, 9))
def test_the_interval_of_the_shift_holds_what_mann_and_whitney_do_not_refuse(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), rng.normal(size=m)
    found = paired_difference(a, b, paired=False).centre_interval
    assert found is not None
    width = found.high - found.low
    for edge, inward in ((found.low, 1), (found.high, -1)):
        inside = stats.mannwhitneyu(a - edge - inward * 1e-9 * width, b, method="exact").pvalue
        outside = stats.mannwhitneyu(a - edge + inward * 1e-9 * width, b, method="exact").pvalue
        assert outside <= 0.05 < inside


def test_hedges_g_by_hand() -> None:
    found = paired_difference(A, B)
    d = (A - B).mean() / math.sqrt((A.var(ddof=1) + B.var(ddof=1)) / 2)
    v = 2 * 6 / (1 + np.corrcoef(A, B)[0, 1] ** 2)
    exact = math.gamma(v / 2) / (math.sqrt(v / 2) * math.gamma((v - 1) / 2))
    assert found.effect == pytest.approx(d * exact)
    assert exact == pytest.approx(1 - 3 / (4 * v - 1), abs=0.002)  # the usual approximation


def test_the_interval_of_the_effect_turns_the_noncentral_t() -> None:
    for difference in (0.7, -0.7, 0.0):
        _, interval = standardised(difference, 0.25, 0.9, df=(9, 15), level=0.95)
        ends = [end * 0.9 / 0.25 for end in (interval.low, interval.high)]
        assert stats.nct.sf(difference / 0.25, 9, ends[0]) == pytest.approx(0.025, abs=1e-5)
        assert stats.nct.cdf(difference / 0.25, 9, ends[1]) == pytest.approx(0.025, abs=1e-5)


def test_the_effect_is_continuous_where_the_noncentral_t_is_left() -> None:
    below, above = (standardised(t, 1.0, 10.0, df=(5, 8), level=0.95)[1] for t in (999.999, 1000.001))
    assert (below.low, below.high) == pytest.approx((above.low, above.high), rel=1e-3)


@settings(max_examples=25)
@given(SEEDS, st.integers(3, 12), st.booleans())
def test_swapping_the_sides_turns_the_signs(seed: int, n: int, paired: bool) -> None:
    a, b = np.random.default_rng(seed).normal(0.3, 1, size=(2, n))
    one, two = paired_difference(a, b, paired=paired), paired_difference(b, a, paired=paired)
    assert one.estimate == pytest.approx(-two.estimate)
    assert one.effect == pytest.approx(-two.effect)  # type: ignore[operator]
    assert one.centre == pytest.approx(-two.centre)
    assert one.interval.low == pytest.approx(-two.interval.high)  # type: ignore[union-attr]
    assert one.effect_interval.low == pytest.approx(-two.effect_interval.high)  # type: ignore[union-attr]
    assert one.p_rank == pytest.approx(two.p_rank)
    assert one.share == pytest.approx(1 - two.share)


def test_a_failure_takes_its_pair_with_it_and_both_are_said() -> None:
    a = A.copy()
    a[2] = np.nan
    found = paired_difference(a, B)
    assert (found.n, found.estimate) == (6, pytest.approx(np.delete(A - B, 2).mean()))
    assert codes(found) == ["failures", "unequal failures"]
    apart = paired_difference(a, B, paired=False)
    assert (apart.n, apart.n_b) == (6, 7)


@pytest.mark.parametrize(("n", "has_interval", "has_effect"), [(1, False, False), (2, True, False), (3, True, True)])
@pytest.mark.parametrize("paired", [True, False])
def test_few_runs_give_what_they_can(n: int, *, has_interval: bool, has_effect: bool, paired: bool) -> None:
    found = paired_difference(A[:n] * [1, 1.01, 0.99][:n], B[:n], paired=paired)
    assert (found.interval is not None) == has_interval
    assert (found.effect is not None) == has_effect
    assert ("few runs" in codes(found)) == (n < 3 or paired)
    assert found.text()
    assert len(found.to_frame()) == 4 + paired


def test_six_pairs_are_the_first_that_signs_can_separate() -> None:
    assert "few runs" in codes(paired_difference(A[:5], B[:5]))
    assert "few runs" not in codes(paired_difference(A[:6], B[:6]))


@pytest.mark.parametrize("paired", [True, False])
def test_without_spread_there_is_no_interval(paired: bool) -> None:
    found = paired_difference(np.full(8, 0.3), np.full(8, 0.1 + 0.2 - 0.1), paired=paired)
    assert found.interval is None
    assert found.p is None
    assert found.effect is None
    assert found.centre_interval is None
    assert codes(found) == ["no spread"]
    assert found.p_rank == pytest.approx(2 / 256 if paired else 2 / math.comb(16, 8))


def test_equal_pairs_are_no_evidence_and_said() -> None:
    found = paired_difference(A, A)
    assert (found.estimate, found.p, found.p_rank, found.p_permutation) == (0, None, None, None)
    assert codes(found) == ["no spread", "ties"]


def test_one_side_without_spread_is_taken_at_its_word_and_said() -> None:
    found = paired_difference(A, np.full(7, 0.9), paired=False)
    assert found.p == pytest.approx(stats.ttest_1samp(A, 0.9).pvalue)
    assert codes(found) == ["no spread"]


def test_it_says_what_it_found() -> None:
    text = paired_difference(A, B).text()
    assert "a - b = 0.02143 over 7 pairs" in text
    assert "signed ranks" in text
    assert "Sign flips" in text
    assert "Brunner-Munzel" in paired_difference(A, B, paired=False).text()


def test_the_seed_matters_only_where_signs_are_drawn() -> None:
    assert paired_difference(A, B, seed=1) == paired_difference(A, B, seed=2)
    a, b = np.random.default_rng(0).normal(0.2, 1, size=(2, 30))
    before = np.random.get_state()  # noqa: NPY002 - the global generator is what must not move
    one, two, other = (paired_difference(a, b, seed=seed) for seed in (1, 1, 2))
    assert one == two
    assert one.p_permutation != other.p_permutation
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize(
    ("a", "b", "match"), [(A, B[:4], "expected pairs"), ([np.nan], [1.0], "usable runs"), ([], [], "usable runs")]
)
def test_what_cannot_be_compared_is_refused(a: list[float], b: list[float], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        paired_difference(a, b)
