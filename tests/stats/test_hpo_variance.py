import math

import numpy as np
import pytest
import scipy.stats

from cupel.stats.conditional_on_tuning import conditional_on_tuning
from cupel.stats.hpo_variance import hpo_variance


def tuned(a: np.ndarray, b: np.ndarray) -> dict[str, list]:
    """A table from (tunings, seeds) of each method."""
    table: dict[str, list] = {"method": [], "hpo_run": [], "seed": [], "value": []}
    for name, values in (("A", a), ("B", b)):
        for (h, s), value in np.ndenumerate(values):
            for column, entry in zip(table, (name, f"t{h}", s, float(value)), strict=True):
                table[column].append(entry)
    return table


def drawn(tunings: int, seeds: int, between: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return between * rng.normal(size=(tunings, 1)) + rng.normal(size=(tunings, seeds))


def test_the_components_are_those_of_the_analysis_of_variance() -> None:
    a, b = drawn(6, 5, 2.0, 0), drawn(6, 5, 0.5, 1)
    found = hpo_variance(tuned(a, b), a="A", b="B", paired=False, better="higher").components[0]
    msb, msw = 5 * a.mean(axis=1).var(ddof=1), a.var(axis=1, ddof=1).mean()
    assert found.within == pytest.approx(math.sqrt(msw))
    assert found.between == pytest.approx(math.sqrt((msb - msw) / 5))
    ratio = msb / msw
    low, high = ((ratio / scipy.stats.f.ppf(q, 5, 24) - 1) / 5 for q in (0.975, 0.025))
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((low / (1 + low), high / (1 + high)))


def test_unequal_numbers_of_seeds_use_the_weighted_number() -> None:
    a = drawn(3, 4, 1.0, 2)
    a[0, 2:] = math.nan
    found = hpo_variance(tuned(a, a), a="A", b="B", paired=False, better="higher").components[0]
    groups = [row[np.isfinite(row)] for row in a]
    f = scipy.stats.f_oneway(*groups).statistic
    msw = sum(((g - g.mean()) ** 2).sum() for g in groups) / (10 - 3)
    n0 = (10 - (4 + 16 + 16) / 10) / 2
    assert (found.n, found.num_failed) == (10, 2)
    assert found.between == pytest.approx(math.sqrt(max(0, (f - 1) * msw / n0)))


def test_tunings_are_compared_by_welch_and_seeds_do_not_count() -> None:
    a, b = drawn(5, 20, 1.0, 3) + 1, drawn(7, 20, 1.0, 4)
    found = hpo_variance(tuned(a, b), a="A", b="B", paired=False, better="higher")
    theirs = scipy.stats.ttest_ind(a.mean(axis=1), b.mean(axis=1), equal_var=False)
    ends = theirs.confidence_interval(0.95)
    assert found.estimate == pytest.approx(a.mean() - b.mean())
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((ends.low, ends.high))
    assert found.n == 12
    assert found.scope == "tunings like these"


def test_the_interval_of_every_run_is_shown_as_conditional_and_is_shorter() -> None:
    a, b = drawn(5, 20, 1.0, 3), drawn(5, 20, 1.0, 4)
    found = hpo_variance(tuned(a, b), a="A", b="B", paired=False, better="higher")
    theirs = scipy.stats.ttest_ind(a.ravel(), b.ravel(), equal_var=False).confidence_interval(0.95)
    assert found.conditional is not None
    assert (found.conditional.low, found.conditional.high) == pytest.approx((theirs.low, theirs.high))
    assert found.interval is not None
    assert found.conditional.high - found.conditional.low < (found.interval.high - found.interval.low) / 2
    assert found.design_effect > 4


def test_paired_tunings_are_compared_by_name() -> None:
    a, b = drawn(6, 3, 1.0, 5), drawn(6, 3, 1.0, 6)
    table = tuned(a, b)
    order = np.random.default_rng(0).permutation(len(table["value"]))
    mixed = {name: [column[i] for i in order] for name, column in table.items()}
    found = hpo_variance(mixed, a="A", b="B", paired=True, better="higher")
    theirs = scipy.stats.ttest_rel(a.mean(axis=1), b.mean(axis=1))
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.prob.is_paired
    assert found.prob.wins == int(np.sum(a.mean(axis=1) > b.mean(axis=1)))


def test_one_tuning_is_labelled_and_has_no_interval_for_the_methods() -> None:
    found = hpo_variance(tuned(drawn(1, 10, 0, 1), drawn(3, 10, 0, 2)), a="A", b="B", paired=False, better="higher")
    assert (found.interval, found.p, found.design_effect) == (None, None, None)
    assert found.scope == "conditional on one HPO run"
    assert found.conditional is not None
    assert "one hpo run" in [note.code for note in found.warnings]
    assert found.prob.interval is None
    assert found.components[0].share is None
    assert "conditional on one HPO run" in found.text()


def test_one_seed_for_each_tuning_cannot_tell_them_apart_and_compares_all_the_same() -> None:
    a, b = drawn(5, 1, 1, 1), drawn(5, 1, 1, 2)
    found = hpo_variance(tuned(a, b), a="A", b="B", paired=False, better="lower")
    assert found.components[0].between is None
    assert [note.code for note in found.warnings] == ["no repeats", "no repeats"]
    assert found.interval is not None
    assert found.prob.better == "lower"


def test_a_tuning_that_failed_wholly_loses() -> None:
    a, b = drawn(3, 2, 0, 1) + 100, drawn(3, 2, 0, 2)
    a[1] = math.nan
    found = hpo_variance(tuned(a, b), a="A", b="B", paired=False, better="higher")
    assert (found.prob.wins, found.prob.losses) == (6, 3)
    assert (found.components[0].hpo_runs, found.components[0].num_failed) == (2, 2)
    assert found.estimate == pytest.approx(np.nanmean(a) - b.mean())
    assert "failures" in [note.code for note in found.warnings]


def test_a_method_that_always_failed_has_no_difference() -> None:
    found = hpo_variance(
        tuned(np.full((2, 2), math.nan), drawn(2, 2, 0, 1)), a="A", b="B", paired=False, better="higher"
    )
    assert (found.estimate, found.interval, found.conditional) == (None, None, None)
    assert found.prob.estimate == 0.0
    assert "is not known" in found.text()


def test_what_the_table_does_not_say_is_asked_for() -> None:
    table = tuned(drawn(2, 2, 0, 1), drawn(2, 2, 0, 2))
    with pytest.raises(ValueError, match="better='higher' or 'lower'"):
        hpo_variance(table, a="A", b="B", paired=False)
    without = {name: column for name, column in table.items() if name != "hpo_run"}
    with pytest.raises(ValueError, match="from which tuning"):
        hpo_variance(without | {"rep": list(range(8))}, a="A", b="B", paired=False, better="higher")
    with pytest.raises(ValueError, match="2 tasks"):
        hpo_variance(table | {"task": ["x", "y"] * 4}, a="A", b="B", paired=False, better="higher")
    with pytest.raises(ValueError, match="No method named 'C'"):
        hpo_variance(table, a="A", b="C", paired=False, better="higher")
    names = zip(table["hpo_run"], table["method"], strict=True)
    renamed = table | {"hpo_run": [name if method == "A" else "x" + name for name, method in names]}
    with pytest.raises(ValueError, match="for one method only"):
        hpo_variance(renamed, a="A", b="B", paired=True, better="higher")


def test_the_frame_has_a_row_for_each_method() -> None:
    pytest.importorskip("pandas")
    found = hpo_variance(tuned(drawn(3, 3, 1, 1), drawn(3, 3, 1, 2)), a="A", b="B", paired=False, better="higher")
    assert found.to_frame()["method"].tolist() == ["A", "B"]


def test_a_table_is_labelled_when_a_method_was_tuned_once() -> None:
    note = conditional_on_tuning(tuned(drawn(1, 4, 0, 1), drawn(2, 2, 0, 2)))
    assert note is not None
    assert note.code == "one hpo run"
    assert "A was tuned once" in note.text
    both = conditional_on_tuning(tuned(drawn(1, 4, 0, 1), drawn(1, 4, 0, 2)))
    assert both is not None
    assert "A, B were tuned once" in both.text


def test_a_table_of_several_tunings_or_of_none_is_not_labelled() -> None:
    table = tuned(drawn(2, 2, 0, 1), drawn(2, 2, 0, 2))
    assert conditional_on_tuning(table) is None
    assert conditional_on_tuning({"method": ["A", "B"], "value": [1.0, 2.0]}) is None


def test_the_label_looks_at_each_task() -> None:
    table = {"method": ["A"] * 4, "task": ["x", "x", "y", "y"], "hpo_run": [1, 2, 1, 1], "value": [1.0, 2, 3, 4]}
    note = conditional_on_tuning(table)
    assert note is not None
    assert "on a task" in note.text
