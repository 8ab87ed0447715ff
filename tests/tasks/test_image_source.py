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
from cupel.tasks.data.image_source import image_batches

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
