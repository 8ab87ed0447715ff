"""dimenet is the published network, counts graphs, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="dimenet needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.models.dimenet import DimeNet, Interaction
from cupel.workloads import dimenet

TINY = SimpleNamespace(**dimenet.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_has_the_published_number_of_parameters():
    with torch.device("meta"):
        full = dimenet.build_model(SimpleNamespace(**dimenet.CARD.sizes("full")))
    embedding = 95 * 128 + (6 * 128 + 128) + (3 * 128 * 128 + 128)
    square = 128 * 128 + 128
    interaction = (6 * 8 + 8 * 128) + (42 * 8 + 8 * 64) + 2 * square + 2 * 128 * 64 + 2 * square + square + 4 * square
    output = 6 * 128 + 128 * 256 + 3 * (256 * 256 + 256) + 256
    found = sum(parameter.numel() for parameter in full.parameters())
    assert found == 6 + embedding + 4 * interaction + 5 * output == 1_885_830


def test_a_step_counts_graphs():
    done = dimenet.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.batch
    assert not done.loss.requires_grad


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    dimenet.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_predictions_that_follow_the_pose(monkeypatch):
    forward = DimeNet.forward
    monkeypatch.setattr(
        DimeNet, "forward", lambda model, geometry: forward(model, geometry) + geometry.position_V3.sum()
    )
    with pytest.raises(WrongWorkError, match="turning and moving molecules changes"):
        dimenet.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_messages_that_are_cut_off(monkeypatch):
    monkeypatch.setattr(Interaction, "forward", lambda block, x, *_: block.after(x))
    with pytest.raises(WrongWorkError, match=r"no gradient reaches interactions\.0\."):
        dimenet.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_training_that_climbs():
    slot = make_slot()
    slot.step = lambda loss: TorchSlot.step(slot, -loss)
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        dimenet.sane(TINY, slot, Seeds(0))
