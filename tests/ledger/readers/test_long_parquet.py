import datetime as dt
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cupel.ledger import columnar
from cupel.ledger.read_results import read_results
from cupel.spec.errors import MissingExtraError, UsageError
from cupel.stats.results import results

pd = pytest.importorskip("pandas", reason="frames to write are made by pandas")
pa = pytest.importorskip("pyarrow", reason="columnar files are written by pyarrow")
DATA = Path(os.environ.get("CUPEL_REFERENCE_DATA", Path(__file__).parents[4] / "shared/data"))
PRIORBAND = DATA / "priorband/priorband_data.parquet"


def frame() -> Any:
    made = pd.DataFrame({
        "method": pd.Categorical(["adam", "sgd", None, "adam"], categories=["sgd", "adam", "unused"]),
        "task": ["a", "b", "c", None],
        "seed": [1, 2, 3, 4],
        "value": [0.5, math.nan, math.inf, -1.0],
        "good": [True, False, True, True],
        "when": [dt.datetime(2025, 1, 2, 3)] * 4,  # noqa: DTZ001 - as users write it
        "runs": [[1, 2], [3], [], None],
    })  # fmt: skip
    return made.iloc[[3, 0, 1, 2]]


EXPECTED = {
    "method": ["adam", "adam", "sgd", None],
    "task": [None, "a", "b", "c"],
    "seed": [4, 1, 2, 3],
    "value": [-1.0, 0.5, None, math.inf],
    "good": [True, True, False, True],
    "when": ["2025-01-02 03:00:00"] * 4,
}


@pytest.fixture(params=["pyarrow", "polars", "pandas"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Only one of the libraries is there; pandas is, with fastparquet (for which it takes pyarrow here)."""
    there = {"pandas", "fastparquet"} if request.param == "pandas" else {request.param}
    pytest.importorskip(request.param)
    monkeypatch.setattr(columnar, "find_spec", lambda name: name if name in there else None)
    return str(request.param)


def test_categories_dates_and_gaps_become_plain_values(library: str, tmp_path: Path) -> None:
    frame().to_parquet(tmp_path / "results.parquet")
    table = read_results(tmp_path / "results.parquet")
    assert table.reader == "long_parquet"
    columns = {name: table.columns[name] for name in EXPECTED}
    assert columns == EXPECTED
    assert "__index_level_0__" not in table.columns
    assert {type(value) for value in table.columns["runs"]} == {str, type(None)}


def test_labels_of_rows_are_kept_where_they_are_names(library: str, tmp_path: Path) -> None:
    frame().set_axis(["w", "x", "y", "z"]).to_parquet(tmp_path / "results.parquet")
    table = read_results(tmp_path / "results.parquet")
    if library == "pandas":
        assert "index" not in table.columns  # pandas keeps labels beside the columns
    else:
        assert table.columns["index"] == ["w", "x", "y", "z"]


@pytest.mark.parametrize("write", ["to_feather", "ipc", "polars"])
def test_arrow_and_feather_are_read_too(write: str, tmp_path: Path) -> None:
    path = tmp_path / "results.arrow"
    made = frame().reset_index(drop=True)
    if write == "to_feather":
        made.to_feather(path)
    elif write == "ipc":
        table = pa.Table.from_pandas(made)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    else:
        pytest.importorskip("polars").from_pandas(made).write_ipc(path)
    table = read_results(path)
    assert table.columns["method"] == ["adam", "adam", "sgd", None]
    assert table.columns["seed"] == [4, 1, 2, 3]


def test_without_a_library_the_install_line_is_said(monkeypatch: pytest.MonkeyPatch, samples: Path) -> None:
    monkeypatch.setattr(columnar, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cupel\[tables\]'"):
        read_results(samples / "long_parquet.parquet")
    with pytest.raises(MissingExtraError, match="pip install"):
        read_results(samples / "lmem_significance_frame.parquet")


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["value", "value"])
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "results.parquet")
    with pytest.raises(UsageError, match="several columns are named value"):
        read_results(tmp_path / "results.parquet")


def test_a_file_of_another_kind_is_refused(samples: Path) -> None:
    with pytest.raises(UsageError, match="a columnar file was expected"):
        read_results(samples / "long_csv.csv", "long_parquet")


@pytest.mark.skipif(not PRIORBAND.is_file(), reason=f"reference data absent: {PRIORBAND}")
def test_the_published_priorband_table_reads_alike_from_parquet_and_csv(tmp_path: Path) -> None:
    plain = pd.read_parquet(PRIORBAND)
    plain.to_csv(tmp_path / "priorband.csv", index=False)
    tables = [read_results(path) for path in (PRIORBAND, tmp_path / "priorband.csv")]
    for table in tables:
        assert table.num_rows == 86_400
        assert table.reader == "lmem_significance"
    for name, values in tables[0].columns.items():
        assert list(tables[1].columns[name]) == list(values), name
    read_table = results(tables[0], where={"budget": 10})
    assert read_table.counts().tolist() == [[50] * 24] * 3
    means = plain[plain.used_fidelity == 10].groupby(["algorithm", "bench_prior"]).value.mean()
    expected = [[float(means[method, task]) for task in read_table.tasks] for method in read_table.methods]
    assert read_table.cell_means() == pytest.approx(np.array(expected), rel=1e-12)
