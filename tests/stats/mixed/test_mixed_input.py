"""Frames of every kind give the same fit, and tables that support no model are refused with the reason."""

import copy
import math

import numpy as np
import pytest

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.mixed import contrasts, marginal_means, mixed_model

FORMULA = "y ~ a + x + (1 | g)"


def pandas_frames(survey) -> dict:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(survey)
    nullable = frame.astype({"y": "Float64", "x": "Float64", "k": "Int64", "a": "string", "t": "boolean"})
    with_none = frame.astype(object)
    unused = frame.assign(a=pd.Categorical(frame.a, categories=["none", "p", "q", "r", "never"]))
    shuffled_index = frame.set_index(frame.index[::-1])
    categories = frame.astype({"a": "category", "g": "category"})
    float32 = frame.astype({"y": "float64", "x": "float64"}).assign(k=frame.k.astype("float32"))
    return {
        "plain": frame, "nullable": nullable, "objects": with_none, "unused levels": unused, "index": shuffled_index,
        "categories": categories, "float32": float32, "rows": frame.to_dict("records"),
        "arrays": {name: frame[name].to_numpy() for name in frame},
    }  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    ["plain", "nullable", "objects", "unused levels", "index", "categories", "float32", "rows", "arrays"],
)
def test_every_kind_of_pandas_frame_gives_the_same(survey, kind: str) -> None:
    frame = pandas_frames(survey)[kind]
    model, expected = mixed_model(FORMULA, frame), mixed_model(FORMULA, survey)
    assert model.coefficients == pytest.approx(expected.coefficients, rel=1e-12)
    assert model.criterion == pytest.approx(expected.criterion, rel=1e-12)
    assert list(model.random_effects["g"]) == [f"g{k}" for k in range(8)]


@pytest.mark.parametrize("kind", ["plain", "categorical", "enum"])
def test_every_kind_of_polars_frame_gives_the_same(survey, kind: str) -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(survey)
    if kind == "categorical":
        frame = frame.with_columns(pl.col("a").cast(pl.Categorical), pl.col("g").cast(pl.Categorical))
    if kind == "enum":
        frame = frame.with_columns(pl.col("a").cast(pl.Enum(["r", "unused", "q", "p"])))
    model = mixed_model(FORMULA, frame)
    expected = mixed_model(FORMULA, survey)
    assert model.criterion == pytest.approx(expected.criterion, rel=1e-12)
    assert list(model.coefficients)[1:3] == (["aq", "ap"] if kind == "enum" else ["aq", "ar"])


def test_an_arrow_table_gives_the_same(survey) -> None:
    arrow = pytest.importorskip("pyarrow")
    assert mixed_model(FORMULA, arrow.table(survey)).criterion == mixed_model(FORMULA, survey).criterion


def test_the_frame_is_not_changed(survey) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(survey)
    frame.loc[3, "x"] = np.nan
    before, plain = frame.copy(deep=True), copy.deepcopy(survey)
    contrasts(mixed_model(FORMULA, frame), "a")
    contrasts(mixed_model(FORMULA, survey), "a")
    pd.testing.assert_frame_equal(frame, before)
    assert survey == plain


def test_the_first_category_is_the_reference(survey) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(survey)
    frame["a"] = pd.Categorical(frame["a"], categories=["r", "p", "q"])
    assert list(mixed_model(FORMULA, frame).coefficients) == ["(Intercept)", "ap", "aq", "x"]


@pytest.mark.parametrize("missing", [math.nan, None, math.inf, -math.inf])
@pytest.mark.parametrize("column", ["y", "x"])
def test_rows_without_a_number_are_left_out_and_counted(survey, column: str, missing) -> None:
    holes = survey | {column: [missing if k in (3, 50) else v for k, v in enumerate(survey[column])]}
    kept = {name: [v for k, v in enumerate(values) if k not in (3, 50)] for name, values in survey.items()}
    model = mixed_model(FORMULA, holes)
    assert model.n == 94
    assert [note.code for note in model.warnings] == ["failures"]
    assert model.warnings[0].text.startswith("2 rows are left out because a value is missing or infinite")
    assert model.criterion == mixed_model(FORMULA, kept).criterion
    assert model.data.rows.tolist() == [k for k in range(96) if k not in (3, 50)]


