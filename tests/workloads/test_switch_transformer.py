"""switch_transformer has the published size, balances its experts, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="switch_transformer needs torch")
pytest.importorskip("transformers", reason="switch_transformer needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.models.switch_experts import SwitchFeedForward
from cupel.workloads import switch_transformer

TINY = SimpleNamespace(**switch_transformer.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_is_switch_base_8():
    from transformers.models.switch_transformers.configuration_switch_transformers import SwitchTransformersConfig
    from transformers.models.switch_transformers.modeling_switch_transformers import (
        SwitchTransformersForConditionalGeneration,
    )

    with torch.device("meta"):
        model = switch_transformer.build_model(SimpleNamespace(**switch_transformer.CARD.sizes("full")))
        published = SwitchTransformersForConditionalGeneration(
            SwitchTransformersConfig(d_ff=3072, num_sparse_encoder_layers=6, num_sparse_decoder_layers=6)
        )
    counts = [sum(parameter.numel() for parameter in one.parameters()) for one in (model, published)]
    assert counts == [619_339_008] * 2
    assert [block.is_sparse for block in published.encoder.block] == [
        isinstance(block.layer[-1].DenseReluDense, SwitchFeedForward) for block in model.encoder.block
    ]
    assert len(switch_transformer.sparse_layers(model)) == 12
    unused = 12 * 7 * 2 * 768 * 3072
    assert counts[0] - unused == pytest.approx(223e6, rel=0.001)


def test_a_step_counts_tokens_read_and_written():
    step, _, (batch, other) = switch_transformer.build(TINY, make_slot(), rng=Seeds(0))
    done = step()
    assert done.items == batch.ids_BI.numel() + batch.labels_BO.numel()
    assert not done.loss.requires_grad
    assert not torch.equal(batch.ids_BI, other.ids_BI)


def test_the_loss_is_cross_entropy_and_a_hundredth_of_the_balance():
    _, model, (batch, _) = switch_transformer.build(TINY, make_slot(), rng=Seeds(0))
    model.eval()
    logits, loss = switch_transformer.forward(model, batch, make_slot())
    entropy = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch.labels_BO.flatten())
    balances = [float(layer.balance.detach()) for layer in switch_transformer.sparse_layers(model)]
    assert len(balances) == 2
    assert float(loss.detach()) == pytest.approx(float(entropy.detach()) + 0.01 * sum(balances), rel=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_check_passes(precision):
    switch_transformer.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_tokens_that_go_to_the_wrong_expert(monkeypatch):
    honest = SwitchFeedForward.route

    def crossed(layer, x):
        gate, place = honest(layer, x)
        return gate, place.flip(0)

    monkeypatch.setattr(SwitchFeedForward, "route", crossed)
    with pytest.raises(WrongWorkError, match="experts are off by"):
        switch_transformer.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_router_that_is_not_trained(monkeypatch):
    honest = SwitchFeedForward.route

    def cut(layer, x):
        gate, place = honest(layer, x)
        layer.balance = layer.balance.detach()
        return gate.detach(), place

    monkeypatch.setattr(SwitchFeedForward, "route", cut)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches .*router"):
        switch_transformer.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_training_that_does_nothing():
    slot = make_slot()
    slot.step = lambda _: None
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        switch_transformer.sane(TINY, slot, Seeds(0))
