import json
import math
import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from cupel.stats.prob_outperform import prob_outperform
from cupel.stats.share_interval import exact_share, percentile_share, wilson_share

VALUES = st.lists(st.integers(-3, 3).map(float) | st.just(math.nan), min_size=2, max_size=8)


def reference_data() -> Path:
    found = Path(os.environ.get("CUPEL_REFERENCE_DATA", Path(__file__).parents[3] / "shared/data"))
    if not (found / "priorband").is_dir():
        pytest.skip("no reference data: set CUPEL_REFERENCE_DATA")
    return found


@pytest.mark.parametrize(("method", "ends"), [("exact", exact_share), ("wilson", wilson_share)])
@pytest.mark.parametrize(("wins", "n"), [(0, 1), (1, 1), (7, 10), (20, 29), (29, 29), (0, 50)])
def test_intervals_of_pairs_equal_scipys(method, ends, wins: int, n: int) -> None:
    theirs = scipy.stats.binomtest(wins, n).proportion_ci(0.95, method)
    assert ends(wins, 0, n=n, level=0.95) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_the_published_interval_is_what_many_resamples_come_to() -> None:
    indicators = np.repeat([1.0, 0.5, 0.0], [18, 4, 7])
    drawn = np.random.default_rng(1).choice(indicators, (40_000, 29)).mean(axis=1)
    low, high = percentile_share(18, 4, n=29, level=0.95)
    assert low == pytest.approx(np.quantile(drawn, 0.025, method="inverted_cdf"), abs=0.5 / 29 + 1e-12)
    assert high == pytest.approx(np.quantile(drawn, 0.975, method="inverted_cdf"), abs=0.5 / 29 + 1e-12)


@pytest.mark.parametrize(("wins", "n"), [(20, 29), (33, 50), (3, 5)])
def test_the_published_interval_without_ties_has_the_quantiles_of_a_binomial(wins: int, n: int) -> None:
    theirs = scipy.stats.binom.ppf([0.025, 0.975], n, wins / n) / n
    assert percentile_share(wins, 0, n=n, level=0.95) == pytest.approx(tuple(theirs))


def test_the_published_interval_of_a_clean_sweep_has_no_width_and_the_exact_one_has() -> None:
    a, b = np.arange(10) + 0.5, np.arange(10.0)
    published = prob_outperform(a, b, paired=True, interval="published")
    assert published.interval is not None
    assert (published.interval.low, published.interval.high) == (1.0, 1.0)
    assert "published variant" in [note.code for note in published.warnings]
    exact = prob_outperform(a, b, paired=True).interval
    assert exact is not None
    assert (exact.low, exact.high) == pytest.approx((0.025**0.1, 1.0))


def test_the_paired_p_value_is_the_sign_test_without_ties() -> None:
    found = prob_outperform([2, 2, 2, 2, 2, 2, 2, 0], [1, 1, 1, 1, 1, 1, 2, 1], paired=True)
    assert (found.wins, found.ties, found.losses) == (6, 1, 1)
    assert found.estimate == pytest.approx(6.5 / 8)
    assert found.p == pytest.approx(scipy.stats.binomtest(6, 7).pvalue)
    assert "ties" in [note.code for note in found.warnings]


def test_the_example_of_rliable_gives_a_third() -> None:
    x, y = np.array([[1, 2], [2, 2], [1, 1], [2, 1]]), np.array([[1, 1], [2, 2], [3, 3]])
    tasks = [prob_outperform(x[:, k], y[:, k], paired=False).estimate for k in range(2)]
    assert np.mean(tasks) == pytest.approx(1 / 3)


def test_the_mean_over_the_tasks_of_priorband_is_rliables() -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    folder = reference_data() / "priorband"
    frame = pandas.read_parquet(folder / "priorband_data.parquet")
    frame = frame[frame["used_fidelity"] == 10]
    expected = json.loads((folder / "peers_reference_budget10.json").read_text())["rliable_poi"]
    for pair, theirs in expected.items():
        names = pair.split(">")
        tasks = [
            prob_outperform(
                *(task.loc[task["algorithm"] == name, "value"] for name in names), paired=False, better="lower"
            ).estimate
            for _, task in frame.groupby("bench_prior", observed=True)
        ]
        assert len(tasks) == 24
        assert np.mean(tasks) == pytest.approx(theirs, abs=1e-9)


def test_many_runs_have_the_statistics_of_scipy() -> None:
    rng = np.random.default_rng(3)
    a, b = np.round(rng.normal(0.4, 1, 30), 1), np.round(rng.normal(0, 3, 24), 1)
    found = prob_outperform(a, b, paired=False)
    theirs = scipy.stats.brunnermunzel(a, b)
    assert found.estimate == pytest.approx(scipy.stats.mannwhitneyu(a, b).statistic / (30 * 24))
    assert found.p == pytest.approx(theirs.pvalue)


