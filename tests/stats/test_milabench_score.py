import math

import numpy as np
import pytest

from cupel.stats.milabench_score import combined, milabench_score


def test_one_series_by_hand() -> None:
    result = milabench_score({"a": [[1, 2, 3, 4, 100]]}, {"a": 1})
    row = result.per_entry["a"]
    assert row.perf == 3
    assert row.std_frac == pytest.approx(math.sqrt(2 / 3) / 3)
    assert row.sem_frac == pytest.approx(math.sqrt(2 / 3) / math.sqrt(3) / 3)
    assert result.value == pytest.approx(4)
    assert result.value_v1 == pytest.approx(3)


def test_score_sums_devices_that_perf_pools() -> None:
    row = milabench_score({"a": [[1, 2, 3, 4, 5], [11, 12, 13, 14, 15]]}, {"a": 1}).per_entry["a"]
    assert row.score == 3 + 13
    assert row.perf == 8


def test_fewer_than_five_are_not_trimmed() -> None:
    assert milabench_score({"a": [[1, 2, 3, 10]]}, {"a": 1}).per_entry["a"].perf == 4


def test_one_crash_in_four_reads_as_a_quarter_slower() -> None:
    series = [[10.0] * 6] * 4
    assert milabench_score({"a": series}, {"a": 1}, failures={"a": 1}).per_entry["a"].score == 30


def test_missing_counts_as_zero_and_is_named() -> None:
    result = milabench_score({"a": [[9.0] * 5], "b": []}, {"a": 1, "b": 1, "c": 1, "d": 0})
    assert result.value == pytest.approx(10 ** (1 / 3))
    assert result.value_v1 == 0
    assert result.missing == ("b", "c")


def test_no_weight_gives_minus_one() -> None:
    assert milabench_score({"a": [[1.0]]}, {"a": 0}).value == -1


def test_weights_are_exponents() -> None:
    result = milabench_score({"a": [[3.0] * 5], "b": [[8.0] * 5]}, {"a": 1, "b": 3})
    assert result.value == pytest.approx(math.exp((math.log(4) + 3 * math.log(9)) / 4))


def test_the_recorded_report_of_milabench() -> None:
    # tests/regression/test_summary/test_report.txt: perf 7979.82, score 7980.82 for one entry of weight 1
    assert combined({"a": 7979.82}, {"a": 1.0}, 1.0) == pytest.approx(7980.82)


def test_ratios_depend_on_the_unit_which_is_the_fault_of_the_plus_one() -> None:
    fast, slow = ({"a": [np.full(5, rate)]} for rate in (2.0, 1.0))
    ratio = milabench_score(fast, {"a": 1}).value / milabench_score(slow, {"a": 1}).value
    assert ratio == pytest.approx(1.5)


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        milabench_score({}, {"a": -1})


def test_n_is_the_number_of_processes_not_of_series() -> None:
    rates = {"a": [[9.0] * 5], "b": [[50.0] * 6]}
    result = milabench_score(rates, {"a": 1, "b": 1}, failures={"b": 1}, processes={"a": 3, "b": 3})
    assert result.per_entry["b"].score == pytest.approx(50 * (1 - 1 / 3))
    assert result.per_entry["a"].score == 9
