"""Clips are frames at a stride, cropped alike and normalised, in the same way by any number of processes."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="batches are made by torch")
pytest.importorskip("av", reason="videos are coded by PyAV")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds
from cupel.tasks.data import clip_batches as part
from cupel.tasks.data.clip_source import masked_batches
from cupel.tasks.data.endless_loader import Draw
from cupel.tasks.data.photo_batches import MEAN, STD
from cupel.tasks.data.photo_views import Crop
from cupel.tasks.data.video_files import read_clip, write_video

SIZES = SimpleNamespace(
    batch=2, batches=2, frames=4, stride=2, side_px=32, patch_px=8, files=4, file_frames=16, file_px=64, workers=0
)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("CUPEL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("CUPEL_VIDEO", raising=False)


def make_slot(**settings) -> TorchSlot:
    return TorchSlot(device="cpu", settings=settings, threads=1)


@pytest.fixture
def greys(tmp_path):
    """A video whose frame k has the brightness 40 + 8k."""
    write_video(tmp_path / "a.mp4", (np.full((48, 64, 3), 40 + 8 * k, np.uint8) for k in range(24)), (48, 64))
    return tmp_path / "a.mp4"


def test_a_clip_has_every_other_frame_from_a_random_place(greys):
    clips = [
        part.ClipSet([greys], SIZES, seed=seed)[Draw(0, epoch)] for seed, epoch in itertools.product(range(4), range(4))
    ]
    assert {clip.shape for clip in clips} == {(4, 32, 32, 3)}
    numbers = [((clip.mean(axis=(1, 2, 3)) - 40) / 8).round().astype(int) for clip in clips]
    firsts = {int(number[0]) for number in numbers}
    assert all(np.abs(np.diff(number) - SIZES.stride).max() <= 1 for number in numbers)
    assert len(firsts) > 5
    assert 0 <= min(firsts) <= max(firsts) <= 24 - 7


def test_all_frames_of_a_clip_are_cropped_alike(monkeypatch):
    monkeypatch.setattr(part, "random_crop", lambda *_, **__: Crop(16, 0, 48, 32, is_flipped=True))
    paths = part.videos(num_files=4, num_frames=16, width_px=64, height_px=48)
    clip_set = part.ClipSet(paths, SIZES, seed=0)
    first = int(Draw(1, 0).rng(0).integers(16 - 7 + 1))
    whole = read_clip(paths[1], first=first, num_frames=4, stride=2)
    assert np.array_equal(clip_set[Draw(1, 0)], whole[:, :32, 16:48][:, :, ::-1])


def test_a_video_that_is_too_short_ends_with_its_last_frame(tmp_path):
    write_video(tmp_path / "a.mp4", (np.full((48, 64, 3), 100 * k, np.uint8) for k in range(3)), (48, 64))
    brightness = part.ClipSet([tmp_path / "a.mp4"], SIZES, seed=0)[Draw(0, 0)].mean(axis=(1, 2, 3))
    assert brightness.tolist() == pytest.approx([0, 200, 200, 200], abs=20)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12 and later, where threads are running
def test_batches_do_not_depend_on_the_number_of_processes():
    def take(workers: int):
        sizes = SimpleNamespace(**(vars(SIZES) | {"workers": workers}))
        return list(itertools.islice(part.clip_batches(sizes, make_slot(), rng=Seeds(0)), 3))

    for plain, shared in zip(take(0), take(2), strict=True):
        assert (plain.shape, plain.dtype) == ((2, 4, 3, 32, 32), torch.float32)
        assert torch.equal(plain, shared)


def test_clips_are_normalised_by_channel(monkeypatch):
    pixels = np.arange(4 * 32 * 32 * 3).reshape(4, 32, 32, 3).astype(np.uint8)
    monkeypatch.setattr(part.ClipSet, "__getitem__", lambda *_: pixels)
    clips = next(part.clip_batches(SIZES, make_slot(), rng=Seeds(0)))
    expected = (pixels / 255.0 - np.array(MEAN)) / np.array(STD)
    torch.testing.assert_close(clips[1].permute(0, 2, 3, 1), torch.tensor(expected, dtype=torch.float32))


def test_clips_and_masks_from_files_are_new_each_time():
    batches = masked_batches(SIZES, make_slot(data="disk"), rng=Seeds(0), slice_frames=2)
    first, second = batches[0], batches[0]
    assert first.clips_NTCHW.shape == (2, 4, 3, 32, 32)
    assert [mask.hidden_NP.shape for mask in first.masks] == [(2, 20), (2, 26)]
    assert not torch.equal(first.clips_NTCHW, second.clips_NTCHW)
    assert any(not torch.equal(a.hidden_NP, b.hidden_NP) for a, b in zip(first.masks, second.masks, strict=True))
