"""llama_generate has the published size, counts tokens by their ids, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="llama_generate needs torch")
pytest.importorskip("transformers", reason="llama_generate needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.decoding import Sampler, Writer
from cupel.workloads import llama_generate

TINY = SimpleNamespace(**llama_generate.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32", decoding: str = "sampled") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision, "decoding": decoding}, threads=1)


def test_full_is_llama_2_7b():
    full = SimpleNamespace(**llama_generate.CARD.sizes("full"))
    with torch.device("meta"):
        model = llama_generate.build_model(full)
    assert sum(parameter.numel() for parameter in model.parameters()) == 6_738_415_616
    assert model.config.rope_parameters["rope_theta"] == 10000
    assert full.prompt + full.new == 400


def test_a_step_counts_new_tokens_and_those_of_the_prompts():
    done = llama_generate.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == 2 * 8
    assert done.also == {"prompt tokens": 2 * 12}


def test_weights_are_stored_at_the_precision_of_the_run():
    parts = llama_generate.build(TINY, make_slot("bf16"), rng=Seeds(0))
    assert {parameter.dtype for parameter in parts.model.parameters()} == {torch.bfloat16}
    assert not any(parameter.requires_grad for parameter in parts.model.parameters())


def test_greedy_writes_the_same_whatever_the_seed_of_the_draws():
    parts = llama_generate.build(TINY, make_slot(decoding="greedy"), rng=Seeds(0))
    first, again = (parts.writer.write(parts.prompts[0], parts.choose) for _ in range(2))
    assert torch.equal(first.ids_BT, again.ids_BT)
    sampled = llama_generate.build(TINY, make_slot(), rng=Seeds(0))
    first, again = (sampled.writer.write(sampled.prompts[0], sampled.choose) for _ in range(2))
    assert not torch.equal(first.ids_BT, again.ids_BT)


@pytest.mark.parametrize(("precision", "decoding"), [("fp32", "sampled"), ("bf16", "greedy"), ("bf16", "sampled")])
def test_the_check_passes(precision, decoding):
    llama_generate.sane(TINY, make_slot(precision, decoding), Seeds(0))


def test_the_check_finds_a_cache_that_forgets(monkeypatch):
    logits_of = Writer._logits

    def forget(self, ids, **places):
        for keys, _ in self._cache.layers.values():
            keys.zero_()
        return logits_of(self, ids, **places)

    monkeypatch.setattr(Writer, "_logits", forget)
    with pytest.raises(WrongWorkError, match="logits of single steps differ"):
        llama_generate.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_tokens_that_are_not_likely(monkeypatch):
    monkeypatch.setattr(Sampler, "__call__", lambda _, logits: logits.argmin(dim=1))
    with pytest.raises(WrongWorkError, match="511 others beat"):
        llama_generate.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_draws_without_a_seed(monkeypatch):
    monkeypatch.setattr(llama_generate, "Sampler", lambda _, top: Sampler(torch.default_generator, top=top))
    with pytest.raises(WrongWorkError, match="wrote another text"):
        llama_generate.sane(TINY, make_slot(), Seeds(0))
