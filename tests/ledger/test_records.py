"""Records survive whatever happens to their writer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupel.ledger.records import RecordWriter, parse_record, plain, read_records, write_json


def test_a_torn_last_line_is_ignored_and_the_next_writer_starts_a_new_one(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"kind":"step","i":0}\n{"kind":"st')
    assert [r["i"] for r in read_records(path)] == [0]
    writer = RecordWriter(path)
    writer.write("step", i=1)
    writer.close()
    assert [r["i"] for r in read_records(path)] == [0, 1]


def test_an_absent_file_has_no_records(tmp_path):
    assert list(read_records(tmp_path / "none.jsonl")) == []


@pytest.mark.parametrize(
    "line", [b"", b"  ", b"[1]", b"3", b'{"no":"kind"}', b"\xff\xfe", b"null", b'{"kind":3}', b"[" * 100_000]
)
def test_lines_that_are_no_records_are_passed_over(line):
    assert parse_record(line) is None


def test_what_json_cannot_say_becomes_null(tmp_path):
    path = tmp_path / "events.jsonl"
    writer = RecordWriter(path)
    writer.write("result", rate=float("nan"), top=float("inf"), pair=(1, 2))
    writer.close()
    assert list(read_records(path)) == [{"kind": "result", "rate": None, "top": None, "pair": [1, 2]}]


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=20,
    )
)
def test_plain_data_is_strict_json(value):
    json.loads(json.dumps(plain(value), allow_nan=False))


def test_a_json_file_is_whole_or_absent(tmp_path):
    path = tmp_path / "run.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]
