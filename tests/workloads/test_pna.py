"""pna is the published network, counts graphs, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="pna needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.models import pna as model
from cupel.workloads import pna

TINY = SimpleNamespace(**pna.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_has_the_published_number_of_parameters():
    with torch.device("meta"):
        full = pna.build_model(SimpleNamespace(**pna.CARD.sizes("full")))
    # the leaderboard's 326 081 are with 4 values of chirality, as here; later releases of that data set have 5
    assert sum(parameter.numel() for parameter in full.parameters()) == 326_081
    assert pna.CARD.full["batch"] == 4096


def test_a_step_counts_graphs():
    done = pna.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.batch
    assert not done.loss.requires_grad


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    pna.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_aggregates_that_are_wrong(monkeypatch):
    extreme_at = model.extreme_at
    monkeypatch.setattr(model, "extreme_at", lambda *given, **named: extreme_at(*given, **{**named, "is_max": True}))
    with pytest.raises(WrongWorkError, match="aggregates of node"):
        pna.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_layer_that_is_cut_off(monkeypatch):
    monkeypatch.setattr(torch.nn.BatchNorm1d, "forward", lambda _, x: x.detach())
    with pytest.raises(WrongWorkError, match="no gradient reaches"):
        pna.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_training_that_climbs():
    slot = make_slot()
    slot.step = lambda loss: TorchSlot.step(slot, -loss)
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        pna.sane(TINY, slot, Seeds(0))
