"""Tables come from where the setting says: every row once, words as numbers, gaps filled, two classes."""

from __future__ import annotations

import numpy as np
import pytest

from cupel.run.slot import PlainSlot
from cupel.spec import UsageError
from cupel.tasks.data.collisions import collisions
from cupel.tasks.data.hf_rows import as_columns, read_split
from cupel.tasks.data.table_source import as_table, labelled_table, made_table

ARFF = """\
% a small table
@relation animals
@attribute weight numeric
@attribute 'has fur' {no,yes}
@attribute legs integer
@attribute class {bird,mammal}
@data
0.5,no,2,bird
4,yes,4,mammal
?,yes,?,mammal
1.5,no,2,bird
3,yes,4,?
"""


@pytest.fixture(autouse=True)
def no_own_table(monkeypatch):
    monkeypatch.delenv("CUPEL_OPENML", raising=False)


def make_slot(data="disk"):
    return PlainSlot(device="cpu", settings={"data": data}, threads=1)


def table_of(tmp_path, text, name="table.arff"):
    path = tmp_path / name
    path.write_text(text)
    return as_table(as_columns(read_split(path)), where=path)


def test_synthetic_rows_are_collisions():
    features, is_signal = collisions(50, 3)
    found = labelled_table(50, make_slot("synthetic"), seed=3)
    assert np.array_equal(found.features, features)
    assert np.array_equal(found.is_one, is_signal)


def test_made_rows_are_collisions_written_down(tmp_path):
    path = made_table(40)
    assert path.read_text().startswith("@relation collisions\n@attribute class {0,1}\n@attribute feature_0 numeric\n")
    features, is_signal = collisions(40, 1)
    found = as_table(as_columns(read_split(path)), where=path)
    assert np.allclose(found.features, features, rtol=1e-5, atol=1e-5)
    assert np.array_equal(found.is_one, is_signal)


def test_four_fifths_are_taken_by_the_seed():
    features, _ = collisions(50, 1)
    first, again, other = (labelled_table(40, make_slot(), seed=seed) for seed in (0, 0, 1))
    assert first.features.shape == (40, 28)
    assert first.features.dtype == first.is_one.dtype == np.float32
    assert np.array_equal(first.features, again.features)
    assert not np.array_equal(first.features, other.features)
    known = {round(float(value), 3) for value in features[:, 0]}
    taken = [round(float(value), 3) for value in first.features[:, 0]]
    assert set(taken) <= known
    assert len(set(taken)) >= 39, "no row is taken twice"


def test_words_are_numbered_gaps_are_means_and_rows_without_a_class_are_left_out(tmp_path):
    found = table_of(tmp_path, ARFF)
    assert found.is_one.tolist() == [0, 1, 1, 0]
    assert found.features.tolist() == [[0.5, 0, 2], [4, 1, 4], [2.25, 1, 3], [1.5, 0, 2]]


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (["1", "2", "1", "2"], [0, 1, 0, 1]),
        (["0.5", "3", "2", "9"], [0, 1, 0, 1]),
        (["a", "b", "b", "c"], [0, 1, 1, 0]),
        (["no", "yes", "yes", "no"], [0, 1, 1, 0]),
    ],
)
def test_two_classes_are_made_of_what_a_column_tells(tmp_path, classes, expected):
    lines = [f"{idx},{name}" for idx, name in enumerate(classes)]
    found = table_of(tmp_path, "x,y\n" + "\n".join(lines) + "\n", "table.csv")
    assert found.is_one.tolist() == expected
    assert found.features[:, 0].tolist() == [0, 1, 2, 3]


def test_the_class_is_found_by_its_name(tmp_path):
    found = table_of(tmp_path, "Target,x\n1,5\n0,6\n", "table.csv")
    assert found.is_one.tolist() == [1, 0]
    assert found.features.tolist() == [[5], [6]]


@pytest.mark.parametrize("text", ["x,class\n1,a\n2,a\n", "class\na\nb\n", "x,class\n"])
def test_a_table_without_two_classes_or_a_feature_is_refused(tmp_path, text):
    with pytest.raises(UsageError, match="expected two classes or more, in the column 'class', 'target' or the last"):
        table_of(tmp_path, text, "table.csv")


def test_the_users_own_is_read_and_noted(tmp_path, monkeypatch):
    path = tmp_path / "own.arff"
    path.write_text(ARFF)
    monkeypatch.setenv("CUPEL_OPENML", str(path))
    slot = make_slot()
    found = labelled_table(1000, slot, seed=0)
    assert found.features.shape == (4, 3)
    assert len(labelled_table(2, make_slot(), seed=0).features) == 2
    assert slot.notes == [f"the table is the user's own, {path} (CUPEL_OPENML)"]
    monkeypatch.setenv("CUPEL_OPENML", str(tmp_path / "absent.arff"))
    with pytest.raises(UsageError, match="which is not there; expected a table in ARFF"):
        labelled_table(10, make_slot(), seed=0)
