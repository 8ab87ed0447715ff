"""Photographs are cropped, mirrored and normalised as they should be, in the same way for any number of processes."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="batches are made by torch")
Image = pytest.importorskip("PIL.Image", reason="photographs are decoded by Pillow")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, UsageError
from cupel.spec.errors import MissingExtraError
from cupel.tasks.data import photo_batches as part
from cupel.tasks.data.photo_batches import Crop, EndlessBatches, cut, decode, normaliser, random_crop
from cupel.tasks.data.photo_files import photo_like

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


def test_each_epoch_has_every_photograph_once_in_another_order():
    draws = list(itertools.chain.from_iterable(itertools.islice(EndlessBatches(10, batch=4, seed=3), 5)))
    epochs = [draws[:10], draws[10:]]
    assert [{draw.epoch for draw in epoch} for epoch in epochs] == [{0}, {1}]
    orders = [[draw.photo_idx for draw in epoch] for epoch in epochs]
    assert [sorted(order) for order in orders] == [list(range(10))] * 2
    assert orders[0] != orders[1]


def test_ranks_share_an_epoch_without_overlap():
    batches = [next(iter(EndlessBatches(10, batch=5, seed=3, part=(rank, 2)))) for rank in range(2)]
    assert sorted(draw.photo_idx for batch in batches for draw in batch) == list(range(10))


def test_crops_have_the_area_and_shape_of_the_paper():
    rng = np.random.default_rng(0)
    crops = [random_crop(500, 400, rng) for _ in range(2000)]
    widths = np.array([crop.right - crop.left for crop in crops])
    heights = np.array([crop.bottom - crop.top for crop in crops])
    assert min(crop.left for crop in crops) >= 0
    assert max(crop.right for crop in crops) <= 500
    assert max(crop.bottom for crop in crops) <= 400
    areas, aspects = widths * heights / 200_000, widths / heights
    assert 0.07 < areas.min() < 0.1
    assert 0.95 < areas.max() <= 1.0
    assert 0.74 < aspects.min() < 0.77
    assert 1.3 < aspects.max() < 1.35
    assert np.median(np.log(aspects)) == pytest.approx(0, abs=0.05)
    assert np.mean([crop.is_flipped for crop in crops]) == pytest.approx(0.5, abs=0.04)
    assert min(crop.left for crop in crops) == 0
    assert np.std([crop.top for crop in crops]) > 40


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1000, 10), (493, 0, 506, 10)), ((10, 1000), (0, 493, 10, 506))],
)
def test_a_long_strip_is_cut_in_its_middle(size, expected):
    whole_area = SimpleNamespace(random=lambda: 0.9, uniform=lambda _, high: high)  # which fits nowhere
    assert random_crop(*size, whole_area) == Crop(*expected, is_flipped=False)


def test_a_cut_is_the_mean_of_its_pixels_and_mirrored_where_it_says_so():
    pixels = photo_like(64, 96, np.random.default_rng(0))
    picture = Image.fromarray(pixels)
    crop = Crop(32, 16, 96, 48, is_flipped=False)
    part_of_it = pixels[16:48, 32:96].astype(float)
    found = cut(picture, crop, 32)
    assert found.shape == (32, 32, 3)
    assert np.array_equal(cut(picture, crop._replace(is_flipped=True), 32), found[:, ::-1])
    # rows as they are; columns by a triangle of 4 pixels with weights 1 3 3 1
    padded = np.pad(part_of_it, ((0, 0), (1, 1), (0, 0)))
    weights = np.pad(np.ones((1, 64, 1)), ((0, 0), (1, 1), (0, 0)))
    total = sum(w * padded[:, i : i + 64 : 2] for i, w in enumerate((1, 3, 3, 1)))
    plain = total / sum(w * weights[:, i : i + 64 : 2] for i, w in enumerate((1, 3, 3, 1)))
    assert np.abs(found[:, 1:-1] - plain[:, 1:-1]).max() <= 1.0


def test_pixels_are_normalised_by_channel_in_the_order_of_the_run():
    pixels = torch.arange(2 * 3 * 4 * 3).reshape(2, 3, 4, 3).to(torch.uint8)
    for is_last in (False, True):
        images = normaliser(make_slot(channels_last=is_last))(pixels)
        assert images.is_contiguous(memory_format=torch.channels_last if is_last else torch.contiguous_format)
        for channel, (mean, std) in enumerate(zip(part.MEAN, part.STD, strict=True)):
            torch.testing.assert_close(images[:, channel], (pixels[..., channel] / 255 - mean) / std)


def test_normalising_brings_nothing_new_to_the_device(monkeypatch):
    normalised = normaliser(make_slot())
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


def test_pictures_of_any_mode_become_rgb(cache):
    for mode in ("L", "CMYK", "P", "RGBA"):
        path = cache / f"{mode}.{'jpg' if mode in ('L', 'CMYK') else 'png'}"
        Image.new(mode, (20, 10)).save(path)
        assert (decode(path).mode, decode(path).size) == ("RGB", (20, 10))


def test_a_damaged_file_is_named(cache):
    whole = cache / "whole.jpg"
    Image.fromarray(photo_like(64, 64, np.random.default_rng(0))).save(whole)
    for name, content in (("cut.jpg", whole.read_bytes()[:1000]), ("text.jpg", b"no picture")):
        (cache / name).write_bytes(content)
        with pytest.raises(UsageError, match=rf"{name} cannot be decoded: .*; replace or remove it"):
            decode(cache / name)


def test_more_classes_than_the_model_has_are_refused_in_words():
    with pytest.raises(UsageError, match=r"have 5 classes; the model has 4\. Take --set num_classes=5"):
        take(1, num_classes=4)


def test_without_pillow_the_install_line_is_named(monkeypatch):
    monkeypatch.setattr(part, "has_extra", lambda _: False)
    with pytest.raises(MissingExtraError, match=r"pip install 'cupel\[media\]'"):
        take(1)
