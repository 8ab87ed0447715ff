"""Tokens come from where the setting says, in rows without padding or documents with it, and real ones are counted."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="language models need torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds
from cupel.tasks.data.masked_tokens import CLS, FIRST_WORD, MASK, SEP, masked_batches
from cupel.tasks.data.padded_documents import padded_batch
from cupel.tasks.data.retrieval_pairs import pair_batches
from cupel.tasks.data.span_corruption import span_batches
from cupel.tasks.data.text_documents import text_documents
from cupel.tasks.data.text_source import TextRows, words_of
from cupel.tasks.data.token_stream import window_batches
from cupel.tasks.decoder_training import document_batches
from cupel.tasks.without_files import without_files

TEXTS = ["abc " * idx for idx in range(1, 30)]


def make_slot(data="disk"):
    return TorchSlot(device="cpu", settings={"data": data}, threads=1)


@pytest.fixture(autouse=True)
def own_texts(tmp_path, monkeypatch):
    (tmp_path / "train.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in TEXTS))
    monkeypatch.setenv("CUPEL_TEXT", str(tmp_path))
    monkeypatch.delenv("CUPEL_TOKENIZER", raising=False)


def test_rows_are_cut_from_documents_without_a_gap():
    rows = TextRows(iter([np.arange(0, 5), np.arange(5, 6), np.arange(6, 25)]), slot=make_slot())
    assert rows((2, 4)).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert rows((1, 3)).tolist() == [[8, 9, 10]]
    assert rows((2, 7)).tolist() == [list(range(11, 18)), list(range(18, 25))]


def test_random_words_need_no_texts(monkeypatch):
    monkeypatch.setenv("CUPEL_TEXT", "/absent")
    ids = range(5, 50)
    words = words_of(make_slot("synthetic"), Seeds(0), ids=ids, generator=torch.Generator().manual_seed(0))
    found = words((20, 30))
    assert found.shape == (20, 30)
    assert int(found.min()) == 5
    assert int(found.max()) < 50


def test_padded_documents_are_cut_off_and_their_real_tokens_counted():
    batch = padded_batch([np.array([3, 4]), np.arange(1, 9)], 5, slot=make_slot())
    assert batch.ids_BT.tolist() == [[3, 4, 0, 0, 0], [1, 2, 3, 4, 5]]
    assert batch.labels_BT.tolist() == [[3, 4, -100, -100, -100], [1, 2, 3, 4, 5]]
    assert batch.num_tokens == 7
    assert batch.may_see_B1TT[0, 0].tolist() == [[1, 0, 0, 0, 0]] + [[1, 1, 0, 0, 0]] * 4
    assert batch.may_see_B1TT[1, 0].equal(torch.ones(5, 5, dtype=torch.bool).tril())


def test_decoders_get_fresh_documents_and_count_no_padding():
    sizes = SimpleNamespace(batch=4, batches=2, vocab_size=40, padded_to=12)
    texts = text_documents(make_slot(), Seeds(7), ids=range(1, 40))
    batches = document_batches(sizes, make_slot(), seed=7)
    assert len(batches) == 2
    counts = []
    for batch in itertools.islice((batches[0] for _ in itertools.count()), 7):
        expected = [document[:12].tolist() for document in itertools.islice(texts, 4)]
        assert [ids[ids > 0].tolist() for ids in batch.ids_BT] == expected
        assert batch.num_tokens == int((batch.labels_BT >= 0).sum()) == sum(map(len, expected))
        counts.append(batch.num_tokens)
    assert len(set(counts)) > 1, "documents of unequal length make batches of unequal numbers of tokens"


def test_masked_and_cut_texts_are_those_of_the_documents():
    texts = text_documents(make_slot(), Seeds(0), ids=range(FIRST_WORD, 160))
    text = np.concatenate(list(itertools.islice(texts, 29)))
    sizes = SimpleNamespace(batch=2, batches=1, vocab_size=160)
    (batch,) = masked_batches(sizes, make_slot(), Seeds(0), sequence=16)
    told = torch.where(batch.labels_BT >= 0, batch.labels_BT, batch.ids_BT)
    assert told[:, 1:-1].tolist() == text[:32].reshape(2, 16)[:, 1:-1].tolist()
    assert (told[:, 0] == CLS).all()
    assert (told[:, -1] == SEP).all()
    assert ((batch.ids_BT == MASK) <= (batch.labels_BT >= 0)).all()
    spans = span_batches(SimpleNamespace(batch=3, batches=1, sequence=20), make_slot(), Seeds(0), vocab_size=150)[0]
    assert spans.ids_BI.shape == (3, 19)
    assert int(spans.labels_BO.max()) == 149


def test_windows_go_through_the_text():
    text = np.concatenate(list(itertools.islice(text_documents(make_slot(), Seeds(0), ids=range(60)), 29)))
    batches = window_batches(SimpleNamespace(batch=2, batches=3, sequence=5, vocab_size=60), make_slot(), Seeds(0))
    for start in (0, 12, 24):
        window = batches[0]
        rows = text[start : start + 12].reshape(2, 6)
        assert window.ids_BT.tolist() == rows[:, :-1].tolist()
        assert window.next_BT.tolist() == rows[:, 1:].tolist()


def test_a_query_is_the_beginning_of_its_passage():
    sizes = SimpleNamespace(batch=3, batches=1, vocab_size=200, query_longest=4, passage_longest=100)
    texts = list(itertools.islice(text_documents(make_slot(), Seeds(0), ids=range(1, 200)), 6))
    pairs = pair_batches(sizes, make_slot(), Seeds(0))[0]
    assert (pairs.queries.ids_BT.shape, pairs.passages.ids_BT.shape) == ((3, 4), (6, 100))
    for idx, text in enumerate(texts):
        (passage,) = real_of(pairs.passages, idx)
        assert passage[0] == CLS
        if idx < 3:
            (query,) = real_of(pairs.queries, idx)
            assert query[0] == CLS
            assert query[1:] + passage[1:] == text.tolist()
    num_real = sum(int(of.may_see_B1TT[:, 0, 0].sum()) for of in (pairs.queries, pairs.passages))
    assert pairs.num_tokens == num_real


def real_of(texts, idx):
    ids_T, is_real_T = texts.ids_BT[idx], texts.may_see_B1TT[idx, 0, 0]
    return [ids_T[is_real_T].tolist()]


def test_the_check_of_an_entry_is_without_files():
    slot = make_slot()
    slot.settings["precision"] = "bf16"
    assert without_files(slot).settings == {"data": "synthetic", "weights": "random", "precision": "bf16"}
    assert slot.settings["data"] == "disk"
