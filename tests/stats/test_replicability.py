import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cupel.stats.holm import holm
from cupel.stats.replicability import Combine, replicability

README = [0.168, 0.297, 0.357, 0.019, 0.218, 0.001]
"""The example of the authors' own program."""
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=10)


def naive(p_values: list[float], alpha: float, combine: Combine) -> int:
    """The count as the paper defines it: the largest u whose running largest p-value is at most alpha."""
    ordered, n, worst, count = sorted(p_values), len(p_values), 0.0, 0
    for u in range(1, n + 1):
        rest = ordered[u - 1 :]
        if combine == "bonferroni":
            p = (n - u + 1) * rest[0]
        else:
            with np.errstate(divide="ignore"):
                p = float(stats.chi2.sf(-2 * np.log(rest).sum(), 2 * len(rest)))
        worst = max(worst, p)
        if worst <= alpha:
            count = u
    return count


@pytest.mark.parametrize("combine", ["bonferroni", "fisher"])
@settings(max_examples=25)
@given(p_values=P_VALUES)
def test_the_papers_definition_agrees(combine: Combine, p_values: list[float]) -> None:
    assert replicability(p_values, combine=combine).estimate == naive(p_values, 0.05, combine)


def test_the_authors_example() -> None:
    bonferroni, fisher = replicability(README), replicability(README, combine="fisher")
    assert bonferroni.estimate == 1
    assert bonferroni.p_at_least[0] == pytest.approx(0.006)
    assert bonferroni.p_at_least[1] == pytest.approx(0.095)
    assert fisher.estimate == 2
    assert fisher.p_at_least[0] == pytest.approx(stats.combine_pvalues(README).pvalue)


@settings(max_examples=25)
@given(P_VALUES)
def test_bonferronis_count_is_the_number_of_tasks_that_holm_names(p_values: list[float]) -> None:
    found = replicability(p_values)
    assert found.estimate == len(found.established) == int(np.sum(holm(p_values) <= 0.05))


@settings(max_examples=25)
@given(P_VALUES)
def test_one_more_task_is_never_easier(p_values: list[float]) -> None:
    for combine in ("bonferroni", "fisher"):
        assert np.all(np.diff(replicability(p_values, combine=combine).p_at_least) >= 0)  # type: ignore[arg-type]


def test_names_of_tasks_come_back() -> None:
    found = replicability([0.001, 0.5, 0.004], tasks=["wmt", "lm1b", "cifar"])
    assert found.established == ("wmt", "cifar")
    assert "at least 2 of 3 tasks" in found.text()
    assert "wmt, cifar" in found.text()
    assert list(found.to_frame()["is_established"]) == [True, False, True]


def test_a_task_without_a_test_shows_nothing() -> None:
    found = replicability([0.02, np.nan, 0.02])
    assert found.estimate == replicability([0.02, 1.0, 0.02]).estimate == 0
    assert replicability([0.02, 0.02]).estimate == 2
    assert [note.code for note in found.warnings] == ["missing cells"]


def test_fisher_says_what_it_needs() -> None:
    assert [note.code for note in replicability(README, combine="fisher").warnings] == ["scope"]


def test_a_p_value_of_zero_is_no_crash() -> None:
    assert replicability([0.0, 1.0], combine="fisher").p_at_least.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("p_values", "options", "match"),
    [
        ([], {}, "one p-value"),
        ([0.1], {"tasks": ["a", "b"]}, "one p-value"),
        ([0.1, 0.2], {"tasks": ["a", "a"]}, "one p-value"),
        ([1.2], {}, "from 0 to 1"),
        ([0.2], {"combine": "stouffer"}, "'bonferroni' or 'fisher'"),
    ],
)
def test_what_cannot_be_counted_is_refused(p_values: list[float], options: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        replicability(p_values, **options)  # type: ignore[arg-type]
