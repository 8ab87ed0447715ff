"""Crops are cut and changed as DINO's recipe says, and batches hold them in the order that the loss expects."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="batches are made by torch")
Image = pytest.importorskip("PIL.Image", reason="photographs are decoded by Pillow")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds
from cupel.tasks.data import photo_crops as part
from cupel.tasks.data.photo_files import photo_like
from cupel.tasks.data.photo_views import Crop

KINDS = [(2, 24), (3, 12)]
SIZES = SimpleNamespace(batch=2, files=16, file_px=96, workers=0)


def make_picture(seed: int = 0):
    return Image.fromarray(photo_like(60, 80, np.random.default_rng(seed)))


def test_large_crops_come_first_and_each_kind_has_its_side():
    large, small = part.crops_of(make_picture(), np.random.default_rng(0), kinds=KINDS)
    assert [crop.shape for crop in large] == [(24, 24, 3)] * 2
    assert [crop.shape for crop in small] == [(12, 12, 3)] * 3


def test_the_recipe_is_followed_as_often_as_it_says(monkeypatch):
    called = {"jittered": 0, "grayscale": 0, "solarize": 0, "blur": 0, "areas": []}

    def counted(name, function):
        def call(*args, **named):
            called[name] += 1
            return function(*args, **named)

        return call

    from PIL import ImageOps

    crop_of = part.random_crop
    monkeypatch.setattr(part, "jittered", counted("jittered", lambda picture, _: picture))
    for name in ("grayscale", "solarize"):
        monkeypatch.setattr(ImageOps, name, counted(name, getattr(ImageOps, name)))
    monkeypatch.setattr(Image.Image, "filter", counted("blur", lambda picture, _: picture))
    monkeypatch.setattr(
        part, "random_crop", lambda *size, area: called["areas"].append(area) or crop_of(*size, area=area)
    )
    rng, picture = np.random.default_rng(0), make_picture()
    for _ in range(200):
        part.crops_of(picture, rng, kinds=[(2, 4), (4, 4)])
    assert called["areas"][:6] == [(0.32, 1.0)] * 2 + [(0.05, 0.32)] * 4
    shares = {name: called[name] / 1200 for name in ("jittered", "grayscale", "solarize", "blur")}
    expected = {"jittered": 0.8, "grayscale": 0.2, "solarize": 0.2 / 6, "blur": (1.0 + 0.1 + 4 * 0.5) / 6}
    assert shares == pytest.approx(expected, abs=0.04)


def test_hues_turn_and_brightness_stays():
    red = Image.new("RGB", (4, 4), (200, 0, 0))
    assert part.turned(red, 1 / 3).getpixel((0, 0)) == pytest.approx((0, 200, 0), abs=6)
    assert part.turned(red, -1 / 3).getpixel((0, 0)) == pytest.approx((0, 0, 200), abs=6)
    assert np.array_equal(np.asarray(part.turned(red, 0.0)), np.asarray(red))


def test_jitter_keeps_the_picture_recognisable_and_changes_its_colours():
    picture = make_picture()
    plain = np.asarray(picture).astype(float)
    for seed in range(5):
        changed = np.asarray(part.jittered(picture, np.random.default_rng(seed))).astype(float)
        assert np.abs(changed - plain).mean() > 2
        assert np.corrcoef(changed.mean(axis=2).ravel(), plain.mean(axis=2).ravel())[0, 1] > 0.9


def test_a_batch_has_the_first_crop_of_every_image_before_the_second():
    samples = [
        ([[np.full((2, 2, 3), 10 * image + crop, np.uint8) for crop in range(num)] for num in (2, 3)], image)
        for image in range(2)
    ]
    large, small = part.collate_crops(samples)
    assert large[:, 0, 0, 0].tolist() == [0, 10, 1, 11]
    assert small[:, 0, 0, 0].tolist() == [0, 10, 1, 11, 2, 12]


def test_batches_are_normalised_crops_of_photographs(monkeypatch, tmp_path_factory):
    monkeypatch.delenv("CUPEL_IMAGENET", raising=False)
    monkeypatch.setenv("CUPEL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    slot = TorchSlot(device="cpu", settings={}, threads=1)
    whole = part.Recipe((1.0, 1.0), 0.0, 0.0)
    monkeypatch.setattr(part, "JITTERED", 0.0)
    monkeypatch.setattr(part, "GREYED", 0.0)
    for name in ("FIRST", "SECOND", "LOCAL"):
        monkeypatch.setattr(part, name, whole)
    monkeypatch.setattr(part, "random_crop", lambda *size, **_: Crop(0, 0, *size[:2], is_flipped=False))
    stream = part.photo_crops(SIZES, slot, rng=Seeds(0), kinds=KINDS)
    for large, small in itertools.islice(stream, 2):
        assert (large.shape, small.shape) == ((4, 3, 24, 24), (6, 3, 12, 12))
        assert torch.equal(large[:2], large[2:])
        halved = torch.nn.functional.avg_pool2d(large[:2], 2)
        assert float((halved - small[:2]).abs().mean()) < 0.15 * float(small.std())
