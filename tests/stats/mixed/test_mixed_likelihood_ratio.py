"""Likelihood-ratio tests: recorded values, the law on the boundary, what is nested and what is not, the bootstrap."""

import math

import numpy as np
import pytest
from scipy import stats

from cupel.spec.errors import UsageError
from cupel.stats.mixed import MixedModel, likelihood_ratio_test, mixed_model, parametric_bootstrap
from cupel.stats.mixed.nesting import nested_difference
from cupel.stats.mixed.parametric_bootstrap import simulate


@pytest.fixture
def fits(survey):
    """Fits of the survey by their formula."""

    def one(formula: str, reml: bool = True) -> MixedModel:
        return mixed_model(formula, survey, reml=reml)

    return one


def test_fixed_effects_are_compared_by_maximum_likelihood(fits) -> None:
    # anova(m0, m1): refitted with ML
    found = likelihood_ratio_test(fits("y ~ 1 + (1 | g) + (1 | h)"), fits("y ~ a * b + x + (1 | g) + (1 | h)"))
    assert found.chi2 == pytest.approx(43.10599, abs=1e-4)
    assert (found.df, found.n) == (6, 96)
    assert found.p == found.p_chi2 == pytest.approx(1.1114e-07, rel=1e-3)
    assert found.log_likelihoods == pytest.approx((-179.6598954, -158.1068986), abs=1e-6)
    assert found.method == "ML, chi2(6)"
    assert found.text() == "chi2 = 43.11 on 6 degrees of freedom, p = 1.11e-07 (ML, chi2(6))"
    assert list(found.to_frame().columns) == ["chi2", "df", "p", "p_chi2", "n", "method"]


def test_a_variance_is_compared_by_the_criterion_that_was_used(fits) -> None:
    # anova(mh, m1, refit = FALSE) and 2 (logLik(m2) - logLik(mx)), REML
    found = likelihood_ratio_test(fits("y ~ a * b + x + (1 | g)"), fits("y ~ a * b + x + (1 | g) + (1 | h)"))
    assert found.chi2 == pytest.approx(14.2100237, abs=1e-6)
    assert found.p_chi2 == pytest.approx(0.0001635, abs=5e-8)
    assert found.p == pytest.approx(found.p_chi2 / 2)
    assert found.method.startswith("REML, even mixture of chi2(0) and chi2(1)")
    slope = likelihood_ratio_test(fits("y ~ a + x + (1 | g)"), fits("y ~ a + x + (x | g)"))
    assert slope.chi2 == pytest.approx(8.181219436, abs=1e-6)
    assert slope.df == 2
    assert slope.p == pytest.approx((stats.chi2.sf(8.181219436, 1) + stats.chi2.sf(8.181219436, 2)) / 2, rel=1e-6)
    assert slope.p_chi2 == pytest.approx(stats.chi2.sf(8.181219436, 2), rel=1e-6)


@pytest.mark.parametrize(
    ("small", "large", "difference", "weights"),
    [
        ("y ~ 1 + (1 | g)", "y ~ a + (1 | g)", (2, 0, 0), {2: 1}),
        ("y ~ a + (1 | g)", "y ~ a + (1 | g) + (1 | h)", (0, 1, 0), {0: 0.5, 1: 0.5}),
        ("y ~ a", "y ~ a + (1 | g)", (0, 1, 0), {0: 0.5, 1: 0.5}),
        ("y ~ x + (1 | g)", "y ~ x + (x || g)", (0, 1, 0), {0: 0.5, 1: 0.5}),
        ("y ~ x + (1 | g)", "y ~ x + (x | g)", (0, 1, 1), {1: 0.5, 2: 0.5}),
        ("y ~ x + (x || g)", "y ~ x + (x | g)", (0, 0, 1), {1: 1}),
        ("y ~ x + (1 | g)", "y ~ a + x + (1 | g) + (1 | h)", (2, 1, 0), {2: 0.5, 3: 0.5}),
        ("y ~ x", "y ~ x + (1 | g) + (1 | h)", (0, 2, 0), {0: 0.25, 1: 0.5, 2: 0.25}),
        ("y ~ x", "y ~ x + (1 | g) + (1 | h) + (1 | b)", (0, 3, 0), {0: 1 / 8, 1: 3 / 8, 2: 3 / 8, 3: 1 / 8}),
        ("y ~ x", "y ~ x + (x | g)", (0, 2, 1), {3: 1}),
        ("y ~ x + (x | g)", "y ~ x + (x + I(x^2) | g)", (0, 1, 2), {2: 0.5, 3: 0.5}),
        ("y ~ x", "y ~ x", (0, 0, 0), {0: 1}),
        ("y ~ a:b", "y ~ a * b", (0, 0, 0), {0: 1}),
        ("y ~ 1 + (1 | g:h)", "y ~ 1 + (1 | h:g) + (1 | g)", (0, 1, 0), {0: 0.5, 1: 0.5}),
        ("y ~ a + (1 | h) + (1 | h:a)", "y ~ a + (a | h)", (0, 0, 4), {4: 1}),
        ("y ~ a + (1 | h / a)", "y ~ a + (0 + a | h)", (0, 0, 4), {4: 1}),
        ("y ~ a + (1 | h:a)", "y ~ a + (0 + a | h)", (0, 0, 5), {5: 1}),
        ("y ~ a + (1 | h)", "y ~ a + (0 + a | h)", (0, 2, 3), {5: 1}),
        ("y ~ b + (1 | h)", "y ~ b + (0 + b | h)", (0, 1, 1), {1: 0.5, 2: 0.5}),
        ("y ~ b + (b | h)", "y ~ b + (0 + b | h)", (0, 0, 0), {0: 1}),
        ("y ~ x + (x || g)", "y ~ x + (I(x - 2) | g)", (0, 0, 1), {1: 1}),
        ("y ~ x + (1 | g)", "y ~ x + (I(x - 2) | g) + (1 | h)", (0, 2, 1), {3: 1}),
    ],
)
def test_parameters_are_counted_and_weighted(fits, small: str, large: str, difference, weights: dict) -> None:
    one, two = fits(small, reml=False), fits(large, reml=False)
    found = nested_difference(one, two)
    assert (found.num_fixed, found.num_variances, found.num_covariances) == difference
    assert found.num_parameters == two.num_parameters - one.num_parameters
    test = likelihood_ratio_test(one, two)
    expected = sum(w * (stats.chi2.sf(test.chi2, df) if df else float(test.chi2 <= 0)) for df, w in weights.items())
    assert test.p == pytest.approx(expected, rel=1e-9, abs=0)
    assert test.df == found.num_parameters
    assert test.p <= test.p_chi2 + 1e-12
    approximate = found.num_variances > 1
    assert [note.code for note in test.warnings if note.code == "boundary"] == ["boundary"] * approximate


