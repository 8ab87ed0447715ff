"""Photographs are cropped, mirrored and normalised as they should be, in the same way for any number of processes."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="batches are made by torch")
Image = pytest.importorskip("PIL.Image", reason="photographs are decoded by Pillow")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, UsageError
from cupel.spec.errors import MissingExtraError
from cupel.tasks.data import file_cache
from cupel.tasks.data import photo_batches as part
from cupel.tasks.data.photo_batches import MEAN, STD, normaliser

SIZES = SimpleNamespace(files=10, file_px=64, image_px=16, num_classes=10, batch=4, workers=0)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CUPEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CUPEL_IMAGENET", raising=False)
    return tmp_path


def make_slot(**settings) -> TorchSlot:
    return TorchSlot(device="cpu", settings=settings, threads=1)


def take(num: int, seed: int = 0, **changed):
    sizes = SimpleNamespace(**(vars(SIZES) | changed))
    return list(itertools.islice(part.photo_batches(sizes, make_slot(), Seeds(seed)), num))


def test_pixels_are_normalised_by_channel_in_the_order_of_the_run():
    pixels = torch.arange(2 * 3 * 4 * 3).reshape(2, 3, 4, 3).to(torch.uint8)
    for is_last in (False, True):
        images = normaliser(make_slot(channels_last=is_last), mean=MEAN, std=STD)(pixels)
        assert images.is_contiguous(memory_format=torch.channels_last if is_last else torch.contiguous_format)
        for channel, (mean, std) in enumerate(zip(MEAN, STD, strict=True)):
            torch.testing.assert_close(images[:, channel], (pixels[..., channel] / 255 - mean) / std)


def test_normalising_brings_nothing_new_to_the_device(monkeypatch):
    normalised = normaliser(make_slot(), mean=MEAN, std=STD)
    monkeypatch.setattr(torch, "tensor", None)
    assert normalised(torch.zeros((1, 2, 2, 3), dtype=torch.uint8)).shape == (1, 3, 2, 2)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12 and later, where threads are running
def test_batches_do_not_depend_on_the_number_of_processes():
    for plain, shared in zip(take(4), take(4, workers=2), strict=True):
        assert torch.equal(plain[0], shared[0])
        assert torch.equal(plain[1], shared[1])
    assert not torch.equal(take(1)[0][0], take(1, seed=1)[0][0])


def test_batches_are_images_on_the_device_with_labels():
    for images, labels in take(3):
        assert (images.shape, images.dtype) == ((4, 3, 16, 16), torch.float32)
        assert (labels.shape, labels.dtype) == ((4,), torch.int64)
        assert 0 <= labels.min() <= labels.max() < 5


def test_more_classes_than_the_model_has_are_refused_in_words():
    with pytest.raises(UsageError, match=r"have 5 classes; the model has 4\. Take --set num_classes=5"):
        take(1, num_classes=4)


def test_without_pillow_the_install_line_is_named(monkeypatch):
    monkeypatch.setattr(file_cache, "has_extra", lambda _: False)
    with pytest.raises(MissingExtraError, match=r"pip install 'cupel\[media\]'"):
        take(1)
