"""dinov2_giant has the published size, its teacher follows, and its check can fail."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="dinov2_giant needs torch")
pytest.importorskip("transformers", reason="dinov2_giant needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.workloads import dinov2_giant

TINY = SimpleNamespace(**dinov2_giant.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_is_the_giant_but_for_its_mask_token_and_the_positions_of_518_px():
    sizes = SimpleNamespace(**dinov2_giant.CARD.sizes("full"))
    with torch.device("meta"):
        model = dinov2_giant.build_model(sizes)
    num_body = sum(parameter.numel() for parameter in model.body.parameters())
    positions = (518 // 14) ** 2 - (224 // 14) ** 2
    assert num_body + (positions + 1) * 1536 == 1_136_480_768
    assert sum(parameter.numel() for parameter in model.head.parameters()) == 58_462_592
    assert sizes.learning_rate == pytest.approx(2e-4 * math.sqrt(sizes.batch / 1024), rel=0.02)


def test_a_step_counts_images_and_moves_teacher_and_centre():
    nets = dinov2_giant.build(TINY, make_slot())
    before = copy.deepcopy(nets.teacher)
    batches = dinov2_giant.crop_batches(TINY, make_slot(), rng=Seeds(0))
    done = dinov2_giant.step_of(nets, batches, slot=make_slot_of(nets))()
    assert done.items == TINY.batch
    dinov2_giant.check_followed("it", (nets.teacher, nets.student), before=before, momentum=0.994)
    assert float(nets.centre_K.abs().max()) > 0.0


def make_slot_of(nets: dinov2_giant.Networks) -> TorchSlot:
    slot = make_slot()
    slot.prepare(nets.student, lambda parameters: torch.optim.SGD(parameters, lr=0.1))
    return slot


def test_local_crops_are_seen_by_the_student_alone(monkeypatch):
    nets, shapes = dinov2_giant.build(TINY, make_slot()), []
    nets.teacher.register_forward_pre_hook(lambda _, args: shapes.append([crop.shape[-1] for crop in args[0]]))
    nets.student.register_forward_pre_hook(lambda _, args: shapes.append([crop.shape[-1] for crop in args[0]]))
    batches = dinov2_giant.crop_batches(TINY, make_slot(), rng=Seeds(0))
    dinov2_giant.step_of(nets, batches, slot=make_slot_of(nets))()
    assert shapes == [[TINY.global_px], [TINY.global_px, TINY.local_px]]


def test_logits_are_cosines():
    model = dinov2_giant.build_model(TINY)
    logits = model(dinov2_giant.crop_batches(TINY, make_slot(), rng=Seeds(0))[0])
    assert logits.shape == (4 * TINY.batch, TINY.prototypes)
    assert float(logits.detach().abs().max()) < 1.0


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    dinov2_giant.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_a_teacher_that_stands_still(monkeypatch):
    monkeypatch.setattr(dinov2_giant, "follow", lambda *_, **__: None)
    with pytest.raises(WrongWorkError, match="expected it to follow"):
        dinov2_giant.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_updates_that_go_uphill(monkeypatch):
    slot = make_slot()
    monkeypatch.setattr(slot, "step", lambda loss, clip_norm=None: TorchSlot.step(slot, -loss, clip_norm))
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        dinov2_giant.sane(TINY, slot, Seeds(0))


def test_the_check_finds_a_head_that_is_cut_off(monkeypatch):
    build = dinov2_giant.build_model

    def cut(sizes):
        model = build(sizes)
        model.body.register_forward_hook(
            lambda *parts: setattr(parts[2], "pooler_output", parts[2].pooler_output.detach())
        )
        return model

    monkeypatch.setattr(dinov2_giant, "build_model", cut)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches body\.embeddings"):
        dinov2_giant.sane(TINY, make_slot(), Seeds(0))
