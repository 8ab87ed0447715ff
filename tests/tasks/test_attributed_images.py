"""Images with attributes: shapes, laws, seeds and memory order."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="this part needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds
from cupel.tasks.data.attributed_images import attributed_batches

SIZES = SimpleNamespace(batch=200, batches=2, image_px=8, num_domains=5)


def make_batches(seed: int = 0, **settings):
    return attributed_batches(SIZES, TorchSlot(device="cpu", settings=settings, threads=1), Seeds(seed))


def test_batches_have_their_number_shapes_and_laws():
    batches = make_batches()
    assert len(batches) == 2
    images, attributes = batches[0]
    assert images.shape == (200, 3, 8, 8)
    assert attributes.shape == (200, 5)
    assert -1.0 <= float(images.min()) < -0.99
    assert 0.99 < float(images.max()) <= 1.0
    assert attributes.unique().tolist() == [0.0, 1.0]
    assert attributes.dtype == torch.float32
    assert abs(float(attributes.mean()) - 0.5) < 0.06
    assert not torch.equal(images, batches[1].images_NCHW)


def test_the_seed_decides():
    first, again, other = make_batches(), make_batches(), make_batches(seed=1)
    for ours, theirs in zip(first[1], again[1], strict=True):
        assert torch.equal(ours, theirs)
    assert not torch.equal(first[1].images_NCHW, other[1].images_NCHW)


def test_the_memory_order_is_that_of_the_run():
    assert make_batches(channels_last=True)[0].images_NCHW.is_contiguous(memory_format=torch.channels_last)
