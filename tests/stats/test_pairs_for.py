"""How many pairs, seeds and tasks: for a difference, beyond a bar, and for equivalence."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from cupel.stats.equivalence_power import equivalence_power
from cupel.stats.launches_for_effect import launches_for_effect
from cupel.stats.noncentral_power import beyond_power
from cupel.stats.pairs_for_effect import pairs_for_effect
from cupel.stats.pairs_for_equivalence import pairs_for_equivalence
from cupel.stats.seeds_for_effect import seeds_for_effect
from cupel.stats.seeds_for_equivalence import seeds_for_equivalence
from cupel.stats.tasks_for_effect import TaskSpread, tasks_for_effect

SIZES = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0)


@pytest.mark.parametrize(
    ("needed", "row"),
    [
        (pairs_for_effect, [119, 44, 19, 13, 7, 5]),
        (seeds_for_effect, [235, 86, 34, 23, 11, 7]),
        (pairs_for_equivalence, [147, 54, 23, 16, 8, 6]),
        (seeds_for_equivalence, [290, 105, 42, 27, 13, 8]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_tables_of_the_docstrings(needed, row: list[int]) -> None:
    assert [needed(size, 1.0) for size in SIZES] == row


def test_published_sizes_of_t_tests() -> None:
    # Cohen (1988) and G*Power 3.1: d = 0.5, two-sided 5 %, power 80 %
    assert pairs_for_effect(0.5, 1.0, power=0.8) == 34
    assert seeds_for_effect(0.5, 1.0, power=0.8) == 64
    assert seeds_for_effect(0.8, 1.0, power=0.8) == 26


@pytest.mark.parametrize(("cv", "n", "power"), [(0.30, 40, 0.815845), (0.25, 28, 0.807439)])
def test_published_power_of_the_two_one_sided_tests(cv: float, n: int, power: float) -> None:
    # PowerTOST, sampleN.TOST(CV, theta0 = 0.95), 2x2 crossover: the classical 5 % tests are the interval at 90 %
    def at(total: int) -> float:
        se = math.sqrt(math.log(1 + cv**2) * 2 / total)
        return equivalence_power(se, total - 2, rope=math.log(1.25), effect=math.log(0.95), level=0.9)

    assert at(n) == pytest.approx(power, abs=5e-7)
    assert at(n) >= 0.8 > at(n - 2)


@pytest.mark.parametrize("df", [1, 2, 5, 30, 400])
@pytest.mark.parametrize(("rope", "effect"), [(3.0, 0.0), (8.0, 2.0), (20.0, -15.0)])
def test_power_of_equivalence_by_adaptive_quadrature(df: int, rope: float, effect: float) -> None:
    cut = stats.t.ppf(0.975, df)

    def integrand(s: float) -> float:
        inside = stats.norm.cdf(rope - cut * s - effect) - stats.norm.cdf(cut * s - rope - effect)
        return inside * stats.chi.pdf(s * math.sqrt(df), df) * math.sqrt(df)

    expected = integrate.quad(integrand, 0, rope / cut, epsabs=1e-12, limit=200, points=[min(1, rope / cut / 2)])[0]
    assert equivalence_power(1.0, df, rope=rope, effect=effect) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=60)
@given(st.floats(0.1, 3), st.floats(0, 0.9), st.floats(0.5, 0.99), st.sampled_from([0.8, 0.95, 0.99]))
def test_numbers_are_the_smallest_that_suffice(effect: float, part: float, power: float, level: float) -> None:
    bar = part * effect

    def reached(n: int, is_paired: bool) -> float:
        se, df = (math.sqrt(1 / n), n - 1) if is_paired else (math.sqrt(2 / n), 2 * n - 2)
        shift = (effect - bar) / se
        cut = stats.t.ppf(0.5 + level / 2, df)
        return 1.0 if shift > 30 and shift > 2 * cut else float(stats.nct.sf(cut, df, shift))

    for needed, is_paired in ((pairs_for_effect, True), (seeds_for_effect, False)):
        n = needed(effect, 1.0, beyond=bar, power=power, level=level)
        assert reached(n, is_paired) >= power - 1e-6
        assert n == 2 or reached(n - 1, is_paired) <= power + 1e-6


@settings(max_examples=30)
@given(st.floats(0.2, 3), st.floats(0, 0.8), st.floats(0.5, 0.99))
def test_numbers_for_equivalence_are_the_smallest_that_suffice(rope: float, part: float, power: float) -> None:
    n = pairs_for_equivalence(rope, 1.0, effect=part * rope, power=power)
    by = [equivalence_power(1 / math.sqrt(k), k - 1, rope=rope, effect=part * rope) for k in (n, max(2, n - 1))]
    assert by[0] >= power
    assert n == 2 or by[1] < power


def test_two_machines_are_the_case_on_the_log_scale() -> None:
    for cv in (0.005, 0.02, 0.05):
        for effect in (0.01, 0.05, 0.1):
            assert seeds_for_effect(math.log1p(effect), cv) == launches_for_effect(cv, effect)


def test_a_bar_shifts_the_difference() -> None:
    assert pairs_for_effect(1.5, 1.0, beyond=0.5) == pairs_for_effect(1.0, 1.0)
    assert seeds_for_effect(1.5, 1.0, beyond=0.5) == seeds_for_effect(1.0, 1.0)


def test_extremes_stay_finite() -> None:
    assert pairs_for_effect(1e6, 1.0) == 2
    assert beyond_power(1e4, 1.0, 5, 0.95) == 1
    assert beyond_power(-1e4, 1.0, 5, 0.95) == 0
    assert equivalence_power(1.0, 3, rope=0.01) == pytest.approx(0, abs=1e-3)
    assert equivalence_power(1e-9, 3, rope=1.0) == pytest.approx(1)


def test_variance_of_the_contrast_over_tasks() -> None:
    spread = TaskSpread(interaction=0.3, noise=0.8, runs=4)
    tasks = 10
    assert spread.sd**2 / tasks == pytest.approx(2 * 0.3**2 / tasks + 2 * 0.8**2 / (tasks * 4))
    assert tasks_for_effect(0.5, spread) == pairs_for_effect(0.5, spread.sd)
    assert tasks_for_effect(0.5, spread, beyond=0.1) > tasks_for_effect(0.5, spread)


def test_more_runs_do_not_replace_tasks() -> None:
    tasks = [tasks_for_effect(0.5, TaskSpread(0.5, 1.0, runs)) for runs in (1, 10, 100, 10_000)]
    assert tasks == sorted(tasks, reverse=True)
    assert tasks[-1] == tasks_for_effect(0.5, TaskSpread(0.5, 0.0, 1))


@pytest.mark.parametrize(
    "call",
    [
        lambda: pairs_for_effect(0.0, 1.0),
        lambda: pairs_for_effect(1.0, math.nan),
        lambda: pairs_for_effect(0.5, 1.0, beyond=0.5),
        lambda: pairs_for_effect(0.5, 1.0, beyond=-0.1),
        lambda: seeds_for_effect(0.5, 1.0, power=1.0),
        lambda: seeds_for_effect(1e-5, 1.0),
        lambda: tasks_for_effect(0.5, TaskSpread(0.0, 0.0, 3)),
        lambda: tasks_for_effect(0.5, TaskSpread(0.1, 0.1, 0)),
        lambda: pairs_for_equivalence(0.5, 1.0, effect=0.5),
        lambda: seeds_for_equivalence(0.0, 1.0),
        lambda: equivalence_power(0.0, 5, rope=1.0),
        lambda: equivalence_power(1.0, 5, rope=1.0, level=95),
    ],
)
def test_what_is_out_of_range_is_refused(call) -> None:
    with pytest.raises(ValueError, match=r"expected|needs over"):
        call()


def test_published_interaction_spreads_give_the_tasks_of_the_docstring() -> None:
    spread = TaskSpread(interaction=0.0133, noise=0.0416, runs=50)
    se = math.sqrt(2 * 0.0133**2 / 47 + 2 * 0.0416**2 / (47 * 50))
    assert stats.nct.sf(stats.t.ppf(0.975, 46), 46, 0.01 / se) >= 0.9
    assert tasks_for_effect(0.01, spread) == 47
    assert np.isclose(spread.sd, math.sqrt(47) * se)
