import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from cupel.spec.outcome import Outcome
from cupel.spec.statement import Statement
from cupel.stats.judge import NOISE_FLOOR_FRAC, judge_instances, judge_pairs, judge_published


def said(**changed):
    fixed = {"name": "s", "kind": "quality", "says": "a beats b", "metric": "m", "better": "higher"}
    return Statement(**{**fixed, **changed})


def draws(mean, sd=0.1, n=20, seed=0):
    return np.random.default_rng(seed).normal(mean, sd, n)


@pytest.mark.parametrize("is_sequential", [True, False])
@pytest.mark.parametrize(
    ("statement", "effect", "word"),
    [
        (said(), 0.3, "supported"),
        (said(), -0.3, "contradicted"),
        (said(bar=0.1), 0.3, "supported"),
        (said(bar=0.6), 0.3, "contradicted"),
        (said(bar=0.3), 0.3, "undecided"),
        (said(rope=0.2), 0.0, "equivalent"),
        (said(rope=0.01), 0.0, "undecided"),
        (said(sentence="equivalence", margin=0.2), 0.0, "supported"),
        (said(sentence="equivalence", margin=0.1), 0.4, "contradicted"),
        (said(sentence="equivalence", margin=0.1), -0.4, "contradicted"),
        (said(sentence="equivalence", margin=0.3), 0.3, "undecided"),
        (said(sentence="non-inferiority", margin=0.2), 0.0, "supported"),
        (said(sentence="non-inferiority", margin=0.2), 3.0, "supported"),
        (said(sentence="non-inferiority", margin=0.1), -0.4, "contradicted"),
        (said(sentence="non-inferiority", margin=0.3), -0.3, "undecided"),
    ],
)
def test_words_by_where_the_interval_lies(statement, effect, word, is_sequential):
    first = draws(1.0 + effect) - draws(1.0).mean() + 1.0
    second = np.ones(20) + draws(0, 0.01, seed=3)
    found = judge_pairs(statement, (first, second), is_sequential=is_sequential)
    assert found.verdict == word
    assert found.n == 20
    assert (word == "undecided") is math.isnan(found.p)
    assert found.p <= 0.05 or math.isnan(found.p)


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("better", ["higher", "lower"])
def test_swapped_arms_flip_the_effect(scale, better):
    a, b = np.exp(draws(0.3, seed=1)), np.exp(draws(0.0, seed=2))
    one, other = (judge_pairs(said(scale=scale, better=better), pair) for pair in ((a, b), (b, a)))
    none = 1.0 if scale == "log" else 0.0
    turned = 1 / other.effect if scale == "log" else -other.effect
    assert one.effect == pytest.approx(turned)
    assert (one.effect > none) is (better == "higher")
    assert {one.verdict, other.verdict} == {"supported", "contradicted"}


def test_a_fixed_number_of_pairs_gives_students_interval():
    a, b = draws(1.2, n=9), draws(1.0, n=9, seed=1)
    found = judge_pairs(said(), (a, b), is_sequential=False)
    by_scipy = scipy_stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (found.interval.low, found.interval.high) == pytest.approx((by_scipy.low, by_scipy.high))
    assert found.p == pytest.approx(scipy_stats.ttest_rel(a, b).pvalue)


def test_a_ratio_is_the_geometric_mean_of_the_ratios_of_pairs():
    a, b = np.exp(draws(0.5)), np.exp(draws(0.0, seed=1))
    found = judge_pairs(said(scale="log", bar=0.05), (a, b))
    assert found.effect == pytest.approx(scipy_stats.gmean(a / b))
    assert found.interval.low < found.effect < found.interval.high


def test_rates_are_told_apart_only_beyond_the_noise_floor():
    a, b = np.exp(draws(0.004, 0.0005)), np.exp(draws(0, 0.0005, seed=1))
    assert judge_pairs(said(scale="log"), (a, b)).verdict == "supported"
    speed = judge_pairs(said(kind="speed", scale="log"), (a, b))
    assert math.exp(0.004) < 1 + NOISE_FLOOR_FRAC
    assert speed.verdict != "supported"


