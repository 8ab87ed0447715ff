import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupel.stats.compare_rates import compare_rates
from cupel.stats.score import score

REFERENCE = {"a": [100.0, 102.0], "b": [10.0, 10.1], "c": [1.0, 1.02]}
FASTER = {"a": [200.0, 204.0], "b": [20.0, 20.2], "c": [2.0, 2.04]}


def test_twice_as_fast_everywhere_is_two() -> None:
    result = score(FASTER, REFERENCE)
    assert result.value == pytest.approx(2)
    assert result.is_complete
    assert (result.coverage_num, result.coverage_of, result.missing) == (3, 3, ())
    assert result.floored_value == result.value
    assert result.text.startswith("2.000 (95%")


def test_the_reference_scores_one() -> None:
    assert score(REFERENCE, REFERENCE).value == pytest.approx(1)


def test_by_hand_with_weights() -> None:
    logs = {"a": [0.10, 0.12], "b": [0.30, 0.34, 0.32]}
    base = {"a": [0.0, 0.02], "b": [0.1, 0.1, 0.13]}
    result = score(
        {name: np.exp(x) for name, x in logs.items()},
        {name: np.exp(x) for name, x in base.items()},
        weights={"a": 1, "b": 3},
    )
    ratio_a, ratio_b = 0.11 - 0.01, 0.32 - 0.11
    assert result.value == pytest.approx(math.exp((ratio_a + 3 * ratio_b) / 4))
    parts = [
        ((1 / 4) ** 2 * 0.0002 / 2, 1),
        ((1 / 4) ** 2 * 0.0002 / 2, 1),
        ((3 / 4) ** 2 * 0.0004 / 3, 2),
        ((3 / 4) ** 2 * 0.0003 / 3, 2),
    ]
    variance = sum(v for v, _ in parts)
    df = variance**2 / sum(v * v / f for v, f in parts)
    assert result.df == pytest.approx(df)
    from scipy import stats

    half = stats.t.ppf(0.975, df) * math.sqrt(variance)
    assert result.interval is not None
    assert result.value is not None
    assert math.log(result.interval.high / result.value) == pytest.approx(half)


def test_one_entry_is_the_comparison_of_two_machines() -> None:
    result, pair = score({"a": FASTER["a"]}, REFERENCE), compare_rates(REFERENCE["a"], FASTER["a"])
    assert result.interval is not None
    assert pair.interval is not None
    assert (result.interval.low, result.interval.high) == pytest.approx((pair.interval.low, pair.interval.high))
    assert result.unasked == ("b", "c")


@pytest.mark.parametrize("failed", [None, []])
def test_a_failure_makes_it_incomplete_and_is_never_silent(failed: list[float] | None) -> None:
    result = score({**FASTER, "c": failed}, REFERENCE)
    assert result.value == pytest.approx(2)
    assert (result.coverage_num, result.coverage_of, result.missing) == (2, 3, ("c",))
    assert not result.is_complete
    assert result.floored_value == pytest.approx((2 * 2 * 0.01) ** (1 / 3))
    assert result.text.endswith("2 of 3 entries, incomplete)")


def test_an_entry_named_by_its_weight_alone_is_missing() -> None:
    result = score({"a": FASTER["a"]}, REFERENCE, weights={"a": 1, "b": 1})
    assert result.missing == ("b",)
    assert result.unasked == ("c",)


def test_an_entry_without_reference_does_not_count_and_is_named() -> None:
    result = score({**FASTER, "new": [1.0, 2.0]}, REFERENCE)
    assert (result.unreferenced, result.coverage_of) == (("new",), 3)
    assert result.value == pytest.approx(2)


def test_no_reference_at_all_gives_no_score() -> None:
    result = score(FASTER, {})
    assert (result.value, result.interval, result.floored_value, result.coverage_of) == (None, None, None, 0)
    assert not result.is_complete
    assert "reference" in result.text


def test_everything_failed() -> None:
    result = score({"a": None, "b": None}, REFERENCE)
    assert (result.value, result.interval) == (None, None)
    assert result.floored_value == pytest.approx(0.01)


