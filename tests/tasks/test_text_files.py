"""Texts on disk: made ones once, and the user's own in the forms that data sets have."""

from __future__ import annotations

import json
from collections import Counter

import pytest

pytest.importorskip("torch", reason="made texts are drawn by torch")

from cupel.spec import UsageError
from cupel.tasks.data import text_files
from cupel.tasks.data.text_files import documents_like_pages, made_texts, read_texts, text_data, word


@pytest.fixture(autouse=True)
def no_own_texts(monkeypatch):
    monkeypatch.delenv("CUPEL_TEXT", raising=False)


def test_made_texts_are_made_once_and_read_as_a_data_set():
    data, is_own = text_data()
    assert (data, is_own) == (made_texts(), False)
    texts = list(read_texts(data))
    assert len(texts) == text_files.NUM_DOCUMENTS
    assert texts[:5] == list(documents_like_pages(5))


def test_made_words_follow_zipf_and_frequent_ones_are_short():
    counts = Counter(" ".join(documents_like_pages(200)).lower().replace(".", " ").split())
    (first, most), *_ = counts.most_common()
    assert first == word(0)
    assert counts[word(9)] == pytest.approx(most * 0.138, rel=0.2)  # ln(11/10) / ln(2/1), the law of power_law_indices
    assert [len(word(rank)) for rank in (0, 99, 100, 10_099, 10_100)] == [2, 2, 4, 4, 6]
    assert len({word(rank) for rank in range(text_files.NUM_WORDS)}) == text_files.NUM_WORDS


def test_made_lengths_spread_as_those_of_pages():
    lengths = sorted(len(text.split()) for text in documents_like_pages(300))
    assert lengths[150] == pytest.approx(text_files.MEDIAN_WORDS, rel=0.25)
    assert lengths[270] / lengths[30] > 6  # exp(2.56) = 13 is expected


def test_the_users_own_are_read_from_lines_of_json(tmp_path, monkeypatch):
    rows = [{"text": " one "}, {"text": ""}, {"text": None, "title": "x"}, {"text": "two"}]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "test.jsonl").write_text(json.dumps({"text": "of another split"}))
    monkeypatch.setenv("CUPEL_TEXT", str(tmp_path))
    data, is_own = text_data()
    assert is_own
    assert list(read_texts(data)) == ["one", "x", "two"]
    monkeypatch.setenv("CUPEL_TEXT", str(tmp_path / "test.jsonl"))
    assert list(read_texts(text_data()[0])) == ["of another split"]


def test_instructions_and_answers_are_one_text(tmp_path):
    rows = [{"instruction": "Add.", "input": "1 1", "output": "2", "score": 3}, {"instruction": "Go.", "input": ""}]
    (tmp_path / "data.json").write_text(json.dumps(rows))
    assert list(read_texts(tmp_path)) == ["Add.\n\n1 1\n\n2", "Go."]


def test_parquet_is_read(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
    import pyarrow as pa

    table = pa.table({"id": [1, 2], "text": ["one", "two"]})
    parquet.write_table(table, tmp_path / "train-00000-of-00001.parquet")
    assert list(read_texts(tmp_path)) == ["one", "two"]


def test_a_data_set_without_texts_is_refused(tmp_path):
    (tmp_path / "train.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="has no texts; its columns are a, b; expected one of text"):
        list(read_texts(tmp_path))


def test_a_name_of_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CUPEL_TEXT", str(tmp_path / "absent"))
    with pytest.raises(UsageError, match=r"CUPEL_TEXT names .*absent', which is not there; expected a file or folder"):
        text_data()
