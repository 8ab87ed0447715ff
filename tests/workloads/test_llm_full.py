"""llm_full has the published size, counts real tokens, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="llm_full needs torch")
pytest.importorskip("transformers", reason="llm_full needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.workloads import llm_full

TINY = SimpleNamespace(**llm_full.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_is_llama_3_1_70b():
    with torch.device("meta"):
        model = llm_full.build_model(SimpleNamespace(**llm_full.CARD.sizes("full")))
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    assert num_parameters == 70_553_706_496
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert model.config.max_position_embeddings == 131072
    assert model.config.rope_parameters["rope_type"] == "llama3"
    assert llm_full.CARD.memory_gib["full"] > 4 * 4 * num_parameters / 2**30


def test_items_are_real_tokens_of_batches_that_differ():
    step = llm_full.setup(TINY, make_slot(), Seeds(0))
    done = [step() for _ in range(2)]
    assert [one.items for one in done] == [8 + 32] * 2
    assert float(done[0].loss) != float(done[1].loss)


def test_bf16_stores_parameters_in_bf16():
    _, model = llm_full.build_step(TINY, make_slot("bf16"), rng=Seeds(0))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model.model.rotary_emb.inv_freq.dtype == torch.float32


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_check_passes(precision):
    llm_full.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_a_frozen_layer(monkeypatch):
    build = llm_full.build_model

    def frozen(sizes, dtype, **chosen):
        model = build(sizes, dtype, **chosen)
        model.model.layers[1].mlp.requires_grad_(requires_grad=False)
        return model

    monkeypatch.setattr(llm_full, "build_model", frozen)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches model\.layers\.1\.mlp"):
        llm_full.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_padding_that_is_counted(monkeypatch):
    build = llm_full.document_batches

    def count_all(sizes, slot, *, seed):
        return [batch._replace(num_tokens=batch.ids_BT.numel()) for batch in build(sizes, slot, seed=seed)]

    monkeypatch.setattr(llm_full, "document_batches", count_all)
    with pytest.raises(WrongWorkError, match="counted 64 tokens; expected 40"):
        llm_full.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_an_update_that_is_left_out(monkeypatch):
    monkeypatch.setattr(TorchSlot, "step", lambda _, loss: loss.backward())
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        llm_full.sane(TINY, make_slot(), Seeds(0))
