import pytest

from cupel.spec.errors import UsageError
from cupel.stats.resample import Resample, resampling


def test_a_word_stands_for_its_defaults() -> None:
    assert resampling("tasks") == Resample("tasks")
    assert resampling(Resample(num=500)).num == 500


@pytest.mark.parametrize(("unit", "scope"), [("runs", "these tasks"), ("tasks", "tasks like these")])
def test_the_unit_decides_what_an_interval_speaks_about(unit, scope: str) -> None:
    assert Resample(unit).scope == scope


@pytest.mark.parametrize(
    ("wrong", "say"),
    [
        ({"unit": "runs and tasks"}, "each with its runs"),
        ({"level": 95}, "strictly between 0 and 1"),
        ({"num": 10}, "at least 100"),
        ({"seed": -1}, "at least 0"),
    ],
)
def test_what_is_out_of_range_is_refused(wrong, say: str) -> None:
    with pytest.raises(UsageError, match=say):
        Resample(**wrong)