@pytest.mark.parametrize("column", ["a", "g"])
def test_rows_without_a_label_are_left_out_and_counted(survey, column: str) -> None:
    holes = survey | {column: [None if k == 7 else v for k, v in enumerate(survey[column])]}
    model = mixed_model(FORMULA, holes)
    assert (model.n, len(model.warnings)) == (95, 1)


def test_a_hole_in_a_column_that_is_not_named_costs_nothing(survey) -> None:
    holes = survey | {"k": [None, *survey["k"][1:]], "h": [None, *survey["h"][1:]]}
    assert mixed_model(FORMULA, holes).n == 96


def test_numbers_group_and_keep_their_labels(survey) -> None:
    """Large numbers that differ in the last digits are different groups, with different names."""
    base = 10_000_000
    table = survey | {"seed": [base + int(g[1]) for g in survey["g"]]}
    model = mixed_model("y ~ a + x + (1 | seed)", table)
    assert model.criterion == pytest.approx(mixed_model(FORMULA, survey).criterion, abs=1e-9)
    assert list(model.random_effects["seed"]) == [str(base + k) for k in range(8)]
    as_factor = mixed_model("y ~ a + x + (1 | seed)", table, factors=("seed",))
    assert list(as_factor.random_effects["seed"]) == [str(base + k) for k in range(8)]


def test_numbers_are_factors_where_that_is_said(survey) -> None:
    for formula, options in (("y ~ k + (1 | g)", {"factors": ("k",)}), ("y ~ C(k) + (1 | g)", {})):
        names = list(mixed_model(formula, survey, **options).coefficients)
        assert [name[-1] for name in names[1:]] == ["1", "4"]
    assert list(mixed_model("y ~ k + (1 | g)", survey).coefficients) == ["(Intercept)", "k"]


def test_names_with_spaces_and_quotes(survey) -> None:
    renamed = {"the y": survey["y"], "my 'a'": survey["a"], 'g "x"': survey["g"], "x": survey["x"]}
    model = mixed_model("`the y` ~ `my 'a'` + x + (1 | `g \"x\"`)", renamed)
    expected = mixed_model(FORMULA, survey)
    assert model.criterion == expected.criterion
    assert list(model.coefficients) == ["(Intercept)", "my 'a'q", "my 'a'r", "x"]
    assert marginal_means(model, "my 'a'").estimate == pytest.approx(marginal_means(expected, "a").estimate)
    assert list(model.random_effects) == ['g "x"']


def test_groups_are_joined_and_named(survey) -> None:
    model = mixed_model("y ~ 1 + (1 | g:h)", survey)
    pairs = {f"{g}:{h}" for g, h in zip(survey["g"], survey["h"], strict=True)}
    assert set(model.random_effects["g:h"]) == pairs
    joined = survey | {"gh": [f"{g}:{h}" for g, h in zip(survey["g"], survey["h"], strict=True)]}
    other = mixed_model("y ~ 1 + (1 | gh)", joined)
    assert other.criterion == pytest.approx(model.criterion, abs=1e-9)
    level = next(iter(pairs))
    found, expected = model.random_effects["g:h"][level], other.random_effects["gh"][level]
    assert found["(Intercept)"] == pytest.approx(expected["(Intercept)"], rel=1e-5)


def test_columns_that_give_each_other_are_left_out_and_named(survey) -> None:
    table = survey | {"x2": [2 * x for x in survey["x"]], "x3": [3 - x for x in survey["x"]]}
    model = mixed_model("y ~ x + x2 + a + x3 + (1 | g)", table)
    assert list(model.coefficients) == ["(Intercept)", "x", "aq", "ar"]
    assert [note.code for note in model.warnings] == ["rank deficient"]
    assert "x2, x3" in model.warnings[0].text
    assert model.criterion == pytest.approx(mixed_model("y ~ x + a + (1 | g)", survey).criterion)


def one_level(table: dict) -> dict:
    return table | {"g": ["only"] * 96}


