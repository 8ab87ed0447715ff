from pathlib import Path

import numpy as np
import pytest

from cupel.ledger.read_results import read_results
from cupel.spec.errors import UsageError
from cupel.spec.results_table import ResultsTable
from cupel.stats.results import results


def read(folder: Path, text: str, reader: str | None = None) -> ResultsTable:
    path = folder / "results.csv"
    path.write_text(text)
    return read_results(path, reader)


def test_each_cell_becomes_a_row_with_its_line(samples: Path) -> None:
    table = read_results(samples / "wide_table.csv")
    text = [line.rsplit(",", 4) for line in (samples / "wide_table.csv").read_text().splitlines()]
    assert table.reader == "wide_table"
    assert table.roles == {"method": "method", "task": "task", "value": "value"}
    for method, task, value, line in zip(*table.columns.values(), table.lines, strict=True):
        row = text[line - 1]
        assert row[0].strip('"') == task
        assert float(row[text[0].index(method)]) == value
    assert table.num_rows == 4 * 5
    assert any("5 tasks x 4 methods" in note for note in table.notes)


def test_numbers_that_pandas_gave_the_rows_name_the_tasks(samples: Path) -> None:
    table = read_results(samples / "wide_table_autorank.csv")
    read_table = results(table)
    assert read_table.tasks == tuple(map(str, range(8)))
    cells = np.loadtxt(samples / "wide_table_autorank.csv", delimiter=",", skiprows=1)[:, 1:]
    assert read_table.cell_means() == pytest.approx(cells.T)


def test_failures_stay_cells(tmp_path: Path) -> None:
    table = read(tmp_path, "dataset,A,B\nd1,0.5,OOM\nd2,,0.25\nd3,0.75,0.5\n")
    assert table.reader == "wide_table"
    assert results(table).num_failed == 2


@pytest.mark.parametrize(
    "text",
    [
        "method,task,value\nA,d1,0.5\nB,d1,0.25\n",
        "dataset,seed,value\nd1,0,0.5\nd2,1,0.5\n",
        "dataset,A,epoch\nd1,0.5,1\nd2,0.5,2\n",
        "dataset,n_train,accuracy\nd1,100,0.5\nd2,200,0.25\n",
        "command,mean,stddev,median\nsort,0.5,0.1,0.5\ntac,0.4,0.1,0.4\n",
        "model,MMLU,GSM8K\nA,0.5,0.25\nB,0.5,0.25\n",
        "dataset,A\nd1,0.5\nd2,0.25\n",
        "dataset,A,B\nd1,0.5,0.25\nd1,0.25,0.5\n",
        "dataset,A,B\nd1,0.5,x1\nd2,0.25,x2\n",
        "name,A,B\nd1,0.5,0.25\nd2,0.25,0.5\n",
    ],
)
def test_in_doubt_a_table_is_long(text: str, tmp_path: Path) -> None:
    assert read(tmp_path, text).reader == "long_csv"


def test_who_says_so_gets_a_wide_table(tmp_path: Path) -> None:
    table = read(tmp_path, "name,A,B\nd1,0.5,0.25\nd2,0.25,0.5\n", "wide_table")
    assert table.columns["task"] == ["d1", "d1", "d2", "d2"]
    turned = read(tmp_path, "model,MMLU,GSM8K\nA,0.5,0.25\nB,0.75,1\n", "wide_table")
    assert turned.columns["method"] == ["A", "A", "B", "B"]
    assert turned.columns["task"] == ["MMLU", "GSM8K", "MMLU", "GSM8K"]
    assert turned.columns["value"] == [0.5, 0.25, 0.75, 1]
    bare = read(tmp_path, "A,B\n0.5,0.25\n0.75,1\n", "wide_table")
    assert bare.columns["task"] == ["row 1", "row 1", "row 2", "row 2"]
    assert any("numbered by row" in note for note in bare.notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dataset,A,B\nd1,1,2\nd2,1,2\nd1,3,4\n", "line 2 and line 4 are both named 'd1'"),
        ("dataset,A,B\nd1,1,2\n,1,2\n", "line 3 has no label"),
        ("dataset,A,B\nd1,1,x9\nd2,1,x8\n", "'B' does not"),
        ("dataset,A\nd1,1\nd2,1\n", "at least two of values"),
    ],
)
def test_what_is_no_wide_table_is_refused_by_place(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        read(tmp_path, text, "wide_table")


def test_a_columnar_file_can_be_wide(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pytest.importorskip("pandas").DataFrame({"A": [0.5, 0.25], "B": [1.0, 0.75]}, index=["d1", "d2"])
    frame.to_parquet(tmp_path / "results.parquet")
    table = read_results(tmp_path / "results.parquet")
    assert table.reader == "wide_table"
    assert table.columns["task"] == ["d1", "d1", "d2", "d2"]
    assert table.columns["value"] == [0.5, 1.0, 0.25, 0.75]
