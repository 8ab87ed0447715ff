"""What tests and intervals of mixed models hold: size, power and coverage under variances like PriorBand's.

In a balanced design the fit has a closed form. The engine must give its p-values; then tens of thousands of tables are
drawn through the closed form. Where there is none (unbalanced tables, variances at zero) the engine is drawn itself.
"""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import bdtr

from cupel.stats.mixed import (
    MixedModel,
    contrasts,
    kenward_roger,
    likelihood_ratio_test,
    mixed_model,
    satterthwaite,
)
from cupel.stats.student import t_p_value
from cupel.stats.studentized_range import studentized_range_ppf

SD_TASK, SD_INTERACTION, SD_ERROR = 0.0757, 0.0133, 0.0416
"""Estimated on PriorBand at ten times the budget."""
BOTH = "y ~ method + (1 | task) + (1 | task:method)"
TASKS_ONLY = "y ~ method + (1 | task)"
DRAWS = 20_000


def is_size(rejected: int, draws: int, level: float = 0.05) -> bool:
    """Whether a count of rejections may come from a test of this level; wrong once in 500 times."""
    return bool(bdtr(rejected, draws, level) > 0.001 and bdtr(rejected - 1, draws, level) < 0.999)


def balanced(tasks: int, methods: int, runs: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Columns without values, and the codes of task and method."""
    task, method, _ = (part.ravel() for part in np.meshgrid(range(tasks), range(methods), range(runs), indexing="ij"))
    return {"task": task.astype(str), "method": np.array(list("abcdef"))[method]}, task, method


def draw(rng: np.random.Generator, shape: tuple[int, ...], law: str = "normal") -> np.ndarray:
    """Centred values with variance 1."""
    if law == "exponential":
        return rng.exponential(size=shape) - 1
    return rng.standard_t(3, size=shape) / math.sqrt(3) if law == "t3" else rng.standard_normal(shape)


def tables(rng: np.random.Generator, shape: tuple[int, int, int, int], law: str = "normal") -> np.ndarray:
    """(draws, tasks, methods, runs) values without a difference between the methods."""
    draws, tasks, methods, _ = shape
    value = SD_TASK * draw(rng, (draws, tasks, 1, 1), law)
    return value + SD_INTERACTION * draw(rng, (draws, tasks, methods, 1), law) + SD_ERROR * draw(rng, shape, law)


def mean_squares(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the interaction and of the error, for each table."""
    _, tasks, methods, runs = y.shape
    cells = y.mean(axis=3)
    rest = cells - cells.mean(axis=1, keepdims=True) - cells.mean(axis=2, keepdims=True)
    rest += cells.mean(axis=(1, 2), keepdims=True)
    interaction = runs * np.sum(rest**2, axis=(1, 2)) / ((tasks - 1) * (methods - 1))
    error = np.sum((y - cells[..., None]) ** 2, axis=(1, 2, 3)) / (tasks * methods * (runs - 1))
    return interaction, error


def closed_form(y: np.ndarray, *, is_both: bool) -> tuple[np.ndarray, float]:
    """t of the second method less the first in each table, and degrees of freedom; NaN at a variance of zero."""
    _, tasks, methods, runs = y.shape
    interaction, error = mean_squares(y)
    means = y.mean(axis=(1, 3))
    between, within = (tasks - 1) * (methods - 1), tasks * methods * (runs - 1)
    if is_both:
        square, df = np.where(interaction > error, interaction, math.nan), float(between)
    else:
        square, df = (between * interaction + within * error) / (between + within), float(between + within)
    return (means[:, 1] - means[:, 0]) / np.sqrt(2 * square / (tasks * runs)), df


def p_of(model: MixedModel) -> float:
    """p of the second method against the first."""
    c = np.zeros((1, len(model.beta)))
    c[0, 1] = 1.0
    return t_p_value(float(model.beta[1]), math.sqrt(model.covariance[1, 1]), float(satterthwaite(model, c)[0]))


@pytest.mark.parametrize("shape", [(24, 3, 50), (12, 3, 50), (5, 3, 20)])
@pytest.mark.parametrize("formula", [BOTH, TASKS_ONLY])
def test_the_engine_gives_the_p_values_of_the_closed_form(shape: tuple[int, int, int], formula: str) -> None:
    columns, _, _ = balanced(*shape)
    rng = np.random.default_rng(shape[0])
    y = tables(rng, (25, *shape))
    y[:, :, 1] += 0.006
    t, df = closed_form(y, is_both=formula == BOTH)
    template = mixed_model(formula, columns | {"y": y[0].ravel()})
    for table, expected in zip(y, 2 * stats.t.sf(np.abs(t), df), strict=True):
        if not math.isnan(expected):
            assert p_of(template.with_response(table.ravel())) == pytest.approx(expected, rel=2e-3, abs=1e-9)


@pytest.mark.parametrize(("tasks", "runs"), [(24, 50), (12, 50)])
def test_with_task_by_method_the_size_is_five_percent(tasks: int, runs: int) -> None:
    rng = np.random.default_rng(tasks)
    rejected = 0
    for _ in range(DRAWS // 1000):
        t, df = closed_form(tables(rng, (1000, tasks, 3, runs)), is_both=True)
        assert not np.isnan(t).any()
        rejected += int(np.sum(2 * stats.t.sf(np.abs(t), df) < 0.05))
    assert is_size(rejected, DRAWS)


def test_with_tasks_alone_four_in_ten_true_nulls_are_rejected() -> None:
    """The published model, when its claim is about methods on tasks like these: 41 % where 5 % is said."""
    rng = np.random.default_rng(1)
    rejected = 0
    for _ in range(5):
        t, df = closed_form(tables(rng, (1000, 24, 3, 50)), is_both=False)
        rejected += int(np.sum(2 * stats.t.sf(np.abs(t), df) < 0.05))
    assert rejected / 5000 == pytest.approx(0.41, abs=0.025)


def test_with_five_tasks_the_size_holds_too() -> None:
    """One table in twenty has its interaction at zero: there the engine is asked."""
    rng = np.random.default_rng(5)
    y = tables(rng, (4000, 5, 3, 20))
    t, df = closed_form(y, is_both=True)
    p = 2 * stats.t.sf(np.abs(t), df)
    at_zero = np.flatnonzero(np.isnan(t))
    assert 130 < at_zero.size < 260
    template = mixed_model(BOTH, balanced(5, 3, 20)[0] | {"y": y[0].ravel()})
    for k in at_zero:
        model = template.with_response(y[k].ravel())
        assert model.singular
        p[k] = p_of(model)
    assert is_size(int(np.sum(p < 0.05)), 4000)
    t_alone, df_alone = closed_form(y, is_both=False)
    assert np.mean(2 * stats.t.sf(np.abs(t_alone), df_alone) < 0.05) > 0.2  # 25 %; with 50 runs 41 %
    assert 2 * 0.5**5 > 0.05  # the smallest p of a signed-rank test of five pairs: it never rejects


def test_power_is_that_of_the_noncentral_law() -> None:
    tasks, runs, shift = 24, 50, 0.013
    rng = np.random.default_rng(9)
    y = tables(rng, (4000, tasks, 3, runs))
    y[:, :, 1] += shift
    t, df = closed_form(y, is_both=True)
    found = int(np.sum(2 * stats.t.sf(np.abs(t), df) < 0.05))
    se = math.sqrt(2 * (SD_INTERACTION**2 + SD_ERROR**2 / runs) / tasks)
    cut = stats.t.ppf(0.975, df)
    power = stats.nct.sf(cut, df, shift / se) + stats.nct.cdf(-cut, df, shift / se)
    assert 0.7 < power < 0.95
    assert is_size(found, 4000, power)


@pytest.mark.parametrize("law", ["exponential", "t3"])
def test_the_size_holds_where_effects_are_skewed_or_heavy_tailed(law: str) -> None:
    """Interaction, tasks and errors all of the law. Skewness cancels in a difference; heavy tails make it cautious."""
    rng = np.random.default_rng(31)
    t, df = closed_form(tables(rng, (6000, 12, 3, 10), law), is_both=True)
    known = ~np.isnan(t)
    assert known.mean() > 0.9
    rejected, draws = int(np.sum(2 * stats.t.sf(np.abs(t[known]), df) < 0.05)), int(known.sum())
    assert bdtr(rejected - 1, draws, 0.055) < 0.999
    assert rejected / draws > 0.035


def unbalanced(tasks: int, methods: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """2 to 8 runs in each cell."""
    runs = np.random.default_rng(seed).integers(2, 9, (tasks, methods))
    task = np.repeat(np.arange(tasks), runs.sum(axis=1))
    method = np.concatenate([np.repeat(np.arange(methods), row) for row in runs])
    return {"task": task.astype(str), "method": np.array(list("abcd"))[method]}, task, method


@pytest.mark.slow
@pytest.mark.parametrize("law", ["exponential", "t3"])
def test_intervals_of_unbalanced_tables_hold_their_level(law: str) -> None:
    """With 1500 tables: 4.3 % (exponential) and 5.6 % (t3) miss, 4.6 % for the normal law."""
    columns, task, method = unbalanced(12, 3, 0)
    rng = np.random.default_rng(17)
    template = mixed_model(BOTH, columns | {"y": rng.normal(size=task.size)})
    draws, missed = 250, 0
    for _ in range(draws):
        y = SD_TASK * draw(rng, (12,), law)[task] + SD_INTERACTION * draw(rng, (12, 3), law)[task, method]
        missed += p_of(template.with_response(y + SD_ERROR * draw(rng, task.shape, law))) < 0.05
    assert is_size(missed, draws)


@pytest.mark.slow
def test_with_five_unbalanced_tasks_kenward_roger_is_no_less_cautious_than_satterthwaite() -> None:
    """With 1500 tables 4.1 % and 4.1 %; with an interaction of 0.013, often estimated as zero, 4.7 % and 3.0 %."""
    columns, task, method = unbalanced(5, 3, 0)
    rng = np.random.default_rng(23)
    template = mixed_model(BOTH, columns | {"y": rng.normal(size=task.size)})
    c = np.array([[0.0, 1.0, 0.0]])
    draws, rejected, smaller = 200, [0, 0], 0
    for _ in range(draws):
        y = SD_TASK * rng.normal(size=5)[task] + 0.04 * rng.normal(size=(5, 3))[task, method]
        model = template.with_response(y + SD_ERROR * rng.normal(size=task.size))
        kr = kenward_roger(model, c)
        ours, theirs = p_of(model), t_p_value(float(model.beta[1]), float(kr.standard_errors[0]), float(kr.df[0]))
        rejected = [rejected[0] + (ours < 0.05), rejected[1] + (theirs < 0.05)]
        smaller += kr.standard_errors[0] < math.sqrt(model.covariance[1, 1]) * (1 - 1e-9)
    assert smaller == 0
    assert bdtr(rejected[0] - 1, draws, 0.07) < 0.999
    assert is_size(rejected[1], draws)


def one_way(y: np.ndarray) -> np.ndarray:
    """REML's chi2 of a variance between the groups of (draws, groups, runs), against none, in closed form."""
    _, groups, runs = y.shape
    a, b = groups - 1, groups * (runs - 1)
    means = y.mean(axis=2)
    ssb = runs * np.sum((means - means.mean(axis=1, keepdims=True)) ** 2, axis=1)
    ssw = np.sum((y - means[..., None]) ** 2, axis=(1, 2))
    chi2 = (a + b) * np.log((ssb + ssw) / (a + b)) - a * np.log(ssb / a) - b * np.log(ssw / b)
    return np.where(ssb / a > ssw / b, chi2, 0.0)


def test_on_the_boundary_the_mixture_holds_five_percent_and_plain_chi2_half_of_it() -> None:
    rng = np.random.default_rng(40)
    y = rng.standard_normal((DRAWS, 40, 4))
    chi2 = one_way(y)
    columns = {"y": y[0].ravel(), "g": np.repeat(np.arange(40), 4).astype(str)}
    small, large = mixed_model("y ~ 1", columns), mixed_model("y ~ 1 + (1 | g)", columns)
    p, plain = np.ones(DRAWS), np.ones(DRAWS)
    for k in range(30):
        found = likelihood_ratio_test(small.with_response(y[k].ravel()), large.with_response(y[k].ravel()))
        assert found.chi2 == pytest.approx(chi2[k], abs=1e-6)
        p[k], plain[k] = found.p, found.p_chi2
    assert p[:30] == pytest.approx(np.where(chi2[:30] > 0, stats.chi2.sf(chi2[:30], 1) / 2, 1.0), abs=1e-6)
    assert plain[:30] == pytest.approx(stats.chi2.sf(chi2[:30], 1), abs=1e-6)
    cut = stats.chi2.isf(0.05, 1)
    rejected_plain = int(np.sum(chi2 > cut))
    rejected = int(np.sum(chi2 > stats.chi2.isf(0.10, 1)))
    assert bdtr(rejected - 1, DRAWS, 0.05) < 0.999
    assert rejected / DRAWS > 0.044  # 40 groups: a little cautious, more than half of the estimates are zero
    assert bdtr(rejected_plain - 1, DRAWS, 0.025) < 0.999
    assert rejected_plain / DRAWS == pytest.approx(0.025, abs=0.004)
    assert np.mean(chi2 == 0) == pytest.approx(0.5, abs=0.05)


def test_tukey_keeps_the_family_at_five_percent() -> None:
    tasks, methods, runs = 12, 4, 10
    rng = np.random.default_rng(50)
    wrong, draws = 0, 8000
    df = (tasks - 1) * (methods - 1)
    for _ in range(draws // 2000):
        y = tables(rng, (2000, tasks, methods, runs))
        interaction, error = mean_squares(y)
        spread = np.ptp(y.mean(axis=(1, 3)), axis=1) / np.sqrt(np.maximum(interaction, error) / (tasks * runs))
        wrong += int(np.sum(spread > studentized_range_ppf(0.95, methods, df)))
    assert is_size(wrong, draws)
    template = mixed_model(BOTH, balanced(tasks, methods, runs)[0] | {"y": y[0].ravel()})
    checked = np.flatnonzero(interaction > 1.05 * error)[:12]
    for k in checked:
        least = min(row.p for row in contrasts(template.with_response(y[k].ravel()), "method"))
        expected = stats.studentized_range.sf(spread[k], methods, df)
        assert least == pytest.approx(expected, rel=2e-3, abs=1e-6)


def test_tukey_with_unequal_precision_is_cautious() -> None:
    """Tukey and Kramer: with 4, 8 and 40 rows per level the family is wrong at most as often as said."""
    sizes = (4, 8, 40)
    rng = np.random.default_rng(60)
    columns = {"method": np.repeat(list("abc"), sizes)}
    draws, wrong = 250, 0
    template = mixed_model("y ~ method", columns | {"y": rng.normal(size=52)})
    for _ in range(draws):
        wrong += min(row.p for row in contrasts(template.with_response(rng.normal(size=52)), "method")) < 0.05
    assert bdtr(wrong - 1, draws, 0.05) < 0.999
    assert wrong > 3