def a_level_per_row(table: dict) -> dict:
    return table | {"g": [str(k) for k in range(96)]}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda t: t | {"y": [3.25] * 96}, "y has no variation beyond the fixed part"),
        (lambda t: t | {"y": [0.0] * 96}, "y has no variation beyond the fixed part"),
        (lambda t: t | {"y": [2.0 if a == "p" else 7.0 for a in t["a"]]}, "no variation beyond the fixed part"),
        (lambda t: t | {"y": [1e8 + 1e-9 * y for y in t["y"]]}, "no variation beyond the fixed part"),
        (one_level, "g\\) has one level only"),
        (a_level_per_row, "has 96 random effects for 96 rows: they cannot be told from the residual"),
        (lambda t: t | {"y": [math.nan] * 96}, "No row has values in all of y, a, x, g"),
        (lambda t: {name: values[:1] for name, values in t.items()}, "a has one level only"),
        (lambda t: {name: values[:3] for name, values in t.items()}, "3 complete rows for 3 fixed effects"),
        (lambda t: {name: [] for name in t}, "No row has values"),
        (lambda t: t | {"y": ["high"] * 96}, "response y holds text"),
        (lambda t: t | {"y": t["y"][:-1]}, "different lengths"),
    ],
)
def test_tables_that_support_no_model_are_refused_with_the_reason(survey, change, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        mixed_model(FORMULA, change(survey))


@pytest.mark.parametrize(
    ("formula", "why"),
    [
        ("y ~ a + (1 | g) + (1 | g)", "effect \\(Intercept\\) of g stands in two bars"),
        ("y ~ a + (x | g) + (1 | g)", "effect \\(Intercept\\) of g stands in two bars"),
        ("y ~ a + (1 | g:h) + (1 | h:g)", "effect \\(Intercept\\) of g:h stands in two bars"),
        ("y ~ a + (a * x | g:h)", "random effects for 96 rows"),
        ("y ~ a + (1 | nothing)", "No column named 'nothing'"),
    ],
)
def test_random_terms_that_cannot_be_fitted_are_refused(survey, formula: str, why: str) -> None:
    with pytest.raises((UsageError, UnknownNameError), match=why):
        mixed_model(formula, survey)


def test_arguments_in_the_wrong_order_are_noticed(survey) -> None:
    with pytest.raises(UsageError, match="A formula is expected as text, got dict"):
        mixed_model(survey, FORMULA)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="A table of results is expected, got NoneType"):
        mixed_model(FORMULA, None)


@pytest.mark.parametrize("reml", ["no", None, 0.5])
def test_the_criterion_is_a_truth_value(survey, reml) -> None:
    with pytest.raises(UsageError, match="expected True \\(restricted likelihood\\) or False"):
        mixed_model(FORMULA, survey, reml=reml)


def test_factors_are_a_collection_of_names(survey) -> None:
    for factors in ("k", None, 3):
        with pytest.raises(UsageError, match=f"factors = {factors!r}; expected a collection of column names"):
            mixed_model(FORMULA, survey, factors=factors)
    with pytest.raises(UnknownNameError, match="No column named 'kk'"):
        mixed_model(FORMULA, survey, factors=("kk",))


def test_the_smallest_table_that_can_be_fitted() -> None:
    model = mixed_model("y ~ 1 + (1 | g)", {"y": [1.0, 2.0, 4.0], "g": ["a", "a", "b"]})
    assert model.converged
    assert model.n == 3
    assert math.isfinite(model.criterion)


def test_results_give_their_roles_as_columns() -> None:
    from cupel.stats.results import results

    rng = np.random.default_rng(0)
    rows = [
        {"method": m, "task": f"t{t}", "seed": s, "score": rng.normal() + t}
        for m in ("A", "B") for t in range(6) for s in range(4)
    ]  # fmt: skip
    table = results(rows, metric="score", better="higher")
    formula = "value ~ method + (1 | task) + (1 | task:seed)"
    model = mixed_model(formula, table)
    plain = mixed_model(formula.replace("value", "score"), rows, factors=("seed",))
    assert model.criterion == pytest.approx(plain.criterion)
    assert list(model.coefficients) == ["(Intercept)", "methodB"]
