import pytest

from cupel.stats.interval import Interval
from cupel.stats.verdict import verdict


@pytest.mark.parametrize(
    ("low", "high", "bar", "rope", "expected"),
    [
        (0.6, 0.9, 0.5, None, "supported"),
        (0.4, 0.9, 0.5, None, "undecided"),
        (-0.9, -0.1, 0.5, None, "contradicted"),
        (0.1, 0.4, 0.5, None, "contradicted"),
        (-0.1, 0.4, 0.5, None, "undecided"),
        (-0.1, 0.1, 0.0, 0.2, "equivalent"),
        (-0.1, 0.1, 0.0, None, "undecided"),
        (-0.3, 0.1, 0.0, 0.2, "undecided"),
        (0.05, 0.1, 0.0, 0.2, "supported"),
    ],
)
def test_rules_in_the_order_of_the_architecture(
    low: float, high: float, bar: float, rope: float | None, expected: str
) -> None:
    assert verdict(Interval(low, high, 0.95, "given"), bar=bar, rope=rope) == expected


@pytest.mark.parametrize(
    ("low", "high", "bar", "rope", "expected"),
    [
        (1.06, 1.2, 0.05, None, "supported"),
        (1.01, 1.04, 0.05, None, "contradicted"),
        (0.8, 0.95, 0.05, None, "contradicted"),
        (0.995, 1.005, 0.0, 0.01, "equivalent"),
        (0.9902, 1.005, 0.0, 0.01, "equivalent"),
        (0.9900, 1.005, 0.0, 0.01, "undecided"),
    ],
)
def test_ratios(low: float, high: float, bar: float, rope: float | None, expected: str) -> None:
    assert verdict(Interval(low, high, 0.95, "given"), bar=bar, rope=rope, scale="log") == expected


def test_no_interval_no_verdict() -> None:
    assert verdict(None) == "undecided"


@pytest.mark.parametrize("options", [{"bar": -0.1}, {"rope": 0.0}])
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        verdict(None, **options)


@pytest.mark.parametrize(
    "wrong", [{"bar": float("nan")}, {"bar": float("inf")}, {"rope": float("inf")}, {"scale": "x"}]
)
def test_bars_regions_and_scales_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        verdict(Interval(0.1, 0.2, 0.95, ""), **wrong)  # type: ignore[arg-type]
