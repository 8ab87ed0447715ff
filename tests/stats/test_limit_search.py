import numpy as np
import pytest

from cupel.stats.first_sufficient import first_sufficient, more_pairs_text
from cupel.stats.limit_search import search_limit
from cupel.stats.running_limits import running_limits


def test_crossings_on_both_sides_are_found_to_twelve_digits() -> None:
    centers = np.linspace(0.2, 0.8, 13)
    bar = 3.0
    for end in (0.0, 1.0):

        def evidence(m: np.ndarray, end: float = end) -> np.ndarray:
            with np.errstate(divide="ignore"):
                return -5 * np.log(np.abs(m - end) / np.abs(centers - end)) - 0.5

        found = search_limit(evidence, np.full(13, end), centers, bar)
        assert found == pytest.approx(end + (centers - end) * np.exp(-0.7), abs=1e-11)


def test_where_nothing_is_excluded_the_end_itself_is_the_limit() -> None:
    found = search_limit(np.zeros_like, np.zeros(3), np.full(3, 0.5), 1.0)
    assert found.tolist() == [0, 0, 0]


@pytest.mark.parametrize("answer", [1, 2, 3, 50, 999, 1000])
def test_the_smallest_number_that_suffices(answer: int) -> None:
    asked = []

    def suffices(n: int) -> bool:
        asked.append(n)
        return n >= answer

    assert first_sufficient(suffices, 1, 1000) == answer
    assert len(asked) <= 2 * int(np.log2(answer)) + 4
    assert max(asked) <= 1000


def test_none_when_not_even_the_largest_suffices() -> None:
    assert first_sufficient(lambda n: n > 10, 1, 10) is None


def test_words_for_more_pairs() -> None:
    assert more_pairs_text(1) == "about 1 more pair at this rate"
    assert "unknown" in more_pairs_text(None)


def test_limits_are_carried_until_nothing_is_left() -> None:
    low, high = np.array([0.0, 0.4, 0.1, 0.2]), np.array([1.0, 0.9, 0.95, 0.3])
    carried = running_limits(low, high)
    assert carried.lower.tolist() == [0.0, 0.4, 0.4, 0.4]
    assert carried.upper.tolist() == [1.0, 0.9, 0.9, 0.3]
    assert carried.empty_at == 4
    assert carried.interval(0.95, "") is None
    alone = running_limits(low, high, is_carried=False)
    assert not alone.is_empty
    inside = alone.interval(0.95, "m")
    assert inside is not None
    assert (inside.low, inside.high, inside.method) == (0.2, 0.3, "m")
    assert running_limits(np.zeros(0), np.zeros(0)).interval(0.95, "") is None
