"""resnet152_lightning is resnet152 in Lightning's loop, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="this workload needs torch")
pytest.importorskip("lightning", reason="this workload needs Lightning")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.models.resnet import Bottleneck
from cupel.tasks.stepped_trainer import SteppedTrainer
from cupel.workloads import resnet152, resnet152_lightning

TINY = SimpleNamespace(**resnet152_lightning.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32", **settings) -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision, **settings}, threads=1)


def test_its_card_differs_from_that_of_resnet152_in_nothing_that_changes_the_work():
    ours, plain = resnet152_lightning.CARD.as_dict(), resnet152.CARD.as_dict()
    plain["settings"] = {name: values for name, values in plain["settings"].items() if name != "strategy"}
    different = {key for key in ours if ours[key] != plain[key]}
    assert different == {"needs", "source"}


def test_full_has_the_papers_parameters():
    with torch.device("meta"):
        model = resnet152_lightning.build_model(SimpleNamespace(**resnet152_lightning.CARD.sizes("full")))
    assert sum(parameter.numel() for parameter in model.parameters()) == 60_192_808


@pytest.mark.parametrize("channels_last", [False, True])
def test_its_losses_are_those_of_resnet152(channels_last):
    losses = []
    for module in (resnet152, resnet152_lightning):
        torch.manual_seed(0)
        step = module.setup(TINY, make_slot(channels_last=channels_last), Seeds(0))
        done = [step() for _ in range(4)]
        assert [one.items for one in done] == [TINY.batch] * 4
        losses.append([float(one.loss) for one in done])
    assert losses[0] == losses[1]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    resnet152_lightning.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_fails_when_a_batch_is_trained_on_twice(monkeypatch):
    train_one = SteppedTrainer.train_one
    monkeypatch.setattr(SteppedTrainer, "train_one", lambda trainer: (train_one(trainer), train_one(trainer)))
    with pytest.raises(WrongWorkError, match="at update 0 the Trainer's loss"):
        resnet152_lightning.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_without_updates(monkeypatch):
    monkeypatch.setattr(torch.optim.SGD, "step", lambda _optimizer, closure=None: closure and closure())
    monkeypatch.setattr(TorchSlot, "step", lambda _slot, _loss: None)
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        resnet152_lightning.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_a_part_is_cut_off(monkeypatch):
    monkeypatch.setattr(Bottleneck, "forward", lambda block, x: torch.relu(block.shortcut(x)))
    with pytest.raises(WrongWorkError, match=r"no gradient reaches blocks\.0\."):
        resnet152_lightning.sane(TINY, make_slot(), Seeds(0))
