"""Experts take the tokens that choose them while there is room, and balance is the published loss."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the layer is written in torch")

from cupel.tasks.models.switch_experts import JITTER, SwitchFeedForward, one_by_one


def make(capacity_factor: float = 1.25, num_experts: int = 4) -> SwitchFeedForward:
    torch.manual_seed(0)
    layer = SwitchFeedForward(width=8, hidden=12, num_experts=num_experts, capacity_factor=capacity_factor, dropout=0.0)
    layer.router_EW.data *= 20
    return layer.eval()


@pytest.mark.parametrize("capacity_factor", [0.5, 1.0, 1.25, 4.0])
def test_it_is_the_loop_over_tokens(capacity_factor):
    layer, tokens = make(capacity_factor), torch.randn(3, 7, 8)
    torch.testing.assert_close(layer(tokens).flatten(0, 1), one_by_one(layer, tokens.flatten(0, 1)))


def test_gradients_are_those_of_the_loop():
    layer, tokens = make(), torch.randn(2, 10, 8)
    weight = torch.randn(20, 8)
    found = torch.autograd.grad((layer(tokens).flatten(0, 1) * weight).sum(), list(layer.parameters()))
    expected = torch.autograd.grad((one_by_one(layer, tokens.flatten(0, 1)) * weight).sum(), list(layer.parameters()))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_tokens_beyond_the_capacity_get_nothing_and_the_first_come_first():
    layer = make(capacity_factor=1.0, num_experts=2)
    layer.router_EW.data.copy_(torch.tensor([[1.0], [-1.0]]).expand(2, 8))
    tokens = torch.ones(1, 6, 8)  # all choose the first expert, which has three places
    out = layer(tokens)[0]
    assert (out[:3] != 0).any(dim=1).all()
    assert (out[3:] == 0).all()


def test_with_room_for_all_it_is_the_layer_of_transformers():
    pytest.importorskip("transformers", reason="compared with transformers, which is not installed")
    from transformers.models.switch_transformers import modeling_switch_transformers as library
    from transformers.models.switch_transformers.configuration_switch_transformers import SwitchTransformersConfig

    config = SwitchTransformersConfig(
        d_model=8, d_ff=12, num_experts=4, expert_capacity=100, dropout_rate=0.0, router_jitter_noise=0.0
    )
    layer, theirs, tokens = make(4.0), library.SwitchTransformersSparseMLP(config).eval(), torch.randn(1, 20, 8)
    theirs.router.classifier.weight.data.copy_(layer.router_EW)
    for idx in range(4):
        theirs.experts[f"expert_{idx}"].wi.weight.data.copy_(layer.into_EWH[idx].T)
        theirs.experts[f"expert_{idx}"].wo.weight.data.copy_(layer.back_EHW[idx].T)
    torch.testing.assert_close(layer(tokens), theirs(tokens))
    _, _, logits = theirs.router(tokens)
    probs = logits.softmax(dim=2)
    torch.testing.assert_close(layer.balance, library.load_balancing_loss_func(probs, probs.argmax(dim=2)))


def test_balance_is_one_where_tokens_are_spread_evenly_and_more_elsewhere():
    layer = make(num_experts=4)
    layer.router_EW.data.copy_(30 * torch.eye(4, 8))
    layer(torch.eye(4, 8)[None])
    assert float(layer.balance.detach()) == pytest.approx(1.0, rel=1e-4)
    layer(torch.eye(4, 8)[:1].expand(1, 4, 8))
    assert float(layer.balance.detach()) == pytest.approx(4.0, rel=1e-4)


def test_the_router_is_jittered_in_training_only():
    layer, tokens = make(), torch.randn(1, 200, 8)
    plain, _ = layer.route(tokens[0])
    assert torch.equal(layer.route(tokens[0])[0], plain)
    layer.train()
    jittered, _ = layer.route(tokens[0])
    assert not torch.equal(jittered, plain)
    assert float((jittered - plain).detach().abs().max()) < 20 * JITTER


def test_weights_start_with_the_published_variance():
    torch.manual_seed(0)
    layer = SwitchFeedForward(width=64, hidden=256, num_experts=2, capacity_factor=1.0, dropout=0.0)
    assert float(layer.into_EWH.detach().var()) == pytest.approx(0.1 / 64, rel=0.05)
    assert float(layer.back_EHW.detach().var()) == pytest.approx(0.1 / 256, rel=0.05)