def naive_statistic(a: list[float], b: list[float]) -> float:
    """Log odds of winning over its standard error, from the definition of the placements."""
    over = [np.mean([(x > y) + (x == y) / 2 for y in b]) for x in a]
    under = [np.mean([(x > y) + (x == y) / 2 for x in a]) for y in b]
    share = float(np.mean(over))
    if share in (0, 1):
        return math.inf if share else -math.inf
    se = math.sqrt(np.var(over, ddof=1) / len(a) + np.var(under, ddof=1) / len(b))
    top = math.log(share / (1 - share)) * share * (1 - share)
    return 0.0 if se == 0 and top == 0 else top / se if se else math.copysign(math.inf, top)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1.0, 5.0, 6.0, 8.0], [0.0, 2.0, 3.0, 4.0, 7.0]),
        ([1.0, 1.0, 2.0, 3.0], [0.0, 1.0, 1.0, 2.0]),
        ([5.0, 6.0, 7.0, 8.0, 9.0], [1.0, 2.0, 3.0, 4.0, 0.0]),
        ([1.0, 1.0, 1.0], [1.0, 1.0]),
    ],
)
def test_few_runs_are_compared_with_every_way_to_deal_them(a: list[float], b: list[float]) -> None:
    pooled, here, dealt = a + b, naive_statistic(a, b), []
    for chosen in combinations(range(len(pooled)), len(a)):
        rest = [pooled[i] for i in range(len(pooled)) if i not in chosen]
        dealt.append(naive_statistic([pooled[i] for i in chosen], rest))
    above, below = np.mean([x >= here - 1e-9 for x in dealt]), np.mean([x <= here + 1e-9 for x in dealt])
    assert prob_outperform(a, b, paired=False).p == pytest.approx(min(1, 2 * min(above, below)))


def test_five_clean_runs_against_five_have_the_p_value_of_the_exact_rank_test() -> None:
    found = prob_outperform([5, 6, 7, 8, 9], [0, 1, 2, 3, 4], paired=False)
    assert found.p == pytest.approx(2 / 252)
    assert found.interval is not None
    assert found.interval.low == pytest.approx(0.025 ** (1 / 5))
    assert found.interval.high == 1.0


@pytest.mark.parametrize("paired", [True, False])
def test_runs_that_are_all_equal_say_nothing(paired: bool) -> None:
    found = prob_outperform([1.0] * 6, [1.0] * 6, paired=paired)
    assert found.estimate == 0.5
    assert found.interval is not None
    assert found.interval.low < 0.2
    assert found.interval.high > 0.8
    assert found.p in (None, 1.0)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("better", ["higher", "lower"])
def test_a_failed_run_loses_and_two_failures_tie(paired: bool, better) -> None:
    found = prob_outperform([math.nan, 1.0, math.inf], [2.0, math.nan, math.nan], paired=paired, better=better)
    if paired:
        assert (found.wins, found.ties, found.losses) == (1, 1, 1)
    else:
        assert (found.wins, found.ties) == (2 + (better == "lower"), 4)
    assert "2 of 3 runs of A and 2 of 3 of B failed" in found.warnings[0].text


@given(VALUES, VALUES)
def test_what_a_wins_b_loses(a: list[float], b: list[float]) -> None:
    one, other = prob_outperform(a, b, paired=False), prob_outperform(b, a, paired=False)
    assert one.estimate == pytest.approx(1 - other.estimate)
    assert one.p == pytest.approx(other.p)
    assert one.interval is not None
    assert other.interval is not None
    assert (one.interval.low, one.interval.high) == pytest.approx((1 - other.interval.high, 1 - other.interval.low))


@given(VALUES, VALUES, st.booleans())
def test_the_interval_holds_the_estimate_and_stays_between_0_and_1(a, b, paired: bool) -> None:
    num = min(len(a), len(b))
    found = prob_outperform(a[:num], b[:num], paired=paired)
    assert found.interval is not None
    assert 0 <= found.interval.low <= found.estimate <= found.interval.high <= 1
    assert found.interval.low < found.interval.high


@given(VALUES)
def test_lower_is_the_mirror_of_higher(a: list[float]) -> None:
    turned = [-x for x in a]
    low = prob_outperform(a, a[::-1], paired=True, better="lower")
    high = prob_outperform(turned, turned[::-1], paired=True)
    assert (low.estimate, low.p, low.interval) == (high.estimate, high.p, high.interval)


@pytest.mark.parametrize("paired", [True, False])
def test_another_level_gives_a_wider_interval(paired: bool) -> None:
    rng = np.random.default_rng(0)
    found = prob_outperform(rng.normal(0.5, 1, 20), rng.normal(0, 1, 20), paired=paired)
    wide = found.at_level(0.99)
    assert wide.interval is not None
    assert found.interval is not None
    assert wide.interval.low < found.interval.low < found.interval.high < wide.interval.high
    assert found.at_level(0.95).interval == found.interval


@pytest.mark.parametrize(("a", "b", "paired"), [([], [], True), ([], [], False), ([1.0], [1.0, 2.0], False)])
def test_too_few_runs_have_no_interval_and_say_why(a, b, paired: bool) -> None:
    found = prob_outperform(a, b, paired=paired)
    assert found.interval is None
    assert found.p is None
    assert found.warnings[-1].code == "few runs"
    assert "no interval" in found.text()
    assert found.at_level(0.9) is found


def test_what_is_asked_for_wrongly_is_refused() -> None:
    with pytest.raises(ValueError, match="paired = True with 2 runs of A and 3 of B"):
        prob_outperform([1, 2], [1, 2, 3], paired=True)
    with pytest.raises(ValueError, match="expected 'higher' or 'lower'"):
        prob_outperform([1], [1], paired=True, better="max")
    with pytest.raises(ValueError, match="is for pairs"):
        prob_outperform([1, 2], [1, 2], paired=False, interval="published")
    with pytest.raises(TypeError, match="paired"):
        prob_outperform([1, 2], [1, 2])


def test_the_frame_has_the_numbers() -> None:
    pytest.importorskip("pandas")
    found = prob_outperform([1, 2, 3], [0, 3, 1], paired=True)
    assert found.interval is not None
    row = found.to_frame().iloc[0]
    assert (row["estimate"], row["low"], row["n"], row["wins"]) == (found.estimate, found.interval.low, 3, 2)
