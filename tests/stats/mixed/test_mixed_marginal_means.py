"""Marginal means against R's emmeans 1.8.4 on an unbalanced table, and by hand."""

import numpy as np
import pytest

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.mixed import Grid, MixedModel, marginal_means, mixed_model


@pytest.fixture
def crossed(survey) -> MixedModel:
    return mixed_model("y ~ a * b + x + (1 | g) + (1 | h)", survey)


@pytest.fixture
def mixed_bag(survey) -> MixedModel:
    return mixed_model("y ~ a + log(x + 5) + factor(k) + t + (1 | g)", survey)


# emmeans(m, "a"), with lmer.df = "satterthwaite" where nothing else is said: means, standard errors, df
RECORDED = [
    ("a", Grid(), ([9.672556421, 10.37151453, 11.29874324], [0.6563633794, 0.6681101164, 0.6513382558],
                   [10.95473839, 11.74211415, 10.63112308])),
    ("a", Grid(at={"x": 0, "b": "u"}), ([9.567338446, 10.26722874, 11.16974855],
                                        [0.7463845927, 0.7495410271, 0.7079263442],
                                        [17.94062565, 18.29224585, 14.74965541])),
    ("b", Grid(), ([10.88898824, 10.00622122], [0.6500546591, 0.6428269756], [10.54423468, 10.09521538])),
    ("a", Grid(df="kenward-roger"), ([9.672556421, 10.37151453, 11.29874324],
                                     [0.6567250349, 0.6684799523, 0.6515113961],
                                     [10.99199242, 11.78170017, 10.66743739])),
    ("a", Grid(df="asymptotic"), ([9.672556421, 10.37151453, 11.29874324],
                                  [0.6563633794, 0.6681101164, 0.6513382558], [np.inf] * 3)),
]  # fmt: skip


def agree(found, expected) -> None:
    assert found.estimate == pytest.approx(expected[0], rel=1e-7)
    assert found.standard_errors == pytest.approx(expected[1], rel=1e-6)
    assert found.df == pytest.approx(expected[2], rel=1e-5)


@pytest.mark.parametrize(("variable", "grid", "expected"), RECORDED)
def test_recorded_values_of_emmeans(crossed, variable: str, grid: Grid, expected) -> None:
    agree(marginal_means(crossed, variable, grid=grid), expected)


def test_two_numbers_are_averaged_over_alike(survey) -> None:
    """As emmeans does (cov.keep = "2"): the means are those of a model in which the two are labels."""
    table = survey | {"two": [4 if t else 1 for t in survey["t"]]}
    model = mixed_model("y ~ a * two + (1 | g)", table)
    found = marginal_means(model, "a")
    assert found.estimate == pytest.approx([9.800521, 10.186832, 11.289105], abs=1e-6)
    assert found.standard_errors == pytest.approx([0.6023732, 0.623595, 0.595713], abs=1e-6)
    assert found.df == pytest.approx([8.80, 10.02, 8.41], abs=5e-3)
    assert found.averaged["two"] == "1 and 4"
    as_labels = marginal_means(mixed_model("y ~ a * two + (1 | g)", table, factors=("two",)), "a")
    assert found.estimate == pytest.approx(as_labels.estimate)
    held = marginal_means(model, "a", grid=Grid(at={"two": 4}))
    assert held.averaged["two"] == "4"
    assert held.estimate != pytest.approx(found.estimate, abs=1e-3)


def test_recorded_intervals(crossed) -> None:
    low, high = [8.227181795, 8.9122739, 9.859065112], [11.11793105, 11.83075517, 12.73842137]
    found = marginal_means(crossed, "a")
    assert [i.low for i in found.intervals] == pytest.approx(low, rel=1e-6)
    assert [i.high for i in found.intervals] == pytest.approx(high, rel=1e-6)
    frame = found.to_frame()
    assert list(frame.columns) == ["a", "estimate", "se", "df", "low", "high"]
    assert list(frame["low"]) == [i.low for i in found.intervals]
    z = marginal_means(crossed, "a", grid=Grid(df="asymptotic"))
    assert [i.low for i in z.intervals] == pytest.approx([8.386107837, 9.062042768, 10.02214372], rel=1e-6)


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("a", ([9.759461866, 10.2149, 11.33512533], [0.5781461742, 0.598126986, 0.5713629227],
               [8.923350688, 10.13527739, 8.513243767])),
        ("t", ([10.31557013, 10.55742133], [0.5639805989, 0.5624437343], [8.092564439, 7.999611756])),
        ("k", ([10.38399065, 10.76996085, 10.15553569], [0.5780172916, 0.5809468651, 0.5834463812],
               [8.918363439, 9.085570582, 9.229156058])),
    ],
)  # fmt: skip
def test_functions_of_columns_truth_values_and_numbers_as_factors(mixed_bag, variable: str, expected) -> None:
    agree(marginal_means(mixed_bag, variable), expected)


