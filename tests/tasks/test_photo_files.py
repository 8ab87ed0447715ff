"""Made photographs are like photographs, and a user's folder is read like ImageNet's."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest

pytest.importorskip("torch", reason="the photographs go into batches of torch")
Image = pytest.importorskip("PIL.Image", reason="photographs are encoded by Pillow")

from cupel.spec import UsageError
from cupel.tasks.data import photo_files
from cupel.tasks.data.photo_files import find_photos, one_over_f, photo_folder, photo_like, photos
from cupel.tasks.data.photo_views import decode


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CUPEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CUPEL_IMAGENET", raising=False)
    return tmp_path


def spectrum_slope(texture) -> float:
    """The exponent by which the amplitude falls with frequency, fitted over rings of the plane."""
    height, width = texture.shape
    amplitude = np.abs(np.fft.fft2(texture - texture.mean()))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    edges = np.geomspace(0.02, 0.4, 12)
    rings = [(frequency >= low) & (frequency < high) for low, high in itertools.pairwise(edges)]
    return np.polyfit(np.log([frequency[r].mean() for r in rings]), np.log([amplitude[r].mean() for r in rings]), 1)[0]


def test_the_spectrum_falls_as_one_over_f():
    slopes = [spectrum_slope(one_over_f((243, 181), np.random.default_rng(seed))) for seed in range(5)]
    assert np.mean(slopes) == pytest.approx(-1.0, abs=0.1)
    texture = one_over_f((243, 181), np.random.default_rng(0))
    assert (texture.shape, texture.dtype) == ((243, 181), np.float32)
    assert abs(texture.mean()) < 1e-5
    assert texture.std() == pytest.approx(1.0, abs=1e-5)


def test_a_picture_has_the_spectrum_of_photographs_weak_colours_and_edges():
    picture = photo_like(187, 250, np.random.default_rng(1))
    assert (picture.shape, picture.dtype) == ((187, 250, 3), np.uint8)
    planes = picture.astype(float)
    light = planes @ [0.299, 0.587, 0.114]
    assert -1.6 < spectrum_slope(light) < -0.8
    assert light.std() > 3 * (planes[..., 0] - light).std() / 1.402
    steps = np.abs(np.diff(light, axis=1))
    assert np.quantile(steps, 0.9995) > 5 * np.median(steps)


def test_a_file_of_500_px_has_about_100_kb():
    sizes = []
    for index in range(6):
        file = io.BytesIO()
        picture = photo_like(375, 500, np.random.default_rng(index))
        Image.fromarray(picture).save(file, "JPEG", quality=photo_files.QUALITY)
        sizes.append(file.tell())
    assert 85_000 < np.mean(sizes) < 120_000
    assert np.std(sizes) > 3_000


def test_the_folder_is_laid_out_as_imagenet_and_always_the_same(cache, monkeypatch):
    first = photo_folder(num_files=10, longer_px=64)
    found = find_photos(first)
    assert [photo.label for photo in found] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert found[0].path.relative_to(first).as_posix() == "class_0000/photo_000000.jpg"
    shapes = {decode(photo.path).size for photo in found}
    assert len(shapes) > 3
    assert 40 < np.mean([max(shape) for shape in shapes]) < 90
    content = [photo.path.read_bytes() for photo in found]
    assert len(set(content)) == 10
    monkeypatch.setenv("CUPEL_CACHE", str(cache / "again"))
    assert [photo.path.read_bytes() for photo in find_photos(photo_folder(num_files=10, longer_px=64))] == content


def write(path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)


@pytest.mark.parametrize("root", ["", "train"])
def test_a_users_folder_is_read(cache, monkeypatch, root):
    for name in ("n02/b.JPEG", "n02/a.png", "n01/deep/c.jpg"):
        write(cache / "own" / root / name)
    (cache / "own" / root / "n00").mkdir()
    (cache / "own" / root / "n01" / "notes.txt").write_text("no picture")
    if root:
        write(cache / "own" / "val" / "n01" / "d.jpg")
    monkeypatch.setenv("CUPEL_IMAGENET", str(cache / "own"))
    found = photos(num_files=100, longer_px=100)
    assert [(photo.path.name, photo.label) for photo in found] == [("c.jpg", 0), ("a.png", 1), ("b.JPEG", 1)]


def test_a_folder_without_photographs_is_refused_in_words(cache, monkeypatch):
    write(cache / "own" / "a.jpg")
    monkeypatch.setenv("CUPEL_IMAGENET", str(cache / "own"))
    with pytest.raises(UsageError, match=r"no photographs in folders of classes; expected class/file .*\.jpeg"):
        photos(num_files=100, longer_px=100)
