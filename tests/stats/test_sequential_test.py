import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import beta, betaincc

from cupel.stats.sequential_test import sequential_test

STREAMS = st.lists(st.sampled_from([0.0, 0.5, 1.0]), max_size=40)


def stream(text: str) -> list[float]:
    return [{"+": 1.0, "-": 0.0, "=": 0.5}[c] for c in text]


def test_the_one_sided_formula_of_the_reference() -> None:
    wins = stream("++-+++-+")
    test = sequential_test(wins, alternative="A")
    for n in range(1, 9):
        w = int(sum(wins[:n]))
        value = 2 * beta(w + 1, n - w + 1) * betaincc(w + 1, n - w + 1, 0.5) / 0.5**n
        assert test.e_values[n - 1] == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "decision", "at"),
    [("+" * 8, "A", 8), ("-" * 8, "B", 8), ("+" * 7, "undecided", None), ("+++-++++++++", "A", 12)],
)
def test_the_first_crossing(text: str, decision: str, at: int | None) -> None:
    test = sequential_test(stream(text))
    assert (test.decision, test.decided_at) == (decision, at)
    assert test.num_more == (0 if at else 1)


def test_one_side_takes_seven_wins_and_never_decides_for_the_other() -> None:
    assert sequential_test(stream("+" * 7), alternative="A").decided_at == 7
    against = sequential_test(stream("-" * 30), alternative="A")
    assert against.decision == "undecided"
    assert against.interval is not None
    assert (against.interval.low, against.interval.high) == (0, 1)
    mirror = sequential_test(stream("-" * 7), alternative="B")
    assert (mirror.decision, mirror.decided_at) == ("B", 7)


@settings(max_examples=40)
@given(STREAMS)
def test_p_interval_and_decision_agree_at_every_stop(wins: list[float]) -> None:
    test = sequential_test(wins, region=None)
    assert np.all(np.diff(test.p_values) <= 0)
    assert test.p_values == pytest.approx(1 / np.maximum(1, np.maximum.accumulate(test.e_values)))
    excludes = (test.lower > 0.5) | (test.upper < 0.5)
    assert (test.p_values <= 0.05).tolist() == excludes.tolist()
    assert np.all(np.diff(test.lower) >= 0)
    assert np.all(np.diff(test.upper) <= 0)
    if test.decision == "A":
        assert test.interval is not None
        assert test.interval.low > 0.5


@settings(max_examples=40)
@given(STREAMS)
def test_turned_around_it_says_the_same_of_the_other(wins: list[float]) -> None:
    one, other = sequential_test(wins), sequential_test([1 - x for x in wins])
    assert {"A": "B", "B": "A"}.get(one.decision, one.decision) == other.decision
    assert one.p == pytest.approx(other.p)
    assert one.num_more == other.num_more


@settings(max_examples=40)
@given(STREAMS)
def test_ties_change_neither_evidence_nor_decision_against_one_half(wins: list[float]) -> None:
    with_ties, without = sequential_test(wins, region=None), sequential_test([x for x in wins if x != 0.5], region=None)
    assert with_ties.e_value == pytest.approx(without.e_value)
    assert with_ties.decision == without.decision


def test_ties_count_one_half_in_the_estimate() -> None:
    test = sequential_test(stream("+==-=+"))
    assert (test.estimate, test.num_ties) == (pytest.approx(3.5 / 6), 3)
    assert {note.code for note in test.warnings} == {"ties", "few runs"}


def test_equal_methods_are_found_equivalent_and_only_then() -> None:
    test = sequential_test(stream("+-" * 800))
    assert test.decision == "equivalent"
    k = test.decided_at
    assert k is not None
    assert test.lower[k - 1] > 0.45
    assert test.upper[k - 1] < 0.55
    assert test.lower[k - 2] <= 0.45 or test.upper[k - 2] >= 0.55
    assert sequential_test(stream("+-" * 800), region=None).decision == "undecided"
    assert sequential_test(stream("+-" * 60), region=(0.3, 0.7)).decision == "equivalent"


def test_a_shift_on_the_way_is_told_and_decides_nothing() -> None:
    test = sequential_test(stream("+" * 12 + "-" * 40))
    assert (test.decision, test.interval, test.num_more) == ("undecided", None, None)
    assert "drift" in {note.code for note in test.warnings}
    assert test.p < 0.05


def test_failures_are_counted_and_left_out() -> None:
    test = sequential_test([1, np.nan, 1, 0, np.nan, 1])
    assert (test.n, test.num_failed) == (4, 2)
    assert "2 of 6 pairs" in next(note.text for note in test.warnings if note.code == "failures")
    assert test.e_value == sequential_test([1, 1, 0, 1]).e_value


def test_no_pair_at_all() -> None:
    test = sequential_test([])
    assert (test.n, test.interval, test.decision, test.p, test.num_more) == (0, None, "undecided", 1.0, None)
    assert test.text().startswith("no pair yet")


def test_more_pairs_are_those_after_which_the_same_shares_decide() -> None:
    test = sequential_test(stream("++-" * 4))
    assert test.num_more is not None
    w, n = 8, 12
    for more, settled in ((test.num_more, True), (test.num_more - 1, False)):
        total = n + more
        wins = round(w / n * total)
        assert (beta(wins + 1, total - wins + 1) * 2.0**total >= 20) == settled


def test_the_text_has_the_numbers() -> None:
    assert sequential_test(stream("+" * 8)).text() == (
        "P(A > B) = 1.000 (95% 0.523 to 1.000 at any stop, p = 0.035, n = 8): A, decided at pair 8"
    )
    assert sequential_test(stream("+" * 40)).text().count("p < 0.0001") == 1


def test_the_frame_has_a_row_per_pair() -> None:
    test = sequential_test(stream("++-+"))
    frame = test.to_frame()
    assert frame["e_value"].tolist() == test.e_values.tolist()
    assert list(frame.columns) == ["n", "e_value", "p", "low", "high"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wins": [0.3]}, r"`wins`\[0\] is 0.3"),
        ({"wins": [1, 2.0]}, r"`wins`\[1\] is 2"),
        ({"wins": [1], "level": 95}, "`level` is 95"),
        ({"wins": [1], "region": (0.5, 0.6)}, "one half between them"),
        ({"wins": [1], "region": (0.0, 0.6)}, "one half between them"),
        ({"wins": [1], "alternative": "greater"}, "'two-sided', 'A' or 'B'"),
    ],
)
def test_what_is_no_outcome_or_option_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sequential_test(**options)


def test_every_stream_of_a_length_adds_up_to_a_fair_bet() -> None:
    streams = np.array(list(itertools.product((0.0, 1.0), repeat=6)))
    e_values = np.array([sequential_test(row).e_values for row in streams])
    assert e_values.mean(axis=0) == pytest.approx(np.ones(6))
