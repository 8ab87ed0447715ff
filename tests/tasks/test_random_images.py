"""Random images: shapes, laws, seeds and memory order."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="this part needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds
from cupel.tasks.data.random_images import image_batches

SIZES = SimpleNamespace(batch=64, batches=3, image_px=16, num_classes=5)


def make_batches(seed: int = 0, **settings):
    return image_batches(SIZES, TorchSlot(device="cpu", settings=settings, threads=1), Seeds(seed))


def test_batches_have_their_number_shapes_and_laws():
    batches = make_batches()
    assert len(batches) == SIZES.batches
    images = torch.stack([batch.images_NCHW for batch in batches])
    labels = torch.stack([batch.labels_N for batch in batches])
    assert images.shape == (3, 64, 3, 16, 16)
    assert images.dtype == torch.float32
    assert (labels.dtype, labels.shape) == (torch.int64, (3, 64))
    assert labels.unique().tolist() == [0, 1, 2, 3, 4]
    assert abs(float(images.mean())) < 0.02
    assert abs(float(images.std()) - 1.0) < 0.02
    assert not torch.equal(images[0], images[1])


def test_the_seed_decides_and_the_global_generator_does_not():
    first = make_batches()
    torch.manual_seed(1)
    again, other = make_batches(), make_batches(seed=1)
    assert torch.equal(first[2].images_NCHW, again[2].images_NCHW)
    assert torch.equal(first[2].labels_N, again[2].labels_N)
    assert not torch.equal(first[2].images_NCHW, other[2].images_NCHW)


def test_the_memory_order_is_that_of_the_run():
    first, last = make_batches()[0].images_NCHW, make_batches(channels_last=True)[0].images_NCHW
    assert torch.equal(first, last)
    assert first.is_contiguous()
    assert last.is_contiguous(memory_format=torch.channels_last)
