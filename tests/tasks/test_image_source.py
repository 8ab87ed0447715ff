"""Images come from where the setting says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="images are made by torch")
pytest.importorskip("PIL", reason="photographs are decoded by Pillow")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds
from cupel.tasks.data import random_images
from cupel.tasks.data.batch_stream import BatchStream
from cupel.tasks.data.image_source import attributed_batches, image_batches, middles, whole_images

SIZES = SimpleNamespace(batches=2, batch=4, image_px=16, num_classes=10, files=16, file_px=96, workers=0)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.delenv("CUPEL_IMAGENET", raising=False)
    monkeypatch.setenv("CUPEL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def take(**settings):
    return image_batches(SIZES, TorchSlot(device="cpu", settings=settings, threads=1), Seeds(0))


@pytest.mark.parametrize("settings", [{}, {"data": "synthetic"}])
def test_without_the_setting_images_are_random(settings):
    slot = TorchSlot(device="cpu", settings=settings, threads=1)
    for found, expected in zip(take(**settings), random_images.image_batches(SIZES, slot, Seeds(0)), strict=True):
        assert torch.equal(found.images_NCHW, expected.images_NCHW)
        assert torch.equal(found.labels_N, expected.labels_N)


def test_photographs_are_new_at_each_look():
    stream = take(data="disk")
    assert isinstance(stream, BatchStream)
    assert len(stream) == SIZES.batches
    first, second = stream[0], stream[0]
    assert first.images_NCHW.shape == (4, 3, 16, 16)
    assert not torch.equal(first.images_NCHW, second.images_NCHW)


def test_attributes_of_a_photograph_are_the_digits_of_its_class():
    sizes = SimpleNamespace(**vars(SIZES), num_domains=3)
    slot = TorchSlot(device="cpu", settings={"data": "disk"}, threads=1)
    labelled = middles(sizes, slot, rng=Seeds(0), image_px=sizes.image_px)
    for batch in list(attributed_batches(sizes, slot, Seeds(0))):
        images, labels = next(labelled)
        assert torch.equal(batch.images_NCHW, images)
        assert batch.attributes_ND.tolist() == [[label & 1, label >> 1 & 1, label >> 2] for label in labels.tolist()]
        assert -1.0 <= float(images.min()) < -0.2 < 0.2 < float(images.max()) <= 1.0


def test_whole_images_are_drawn_one_by_one_or_read_with_their_margins():
    slot = TorchSlot(device="cpu", settings={}, threads=1)
    generator = torch.Generator().manual_seed(0)
    images = whole_images(SIZES, slot, rng=Seeds(0), generator=generator)
    state = generator.get_state()
    assert next(images).shape == (4, 3, 16, 16)
    assert not torch.equal(generator.get_state(), state)
    slot = TorchSlot(device="cpu", settings={"data": "disk"}, threads=1)
    padded = next(whole_images(SIZES, slot, rng=Seeds(0), generator=generator))
    is_margin = (padded.abs() < 0.02).all(dim=1)
    assert is_margin.any(dim=(1, 2)).sum() >= 2, "most photographs are no squares"
    assert not is_margin.all(dim=(1, 2)).any()


def test_a_note_says_whose_photographs_they_are(tmp_path_factory, monkeypatch):
    slot = TorchSlot(device="cpu", settings={"data": "disk"}, threads=1)
    image_batches(SIZES, slot, Seeds(0))
    assert slot.notes == []
    (made,) = tmp_path_factory.getbasetemp().glob("cache/photos-*16x96px")
    monkeypatch.setenv("CUPEL_IMAGENET", str(made))
    image_batches(SIZES, slot, Seeds(0))
    assert slot.notes == [f"the data are 16 files of the user's own, in {made} (CUPEL_IMAGENET)"]
