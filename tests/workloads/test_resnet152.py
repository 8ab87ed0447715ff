"""resnet152 trains ResNet-152, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="this workload needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.models.resnet import Bottleneck
from cupel.workloads import resnet152

TINY = SimpleNamespace(**resnet152.CARD.sizes("tiny"))
FULL = SimpleNamespace(**resnet152.CARD.sizes("full"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision, "compile": False}, threads=1)


def test_full_is_the_papers_network():
    with torch.device("meta"):
        model = resnet152.build_model(FULL)
        logits = model(torch.empty(2, 3, 224, 224))
    assert sum(parameter.numel() for parameter in model.parameters()) == 60_192_808
    assert logits.shape == (2, 1000)
    assert sum(isinstance(module, Bottleneck) for module in model.modules()) == 3 + 8 + 36 + 3
    assert (FULL.batch, FULL.image_px) == (256, 224)


def test_small_has_all_of_its_layers():
    assert resnet152.CARD.small["depth"] == 152


def test_a_step_counts_the_images_of_its_batch():
    step = resnet152.setup(TINY, make_slot(), Seeds(0))
    assert [step().items for _ in range(3)] == [TINY.batch] * 3


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_check_passes(precision):
    resnet152.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_fails_without_updates(monkeypatch):
    monkeypatch.setattr(TorchSlot, "step", lambda _slot, _loss: None)
    with pytest.raises(WrongWorkError, match=r"resnet152: .*expected it to fall"):
        resnet152.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_a_part_is_cut_off(monkeypatch):
    monkeypatch.setattr(Bottleneck, "forward", lambda block, x: torch.relu(block.shortcut(x)))
    with pytest.raises(WrongWorkError, match=r"resnet152: no gradient reaches blocks\.0\."):
        resnet152.sane(TINY, make_slot(), Seeds(0))
