"""Shares of variance, by hand and as computed in R."""

import numpy as np
import pytest

from cupel.stats.mixed import mixed_model, r_squared


# In R: vf <- var(model.matrix(m) %*% fixef(m)); vr <- sum of tr(Z S Z') / n; ve <- sigma(m)^2
@pytest.mark.parametrize(
    ("formula", "variances", "shares"),
    [
        ("y ~ a * b + x + (1 | g) + (1 | h)", (0.7602425299, 2.848963022, 1.194414242),
         (0.1582645094, 0.7513512115, 0.7045998521)),
        ("y ~ a + x + (x | g)", (0.5427707462, 2.362216578, 1.587179653), (0.1208260399, 0.6466783936, 0.598120938)),
    ],
)  # fmt: skip
def test_recorded_values(survey, formula: str, variances: tuple, shares: tuple) -> None:
    found = r_squared(mixed_model(formula, survey))
    between = sum(v for name, v in found.variances.items() if name not in ("fixed", "Residual"))
    ours = (found.variances["fixed"], between, found.variances["Residual"])
    assert ours == pytest.approx(variances, rel=1e-6)
    assert (found.marginal, found.conditional, found.icc) == pytest.approx(shares, rel=1e-6)


def test_random_slopes_are_averaged_over_the_rows(survey) -> None:
    model = mixed_model("y ~ x + (x || g) + (1 | h)", survey)
    x = np.array(survey["x"])
    parts = model.variance_components
    by_hand = parts["g.(Intercept)"] + parts["g.x"] * np.mean(x**2)
    found = r_squared(model)
    assert found.variances["g"] == pytest.approx(by_hand)
    assert found.variances["h"] == pytest.approx(parts["h"])
    assert sum(found.shares.values()) == pytest.approx(1)
    assert found.shares["g"] == pytest.approx(by_hand / sum(found.variances.values()))
    assert list(found.to_frame()["source"]) == ["fixed", "g", "h", "Residual"]
    assert (found.n, found.scope, found.warnings) == (model.n, model.scope, model.warnings)
    assert found.method.endswith("variances by REML")
    assert found.text().startswith(f"R2 {found.marginal:.3f} by the fixed part")


def test_without_groups_both_are_the_share_of_the_fixed_part(survey) -> None:
    found = r_squared(mixed_model("y ~ a + x", survey))
    assert found.marginal == found.conditional
    assert found.icc == 0


def test_without_predictors_the_marginal_share_is_zero(survey) -> None:
    found = r_squared(mixed_model("y ~ 1 + (1 | g)", survey))
    assert found.marginal == pytest.approx(0, abs=1e-12)
    assert found.icc == pytest.approx(found.conditional)


def test_shares_do_not_depend_on_units(survey) -> None:
    here = r_squared(mixed_model("y ~ a + x + (x | g)", survey))
    scaled = survey | {"y": [1000 * y for y in survey["y"]], "x": [x / 7 for x in survey["x"]]}
    there = r_squared(mixed_model("y ~ a + x + (x | g)", scaled))
    assert (there.marginal, there.conditional, there.icc) == pytest.approx(
        (here.marginal, here.conditional, here.icc), rel=1e-5
    )
