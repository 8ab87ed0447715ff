"""Columns of the fixed part, compared with R's model.matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.frame import Factor
from cupel.stats.mixed.design import independent_columns, make_design
from cupel.stats.mixed.formula import parse_formula
from cupel.stats.mixed.model_data import model_data
from cupel.stats.mixed.variables import polynomial_contrasts

# On the survey (o ordered), in R 4.2.2:
#   m <- model.matrix(formula, d); colnames(m); qr(m)$rank; sum(m * outer(seq_len(nrow(m)), seq_len(ncol(m))))
R_COLUMNS = [
    ("y ~ a", "(Intercept) aq ar", 3, 12849),
    ("y ~ a - 1", "ap aq ar", 3, 9677),
    ("y ~ 0 + a + b", "ap aq ar bv", 4, 19789),
    ("y ~ a:x", "(Intercept) ap:x aq:x ar:x", 4, 33016.16),
    ("y ~ a + a:x", "(Intercept) aq ar ap:x aq:x ar:x", 6, 59892.75),
    ("y ~ x + a:x", "(Intercept) x x:aq x:ar", 4, 45580.53),
    ("y ~ a * x", "(Intercept) aq ar x aq:x ar:x", 6, 85021.49),
    ("y ~ a:b", "(Intercept) ap:bu aq:bu ar:bu ap:bv aq:bv ar:bv", 6, 26573),
    ("y ~ b + a:b", "(Intercept) bv bu:aq bv:aq bu:ar bv:ar", 6, 24729),
    ("y ~ a / b", "(Intercept) aq ar ap:bv aq:bv ar:bv", 6, 25803),
    ("y ~ a / x", "(Intercept) aq ar ap:x aq:x ar:x", 6, 59892.75),
    ("y ~ (a + b) / x", "(Intercept) aq ar bv ap:bu:x aq:bu:x ar:bu:x ap:bv:x aq:bv:x ar:bv:x", 10, 95220.57),
    ("y ~ (a + b + x)^2", "(Intercept) aq ar bv x aq:bv ar:bv aq:x ar:x bv:x", 10, 188092.3),
    ("y ~ (a + b + x)^2 - a:b", "(Intercept) aq ar bv x aq:x ar:x bv:x", 8, 153088.2),
    ("y ~ (a + b)^3", "(Intercept) aq ar bv aq:bv ar:bv", 6, 33015),
    ("y ~ a * b - a:b", "(Intercept) aq ar bv", 4, 22961),
    ("y ~ a * b - a", "(Intercept) bv aq:bu ar:bu aq:bv ar:bv", 6, 24683),
    ("y ~ o", "(Intercept) o.L o.Q o.C", 4, 3368.777),
    ("y ~ 0 + o", "oo1 oo2 oo3 oo4", 4, 11458),
    ("y ~ 0 + a + o", "ap aq ar o.L o.Q o.C", 6, 7444.273),
    ("y ~ a * o", "(Intercept) aq ar o.L o.Q o.C aq:o.L ar:o.L aq:o.Q ar:o.Q aq:o.C ar:o.C", 12, 5852.214),
    ("y ~ o:x", "(Intercept) oo1:x oo2:x oo3:x oo4:x", 5, 36390.9),
    ("y ~ t", "(Intercept) tTRUE", 2, 9378),
    ("y ~ t:x", "(Intercept) tFALSE:x tTRUE:x", 3, 27984.71),
    ("y ~ 0 + t + a", "tFALSE tTRUE aq ar", 4, 18382),
    ("y ~ factor(k)", "(Intercept) factor(k)1 factor(k)4", 3, 12351),
    ("y ~ factor(k) / x", "(Intercept) factor(k)1 factor(k)4 factor(k)0:x factor(k)1:x factor(k)4:x", 6, 59316.36),
    ("y ~ x + I(x^2)", "(Intercept) x I(x^2)", 3, 93807.37),
    ("y ~ I((x + 2)^2) + I(x - (k - 1))", "(Intercept) I((x + 2)^2) I(x - (k - 1))", 3, 182690.3),
    ("y ~ I(x/(k + 1))", "(Intercept) I(x/(k + 1))", 2, 15123.31),
    ("y ~ a * log(x + 5)", "(Intercept) aq ar log(x + 5) aq:log(x + 5) ar:log(x + 5)", 6, 83122.84),
    ("y ~ sqrt(abs(x)) + exp(-x)", "(Intercept) sqrt(abs(x)) exp(-x)", 3, 20499.38),
    ("y ~ a:b:x", "(Intercept) ap:bu:x aq:bu:x ar:bu:x ap:bv:x aq:bv:x ar:bv:x", 7, 48890.18),
    ("y ~ a + b + a:b:x", "(Intercept) aq ar bv ap:bu:x aq:bu:x ar:bu:x ap:bv:x aq:bv:x ar:bv:x", 10, 95220.57),
    ("y ~ 0 + a:b", "ap:bu aq:bu ar:bu ap:bv aq:bv ar:bv", 6, 17261),
    ("y ~ 0 + x:a", "x:ap x:aq x:ar", 3, 19018.36),
    ("y ~ 0 + x + x:a", "x x:ap x:aq x:ar", 3, 37701.95),
    ("y ~ -1 + a * x", "ap aq ar x aq:x ar:x", 6, 81849.49),
    ("y ~ a + b:a", "(Intercept) aq ar ap:bv aq:bv ar:bv", 6, 25803),
    (
        "y ~ (a + b):(o + x)",
        (
            "(Intercept) ap:oo1 aq:oo1 ar:oo1 ap:oo2 aq:oo2 ar:oo2 ap:oo3 aq:oo3 ar:oo3 ap:oo4 aq:oo4 ar:oo4 "
            "ap:x aq:x ar:x bv:oo1 bv:oo2 bv:oo3 bv:oo4 bv:x"
        ),
        20,
        337726.9,
    ),
    ("y ~ a * (b + x)", "(Intercept) aq ar bv x aq:bv ar:bv aq:x ar:x", 9, 135178.8),
    ("y ~ x:a:b + o", "(Intercept) o.L o.Q o.C x:ap:bu x:aq:bu x:ar:bu x:ap:bv x:aq:bv x:ar:bv", 10, 75628.35),
    ("y ~ a - 1 + 1", "(Intercept) aq ar", 3, 12849),
    ("y ~ a + a:a", "(Intercept) aq ar", 3, 12849),
    ("y ~ x^3", "(Intercept) x", 2, 23339.59),
]


@pytest.mark.parametrize(("formula", "names", "rank", "checksum"), R_COLUMNS)
def test_columns_are_those_of_r(survey, formula: str, names: str, rank: int, checksum: float) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(survey)
    frame["o"] = pd.Categorical(frame["o"], ordered=True)
    data = model_data(formula, frame)
    x = data.design.matrix(data.variables, data.n)
    assert " ".join(data.design.names) == names
    assert len(data.kept) == rank
    places = np.outer(np.arange(1, data.n + 1), np.arange(1, x.shape[1] + 1))
    assert np.sum(x * places) == pytest.approx(checksum, rel=1e-6)
    assert np.allclose(data.q @ data.r, x[:, list(data.kept)], atol=1e-9)
    assert np.allclose(data.q.T @ data.q, np.eye(rank), atol=1e-12)


def test_each_column_knows_its_term(survey) -> None:
    design = model_data("y ~ a * b + x", survey).design
    assert design.names == ("(Intercept)", "aq", "ar", "bv", "x", "aq:bv", "ar:bv")
    assert design.term_of == (-1, 0, 0, 1, 2, 3, 3)


def test_of_two_equal_columns_the_later_goes_as_in_r(survey) -> None:
    table = survey | {"twice": [2 * x + 1 for x in survey["x"]]}
    found = model_data("y ~ x + twice + a", table)
    assert found.names == ("(Intercept)", "x", "aq", "ar")
    assert [note.code for note in found.warnings] == ["rank deficient"]
    assert "twice" in found.warnings[0].text


def test_a_combination_that_does_not_occur_is_left_out_as_in_r(survey_without_cell) -> None:
    # lm(y ~ a * b): coefficient ar:bv is NA
    assert model_data("y ~ a * b", survey_without_cell).names == ("(Intercept)", "aq", "ar", "bv", "aq:bv")


def test_levels_that_no_row_has_are_dropped(survey) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(survey)
    frame["a"] = pd.Categorical(frame["a"], categories=["zero", "r", "p", "q", "last"])
    assert model_data("y ~ a", frame).names == ("(Intercept)", "ap", "aq")  # r, the first that occurs, is the reference


def test_a_factor_with_one_level_is_refused(survey) -> None:
    with pytest.raises(UsageError, match=r"a has one level only, 'p'"):
        model_data("y ~ a + x", survey | {"a": ["p"] * 96})


def test_a_grid_is_coded_like_the_rows() -> None:
    side = parse_formula("y ~ a * x").fixed
    rows = {"a": Factor(np.array([0, 1, 2, 1]), ("p", "q", "r")), "x": np.array([1.0, 2.0, 3.0, 4.0])}
    expected = [[1, 0, 0, 1, 0, 0], [1, 1, 0, 2, 2, 0], [1, 0, 1, 3, 0, 3], [1, 1, 0, 4, 4, 0]]
    assert make_design(side, rows).matrix(rows, 4).tolist() == expected


@pytest.mark.parametrize("formula", ["y ~ aa", "yy ~ a", "y ~ a + (1 | gg)", "y ~ log(zz)", "y ~ C(zz)"])
def test_a_column_that_is_not_there_is_named(survey, formula: str) -> None:
    with pytest.raises(UnknownNameError, match="No column named"):
        model_data(formula, survey)


@pytest.mark.parametrize(
    ("formula", "why"),
    [
        ("y ~ log(x)", r"log\(x\) has no finite value in row 1 \(for -0.72\); 4 rows have none"),
        ("y ~ sqrt(x)", r"sqrt\(x\) has no finite value in row 1"),
        ("y ~ I(1/k)", r"1/k has no finite value in row 0 \(for 1, 0\); 33 rows"),
        ("y ~ exp(1000 * x)", r"exp\(1000 \* x\) has no finite value"),
        ("y ~ log(a)", "a holds text"),
        ("a ~ x", "response a holds text"),
        ("t ~ x", "response t holds text or truth values"),
        ("3 ~ x", "the constant 3"),
    ],
)
def test_what_has_no_value_is_refused_with_the_row(survey, formula: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        model_data(formula, survey)


def test_polynomials_are_those_of_r() -> None:
    # contr.poly(5)
    expected = [
        [-0.6324555320, 0.5345224838, -0.3162277660, 0.1195228609],
        [-0.3162277660, -0.2672612419, 0.6324555320, -0.4780914437],
        [0, -0.5345224838, 0, 0.7171371656],
        [0.3162277660, -0.2672612419, -0.6324555320, -0.4780914437],
        [0.6324555320, 0.5345224838, 0.3162277660, 0.1195228609],
    ]
    assert polynomial_contrasts(5) == pytest.approx(np.array(expected), abs=1e-9)


@given(st.integers(2, 14))
def test_polynomials_are_orthonormal(levels: int) -> None:
    c = polynomial_contrasts(levels)
    assert np.allclose(c.T @ c, np.eye(levels - 1), atol=1e-8)
    assert np.allclose(c.sum(axis=0), 0, atol=1e-8)


@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(1, 12))
def test_independent_columns_span_what_all_span(seed: int, rank: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    n = 20
    x = rng.normal(size=(n, rank)) @ rng.integers(-2, 3, size=(rank, columns))
    kept, q, r = independent_columns(x)
    assert len(kept) == np.linalg.matrix_rank(x)
    assert np.allclose(q @ r, x[:, kept], atol=1e-9)
    assert np.allclose(q @ (q.T @ x), x, atol=1e-8)
    for k in set(range(columns)) - set(kept):  # what is left out follows from earlier ones
        earlier = x[:, [j for j in kept if j < k]]
        assert np.linalg.matrix_rank(np.column_stack([earlier, x[:, k]])) == earlier.shape[1]