@pytest.mark.parametrize(
    ("small", "large", "why"),
    [
        ("y ~ a + (1 | g)", "y ~ b + (1 | g)", "fixed effects that the larger lacks"),
        ("y ~ a + (1 | g)", "y ~ 1 + (1 | g) + (1 | h)", "fixed effects that the larger lacks"),
        ("y ~ a + (1 | g)", "y ~ a + (1 | h)", "random terms g \\(Intercept\\)"),
        ("y ~ x + (x | g)", "y ~ x + (x || g) + (1 | h)", "random terms g"),
        ("y ~ a + (1 | g)", "y ~ a + b", "random terms g"),
        ("y ~ a + (0 + a | h)", "y ~ a + (1 | h) + (1 | h:a)", "random terms h ap"),
        ("y ~ x + (I(x - 2) || g)", "y ~ x + (x || g)", "random terms g I\\(x - 2\\)"),
        ("y ~ x + (1 | g:b)", "y ~ x + (x | g)", "random terms b:g"),
        ("y ~ x + (1 | h:b)", "y ~ x + (0 + a | h)", "random terms b:h"),
    ],
)
def test_what_is_not_nested_is_refused(fits, small: str, large: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        likelihood_ratio_test(fits(small), fits(large))
    with pytest.raises(UsageError, match=why):
        parametric_bootstrap(fits(small), fits(large), num=19)


def test_groups_are_compared_by_what_they_are(survey) -> None:
    """`pair` is g:b under another name; anova of the two fits: chi2 on 1 degree of freedom."""
    table = survey | {"pair": [g + b for g, b in zip(survey["g"], survey["b"], strict=True)]}
    small, large = (mixed_model(f"y ~ x + {bars}", table) for bars in ("(1 | pair)", "(1 | g/b)"))
    found = likelihood_ratio_test(small, large)
    assert (found.df, found.p) == (1, pytest.approx(found.p_chi2 / 2))
    assert found.chi2 == pytest.approx(likelihood_ratio_test(mixed_model("y ~ x + (1 | g:b)", table), large).chi2)


def test_what_is_no_fit_is_refused(fits) -> None:
    for pair in ((None, fits("y ~ a + (1 | g)")), (fits("y ~ a + (1 | g)"), "y ~ a + (1 | g)")):
        with pytest.raises(UsageError, match="A fit is expected, as mixed_model"):
            likelihood_ratio_test(*pair)


def test_the_larger_model_must_come_second(fits) -> None:
    with pytest.raises(UsageError, match="not a special case"):
        likelihood_ratio_test(fits("y ~ a + (1 | g)"), fits("y ~ 1 + (1 | g)"))


def test_models_of_different_rows_are_refused(survey, fits) -> None:
    holes = survey | {"x": [math.nan, *survey["x"][1:]]}
    large = mixed_model("y ~ x + (1 | g)", holes)
    with pytest.raises(UsageError, match="different data \\(96 rows of y, 95 of y\\)"):
        likelihood_ratio_test(fits("y ~ 1 + (1 | g)"), large)
    other = mixed_model("y ~ x + (1 | g)", survey | {"y": survey["y"][::-1]})
    with pytest.raises(UsageError, match="different data"):
        likelihood_ratio_test(fits("y ~ 1 + (1 | g)"), other)


def test_mixed_criteria_are_both_refitted(fits) -> None:
    small, large = fits("y ~ a + (1 | g)", reml=True), fits("y ~ a + (1 | g) + (1 | h)", reml=False)
    expected = likelihood_ratio_test(small.refit(reml=False), large)
    assert likelihood_ratio_test(small, large).chi2 == pytest.approx(expected.chi2)
    assert likelihood_ratio_test(small, large).method.startswith("ML")


def test_an_added_variance_of_zero_has_p_of_one() -> None:
    columns = {"y": [1.0, 2.0, 3.0, 1.5] * 6, "g": list("aabb") * 3 + list("bbaa") * 3}
    small, large = (mixed_model(f"y ~ 1{term}", columns) for term in ("", " + (1 | g)"))
    found = likelihood_ratio_test(small, large)
    assert large.singular
    assert found.chi2 == 0
    assert found.p == 1


def test_a_tail_does_not_underflow_to_zero(survey) -> None:
    far = survey | {"y": [y + 40 * (a == "q") for y, a in zip(survey["y"], survey["a"], strict=True)]}
    found = likelihood_ratio_test(mixed_model("y ~ 1 + (1 | g)", far), mixed_model("y ~ a + (1 | g)", far))
    assert 0 < found.p < 1e-60


def test_the_bootstrap_is_reproducible_and_touches_no_other_generator(fits) -> None:
    small, large = fits("y ~ b + x + (1 | g)"), fits("y ~ b + x + (1 | g) + (1 | h)")
    np.random.seed(7)  # noqa: NPY002  the global generator is what is watched
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    one, two = (parametric_bootstrap(small, large, num=19, seed=3) for _ in range(2))
    assert one.draws.tobytes() == two.draws.tobytes()
    assert parametric_bootstrap(small, large, num=19, seed=4).draws.tobytes() != one.draws.tobytes()
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_the_bootstrap_counts_what_is_at_least_as_large(fits) -> None:
    small, large = fits("y ~ b + (1 | g)"), fits("y ~ b + x + (1 | g)")
    found = parametric_bootstrap(small, large, num=39)
    assert found.chi2 == likelihood_ratio_test(small, large).chi2
    assert found.p == (1 + np.sum(found.draws >= found.chi2)) / 40
    assert found.p_error == pytest.approx(math.sqrt(found.p * (1 - found.p) / 39))
    assert found.draws.shape == (39,)
    assert np.all(found.draws >= 0)
    assert found.method == "parametric bootstrap of 39 tables, ML"
    assert list(found.to_frame()["chi2"]) == found.draws.tolist()
    assert "39 simulated tables" in found.text()


def test_too_few_tables_are_refused(fits) -> None:
    with pytest.raises(UsageError, match="at least 19"):
        parametric_bootstrap(fits("y ~ b"), fits("y ~ a + b"), num=18)


def test_under_the_small_model_the_bootstrap_follows_the_mixture() -> None:
    """One added variance: half of the draws at zero, the rest chi2(1)."""
    rng = np.random.default_rng(12)
    g = np.repeat(np.arange(30), 5)
    columns = {"y": rng.normal(size=150), "g": g.astype(str)}
    small, large = mixed_model("y ~ 1", columns), mixed_model("y ~ 1 + (1 | g)", columns)
    draws = parametric_bootstrap(small, large, num=400).draws
    share = np.mean(draws > 1e-6)
    assert share == pytest.approx(0.5, abs=0.11)  # below a half with few groups: Crainiceanu & Ruppert (2004)
    for p in (0.05, 0.1, 0.2):
        held = np.mean(draws > stats.chi2.isf(2 * p, 1))
        assert held == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 400))


def test_simulated_tables_have_the_covariance_of_the_model(fits, naive) -> None:
    model = fits("y ~ a + x + (x | g) + (1 | h)")
    rng = np.random.default_rng(3)
    draws = np.array([simulate(model, rng) for _ in range(4000)])
    assert draws.mean(axis=0) == pytest.approx(model.fixed_fit, abs=6 * np.std(model.response) / math.sqrt(4000))
    v = model.sigma**2 * np.eye(96)
    for term, covariance in zip(model.data.terms, model.random_covariances, strict=True):
        z = naive.columns(term) * np.tile(term.scale, term.num_levels)
        v += z @ np.kron(np.eye(term.num_levels), covariance) @ z.T
    size = np.sqrt(np.outer(np.diag(v), np.diag(v)))
    assert np.abs(np.cov(draws.T) - v).max() < 0.12 * size.max()
    assert np.mean((np.cov(draws.T) - v) / size) == pytest.approx(0, abs=0.01)
