"""Estimates of two models of an unbalanced table, recorded in R 4.2.2 with lme4 1.1-31 (bobyqa, rhoend = 1e-10)."""

import numpy as np
import pytest

from cupel.stats.mixed import MixedModel, mixed_model

CROSSED = "y ~ a * b + x + (1 | g) + (1 | h)"
SLOPES = "y ~ a + x + (x | g)"


@pytest.fixture
def crossed(survey) -> MixedModel:
    return mixed_model(CROSSED, survey)


@pytest.fixture
def slopes(survey) -> MixedModel:
    """Its slopes and intercepts are fully correlated."""
    return mixed_model(SLOPES, survey)


def test_criterion_theta_and_sigma(crossed, slopes) -> None:
    assert crossed.criterion == pytest.approx(319.2759173, abs=2e-7)
    assert crossed.theta == pytest.approx({"g.(Intercept)": 1.420968108, "h.(Intercept)": 0.6050523053}, rel=1e-6)
    assert crossed.sigma == pytest.approx(1.092892603, rel=1e-7)
    assert crossed.log_likelihood == -crossed.criterion / 2
    assert (crossed.num_parameters, crossed.singular, crossed.n) == (10, False, 96)
    assert slopes.criterion == pytest.approx(338.6580797, abs=2e-7)
    expected = {"g.(Intercept)": 0.5798402136, "g.x.(Intercept)": 0.3063318633, "g.x": 0.0}
    assert slopes.theta == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert (slopes.num_parameters, slopes.singular) == (8, True)


def test_fixed_effects_and_their_covariance(crossed) -> None:
    names = ["(Intercept)", "aq", "ar", "bv", "x", "aq:bv", "ar:bv"]
    expected = [9.567338446, 0.6998902891, 1.602410101, -0.8979967174, 0.283539492, -0.00186435267, 0.04755344225]
    assert list(crossed.coefficients) == names
    assert crossed.beta == pytest.approx(expected, rel=1e-6, abs=1e-8)
    first_row = [0.5570899603, -0.105952328, -0.1210517831, -0.1135421956, -0.03104188707, 0.1145840171, 0.1277104244]
    assert crossed.covariance[0] == pytest.approx(first_row, rel=1e-6)
    diagonal = [0.5570899603, 0.216626447, 0.1861733147, 0.1777218368, 0.01356379135, 0.3690832506, 0.319935988]
    assert np.diag(crossed.covariance) == pytest.approx(diagonal, rel=1e-6)
    assert list(crossed.standard_errors.values()) == pytest.approx(np.sqrt(diagonal), rel=1e-6)


def test_predicted_random_effects(crossed, slopes) -> None:
    g = [-1.437008956, 0.7995650908, 2.497801211, 0.1718513845, 1.17142277, -1.236327158, 0.08796575068, -2.055270092]
    h = [-0.4104334093, -0.007855474839, 0.008910908787, 0.9952113862, -0.5858334108]
    found = crossed.random_effects
    assert {name: list(levels) for name, levels in found.items()} == {
        "g": [f"g{k}" for k in range(8)],
        "h": [f"h{k}" for k in range(5)],
    }
    assert [found["g"][f"g{k}"]["(Intercept)"] for k in range(8)] == pytest.approx(g, rel=1e-6)
    assert [found["h"][f"h{k}"]["(Intercept)"] for k in range(5)] == pytest.approx(h, rel=1e-5)
    intercepts = [-0.7004532214, 0.3076454092, 1.251297392, -0.0842335024, 0.4919156531, -0.4979340302, 0.1528797498]
    of_x = [-0.3700521893, 0.1625302785, 0.6610653289, -0.04450089031, 0.2598809725, -0.2630605048, 0.08076697253]
    levels = [slopes.random_effects["g"][f"g{k}"] for k in range(7)]
    assert [level["(Intercept)"] for level in levels] == pytest.approx(intercepts, rel=1e-5)
    assert [level["x"] for level in levels] == pytest.approx(of_x, rel=1e-5)


def test_fitted_values_and_residuals(crossed, slopes) -> None:
    fitted = [6.961318401, 7.405134589, 9.442117472, 7.727465618, 13.87405014]
    residuals = [-0.3833184012, 1.059865411, -0.2081174716, 0.00253438242, -0.02305013946]
    assert crossed.fitted[:5] == pytest.approx(fitted, rel=1e-7)
    assert crossed.residuals[:5] == pytest.approx(residuals, abs=2e-8)
    assert slopes.fitted[:5] == pytest.approx(
        [8.263328772, 8.378319336, 8.92417891, 8.622184997, 12.57278936], rel=1e-6
    )
    assert np.allclose(crossed.fitted + crossed.residuals, crossed.response)


