"""Flat images: SVHN's files are read as they are written, passes see each example once, gradients are enumerated."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.io import savemat

torch = pytest.importorskip("torch", reason="these tasks need torch")
pytest.importorskip("sklearn", reason="digits come with scikit-learn")

from cupel.run.slot import TorchSlot
from cupel.spec import UsageError
from cupel.spec.seeds import TrialSeeds
from cupel.tasks.data.svhn import svhn_examples, svhn_folder
from cupel.tasks.enumerated_gradients import enumerated_gradients
from cupel.tasks.flat_images import flat_images

SLOT = TorchSlot(device="cpu", settings={}, threads=1)


def write(folder, name, num, seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, size=(32, 32, 3, num), dtype=np.uint8)
    labels = rng.integers(1, 11, size=(num, 1)).astype(np.uint8)
    savemat(folder / name, {"X": images, "y": labels})
    return images, labels


def test_svhn_is_read_as_it_is_written(tmp_path):
    files = [write(tmp_path, name, num, num) for name, num in (("train_32x32.mat", 4), ("extra_32x32.mat", 7))]
    images = np.concatenate([images for images, _ in files], axis=3)
    labels = np.concatenate([labels for _, labels in files])[:, 0] % 10
    x, y = svhn_examples(tmp_path, 0, num=100)
    assert x.shape == (11, 3072)
    assert float(x.mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(x.std(correction=0)) == pytest.approx(1.0, abs=1e-5)
    flat = {images[..., n].tobytes(): int(labels[n]) for n in range(11)}
    pixels = images.astype(np.float64)
    for row, label in zip(x.numpy(), y.tolist(), strict=True):
        image = np.rint(row * pixels.std() + pixels.mean()).astype(np.uint8).reshape(32, 32, 3)
        assert flat.pop(image.tobytes()) == label
    few, _ = svhn_examples(tmp_path, 0, num=3)
    assert few.shape == (3, 3072)
    assert not torch.equal(svhn_examples(tmp_path, 1, num=100)[1], y)


def test_files_that_are_not_svhn_are_refused_in_words(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"no file train_32x32\.mat"):
        svhn_examples(tmp_path, 0, num=1)
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(b"no file of Matlab")
    with pytest.raises(UsageError, match="cannot be read as a file of SVHN"):
        svhn_examples(tmp_path, 0, num=1)
    savemat(path, {"X": np.zeros((2, 2)), "y": np.zeros((3, 1))})
    with pytest.raises(UsageError, match="expected bytes of shape"):
        svhn_examples(tmp_path, 0, num=1)
    monkeypatch.setenv("CUPEL_SVHN", str(tmp_path / "absent"))
    with pytest.raises(UsageError, match="CUPEL_SVHN names"):
        svhn_folder()


@pytest.mark.parametrize("data", ["digits", "svhn"])
def test_training_lowers_the_loss_repeats_itself_and_draws_from_named_streams(data, tmp_path, monkeypatch):
    write(tmp_path, "train_32x32.mat", 48, 0)
    monkeypatch.setenv("CUPEL_SVHN", str(tmp_path))
    sizes = SimpleNamespace(data=data, train=48, layers=2, hidden=16, steps=30, batch=8)
    state = torch.get_rng_state()
    losses = []
    for trial in (0, 0, 1):
        task = flat_images(sizes, SLOT, TrialSeeds(0, trial, ("order",)))
        model = task.network()
        first = task.loss(model)
        assert list(task.updates(model, task.passes(), rate=task.rate)) == list(range(30))
        losses.append((first, task.loss(model)))
    assert torch.equal(state, torch.get_rng_state())
    assert losses[0] == losses[1]
    assert losses[0][0] == losses[2][0]
    assert losses[0] != losses[2]
    assert all(last < first for first, last in losses)


def test_a_pass_sees_each_example_once_and_leaves_out_what_is_no_batch():
    sizes = SimpleNamespace(data="digits", train=21, layers=1, hidden=4, steps=1, batch=5)
    task = flat_images(sizes, SLOT, TrialSeeds(0, 0, ()))
    batches = [index for index, scale in itertools.islice(task.passes(), 8) if scale == 1.0]
    first, second = torch.cat(batches[:4]), torch.cat(batches[4:])
    assert len(first.unique()) == len(second.unique()) == 20
    assert not torch.equal(first, second)


def test_enumerated_gradients_sum_to_the_full_one():
    posed = enumerated_gradients(0)
    torch.testing.assert_close(posed.rows.mean(0), posed.full)
    assert not torch.equal(posed.inputs, enumerated_gradients(1).inputs)
