"""The search for the lowest deviance: certified, not beaten by restarts, and honest where there is no minimum."""

import numpy as np
import pytest

from cupel.spec.errors import UsageError
from cupel.stats.mixed import MixedModel, mixed_model
from cupel.stats.mixed.optimum import _from_start, lower_root
from cupel.stats.mixed.random_terms import unpack

FORMULAS = [
    "y ~ a + x + (1 | g)",
    "y ~ a * x + (1 | g) + (1 | h)",
    "y ~ x + (x | g)",
    "y ~ x + (x || g) + (1 | h)",
    "y ~ 0 + (1 | g)",
    "y ~ a + (1 | g) + (1 | g:h)",
    "y ~ a + (1 | g) + (1 | g:a) + (1 | g:h)",
    "y ~ x + (x | g) + (a | h)",
    "y ~ 1 + (0 + a | g)",
    "y ~ x + (a + x | g)",
    "y ~ x + (x | g) + (x | h) + (1 | a)",
    "y ~ x + (x + I(x^2) | g)",
    "y ~ a + (0 + a | g) + (1 | h)",
]


def design(kind: int) -> dict[str, np.ndarray]:
    """Few levels, variances from none to large: most of these fits end at a singular covariance."""
    rng = np.random.default_rng(kind)
    n, num_g, num_h = int(rng.integers(40, 200)), int(rng.integers(3, 9)), int(rng.integers(2, 6))
    a, g, h = (rng.integers(0, k, n) for k in (3, num_g, num_h))
    a = np.array(list("pqr"))[a]
    x = rng.normal(rng.choice([0, 3]), 2, n)
    sd_g, sd_h, sd_x = rng.choice([0, 0.05, 0.3, 1, 5], 3)
    y = rng.normal(size=n) + sd_g * rng.normal(size=num_g)[g] + sd_h * rng.normal(size=num_h)[h]
    y += sd_x * x * rng.normal(size=num_g)[g]
    return {"y": y, "a": a, "g": g.astype(str), "h": h.astype(str), "x": x}


def is_certified(model: MixedModel) -> None:
    """The gradient in the factors is zero, and no variance anywhere would help."""
    assert model.converged
    here = model.profile.at(model.optimum.theta)
    assert np.all(np.abs(here.gradient) < 2e-3)
    for slope, term in zip(here.covariance_slopes(), model.data.terms, strict=True):
        assert np.linalg.eigvalsh(slope)[0] > -1e-3 * term.num_levels


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_minimum_is_certified_and_no_restart_finds_a_lower_one(formula: str) -> None:
    from scipy.optimize import minimize

    for seed in range(4):
        rng = np.random.default_rng(seed)
        model = mixed_model(formula, design(1000 * len(formula) + seed), reml=bool(seed % 2))
        is_certified(model)
        for size in (0.05, 0.5, 3.0):
            start = size * rng.normal(size=model.optimum.theta.size)
            found = minimize(model.profile.value_and_gradient, start, jac=True, method="L-BFGS-B")
            assert found.fun > model.optimum.deviance - 1e-6


@pytest.mark.parametrize(
    ("kind", "formula"),
    [
        (38, "y ~ 1 + (0 + a | g)"),
        (128, "y ~ 1 + (0 + a | g)"),
        (99, "y ~ x + (a + x | g)"),
        (262, "y ~ x + (x | g) + (a | h)"),
        (512, "y ~ x + (x | g)"),
        (754, "y ~ x + (x | g) + (a | h)"),
    ],
)
def test_where_one_search_gives_up_too_early_the_minimum_is_found(kind: int, formula: str) -> None:
    from scipy.optimize import minimize

    model = mixed_model(formula, design(kind))
    is_certified(model)
    rng, options = np.random.default_rng(0), {"ftol": 1e-14, "gtol": 1e-7, "maxiter": 500}
    for _ in range(3):
        near = model.optimum.theta * (1 + 0.1 * rng.normal(size=model.optimum.theta.size))
        again = minimize(model.profile.value_and_gradient, near, jac=True, method="L-BFGS-B", options=options)
        assert again.fun > model.optimum.deviance - 1e-7


@pytest.mark.parametrize("formula", ["y ~ a + (1 | g)", "y ~ a + x + (x | g)", "y ~ a + (1 | g) + (1 | h)"])
def test_from_no_variance_at_all_the_certificate_leads_to_the_minimum(survey, formula: str) -> None:
    """At zero the gradient is zero whatever the data: the search alone would stay there."""
    model = mixed_model(formula, survey)
    start = np.zeros_like(model.optimum.theta)
    assert model.profile.value_and_gradient(start)[1].tolist() == start.tolist()
    found = _from_start(model.profile, start)
    assert found.deviance == pytest.approx(model.optimum.deviance, abs=1e-6)
    assert found.is_converged


