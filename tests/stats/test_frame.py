import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.spec.results_table import ResultsTable
from cupel.stats.frame import column, columns_of, factorize, frame_of, number_label

COLUMNS = {
    "method": ["b", "a", None, "b"],
    "seed": [1, 2, 3, 4],
    "value": [0.5, None, 2.0, 3.0],
    "ok": [True, False, True, True],
}


def frames():
    return {
        "pandas": pd.DataFrame(COLUMNS),
        "polars": pl.DataFrame(COLUMNS),
        "pyarrow": pa.table(COLUMNS),
        "mapping": COLUMNS,
        "rows": [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)],
        "table": ResultsTable(COLUMNS, "results.csv", "long_csv"),
        "arrays": {name: np.array(values, dtype=object) for name, values in COLUMNS.items()},
    }


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "mapping", "rows", "table", "arrays"])
def test_every_kind_of_frame_gives_the_same_columns(kind):
    found = columns_of(frames()[kind])
    assert list(found) == list(COLUMNS)
    assert found["method"].as_factor.levels == ("a", "b")
    assert found["method"].as_factor.codes.tolist() == [1, 0, -1, 1]
    assert found["method"].as_factor.labels() == ["b", "a", None, "b"]
    assert found["seed"].is_numeric
    np.testing.assert_array_equal(found["value"].values, [0.5, np.nan, 2.0, 3.0])
    assert found["ok"].is_bool
    assert found["ok"].as_factor.levels == ("FALSE", "TRUE")


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_a_frame_is_not_changed(make):
    frame = make({"method": ["b", "a"], "value": [1.0, 2.0]})
    before = str(frame)
    found = columns_of(frame)["value"]
    try:
        found.values[0] = 7.0  # noqa: PD011  a column of ours, not of pandas
    except ValueError:
        assert not found.values.flags.writeable  # noqa: PD011  the same
    assert str(frame) == before


def test_categories_keep_their_order():
    named = pd.Categorical(["hi", "lo", None], categories=["lo", "mid", "hi"], ordered=True)
    factor = columns_of(pd.DataFrame({"x": named}))["x"].as_factor
    assert (factor.levels, factor.codes.tolist(), factor.is_ordered) == (("lo", "mid", "hi"), [2, 0, -1], True)
    assert factor.observed().levels == ("lo", "hi")
    enum = pl.Series("x", ["hi", "lo"], dtype=pl.Enum(["lo", "mid", "hi"]))
    assert columns_of(pl.DataFrame([enum]))["x"].as_factor.codes.tolist() == [2, 0]
    plain = pl.Series("x", ["hi", "lo"], dtype=pl.Categorical)
    assert columns_of(pl.DataFrame([plain]))["x"].as_factor.levels == ("hi", "lo")


def test_nullable_numbers_are_numbers():
    frame = pd.DataFrame({"i": pd.array([1, None], dtype="Int64"), "f": pd.array([0.5, None], dtype="Float32")})
    found = columns_of(frame)
    assert found["i"].is_numeric
    np.testing.assert_array_equal(found["i"].values, [1.0, np.nan])
    np.testing.assert_array_equal(found["f"].values, [0.5, np.nan])


def test_numbers_as_labels_are_in_ascending_order():
    factor = columns_of({"x": [10, 9.5, 9, float("nan")]})["x"].as_factor
    assert factor.levels == ("9", "9.5", "10")
    assert factor.codes.tolist() == [2, 1, 0, -1]
    assert number_label(1e300) == "1e+300"


def test_names_that_are_no_texts_and_two_columns_of_one_name():
    assert list(columns_of(pd.DataFrame({0: [1.0], ("a", "b"): [2.0]}))) == ["0", "('a', 'b')"]


@given(st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=30))
def test_factorize_agrees_with_pandas(values):
    mine = factorize(values)
    codes, levels = pd.factorize(pd.Series(values, dtype=object), sort=True)
    assert mine.levels == tuple(levels)
    assert mine.codes.tolist() == codes.tolist()


@pytest.mark.parametrize("frame", [3, "results.csv", [], [1, 2], None])
def test_what_is_no_frame_is_refused(frame):
    with pytest.raises(UsageError, match="A table of results is expected"):
        columns_of(frame)


def test_columns_of_different_length_are_refused():
    with pytest.raises(UsageError, match="different lengths"):
        columns_of({"a": [1], "b": [1, 2]})


def test_an_unknown_column_names_the_close_ones():
    with pytest.raises(UnknownNameError, match="Close: method"):
        column(columns_of(COLUMNS), "metod")


def test_a_frame_is_given_back_as_pandas_where_there_is_pandas():
    frame = frame_of({"a": [1, 2], "b": ["x", "y"]})
    assert isinstance(frame, pd.DataFrame)
    assert frame["b"].tolist() == ["x", "y"]
