import pytest

from cupel.stats.interval import Interval
from cupel.stats.meaningful import meaningful
from cupel.stats.prob_outperform import prob_outperform


@pytest.mark.parametrize(
    ("low", "high", "decision", "is_shown"),
    [
        (0.40, 0.60, "no evidence", False),
        (0.50, 0.90, "no evidence", False),
        (0.10, 0.30, "no evidence", False),
        (0.51, 0.75, "significant, not meaningful", False),
        (0.51, 0.70, "significant, not meaningful", False),
        (0.51, 0.76, "significant and meaningful", False),
        (0.80, 0.99, "significant and meaningful", True),
    ],
)
def test_the_three_regions_of_appendix_c6(low: float, high: float, decision: str, is_shown: bool) -> None:
    found = meaningful(Interval(low, high, 0.95, "given"))
    assert (found.decision, found.is_shown) == (decision, is_shown)
    assert decision in found.text()


def test_without_an_interval_there_is_no_evidence() -> None:
    found = meaningful(None)
    assert found.decision == "no evidence"
    assert "no interval" in found.text()


def test_one_tuning_is_named_in_every_form() -> None:
    found = meaningful(Interval(0.6, 0.9, 0.95, "given"), hpo_runs=1)
    assert found.scope == "conditional on one HPO run"
    assert [note.code for note in found.warnings] == ["one hpo run"]
    assert "conditional on one HPO run" in found.text()
    pytest.importorskip("pandas")
    assert found.to_frame()["scope"].tolist() == ["conditional on one HPO run"]


@pytest.mark.parametrize("hpo_runs", [None, 2, 10])
def test_several_tunings_are_no_warning(hpo_runs: int | None) -> None:
    found = meaningful(Interval(0.6, 0.9, 0.95, "given"), hpo_runs=hpo_runs)
    assert found.warnings == ()
    assert "conditional" not in found.text()


def test_it_says_when_b_wins() -> None:
    assert "it is B that wins" in meaningful(Interval(0.1, 0.3, 0.95, "given")).text()


def test_a_clean_sweep_of_29_pairs_is_shown() -> None:
    sweep = prob_outperform(range(1, 30), range(29), paired=True)
    assert meaningful(sweep.interval).is_shown


@pytest.mark.parametrize(("gamma", "hpo_runs"), [(0.4, None), (1.0, None), (0.75, 0)])
def test_numbers_out_of_range_are_refused(gamma: float, hpo_runs: int | None) -> None:
    with pytest.raises(ValueError, match=r"from 0\.5 to below 1|`hpo_runs` is 0"):
        meaningful(None, gamma=gamma, hpo_runs=hpo_runs)