def test_correlated_effects_escape_from_a_singular_start(survey) -> None:
    model = mixed_model("y ~ a + x + (x | g)", survey)
    assert model.singular
    assert model.criterion == pytest.approx(338.6580797, abs=2e-7)  # lmer, bobyqa with rhoend = 1e-10
    slopes = model.evaluation.covariance_slopes()[0]
    factor = model.evaluation.factors[0]
    assert np.abs(slopes @ factor).max() < 1e-3
    assert np.linalg.eigvalsh(factor @ factor.T)[0] < 1e-8


def test_a_variance_without_evidence_is_exactly_zero() -> None:
    columns = {"y": [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0], "g": list("aaabbbccc")}
    model = mixed_model("y ~ 1 + (1 | g)", columns)
    assert model.theta == {"g.(Intercept)": 0.0}
    assert model.singular
    assert model.converged
    assert model.sigma == pytest.approx(np.std(columns["y"], ddof=1))
    assert [note.code for note in model.warnings] == ["singular fit"]
    assert "no variance is found for g" in model.warnings[0].text


def test_diagonals_are_not_negative() -> None:
    for kind, formula in ((888, "y ~ x + (x | g)"), (883, "y ~ 1 + (0 + a | g)"), (876, "y ~ x + (a + x | g)")):
        model = mixed_model(formula, design(kind))
        for factor in unpack(model.optimum.theta, model.data.terms):
            assert np.all(np.diag(factor) >= 0)
            assert np.all(np.triu(factor, 1) == 0)


@pytest.mark.parametrize("ratio", [1e-3, 1.0, 1e3])
def test_the_groups_may_be_much_further_apart_than_their_rows(survey, ratio: float) -> None:
    """In a balanced one-way layout the estimates are known: the residual variance is the mean square within."""
    rng = np.random.default_rng(8)
    group = np.repeat(np.arange(12), 6)
    y = ratio * rng.normal(size=12)[group] + rng.normal(size=72)
    model = mixed_model("y ~ 1 + (1 | g)", {"y": y, "g": group.astype(str)})
    means = y.reshape(12, 6).mean(axis=1)
    within = np.sum((y - means[group]) ** 2) / 60
    between = 6 * np.var(means, ddof=1)
    if between > within:
        assert model.sigma**2 == pytest.approx(within, rel=2e-5)
        assert model.variance_components["g"] == pytest.approx((between - within) / 6, rel=2e-4)
    else:
        assert model.sigma**2 == pytest.approx(np.var(y, ddof=1))
    assert model.converged


@pytest.mark.parametrize("noise", [0.0, 1e-13, 1e-9])
@pytest.mark.parametrize("formula", ["y ~ a + (1 | g)", "y ~ a + (1 | g) + (1 | g:a)", "y ~ a + (x | g)"])
def test_repeats_that_are_copies_leave_no_residual_and_are_refused(survey, noise: float, formula: str) -> None:
    rng = np.random.default_rng(0)
    value = {g: rng.normal() for g in set(survey["g"])}
    y = [value[g] + noise * rng.normal() for g in survey["g"]]
    with pytest.raises(UsageError, match="no residual is left"):
        mixed_model(formula, survey | {"y": y})


def test_a_fit_that_did_not_settle_says_so(monkeypatch) -> None:
    from cupel.stats.mixed import optimum

    monkeypatch.setattr(optimum, "SEARCH", {**optimum.SEARCH, "maxiter": 1, "maxfun": 2})
    monkeypatch.setattr(optimum, "MOST_ESCAPES", 1)
    monkeypatch.setattr(optimum, "MOST_RESTARTS", 1)
    model = mixed_model("y ~ x + (x | g)", design(99))
    assert not model.converged
    assert "not converged" in [note.code for note in model.warnings]


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_a_root_of_a_singular_covariance_is_lower_triangular(rank: int) -> None:
    rng = np.random.default_rng(rank)
    half = rng.normal(size=(3, max(rank, 1))) * (rank > 0)
    root = lower_root(half @ half.T)
    assert np.allclose(root @ root.T, half @ half.T, atol=1e-12)
    assert np.all(np.triu(root, 1) == 0)
    assert np.all(np.diag(root) >= 0)


def test_a_term_that_the_fixed_part_takes_up_gets_no_variance() -> None:
    """`y ~ g + (1 | g)`: the deviance does not depend on the variance; a search would stop wherever it began."""
    rng = np.random.default_rng(3)
    frame = {"y": rng.normal(size=40), "g": [f"g{k // 8}" for k in range(40)]}
    model = mixed_model("y ~ g + (1 | g)", frame)
    plain = mixed_model("y ~ g", frame)
    assert model.variance_components["g"] == 0
    assert model.singular
    assert model.criterion == pytest.approx(plain.criterion)
    assert model.standard_errors == pytest.approx(plain.standard_errors)
