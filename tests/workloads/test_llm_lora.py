"""llm_lora has the published sizes, trains its adapters alone, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="llm_lora needs torch")
pytest.importorskip("transformers", reason="llm_lora needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.workloads import llm_lora

TINY = SimpleNamespace(**llm_lora.CARD.sizes("tiny"))
FULL = SimpleNamespace(**llm_lora.CARD.sizes("full"))


def make_slot(precision: str = "fp32", model: str = "8b") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision, "model": model}, threads=1)


@pytest.mark.parametrize(
    ("model", "num_frozen", "num_trained"),
    [("8b", 8_030_261_248, 3_407_872), ("70b", 70_553_706_496, 44_564_480)],
)
def test_full_is_llama_3_1_with_adapters(model, num_frozen, num_trained):
    with torch.device("meta"):
        network = llm_lora.build_model(FULL, model=model)
    counts = {True: 0, False: 0}
    for parameter in network.parameters():
        counts[parameter.requires_grad] += parameter.numel()
    assert counts == {True: num_trained, False: num_frozen}
    assert network.config.rope_parameters["rope_type"] == "llama3"


def test_frozen_parameters_are_at_the_precision_of_the_run_and_adapters_in_fp32():
    _, model = llm_lora.build_step(TINY, make_slot("bf16"), rng=Seeds(0))
    dtypes = {parameter.requires_grad: parameter.dtype for parameter in model.parameters()}
    assert dtypes == {True: torch.float32, False: torch.bfloat16}


def test_the_larger_model_is_larger_at_tiny_too():
    _, model = llm_lora.build_step(TINY, make_slot(model="70b"), rng=Seeds(0))
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (5, 128)
    assert model.model.layers[0].self_attn.k_proj.adapter.down.weight.shape == (16, 128)


def test_items_are_real_tokens():
    assert llm_lora.setup(TINY, make_slot(), Seeds(0))().items == 8 + 20 + 32


@pytest.mark.parametrize(("precision", "model"), [("fp32", "8b"), ("bf16", "8b"), ("fp32", "70b")])
def test_the_check_passes(precision, model):
    llm_lora.sane(TINY, make_slot(precision, model), Seeds(0))


def test_the_check_finds_a_layer_that_is_trained_whole(monkeypatch):
    build = llm_lora.build_model

    def thawed(sizes, dtype, **chosen):
        network = build(sizes, dtype, **chosen)
        network.model.norm.requires_grad_(requires_grad=True)
        return network

    monkeypatch.setattr(llm_lora, "build_model", thawed)
    with pytest.raises(WrongWorkError, match=r"moved 1 frozen parameters, model\.norm\.weight"):
        llm_lora.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_an_adapter_that_is_cut_off(monkeypatch):
    build = llm_lora.build_model

    def cut(sizes, dtype, **chosen):
        network = build(sizes, dtype, **chosen)
        network.model.layers[0].self_attn.v_proj.adapter.scale = 0.0
        return network

    monkeypatch.setattr(llm_lora, "build_model", cut)
    with pytest.raises(WrongWorkError, match="no gradient reaches 1"):
        llm_lora.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_an_update_that_is_left_out(monkeypatch):
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda _: None)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches 0\.down"):
        llm_lora.sane(TINY, make_slot(), Seeds(0))