def test_variances_and_covariances(crossed, slopes) -> None:
    assert dict(crossed.variance_components) == pytest.approx(
        {"g": (1.420968108 * 1.092892603) ** 2, "h": (0.6050523053 * 1.092892603) ** 2, "Residual": 1.092892603**2},
        rel=1e-6,
    )
    assert crossed.variance_components["g.(Intercept)"] == crossed.variance_components["g"]
    frame = slopes.variance_components.to_frame()
    assert list(frame["grp"]) == ["g", "g", "g", "Residual"]
    assert list(frame["vcov"]) == pytest.approx([0.5336330884, 0.1489396855, 0.2819204575, 1.5871796525], rel=1e-5)
    assert list(frame["sdcor"]) == pytest.approx([0.7305019428, 0.3859270468, 1.0, 1.2598331844], rel=1e-5)
    with pytest.raises(KeyError):
        slopes.variance_components["h"]


def test_maximum_likelihood(crossed) -> None:
    other = crossed.refit(reml=False)
    assert other.criterion == pytest.approx(316.2137973, abs=2e-7)
    assert other.refit(reml=False) is other
    assert other.refit(reml=True).criterion == pytest.approx(crossed.criterion, abs=1e-9)


def test_least_squares_where_there_is_no_random_term(survey) -> None:
    # lm(y ~ a * b + x); logLik(m), logLik(m, REML = TRUE)
    model = mixed_model("y ~ a * b + x", survey, reml=False)
    beta = [8.711056506, 0.9482345852, 2.7022938, -0.4706876279, 0.4862986471, -0.7791169609, -0.4720951962]
    errors = [0.666122904, 0.7614415129, 0.6868775794, 0.6864061142, 0.1942260124, 1.022215187, 0.9419018707]
    restricted = model.refit(reml=True)
    assert model.beta == pytest.approx(beta)
    assert list(restricted.standard_errors.values()) == pytest.approx(errors)
    assert (model.criterion, restricted.criterion) == pytest.approx((389.4043851, 388.8452083))
    assert restricted.random_effects == {}
    assert not restricted.singular
    assert list(restricted.to_frame()["df"]) == pytest.approx([89.0] * 7)
    assert "Residual" in restricted.text()


def test_without_fixed_effects(survey, naive) -> None:
    for reml in (True, False):
        model = mixed_model("y ~ 0 + (1 | g)", survey, reml=reml)
        assert model.coefficients == {}
        assert model.covariance.shape == (0, 0)
        z = naive.columns(model.data.terms[0])
        factor = np.array([[model.theta["g.(Intercept)"]]])
        there = naive.deviance(np.zeros((96, 0)), model.response, [(z, factor)], reml=reml)
        assert model.criterion == pytest.approx(there.deviance, rel=1e-10)
        assert model.to_frame().shape == (0, 6)
        assert "fixed effect" in model.text()


def test_the_table_of_coefficients(crossed) -> None:
    frame = crossed.to_frame()
    assert list(frame.columns) == ["term", "estimate", "se", "df", "t", "p"]
    p = [1.809629814e-10, 0.1365965295, 0.0003750653633, 0.03623443996, 0.01716583089, 0.9975591914, 0.9332113051]
    assert list(frame["p"]) == pytest.approx(p, rel=1e-5)
    assert list(frame["t"]) == pytest.approx(list(frame["estimate"] / frame["se"]))


def test_two_columns_of_the_same_name_both_stand_in_the_table(survey) -> None:
    """Level q of a and the column aq: R has two rows of that name too."""
    model = mixed_model("y ~ a + aq + (1 | g)", survey | {"aq": survey["x"]})
    assert list(model.to_frame()["term"]) == ["(Intercept)", "aq", "ar", "aq"]


def test_the_text_tells_what_was_fitted(slopes) -> None:
    text = slopes.text()
    lines = text.splitlines()
    assert lines[0] == SLOPES
    assert lines[1].startswith("REML, 96 rows, REML criterion 338.6581")
    assert any(line.split()[:3] == ["g", "(Intercept)", "x"] and line.split()[-1] == "1" for line in lines)
    assert any(line.startswith("ar ") and "1.3654" in line for line in lines)
    assert lines[-1].startswith("note: the fit is singular: effects of a grouping are fully correlated")
    assert max(map(len, lines)) <= 120


