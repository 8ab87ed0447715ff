"""Contrasts with their adjustments, against R's emmeans 1.8.4 and scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.holm import holm
from cupel.stats.mixed import Contrasts, Grid, MixedModel, contrasts, mixed_model, simultaneous
from cupel.stats.mixed.simultaneous import adjusted, half_widths


@pytest.fixture
def model(survey) -> MixedModel:
    return mixed_model("y ~ a * b + x + (1 | g) + (1 | h)", survey)


def p_values(found: Contrasts) -> list[float]:
    return [row.p for row in found]


def ends(found: Contrasts) -> list[tuple[float, float]]:
    return [(row.interval.low, row.interval.high) for row in found if row.interval]


def test_estimates_errors_and_degrees_of_freedom_of_emmeans(model) -> None:
    found = contrasts(model, "a")
    assert [row.contrast for row in found] == ["p - q", "p - r", "q - r"]
    assert [(row.a, row.b) for row in found] == [("p", "q"), ("p", "r"), ("q", "r")]
    assert [row.estimate for row in found] == pytest.approx([-0.6989581128, -1.6261868219, -0.9272287092], rel=1e-7)
    assert [row.se for row in found] == pytest.approx([0.3128557467, 0.2853663667, 0.3125464526], rel=1e-7)
    assert [row.df for row in found] == pytest.approx([79.75190833, 80.17797410, 79.87333782], rel=1e-6)
    assert [row.t for row in found] == pytest.approx([-2.234122659, -5.698593148, -2.966690875], rel=1e-7)


# summary(pairs(emmeans(m, "a")), adjust = ..., infer = TRUE)
ADJUSTED = {
    "tukey": ([0.07160298845, 5.764711309e-07, 0.01095936452],
              [(-1.446134028, 0.0482178028), (-2.307642779, -0.9447308652), (-1.673644456, -0.1808129619)]),
    "holm": ([0.02827477472, 5.795453557e-07, 0.007939421332],
             [(-1.464054458, 0.06613823241), (-2.323977476, -0.9283961679), (-1.69154368, -0.1629137387)]),
    "none": ([0.02827477472, 1.931817852e-07, 0.003969710666],
             [(-1.321590625, -0.07632560099), (-2.194064639, -1.058309005), (-1.549231114, -0.3052263042)]),
}  # fmt: skip


@pytest.mark.parametrize("adjust", ADJUSTED)
def test_adjusted_values_and_intervals_of_emmeans(model, adjust) -> None:
    p, intervals = ADJUSTED[adjust]
    found = contrasts(model, "a", adjust=adjust)
    assert p_values(found) == pytest.approx(p, rel=1e-4)
    assert ends(found) == [pytest.approx(end, abs=2e-6) for end in intervals]
    assert [row.p_alone for row in found] == pytest.approx(ADJUSTED["none"][0], rel=1e-6)
    assert found.adjust == adjust


def test_other_degrees_of_freedom_of_emmeans(model) -> None:
    kr = contrasts(model, "a", grid=Grid(df="kenward-roger"))
    assert [row.se for row in kr] == pytest.approx([0.3144208858, 0.287067796, 0.3139142284], rel=1e-6)
    assert [row.df for row in kr] == pytest.approx([79.77379093, 80.19878896, 79.88933914], rel=1e-6)
    assert p_values(kr) == pytest.approx([0.07342387147, 6.631002515e-07, 0.01136825684], rel=1e-4)
    z = contrasts(model, "a", grid=Grid(df="asymptotic"))
    assert p_values(z) == pytest.approx([0.06556743461, 3.621315203e-08, 0.008460180958], rel=1e-5)


# summary(contrast(emmeans(m, "a"), "trt.vs.ctrl", ref = ...), adjust = "mvt", infer = TRUE): Monte Carlo on both sides
DUNNETT = {
    "p": ([0.6989581128, 1.626186822], [0.05272995776, 3.876325206e-07],
          [(-0.007047028262, 1.404963254), (0.9822155218, 2.270158122)]),
    "q": ([-0.6989581128, 0.9272287092], [0.05071610245, 0.007466742392],
          [(-1.399851963, 0.001935737845), (0.2270277732, 1.627429645)]),
    "r": ([-1.626186822, -0.9272287092], [3.876448604e-07, 0.00768250583],
          [(-2.2702092, -0.9821644436), (-1.632591826, -0.2218655928)]),
}  # fmt: skip


@pytest.mark.parametrize("control", DUNNETT)
def test_dunnett_of_emmeans(model, control) -> None:
    estimate, p, intervals = DUNNETT[control]
    found = contrasts(model, "a", adjust="dunnett", against=control)
    assert [row.estimate for row in found] == pytest.approx(estimate, rel=1e-6)
    assert p_values(found) == pytest.approx(p, abs=5e-5)
    assert ends(found) == [pytest.approx(end, abs=3e-4) for end in intervals]


def test_dunnett_takes_the_first_level_where_none_is_named(model) -> None:
    assert [row.contrast for row in contrasts(model, "a", adjust="dunnett")] == ["q - p", "r - p"]


def test_dunnett_with_degrees_of_freedom_that_differ(survey) -> None:
    """emmeans reads each contrast with its own, rounded down (to 11 and 8 here), which is worth 9e-4 of p."""
    found = contrasts(mixed_model("y ~ a + (0 + a | h)", survey), "a", adjust="dunnett")
    assert [row.df for row in found] == pytest.approx([11.26, 8.54], abs=5e-3)
    assert p_values(found) == pytest.approx([0.2712, 0.0019], abs=1e-3)
    assert ends(found) == [
        pytest.approx((-0.5547711, 2.209255), abs=0.01),
        pytest.approx((1.205568, 3.98084), abs=0.04),
    ]


@pytest.mark.parametrize("is_one_factor", [True, False])
def test_each_contrast_is_read_with_its_own_degrees_of_freedom(*, is_one_factor: bool) -> None:
    df, t = np.array([40.0, 4.0, 9.0, 15.0, np.inf]), np.linspace(1.5, 3.5, 5)
    correlation = np.full((5, 5), 0.5) + 0.5 * np.eye(5)
    if not is_one_factor:
        correlation[0, 1] = correlation[1, 0] = 0.1
    for adjust in ("tukey", "dunnett"):
        p = adjusted(t, df, correlation, adjust, means=6)
        widths = half_widths(df, correlation, adjust, means=6, level=0.95)
        for k, nu in enumerate(df):
            alone = np.full(5, nu)
            assert p[k] == pytest.approx(adjusted(t, alone, correlation, adjust, means=6)[k], rel=1e-6)
            width = half_widths(alone, correlation, adjust, means=6, level=0.95)[k]
            assert widths[k] == pytest.approx(width, rel=1e-3)


def test_dunnett_of_scipy() -> None:
    rng = np.random.default_rng(1)
    groups = [rng.normal(shift, 1, size) for shift, size in ((0, 9), (0.8, 7), (1.4, 12), (-0.2, 8))]
    columns = {"y": np.concatenate(groups), "m": np.repeat(list("abcd"), [g.size for g in groups])}
    expected = stats.dunnett(*groups[1:], control=groups[0], rng=np.random.default_rng(0))
    found = contrasts(mixed_model("y ~ m", columns), "m", adjust="dunnett")
    assert [row.t for row in found] == pytest.approx(expected.statistic)
    assert p_values(found) == pytest.approx(expected.pvalue, abs=2e-3)
    wide = expected.confidence_interval()
    assert [low for low, _ in ends(found)] == pytest.approx(wide.low, abs=5e-3)
    assert [high for _, high in ends(found)] == pytest.approx(wide.high, abs=5e-3)


def test_tukey_of_scipy() -> None:
    rng = np.random.default_rng(2)
    groups = [rng.normal(shift, 1, 8) for shift in (0, 0.8, 1.4, -0.2)]
    columns = {"y": np.concatenate(groups), "m": np.repeat(list("abcd"), 8)}
    expected = stats.tukey_hsd(*groups)
    found = contrasts(mixed_model("y ~ m", columns), "m")
    assert p_values(found) == pytest.approx(expected.pvalue[np.triu_indices(4, 1)], rel=1e-5, abs=1e-12)
    low = expected.confidence_interval().low[np.triu_indices(4, 1)]
    assert [end for end, _ in ends(found)] == pytest.approx(low, abs=1e-5)


def test_two_levels_need_no_adjustment(survey) -> None:
    for adjust in ("tukey", "dunnett", "holm", "none"):
        (row,) = contrasts(mixed_model("y ~ b + (1 | g)", survey), "b", adjust=adjust)
        assert row.p == row.p_alone
        t = stats.t.ppf(0.975, row.df)
        assert row.interval.high - row.estimate == pytest.approx(t * row.se)


def test_adjustments_are_ordered_as_they_must_be(model) -> None:
    alone, tukey, holm_p = (p_values(contrasts(model, "a", adjust=adjust)) for adjust in ("none", "tukey", "holm"))
    assert holm_p == pytest.approx(holm(alone).tolist())
    for one, two, three in zip(alone, holm_p, tukey, strict=True):
        assert one <= two <= 3 * one + 1e-15
        assert one <= three <= 3 * one + 1e-12


def test_p_and_interval_say_the_same(model) -> None:
    """The adjusted p is below 5 % exactly where the simultaneous interval leaves out 0."""
    for adjust in ("tukey", "dunnett", "none"):
        for level in (0.9, 0.95, 0.99):
            for row in contrasts(model, "a", adjust=adjust, grid=Grid(level=level)):
                assert row.interval is not None
                if abs(row.p - (1 - level)) > 1e-4:
                    assert (row.p < 1 - level) == (not row.interval.low <= 0 <= row.interval.high)


def test_a_contrast_that_is_not_determined_is_said_so_and_not_counted(survey_without_cell) -> None:
    model = mixed_model("y ~ a * b + (1 | g)", survey_without_cell)
    found = contrasts(model, "a")
    assert found["p - q"].estimate == pytest.approx(-0.4995201, abs=1e-6)
    assert found["p - q"].df == pytest.approx(64.61, abs=0.005)
    assert found["p - q"].p == found["p - q"].p_alone  # the only test that is made
    for name in ("p - r", "q - r"):
        row = found[name]
        assert math.isnan(row.estimate)
        assert math.isnan(row.p)
        assert row.interval is None
        assert f"{name}: not determined" in found.text()
    at_u = contrasts(model, "a", grid=Grid(at={"b": "u"}))
    assert p_values(at_u) == pytest.approx([0.5869, 0.0153, 0.2284], abs=5e-5)


def test_tukey_counts_the_means_that_are_determined(survey) -> None:
    """Level s of a occurs without b = v only: three means are compared, not four."""
    extra = {"y": [9.0, 11.0, 10.0], "a": ["s"] * 3, "b": ["u"] * 3, "g": ["g0", "g1", "g2"]}
    table = {name: [*survey[name], *values] for name, values in extra.items()}
    four = contrasts(mixed_model("y ~ a * b + (1 | g)", table), "a")
    determined = [row for row in four if row.interval]
    assert [row.contrast for row in determined] == ["p - q", "p - r", "q - r"]
    for row in determined:
        expected = stats.studentized_range.sf(math.sqrt(2) * abs(row.t), 3, row.df)
        assert row.p == pytest.approx(expected, rel=1e-5)


def test_a_tiny_p_value_is_not_rounded_to_zero(survey) -> None:
    far = survey | {"y": [y + 100 * (a == "q") for y, a in zip(survey["y"], survey["a"], strict=True)]}
    model = mixed_model("y ~ a + (1 | g)", far)
    for adjust in ("tukey", "dunnett", "holm"):
        p = min(p_values(contrasts(model, "a", adjust=adjust)))
        assert 0 < p < 1e-80


def test_a_contrast_is_found_by_its_name_or_place(model) -> None:
    found = contrasts(model, "a")
    assert len(found) == 3
    assert found[1] is found["p - r"]
    with pytest.raises(UnknownNameError, match="No contrast named 'r - p'"):
        found["r - p"]
    frame = found.to_frame()
    assert list(frame.columns) == ["contrast", "estimate", "se", "df", "t", "p", "p_alone", "low", "high"]
    assert "Tukey over 3 contrasts, satterthwaite degrees of freedom" in found.text()


@pytest.mark.parametrize(
    ("options", "error", "why"),
    [
        ({"adjust": "bonferroni"}, UnknownNameError, "No adjustment named 'bonferroni'"),
        ({"against": "p"}, UsageError, "Tukey's adjustment is for all pairs"),
        ({"against": "zz", "adjust": "holm"}, UnknownNameError, "No level named 'zz'"),
        ({"against": "zz", "adjust": "dunnett"}, UnknownNameError, "No level named 'zz'"),
    ],
)
def test_what_cannot_be_contrasted_is_refused(model, options: dict, error: type, why: str) -> None:
    with pytest.raises(error, match=why):
        contrasts(model, "a", **options)


def test_what_names_no_factor_is_refused(model) -> None:
    with pytest.raises(UsageError, match="The variable is 3; expected the name of a factor: a, b"):
        contrasts(model, 3)
    with pytest.raises(UsageError, match="A fit is expected, as mixed_model"):
        contrasts("y ~ a + (1 | g)", "a")
    with pytest.raises(UnknownNameError, match="No adjustment named 'None'"):
        contrasts(model, "a", adjust=None)


def test_a_result_says_what_it_rests_on(model) -> None:
    found = contrasts(model, "a")
    for one in (found, found.means):
        assert (one.n, one.scope, one.warnings) == (model.n, model.scope, model.warnings)
    assert found.means.method == "estimated marginal means, satterthwaite degrees of freedom"


def test_tests_that_were_not_made_stay_unknown() -> None:
    t, df = np.array([2.0, math.nan, 3.0]), np.array([20.0, math.nan, 20.0])
    for adjust in ("tukey", "dunnett", "holm", "none"):
        p = adjusted(t, df, np.eye(3), adjust, means=3)
        assert np.isnan(p).tolist() == [False, True, False]
        assert np.isnan(half_widths(df, np.eye(3), adjust, means=3, level=0.95)).tolist() == [False, True, False]


@pytest.mark.parametrize("df", [3.0, 12.5, np.inf])
@pytest.mark.parametrize("size", [2, 4, 9])
def test_the_integral_over_one_factor_is_the_law_of_correlated_ts(size: int, df: float) -> None:
    rng = np.random.default_rng(size)
    loadings = rng.uniform(-0.9, 0.9, size=size)
    correlation = np.outer(loadings, loadings)
    np.fill_diagonal(correlation, 1.0)
    found = simultaneous._one_factor(correlation)
    assert np.outer(found, found)[np.triu_indices(size, 1)] == pytest.approx(correlation[np.triu_indices(size, 1)])
    outside = simultaneous._joint(correlation, df)
    draws = 200_000
    normal = rng.multivariate_normal(np.zeros(size), correlation, size=draws)
    t = normal if np.isinf(df) else normal / np.sqrt(rng.chisquare(df, size=(draws, 1)) / df)
    for value in (1.0, 2.5):
        share = np.mean(np.abs(t).max(axis=1) > value)
        assert outside(value) == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / draws) + 1e-9)


def test_correlations_that_one_factor_does_not_explain_are_integrated_otherwise() -> None:
    correlation = np.array([[1.0, 0.8, 0.1, 0.1], [0.8, 1.0, 0.1, 0.1], [0.1, 0.1, 1.0, 0.8], [0.1, 0.1, 0.8, 1.0]])
    assert simultaneous._one_factor(correlation) is None
    draws = np.abs(np.random.default_rng(0).multivariate_normal(np.zeros(4), correlation, size=200_000)).max(axis=1)
    assert simultaneous._joint(correlation, 1e7)(2.0) == pytest.approx(np.mean(draws > 2.0), abs=3e-3)
