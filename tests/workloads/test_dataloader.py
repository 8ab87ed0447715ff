"""dataloader brings every photograph, cropped anew each time, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

pytest.importorskip("PIL", reason="photographs are decoded by Pillow")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.data import photo_batches, photo_views
from cupel.tasks.data.photo_batches import collate
from cupel.workloads import dataloader

TINY = SimpleNamespace(**dataloader.CARD.sizes("tiny"))


@pytest.fixture(autouse=True)
def no_own_photographs(tmp_path_factory, monkeypatch):
    monkeypatch.delenv("CUPEL_IMAGENET", raising=False)
    monkeypatch.setenv("CUPEL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def make_slot(**settings) -> TorchSlot:
    return TorchSlot(device="cpu", settings=settings, threads=1)


def test_a_step_counts_the_images_of_its_batch():
    step = dataloader.setup(TINY, make_slot(), Seeds(0))
    assert [step().items for _ in range(6)] == [TINY.batch] * 6


@pytest.mark.parametrize("is_last", [False, True])
def test_the_check_passes(is_last):
    dataloader.sane(TINY, make_slot(channels_last=is_last), Seeds(0))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12 and later, where threads are running
def test_the_check_passes_with_processes():
    dataloader.sane(SimpleNamespace(**(vars(TINY) | {"workers": 2})), make_slot(), Seeds(0))


def same_crop(width_px, height_px, rng):
    return photo_views.Crop(0, 0, width_px, height_px, is_flipped=False)


def black(slot, **channels):
    return lambda pixels: slot.laid_out(torch.zeros(pixels.permute(0, 3, 1, 2).shape))


def other_labels(samples):
    return collate([(pixels, label + 1) for pixels, label in samples])


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        pytest.param({"normaliser": black}, "differs by .* from its crop", id="black images"),
        pytest.param({"collate": other_labels}, r"came with label \d; expected \d", id="labels"),
        pytest.param({"MEAN": (0.5, 0.5, 0.5)}, "differs by", id="normalisation"),
    ],
)
def test_the_check_fails_when_batches_are_wrong(monkeypatch, spoilt, message):
    for name, value in spoilt.items():
        monkeypatch.setattr(photo_batches, name, value)
    with pytest.raises(WrongWorkError, match=message):
        dataloader.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_crops_are_always_the_same(monkeypatch):
    for module in (photo_views, dataloader):
        monkeypatch.setattr(module, "random_crop", same_crop)
    with pytest.raises(WrongWorkError, match="same crop in two epochs"):
        dataloader.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_nothing_is_decoded(monkeypatch):
    from PIL import Image

    for module in (photo_batches, dataloader):
        monkeypatch.setattr(module, "decode", lambda _: Image.new("RGB", (96, 72)))
    with pytest.raises(WrongWorkError, match="expected a photograph"):
        dataloader.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_images_have_another_size(monkeypatch):
    cut = photo_views.cut
    monkeypatch.setattr(photo_views, "cut", lambda picture, crop, image_px: cut(picture, crop, image_px - 1))
    with pytest.raises(WrongWorkError, match=r"a batch is \(4, 3, 31, 31\).*expected \(4, 3, 32, 32\)"):
        dataloader.sane(TINY, make_slot(), Seeds(0))


def test_full_is_imagenets_shape():
    sizes = dataloader.CARD.sizes("full")
    assert (sizes["batch"], sizes["image_px"], sizes["file_px"]) == (256, 224, 500)
    assert dataloader.CARD.memory_gib["full"] >= 256 * 3 * 224 * 224 * 4 / 2**30
