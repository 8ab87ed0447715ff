"""Data sets of the Hugging Face hub and of OpenML are read from disk, whatever their files."""

from __future__ import annotations

import gzip
import json
import sys

import pytest

from cupel.spec import UsageError
from cupel.spec.errors import MissingExtraError, UnknownNameError
from cupel.tasks.data.hf_rows import as_columns, find_tables, read_split, read_table

ROWS = [
    {"text": "one, two", "label": 0, "score": 0.5},
    {"text": 'said "no"', "label": 1, "score": None},
    {"text": "drei\nZeilen ä", "label": 1, "score": -2.0},
]


def write(path, rows=ROWS):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(sys.modules["pyarrow"].Table.from_pylist(rows), path, row_group_size=2)
        return path
    text = "\n".join(json.dumps(row) for row in rows) + "\n"
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as file:
        file.write(text)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json", "a.parquet"])
def test_rows_come_as_they_were_written(tmp_path, name):
    assert list(read_table(write(tmp_path / name))) == ROWS


def test_json_may_be_a_list_or_an_object_with_a_list(tmp_path):
    for name, content in (("a.json", ROWS), ("b.jsonl", ROWS), ("c.json", {"version": 1, "data": ROWS})):
        (tmp_path / name).write_text(json.dumps(content))
        assert list(read_table(tmp_path / name)) == ROWS


@pytest.mark.parametrize("is_stream", [True, False])
def test_arrow_files_of_either_format_are_read(tmp_path, is_stream):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.Table.from_pylist(ROWS)
    new = pyarrow.ipc.new_stream if is_stream else pyarrow.ipc.new_file
    with new(str(tmp_path / "data-00000-of-00001.arrow"), table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    assert list(read_table(tmp_path / "data-00000-of-00001.arrow")) == ROWS


def test_pictures_come_as_their_bytes(tmp_path):
    rows = [{"image": {"bytes": b"\xff\xd8\xff", "path": "a.jpg"}, "label": 3}]
    assert list(read_table(write(tmp_path / "a.parquet", rows))) == rows


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ","), ("a.tsv", "\t"), ("a.csv.gz", ",")])
def test_columns_of_csv_are_numbers_where_all_their_cells_are(tmp_path, name, mark):
    lines = ["id,x,name,empty,code", "1,0.5,a,,1", "2,?,?,,x2", "-3,1e3,NA,,3", ""]
    text = "\ufeff" + "\n".join(lines).replace(",", mark)
    opener = gzip.open if name.endswith(".gz") else open
    with opener(tmp_path / name, "wt", encoding="utf-8") as file:
        file.write(text)
    assert list(read_table(tmp_path / name)) == [
        {"id": 1, "x": 0.5, "name": "a", "empty": None, "code": "1"},
        {"id": 2, "x": None, "name": "?", "empty": None, "code": "x2"},
        {"id": -3, "x": 1000.0, "name": "NA", "empty": None, "code": "3"},
    ]


def test_quoted_cells_of_csv_may_hold_anything(tmp_path):
    (tmp_path / "a.csv").write_text('q,n\n"one, ""two""\nthree",1\n')
    assert list(read_table(tmp_path / "a.csv")) == [{"q": 'one, "two"\nthree', "n": 1}]


def test_arff_is_read(tmp_path):
    (tmp_path / "a.arff").write_text("@relation r\n@attribute x real\n@data\n1.5\n")
    assert list(read_table(tmp_path / "a.arff")) == [{"x": 1.5}]


LAYOUTS = {
    "hub": ("data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl", "data/test-00000-of-00001.jsonl"),
    "folders": ("train/0000.jsonl", "train/0001.jsonl", "test/0000.jsonl"),
    "saved": ("train/data-00000-of-00002.jsonl", "train/data-00001-of-00002.jsonl", "test/data-00000-of-00001.jsonl"),
    "names": ("my_train_1.jsonl", "my_train_2.jsonl", "eval.jsonl"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_splits_are_told_by_names(tmp_path, layout):
    for number, name in enumerate(LAYOUTS[layout]):
        write(tmp_path / name, [{"number": number}])
    (tmp_path / "README.md").write_text("a card")
    write(tmp_path / "dataset_dict.json", [{"splits": 2}])
    write(tmp_path / "train" / "state.json", [{"_data_files": []}])
    write(tmp_path / ".cache" / "train.jsonl")
    assert [row["number"] for row in read_split(tmp_path)] == [0, 1]
    assert [row["number"] for row in read_split(tmp_path, split="test")] == [2]
    with pytest.raises(UsageError, match=r"no split 'validation'; its files are of: test, train"):
        find_tables(tmp_path, split="validation")


def test_a_folder_that_names_no_split_is_all_train(tmp_path):
    write(tmp_path / "b.jsonl", [{"number": 1}])
    write(tmp_path / "a.jsonl", [{"number": 0}])
    assert [row["number"] for row in read_split(tmp_path)] == [0, 1]
    with pytest.raises(UsageError, match=r"no split 'test'; its files are of: train"):
        find_tables(tmp_path, split="test")


def test_a_single_file_is_of_any_split(tmp_path):
    path = write(tmp_path / "train.jsonl")
    assert list(read_split(path, split="test")) == ROWS


def test_columns_are_kept_or_refused_by_name(tmp_path):
    path = write(tmp_path / "a.jsonl")
    assert list(read_split(path, columns=("label",))) == [{"label": row["label"]} for row in ROWS]
    with pytest.raises(UnknownNameError, match=r"No column named 'labels'\. Close: label\. Looked in .*a\.jsonl"):
        list(read_split(path, columns=("labels",)))


def test_rows_become_columns():
    rows = [{"a": 1}, {"a": 2, "b": "x"}, {"b": "y"}]
    assert as_columns(rows) == {"a": [1, 2, None], "b": [None, "x", "y"]}
    assert as_columns([]) == {}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"x": 1}\n{"x": \n', r"a\.jsonl:2: not JSON"),
        ("a.jsonl", b"1\n", r"a\.jsonl:1: '1' is no object"),
        ("a.json", b'{"a": 1}', "holds 0 lists of objects"),
        ("a.csv", b"x,y\n1\n", r"a\.csv:2: 1 cells; expected 2"),
        ("a.csv", b"x\n\xff\n", r"a\.csv cannot be read: .*utf-8"),
        ("a.csv.gz", b"x\n1\n", r"a\.csv\.gz cannot be read: Not a gzipped file"),
        ("a.txt", b"x", r"a\.txt is of an unknown kind; expected a file that ends in \.parquet"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        list(read_table(tmp_path / name))


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_damaged_file_of_pyarrow_is_named(tmp_path, suffix):
    pytest.importorskip("pyarrow")
    (tmp_path / f"a{suffix}").write_bytes(b"PAR1 but nothing else follows")
    with pytest.raises(UsageError, match=rf"a\{suffix} cannot be read"):
        list(read_table(tmp_path / f"a{suffix}"))


def test_a_folder_without_tables_is_refused_in_words(tmp_path):
    (tmp_path / "notes.txt").write_text("no table")
    with pytest.raises(UsageError, match="holds no tables; expected a folder with files that end in"):
        find_tables(tmp_path)


def test_without_pyarrow_the_install_line_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cupel\[tables\]'"):
        list(read_table(tmp_path / "a.parquet"))
