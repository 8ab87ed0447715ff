"""Grouped experts agree with the library's own loop over experts and with tokens sent one by one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="the model is written in torch")
pytest.importorskip("transformers", reason="the model is of the transformers library")

from cupel.tasks.models.mixtral import mixtral, one_by_one

SIZES = SimpleNamespace(layers=2, width=16, heads=2, kv_heads=1, feedforward=24, experts=5, vocab_size=64)


def make(dtype=torch.float32):
    torch.manual_seed(0)
    model = mixtral(SIZES, dtype=dtype)
    for layer in model.model.layers:
        for parameter in layer.mlp.parameters():
            parameter.data *= 10
    return model


def test_parameters_are_of_the_dtype_and_rotary_frequencies_in_fp32():
    model = make(torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model.model.rotary_emb.inv_freq.dtype == torch.float32
    assert not model.training


def test_experts_are_those_that_each_token_chooses():
    block, tokens = make().model.layers[0].mlp, torch.randn(1, 30, 16)
    with torch.no_grad():
        torch.testing.assert_close(block(tokens)[0], one_by_one(block, tokens[0]), rtol=1e-4, atol=1e-5)


def test_logits_are_those_of_the_loop_over_experts():
    model, ids = make(), torch.randint(64, (2, 9))
    with torch.no_grad():
        grouped = model(input_ids=ids).logits
        model.set_experts_implementation("eager")
        looped = model(input_ids=ids).logits
    torch.testing.assert_close(grouped, looped, rtol=1e-4, atol=1e-5)


def test_one_by_one_takes_two_experts_with_weights_that_sum_to_one():
    block = make().model.layers[0].mlp
    block.experts.down_proj.data.copy_(block.experts.down_proj.data[:1].expand_as(block.experts.down_proj))
    block.experts.gate_up_proj.data.copy_(block.experts.gate_up_proj.data[:1].expand_as(block.experts.gate_up_proj))
    tokens = torch.randn(4, 16)
    gate, up = (tokens @ block.experts.gate_up_proj.data[0].T).chunk(2, dim=1)
    same = (torch.nn.functional.silu(gate) * up) @ block.experts.down_proj.data[0].T
    torch.testing.assert_close(
        one_by_one(block, tokens).detach(), same
    )  # all experts alike: the mixture is any of them
