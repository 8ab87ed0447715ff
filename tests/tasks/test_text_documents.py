"""Documents from disk as ids: every one once an epoch, in an order of the seed, by the tokenizer that was asked for."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="language models need torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, UsageError
from cupel.spec.errors import MissingExtraError
from cupel.tasks.data import text_documents as module
from cupel.tasks.data.byte_pairs import END
from cupel.tasks.data.text_documents import mixed, text_documents

TEXTS = [f"document {chr(97 + idx)} of " + "word " * idx for idx in range(20)]
IDS = range(10, 300)
UNKNOWN, END_TOKEN = {"unk_token": "<unk>"}, {"eos_token": "</s>"}


def make_slot(rank=0, world=1):
    slot = TorchSlot(device="cpu", settings={"data": "disk"}, threads=1)
    slot.rank, slot.world = rank, world
    return slot


@pytest.fixture(autouse=True)
def own_texts(tmp_path, monkeypatch):
    (tmp_path / "train.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in TEXTS))
    monkeypatch.setenv("CUPEL_TEXT", str(tmp_path))
    monkeypatch.delenv("CUPEL_TOKENIZER", raising=False)


def take(num, seed=0, slot=None, ids=IDS):
    return list(itertools.islice(text_documents(slot or make_slot(), Seeds(seed), ids=ids), num))


def test_each_document_comes_once_an_epoch_with_its_end_in_an_order_of_the_seed():
    first = take(40)
    assert all(one.dtype == np.int64 for one in first)
    assert all(one[-1] == IDS.start + END and (one >= IDS.start).all() and (one < IDS.stop).all() for one in first)
    keys = [one.tobytes() for one in first]
    assert len(set(keys[:20])) == len(set(keys[20:])) == len(TEXTS)
    assert set(keys[:20]) == set(keys[20:])
    assert keys[:20] != keys[20:]
    assert [one.tobytes() for one in take(40)] == keys
    assert [one.tobytes() for one in take(20, seed=1)] != keys[:20]


def test_ranks_share_the_documents_out():
    of_ranks = [{one.tobytes() for one in take(10, slot=make_slot(rank, 2))} for rank in (0, 1)]
    assert not of_ranks[0] & of_ranks[1]
    assert of_ranks[0] | of_ranks[1] == {one.tobytes() for one in take(20)}


def test_a_note_says_whose_texts_they_are(tmp_path, monkeypatch):
    slot = make_slot()
    take(1, slot=slot)
    assert slot.notes == [f"the texts are the user's own, of {tmp_path} (CUPEL_TEXT)"]
    monkeypatch.delenv("CUPEL_TEXT")
    slot = make_slot()
    take(1, slot=slot)
    assert slot.notes == []


def test_the_order_is_mixed_within_a_buffer(monkeypatch):
    monkeypatch.setattr(module, "MIXED", 4)
    texts = [str(number) for number in range(50)]
    found = list(itertools.islice(mixed(lambda: texts, seed=0), 50))
    assert sorted(found) == sorted(texts)
    assert found != texts
    assert all(int(text) < place + 4 for place, text in enumerate(found)), "no text comes before it was read"


def test_too_few_ids_for_words_are_refused():
    with pytest.raises(UsageError, match="a model with 2 ids for words; it needs 3 or more"):
        take(1, ids=range(5, 7))


def test_what_cannot_be_read_is_refused_before_the_first_document_is_taken(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"number": 1}')
    with pytest.raises(UsageError, match="has no texts"):
        text_documents(make_slot(), Seeds(0), ids=IDS)


def make_tokenizer(folder, **special):
    """A tokenizer of whole words, saved as those of the hub are."""
    tokenizers = pytest.importorskip("tokenizers", reason="the user's tokenizer needs transformers")
    transformers = pytest.importorskip("transformers", reason="the user's tokenizer needs transformers")
    vocabulary = {"<unk>": 0, "</s>": 1, "document": 40, "of": 41, "word": 42}
    plain = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, **UNKNOWN))
    plain.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=plain, **UNKNOWN, **special).save_pretrained(folder)


@pytest.mark.filterwarnings("ignore:::transformers", "ignore:::huggingface_hub")
def test_the_users_tokenizer_gives_its_own_ids(tmp_path, monkeypatch):
    make_tokenizer(tmp_path / "words", **END_TOKEN)
    monkeypatch.setenv("CUPEL_TOKENIZER", str(tmp_path / "words"))
    slot = make_slot()
    found = sorted(take(20, slot=slot), key=len)
    assert [len(one) for one in found] == [3 + idx + 1 for idx in range(20)]
    assert found[2].tolist() == [40, 0, 41, 42, 42, 1]
    assert slot.notes[1] == f"the tokenizer is the user's own, of {tmp_path / 'words'} (CUPEL_TOKENIZER)"
    with pytest.raises(UsageError, match=r"gave the id 42; the model has ids below 42 .* --set vocab_size"):
        take(20, ids=range(1, 42))


@pytest.mark.filterwarnings("ignore:::transformers", "ignore:::huggingface_hub")
def test_a_tokenizer_without_an_end_ends_nothing(tmp_path, monkeypatch):
    make_tokenizer(tmp_path / "words")
    monkeypatch.setenv("CUPEL_TOKENIZER", str(tmp_path / "words"))
    assert min(take(20), key=len).tolist() == [40, 0, 41]


@pytest.mark.filterwarnings("ignore:::transformers", "ignore:::huggingface_hub")
def test_a_folder_without_a_tokenizer_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("transformers", reason="the user's tokenizer needs transformers")
    monkeypatch.setenv("CUPEL_TOKENIZER", str(tmp_path))
    with pytest.raises(UsageError, match="cannot be read as a tokenizer"):
        take(1)


def test_the_users_tokenizer_needs_its_library(tmp_path, monkeypatch):
    monkeypatch.setenv("CUPEL_TOKENIZER", str(tmp_path))
    monkeypatch.setattr(module, "has_extra", lambda _: False)
    with pytest.raises(MissingExtraError, match=r"install transformers: pip install 'cupel\[models\]'"):
        take(1)
