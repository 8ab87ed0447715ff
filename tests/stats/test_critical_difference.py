import math
from typing import Any

import pytest
from scipy.stats import studentized_range

from cupel.spec.errors import UsageError
from cupel.stats.critical_difference import critical_difference, unseparated_groups
from cupel.stats.mixed.contrasts import contrasts
from cupel.stats.mixed.mixed_model import mixed_model


def pairs(*names):
    return {frozenset(name) for name in names}


@pytest.mark.parametrize(
    ("order", "joined", "groups"),
    [
        ("abc", pairs(), ()),
        ("abc", pairs("ab", "bc"), (("a", "b"), ("b", "c"))),
        ("abc", pairs("ac"), ()),
        ("abcd", pairs("ab", "ac", "bc", "bd", "cd", "ad"), (("a", "b", "c", "d"),)),
        ("abcd", pairs("ab", "ac", "bc", "cd"), (("a", "b", "c"), ("c", "d"))),
    ],
)
def test_bars_join_neighbours_of_which_no_two_are_separated(order, joined, groups):
    assert unseparated_groups(order, joined) == groups


def test_the_published_axis_at_ten_budgets(priorband):
    at_ten = priorband[priorband.used_fidelity == 10]
    model = mixed_model("normalized_regret ~ algorithm + (1 | bench_prior)", at_ten, reml=False)
    diagram = critical_difference(contrasts(model, "algorithm"))
    assert list(diagram.positions) == ["PB", "HB", "RS"]
    assert list(diagram.positions.values()) == pytest.approx([0.09027, 0.09669, 0.12026], abs=5e-6)
    assert diagram.groups == ()  # the published model separates all three ...
    honest = mixed_model("normalized_regret ~ algorithm + (1 | bench_prior) + (1 | bench_prior:algorithm)", at_ten)
    assert critical_difference(contrasts(honest, "algorithm")).groups == (("PB", "HB"),)  # ... the honest one does not
    row = contrasts(model, "algorithm")["HB - PB"]
    width = studentized_range.ppf(0.95, 3, row.df) / math.sqrt(2) * row.se
    assert diagram.cd == pytest.approx((width, width), rel=1e-4)


def test_higher_may_be_better():
    frame = {"y": [1.0, 2.0, 8.0, 9.0, 4.0, 5.0], "m": ["a", "a", "b", "b", "c", "c"]}
    table = contrasts(mixed_model("y ~ m", frame), "m")
    assert list(critical_difference(table, better="higher").positions) == ["b", "c", "a"]
    assert "Not separated" in critical_difference(table, level=0.999999).text()


@pytest.mark.parametrize("wrong", [{"level": 95}, {"better": "max"}])
def test_a_level_in_percent_and_another_direction_are_refused(wrong: dict[str, Any]) -> None:
    table = {"method": ["a", "b"] * 3, "value": [1.0, 2.0, 1.5, 2.5, 1.2, 2.1]}
    found = contrasts(mixed_model("value ~ method", table), "method")
    with pytest.raises(UsageError, match="expected"):
        critical_difference(found, **wrong)
