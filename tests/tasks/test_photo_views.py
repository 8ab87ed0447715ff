"""Pictures are decoded, cropped, mirrored and padded as they should be."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image", reason="photographs are decoded by Pillow")

from cupel.spec import UsageError
from cupel.tasks.data.photo_files import photo_like
from cupel.tasks.data.photo_views import BACKGROUND, Crop, cut, decode, middle_view, padded_view, random_crop


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


def test_pictures_of_any_mode_become_rgb(tmp_path):
    for mode in ("L", "CMYK", "P", "RGBA"):
        path = tmp_path / f"{mode}.{'jpg' if mode in ('L', 'CMYK') else 'png'}"
        Image.new(mode, (20, 10)).save(path)
        assert (decode(path).mode, decode(path).size) == ("RGB", (20, 10))


def test_a_damaged_file_is_named(tmp_path):
    whole = tmp_path / "whole.jpg"
    Image.fromarray(photo_like(64, 64, np.random.default_rng(0))).save(whole)
    for name, content in (("cut.jpg", whole.read_bytes()[:1000]), ("text.jpg", b"no picture")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match=rf"{name} cannot be decoded: .*; replace or remove it"):
            decode(tmp_path / name)


def test_the_middle_is_the_largest_square_mirrored_every_other_time():
    pixels = photo_like(32, 48, np.random.default_rng(0))
    middle = pixels[:, 8:40]
    rng, seen = np.random.default_rng(0), []
    for _ in range(20):
        view = middle_view(Image.fromarray(pixels), rng, image_px=32)
        seen.append([np.array_equal(view, middle), np.array_equal(view, middle[:, ::-1])])
    assert all(sum(one) == 1 for one in seen)
    assert 5 <= sum(is_plain for is_plain, _ in seen) <= 15


@pytest.mark.parametrize("shape", [(20, 40), (40, 20)])
def test_a_padded_picture_is_whole_and_in_the_middle(shape):
    pixels = photo_like(*shape, np.random.default_rng(0))
    view = padded_view(Image.fromarray(pixels), np.random.default_rng(0), image_px=40)
    top, left = (40 - shape[0]) // 2, (40 - shape[1]) // 2
    inside = np.zeros((40, 40), bool)
    inside[top : top + shape[0], left : left + shape[1]] = True
    assert np.array_equal(view[inside].reshape(pixels.shape), pixels)
    assert (view[~inside] == BACKGROUND).all()
