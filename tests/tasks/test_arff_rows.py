"""ARFF files are read as Weka and OpenML write them."""

from __future__ import annotations

import pytest

from cupel.spec import UsageError
from cupel.tasks.data.arff_rows import arff_rows

HEAD = """% a comment
@RELATION 'the iris'

@attribute 'sepal length' REAL
@attribute count integer
@attribute "class" {setosa, 'versi color', "vir'ginica"}
@attribute note string
@ATTRIBUTE day date "yyyy-MM-dd"
@data
"""


def read(tmp_path, text: str):
    path = tmp_path / "table.arff"
    path.write_text(text, encoding="utf-8")
    return list(arff_rows(path))


def test_dense_rows_have_values_of_their_attributes_types(tmp_path):
    rows = read(
        tmp_path,
        HEAD
        + "5.1,3,setosa,hello,2020-01-01\n"
        + "% between\n\n"
        + r"""-2e-3 , ?, 'versi color' , 'it\'s, a \\ \"note\"', "2020-01-02" """
        + "\n?,-4,\"vir'ginica\",'?',?\n",
    )
    assert [list(row.values()) for row in rows] == [
        [5.1, 3, "setosa", "hello", "2020-01-01"],
        [-0.002, None, "versi color", 'it\'s, a \\ "note"', "2020-01-02"],
        [None, -4, "vir'ginica", "?", None],
    ]
    assert list(rows[0]) == ["sepal length", "count", "class", "note", "day"]
    assert isinstance(rows[0]["count"], int)


def test_a_sparse_row_leaves_out_zeros_and_first_values(tmp_path):
    rows = read(tmp_path, HEAD + "{1 7, 2 'versi color'}\n{ }\n{0 ?,3 'a, b'}\n")
    assert [list(row.values()) for row in rows] == [
        [0.0, 7, "versi color", "", ""],
        [0.0, 0, "setosa", "", ""],
        [None, 0, "setosa", "a, b", ""],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "1,2,setosa,x\n", r"table\.arff:10: 4 values for 5 attributes"),
        (HEAD + "1,2,rosa,x,y\n", "'rosa' is none of the values of 'class'"),
        (HEAD + "x,2,setosa,x,y\n", "could not convert string to float: 'x'"),
        (HEAD + "1,2,setosa,'x,y\n", "quotes do not end"),
        (HEAD + "{9 1}\n", "no index and value of 5 attributes"),
        ("@relation a\n@attribute x relational\n@data\n", r"table\.arff:2: 'x' is of the type 'relational'"),
        ("@relation a\n@attribute x real\n1\n", r"table\.arff:3: '1' stands before @data"),
        ("@relation a\n@attribute x real\n", "ends without @data, after 1 attributes"),
        ("a,b\n1,2\n", "'a,b' stands before @data"),
        ("@relation a\n@attribute x\n", "declares no attribute"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        read(tmp_path, text)


def test_another_encoding_is_refused_in_words(tmp_path):
    path = tmp_path / "table.arff"
    path.write_bytes(HEAD.encode() + "1,2,setosa,é,y\n".encode("latin-1"))
    with pytest.raises(UsageError, match="not in UTF-8"):
        list(arff_rows(path))


def test_it_agrees_with_scipy_on_numbers_and_names(tmp_path):
    from scipy.io import arff

    text = "@relation r\n@attribute a numeric\n@attribute b {x,y}\n@data\n1.5,x\n-3,y\n?,x\n"
    rows = read(tmp_path, text)
    data, meta = arff.loadarff(tmp_path / "table.arff")
    assert meta.names() == list(rows[0])
    assert [row["b"] for row in rows] == [value.decode() for value in data["b"]]
    assert [row["a"] for row in rows] == [None if value != value else value for value in data["a"]]  # noqa: PLR0124 (NaN)
