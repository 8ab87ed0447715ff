"""reformer has the library's size, counts its tokens, and its check can fail."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="reformer needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.models import reversible
from cupel.tasks.models.reformer import HashedAttention
from cupel.workloads import reformer

TINY = SimpleNamespace(**reformer.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_is_the_default_configuration_of_the_library():
    full = SimpleNamespace(**reformer.CARD.sizes("full"))
    with torch.device("meta"):
        model = reformer.build_model(full)
    assert sum(parameter.numel() for parameter in model.parameters()) == 5_975_872
    transformers = pytest.importorskip("transformers", reason="the oracle is the library's Reformer")
    with torch.device("meta"):
        library = transformers.ReformerForMaskedLM(transformers.ReformerConfig(num_buckets=full.buckets))
    assert sum(parameter.numel() for parameter in library.parameters()) == 5_975_872
    assert library.config.max_position_embeddings == full.rows * full.columns


def test_a_step_counts_sequences_and_tokens():
    done = reformer.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == 2
    assert done.also == {"tokens": 2 * 32}
    assert not done.loss.requires_grad


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_check_passes(precision):
    reformer.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_dropout_that_falls_otherwise_on_the_way_back(monkeypatch):
    monkeypatch.setattr(reversible, "recalled", lambda *_: contextlib.nullcontext())
    with pytest.raises(WrongWorkError, match="gradients of reversed layers"):
        reformer.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_buckets_that_are_not_kept(monkeypatch):
    forward = HashedAttention.forward

    def anew(self, x, _):
        with torch.random.fork_rng():
            torch.seed()
            order = self.note(x)
        return forward(self, x, order)

    monkeypatch.setattr(HashedAttention, "forward", anew)
    with pytest.raises(WrongWorkError, match="gradients of reversed layers"):
        reformer.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_positions_that_are_not_trained(monkeypatch):
    build = reformer.build_model

    def frozen(sizes):
        model = build(sizes)
        model.rows.requires_grad_(requires_grad=False)
        return model

    monkeypatch.setattr(reformer, "build_model", frozen)
    with pytest.raises(WrongWorkError, match="no gradient reaches rows"):
        reformer.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_an_update_that_is_left_out(monkeypatch):
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda _: None)
    with pytest.raises(WrongWorkError, match="expected a fall"):
        reformer.sane(TINY, make_slot(), Seeds(0))