def test_one_arm_that_fails_more_often_gains_nothing_by_it():
    a, b = draws(1.3), draws(1.0, seed=1)
    a[3] = math.nan
    assert judge_pairs(said(), (a, b)).verdict == "undecided"
    assert judge_pairs(said(), (a, b)).num_failed == 1
    assert "failed more often" in judge_pairs(said(), (a, b)).reason
    assert judge_pairs(said(), (b, a)).verdict == "undecided"
    worse = a - 0.6
    assert (
        judge_pairs(said(), (worse, b)).verdict == "contradicted"
    )  # who fails more often may still be told to be worse
    b[7] = math.inf
    assert judge_pairs(said(), (a, b)).verdict == "supported"


def test_a_value_without_a_ratio_counts_as_a_failure():
    a, b = np.exp(draws(0.5)), np.exp(draws(0.0, seed=1))
    a[0] = 0.0
    found = judge_pairs(said(scale="log"), (a, b))
    assert found.num_failed == 1
    assert any("no ratio" in note.text for note in found.warnings)


@pytest.mark.parametrize(
    ("statement", "word"),
    [(said(rope=0.1), "equivalent"), (said(), "undecided"), (said(sentence="equivalence", margin=0.1), "supported")],
)
def test_arms_that_give_the_same_have_no_interval(statement, word):
    found = judge_pairs(statement, ([0.5] * 6, [0.5] * 6))
    assert (found.verdict, found.interval, found.is_open) == (word, None, False)


def test_equal_differences_say_nothing_of_their_spread():
    found = judge_pairs(said(), ([1.0] * 6, [0.5] * 6))
    assert (found.verdict, found.interval) == ("undecided", None)
    assert "same" in found.reason


def test_one_counter_example_refutes():
    statement = said(kind="exact", better="lower", bar=1e-6)
    values = [1e-9] * 40
    found = judge_instances(statement, values, planned=40)
    assert found.verdict == "supported"
    assert found.interval.high == pytest.approx(1 - 0.05 ** (1 / 40))
    assert judge_instances(statement, values, planned=60).verdict == "undecided"
    for bad in (2e-6, math.nan, math.inf):
        found = judge_instances(statement, [*values, bad], planned=40)
        assert (found.verdict, found.effect) == ("contradicted", pytest.approx(1 / 41))
        assert "instance 40" in found.reason


def test_exact_statements_know_their_direction():
    statement = said(kind="exact", better="higher", bar=0.0)
    assert judge_instances(statement, [0.0, 1.0], planned=2).verdict == "supported"
    assert judge_instances(statement, [0.0, -1e-9], planned=2).verdict == "contradicted"


def test_recorded_data_are_held_against_the_bar():
    statement = said(kind="published", bar=40.0)
    assert judge_published(statement, 51.0, None, 1).verdict == "supported"
    assert judge_published(statement, 39.0, None, 1).verdict == "contradicted"
    assert judge_published(statement, 41.0, (39.0, 43.0), 9).verdict == "undecided"
    assert (
        judge_published(said(kind="published", better="lower", bar=40.0), 30.0, (29.0, 31.0), 9).verdict == "supported"
    )


@pytest.mark.parametrize(
    ("sentence", "at"), [({}, 0.0), ({"bar": 0.5}, 0.5), ({"sentence": "non-inferiority", "margin": 0.5}, -0.5)]
)
def test_at_the_value_that_a_verdict_denies_few_streams_are_decided(sentence, at):
    """200 streams whose effect is just where the verdict turns: at most 18 are called (5 % and 3 standard errors)."""
    statement = said(**sentence)
    rng = np.random.default_rng(5)
    called = 0
    for _ in range(200):
        x = rng.normal(at, 1.0, 60)
        looks = (judge_pairs(statement, (x[:n], np.zeros(n))).verdict for n in (5, 8, 15, 30, 60))
        called += any(word == "supported" for word in looks)
    assert called <= 18


def test_an_outcome_survives_json():
    outcome = Outcome({"loss": math.inf, "acc": 0.5}, {"steps": 3}, selection=math.nan, interval=(0, 1), n=4, note="x")
    again = Outcome.from_dict(outcome.as_dict())
    assert again.values == {"loss": math.inf, "acc": 0.5}
    assert math.isnan(again.selection)
    assert (again.interval, again.n, again.note, again.is_testable) == ((0.0, 1.0), 4, "x", True)


def test_a_ratio_that_no_float_holds_is_infinite():
    found = judge_pairs(said(scale="log"), (np.exp(draws(350.0)), np.exp(draws(-400.0, seed=1))))
    assert found.effect == math.inf
    assert found.verdict == "supported"