@pytest.mark.parametrize("side", ["rates", "reference"])
def test_a_single_launch_leaves_the_interval_unknown_and_says_whose(side: str) -> None:
    single = {"b": [20.0]}
    result = score({**FASTER, **single}, REFERENCE) if side == "rates" else score(FASTER, {**REFERENCE, **single})
    assert (result.interval, result.df) == (None, None)
    assert result.reason == "a single launch, here or in the reference: b"
    assert result.value is not None


def test_lower_is_better_turns_the_sign() -> None:
    result = score({"a": [50.0, 51.0]}, REFERENCE, better={"a": "lower"})
    assert result.value == pytest.approx(2)


def test_weight_zero_leaves_an_entry_out() -> None:
    result = score({**FASTER, "c": None}, REFERENCE, weights={"c": 0})
    assert result.is_complete
    assert result.coverage_of == 2


def test_influence_is_what_leaving_one_out_does() -> None:
    rates = {**FASTER, "c": [8.0, 8.16]}
    result = score(rates, REFERENCE)
    assert result.value == pytest.approx(32 ** (1 / 3))
    assert result.influence["c"] == pytest.approx(2 / 32 ** (1 / 3) - 1)
    assert result.influence["a"] == pytest.approx(4 / 32 ** (1 / 3) - 1)


def test_the_interval_for_other_entries_is_wider_and_labelled() -> None:
    result = score({**FASTER, "c": [8.0, 8.16]}, REFERENCE)
    assert result.population_interval is not None
    assert result.interval is not None
    assert "other entries like these" in result.population_interval.method
    assert result.population_interval.half_width_frac > result.interval.half_width_frac


def test_two_entries_do_not_speak_for_others() -> None:
    assert score({name: FASTER[name] for name in "ab"}, REFERENCE).population_interval is None


@settings(max_examples=50)
@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(2, 5), st.floats(1e-3, 1e3))
def test_units_cancel_and_swapping_inverts(seed: int, k: int, n: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    run, ref = ({f"e{i}": np.exp(rng.normal(size=n)) for i in range(k)} for _ in range(2))
    one, back = score(run, ref), score(ref, run)
    scaled = score({**run, "e0": run["e0"] * unit}, {**ref, "e0": ref["e0"] * unit})
    assert one.value is not None
    assert one.interval is not None
    assert back.interval is not None
    assert back.value == pytest.approx(1 / one.value)
    assert back.interval.low == pytest.approx(1 / one.interval.high)
    assert scaled.value == pytest.approx(one.value)


@pytest.mark.parametrize(
    ("rates", "options"),
    [
        ({"a": [0.0, 1.0]}, {}),
        (FASTER, {"weights": {"a": -1}}),
        (FASTER, {"better": {"a": "up"}}),
        (FASTER, {"level": 95}),
    ],
)
def test_what_cannot_be_scored_is_refused(rates: dict[str, list[float]], options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected|at least 0"):
        score(rates, REFERENCE, **options)  # type: ignore[arg-type]


def test_a_disturbance_of_all_entries_at_once_is_in_the_interval() -> None:
    rng = np.random.default_rng(4)
    held = 0
    draws = 1500
    for _ in range(draws):
        common = rng.normal(0, 0.1, 3)
        rates = {name: np.exp(rng.normal(0, 0.01, 3) + common) for name in "abcdefgh"}
        reference = {name: np.exp(rng.normal(0, 0.01, 8)) for name in "abcdefgh"}
        interval = score(rates, reference).interval
        assert interval is not None
        held += interval.contains(1.0)
    assert held / draws > 0.95 - 3 * (0.95 * 0.05 / draws) ** 0.5


def test_entries_with_different_numbers_of_launches_are_taken_as_independent() -> None:
    result = score({"a": [1.0, 1.1, 1.2], "b": [1.0, 1.1]}, {"a": [1.0, 1.01], "b": [1.0, 1.01]})
    assert result.interval is not None
    assert result.df != 2
