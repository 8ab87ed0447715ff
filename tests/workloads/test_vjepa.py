"""vjepa has the published size, sees only what it may, and its check can fail."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="vjepa needs torch")
pytest.importorskip("transformers", reason="vjepa needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.data.video_files import write_video
from cupel.tasks.data.video_masks import VideoMask
from cupel.tasks.models.vjepa import SLICE_FRAMES, pick, targets_of
from cupel.workloads import vjepa

TINY = SimpleNamespace(**vjepa.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def make_batch():
    return vjepa.masked_batches(TINY, make_slot(), rng=Seeds(0), slice_frames=SLICE_FRAMES)[0]


def test_full_is_the_large_model():
    sizes = SimpleNamespace(**vjepa.CARD.sizes("full"))
    with torch.device("meta"):
        model = vjepa.build_model(sizes)
    assert sum(parameter.numel() for parameter in model.parameters()) == 325_971_328
    assert sum(parameter.numel() for parameter in model.encoder.parameters()) == 303_885_312
    assert sizes.frames // 2 * (sizes.side_px // sizes.patch_px) ** 2 == 2048


@torch.no_grad()
def test_with_every_patch_seen_the_encoder_is_the_librarys():
    model, clips = vjepa.build_model(TINY).eval(), make_batch().clips_NTCHW
    every = torch.arange(32).expand(len(clips), -1)
    expected = model.encoder(pixel_values_videos=clips).last_hidden_state
    torch.testing.assert_close(model.encode(clips, every), expected)


@torch.no_grad()
def test_the_predictor_is_the_librarys():
    model, batch = vjepa.build_model(TINY).eval(), make_batch()
    mask = batch.masks[1]
    # the library looks for the highest hidden place, and needs it to be the last
    mask = VideoMask(mask.seen_NP.flip(1) % 31, mask.hidden_NP.clone())
    mask.hidden_NP[:, -1] = 31
    said = model.encoder(pixel_values_videos=batch.clips_NTCHW).last_hidden_state
    torch.nn.init.normal_(model.predictor.embeddings.mask_tokens)
    expected = model.predictor(said, [mask.seen_NP], [mask.hidden_NP]).last_hidden_state
    found = model.predict(pick(said, mask.seen_NP), mask, mask_idx=1)
    torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_what_is_hidden_does_not_reach_the_predictions():
    model, batch = vjepa.build_model(TINY).eval(), make_batch()
    mask = batch.masks[0]
    is_hidden = torch.zeros(2, 32, dtype=torch.bool).scatter(1, mask.hidden_NP, value=True).view(2, 2, 1, 4, 4)
    pixel_is_hidden = is_hidden.repeat_interleave(2, 1).repeat_interleave(8, 3).repeat_interleave(8, 4)
    changed = torch.where(pixel_is_hidden, torch.randn_like(batch.clips_NTCHW), batch.clips_NTCHW)
    found, again = model(batch.clips_NTCHW, [mask])[0], model(changed, [mask])[0]
    torch.testing.assert_close(found, again)
    assert not torch.allclose(targets_of(model.encoder, changed), targets_of(model.encoder, batch.clips_NTCHW))


def test_the_loss_is_the_mean_error_at_hidden_places():
    batch = make_batch()
    target = torch.randn(TINY.batch, 32, TINY.width)
    guesses = [torch.zeros(*mask.hidden_NP.shape, TINY.width) for mask in batch.masks]
    expected = [
        torch.stack([target[clip, mask.hidden_NP[clip]].abs().mean() for clip in range(TINY.batch)]).mean()
        for mask in batch.masks
    ]
    torch.testing.assert_close(vjepa.loss_of(guesses, target, batch.masks), sum(expected) / 2)


def test_a_step_counts_videos_and_moves_the_average():
    slot = make_slot()
    nets = vjepa.build(TINY, slot)
    before = copy.deepcopy(nets.teacher)
    done = vjepa.step_of(nets, [make_batch()], slot=slot)()
    assert done.items == TINY.batch
    vjepa.check_followed("it", (nets.teacher, nets.student.encoder), before=before, momentum=0.99925)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    vjepa.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_an_average_that_stands_still(monkeypatch):
    monkeypatch.setattr(vjepa, "follow", lambda *_, **__: None)
    with pytest.raises(WrongWorkError, match="expected it to follow"):
        vjepa.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_an_optimiser_that_does_nothing(monkeypatch):
    monkeypatch.setattr(vjepa, "adamw", lambda parameters: torch.optim.SGD(parameters, lr=0.0))
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        vjepa.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_predictor_that_is_cut_off(monkeypatch):
    monkeypatch.setattr(vjepa.Vjepa, "encode", lambda *args, call=vjepa.Vjepa.encode: call(*args).detach())
    with pytest.raises(WrongWorkError, match=r"no gradient reaches encoder\."):
        vjepa.sane(TINY, make_slot(), Seeds(0))


def test_a_users_own_videos_are_what_it_sees_and_the_records_say_so(tmp_path, monkeypatch):
    pytest.importorskip("av", reason="videos are coded by PyAV")
    for name, colour in (("red", (200, 20, 20)), ("blue", (20, 20, 200))):
        (tmp_path / name).mkdir()
        frames = iter([np.full((36, 48, 3), colour, np.uint8)] * 12)
        write_video(tmp_path / name / "a.mp4", frames, (36, 48))
    monkeypatch.setenv("CUPEL_VIDEO", str(tmp_path))
    slot, seen, targets = make_slot(), [], vjepa.targets_of
    slot.settings["data"] = "disk"
    monkeypatch.setattr(vjepa, "targets_of", lambda encoder, clips: seen.append(clips) or targets(encoder, clips))
    step = vjepa.setup(TINY, slot, Seeds(0))
    assert [step().items for _ in range(2)] == [TINY.batch] * 2
    for clips in seen:
        assert clips.shape == (TINY.batch, TINY.frames, 3, TINY.side_px, TINY.side_px)
        is_red = [float(clip[:, 0].mean()) > float(clip[:, 2].mean()) for clip in clips]
        assert sorted(is_red) == [False, True]
    assert slot.notes == [f"the data are 2 files of the user's own, in {tmp_path} (CUPEL_VIDEO)"]