def test_what_is_said_of_a_singular_fit_does_not_depend_on_units(survey) -> None:
    for unit in (1e-9, 1.0, 1e9):
        model = mixed_model(SLOPES, survey | {"x": [unit * x for x in survey["x"]]})
        assert "fully correlated" in model.warnings[0].text


def test_the_scope_tells_these_groups_from_groups_like_these(survey) -> None:
    assert mixed_model("y ~ a + (1 | g)", survey).scope == "these groups"
    assert mixed_model("y ~ a + (1 | g) + (1 | g:a)", survey).scope == "groups like these"
    assert mixed_model("y ~ a + (a | g)", survey).scope == "groups like these"
    assert mixed_model("y ~ a + (x | g)", survey).scope == "these groups"


@pytest.mark.parametrize("unit", [1e-150, 1e-6, 1.0, 1e6, 1e150])
def test_the_unit_of_the_response_goes_through(survey, unit: float) -> None:
    here, there = (mixed_model(SLOPES, survey | {"y": [u * y for y in survey["y"]]}) for u in (1.0, unit))
    assert there.beta == pytest.approx(unit * here.beta, rel=1e-6)
    assert there.sigma == pytest.approx(unit * here.sigma, rel=1e-6)
    assert there.theta == pytest.approx(here.theta, rel=1e-5, abs=1e-6)
    assert there.criterion == pytest.approx(here.criterion + 2 * (96 - 4) * np.log(unit), abs=1e-6, rel=1e-9)
    assert list(there.to_frame()["df"]) == pytest.approx(list(here.to_frame()["df"]), rel=1e-3)


@pytest.mark.parametrize("unit", [1e-100, 1e-6, 1e6, 1e100])
def test_the_unit_of_a_column_goes_through(survey, unit: float) -> None:
    here, there = (mixed_model(SLOPES, survey | {"x": [u * x for x in survey["x"]]}) for u in (1.0, unit))
    assert there.coefficients["x"] * unit == pytest.approx(here.coefficients["x"], rel=1e-6)
    assert there.coefficients["ar"] == pytest.approx(here.coefficients["ar"], rel=1e-6)
    assert there.variance_components["g.x"] * unit**2 == pytest.approx(here.variance_components["g.x"], rel=1e-4)
    assert there.fitted == pytest.approx(here.fitted, rel=1e-6)
    assert there.criterion == pytest.approx(here.criterion + 2 * np.log(unit), abs=1e-6)
    assert list(there.to_frame()["df"]) == pytest.approx(list(here.to_frame()["df"]), rel=1e-3)


@pytest.mark.parametrize("offset", [1e4, 1e8, -1e8])
def test_a_large_offset_of_the_response_goes_through(survey, offset: float) -> None:
    here = mixed_model(CROSSED, survey)
    there = mixed_model(CROSSED, survey | {"y": [y + offset for y in survey["y"]]})
    assert there.criterion == pytest.approx(here.criterion, abs=1e-5)
    assert there.beta[1:] == pytest.approx(here.beta[1:], abs=1e-6)
    assert there.sigma == pytest.approx(here.sigma, rel=1e-7)


def test_a_large_offset_of_a_column_goes_through(survey) -> None:
    here = mixed_model(CROSSED, survey)
    there = mixed_model(CROSSED, survey | {"x": [x + 1e5 for x in survey["x"]]})
    assert there.criterion == pytest.approx(here.criterion, abs=1e-5)
    assert there.coefficients["x"] == pytest.approx(here.coefficients["x"], rel=1e-6)


def test_the_order_of_rows_is_of_no_consequence(survey) -> None:
    order = np.random.default_rng(1).permutation(96)
    here = mixed_model(SLOPES, survey)
    there = mixed_model(SLOPES, {name: [values[k] for k in order] for name, values in survey.items()})
    assert there.criterion == pytest.approx(here.criterion, abs=1e-8)
    assert there.fitted == pytest.approx(here.fitted[order], rel=1e-6)


def test_the_same_fit_twice_is_the_same_to_the_last_bit(survey) -> None:
    here, there = (mixed_model(CROSSED, survey) for _ in range(2))
    assert here.beta.tobytes() == there.beta.tobytes()
    assert here.criterion == there.criterion