def test_what_was_averaged_and_held_is_said(mixed_bag) -> None:
    said = marginal_means(mixed_bag, "a", grid=Grid(at={"x": 2, "t": True})).averaged
    assert said == {"x": "2", "t": "TRUE", "factor(k)": "3 levels"}
    mean = np.mean(mixed_bag.data.columns["x"].values)
    assert marginal_means(mixed_bag, "a").averaged["x"] == f"its mean {mean:g}"


def test_an_ordered_factor(survey) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(survey)
    frame["o"] = pd.Categorical(frame["o"], ordered=True)
    expected = (
        [10.12793627, 10.39073293, 11.05405671, 10.60786341],
        [0.6642558559, 0.6641685981, 0.6746358401, 0.6773507567],
        [9.502584526, 9.498569212, 10.09548787, 10.26446317],
    )
    agree(marginal_means(mixed_model("y ~ o * x + (1 | g)", frame), "o"), expected)


def test_a_mean_over_a_combination_that_does_not_occur_is_not_determined(survey_without_cell) -> None:
    model = mixed_model("y ~ a * b + (1 | g)", survey_without_cell)
    found = marginal_means(model, "a")
    assert found.estimate == pytest.approx([9.791459, 10.290979, np.nan], abs=1e-6, nan_ok=True)
    assert np.isnan(found.standard_errors).tolist() == [False, False, True]
    assert found.intervals[2] is None
    assert "not determined" in found.text().splitlines()[2]
    assert marginal_means(model, "b").estimate == pytest.approx([10.998718, np.nan], abs=1e-6, nan_ok=True)
    at_u = marginal_means(model, "a", grid=Grid(at={"b": "u"}))
    assert not np.isnan(at_u.estimate).any()


def test_the_mean_is_over_the_grid_not_over_the_rows(survey) -> None:
    """By hand: each combination counts once, however many rows it has."""
    model = mixed_model("y ~ a * b + (1 | g)", survey)
    beta = model.coefficients
    p = beta["(Intercept)"] + beta["bv"] / 2
    r = p + beta["ar"] + beta["ar:bv"] / 2
    found = marginal_means(model, "a")
    assert found.estimate[[0, 2]] == pytest.approx([p, r])
    variance = found.weights @ model.covariance @ found.weights.T
    assert found.standard_errors == pytest.approx(np.sqrt(np.diag(variance)))


def test_the_coding_of_the_factor_is_of_no_consequence(survey) -> None:
    found = [
        marginal_means(mixed_model(formula, survey), "a").estimate
        for formula in ("y ~ a + b + (1 | g)", "y ~ 0 + a + b + (1 | g)", "y ~ b + a + (1 | g)")
    ]
    assert found[1] == pytest.approx(found[0])
    assert found[2] == pytest.approx(found[0])


def test_held_levels_are_named_as_the_frame_has_them(mixed_bag) -> None:
    def means(**at) -> list[float]:
        return marginal_means(mixed_bag, "a", grid=Grid(at=at)).estimate.tolist()

    assert means(t=True) == means(t="TRUE") == means(t=np.bool_(True))
    assert means(k=4) == means(k=4.0) == means(k="4") == means(k=np.int64(4)) == means(k=[4])
    assert means(x=2) == means(x=np.float32(2)) == means(x=np.int64(2))
    assert means(k=[0, 4]) == means(k=(4, 0)) == means(k=np.array([0, 4, 4]))
    assert len(marginal_means(mixed_bag, "a", grid=Grid(at={"a": ["p", "r"]})).levels) == 2


@pytest.mark.parametrize(
    ("variable", "grid", "error", "why"),
    [
        ("x", Grid(), UsageError, "x is a column of numbers.*Write C\\(x\\)"),
        ("g", Grid(), UnknownNameError, "No factor of the fixed part named 'g'"),
        ("zz", Grid(), UnknownNameError, "No factor of the fixed part named 'zz'"),
        ("a", Grid(at={"zz": 1}), UnknownNameError, "No variable of the fixed part named 'zz'"),
        ("a", Grid(at={"b": "w"}), UnknownNameError, "No level of b named 'w'"),
        ("a", Grid(at={"b": []}), UsageError, "names no level"),
        ("a", Grid(at={"x": "one"}), UsageError, "expected a finite number"),
        ("a", Grid(at={"x": np.inf}), UsageError, "expected a finite number"),
        ("a", Grid(at={"x": True}), UsageError, "expected a finite number"),
        ("a", Grid(level=95), UsageError, "fraction strictly between 0 and 1"),
        ("a", Grid(df="kr"), UnknownNameError, "No method of degrees of freedom named 'kr'"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_averaged_is_refused(crossed, variable: str, grid: Grid, error: type, why: str) -> None:
    with pytest.raises(error, match=why):
        marginal_means(crossed, variable, grid=grid)


def test_a_grid_that_is_too_large_is_refused(crossed, monkeypatch) -> None:
    from importlib import import_module

    monkeypatch.setattr(import_module("cupel.stats.mixed.marginal_means"), "LARGEST_GRID", 5)
    with pytest.raises(UsageError, match="6 combinations"):
        marginal_means(crossed, "a")
