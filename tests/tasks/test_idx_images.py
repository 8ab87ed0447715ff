"""IDX files written here, read back; and the task of handwriting on them."""

from __future__ import annotations

import gzip
import struct
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the task needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec.errors import UsageError
from cupel.spec.seeds import Seeds
from cupel.tasks.data.idx_images import idx_split
from cupel.tasks.handwriting import accuracy, handwriting


def write(folder, name, values, *, zipped=False):
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    content = header + values.astype(np.uint8).tobytes()
    (folder / (f"{name}-ubyte.gz" if zipped else f"{name}-ubyte")).write_bytes(
        gzip.compress(content) if zipped else content
    )


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for part, num in (("train", 50), ("t10k", 20)):
        labels = rng.integers(0, 10, num)
        images = rng.integers(0, 100, (num, 3, 4))
        images[:, 0, 0] = labels * 25
        write(tmp_path, f"{part}-images-idx3", images, zipped=part == "train")
        write(tmp_path, f"{part}-labels-idx1", labels)
    return tmp_path


def test_images_are_what_was_written_and_shared_out_by_the_seed(folder):
    split = idx_split(folder, 3, num_valid=10)
    assert [tuple(x.shape) for x, _ in (split.train, split.valid, split.test)] == [(40, 12), (10, 12), (20, 12)]
    for images, labels in (split.train, split.valid, split.test):
        assert images.dtype == torch.float32
        assert torch.equal((images[:, 0] * 255.0).round().long(), labels * 25), "each with its own label"
    both = torch.cat([split.train[0], split.valid[0]])
    other = idx_split(folder, 4, num_valid=10)
    assert not torch.equal(both, torch.cat([other.train[0], other.valid[0]]))
    rows = [sorted(map(tuple, images.tolist())) for images in (both, torch.cat([other.train[0], other.valid[0]]))]
    assert rows[0] == rows[1], "the same images"
    assert torch.equal(split.test[0], other.test[0])


def test_handwriting_trains_on_files(folder, monkeypatch):
    sizes = SimpleNamespace(data="mnist", valid=10, hidden=30, iterations=60, early=5, batch=10)
    slot, rng = TorchSlot(device="cpu", settings={}, threads=1), Seeds(0)
    monkeypatch.delenv("CUPEL_MNIST", raising=False)
    assert handwriting(sizes, slot, rng) is None
    monkeypatch.setenv("CUPEL_MNIST", str(folder))
    state = torch.get_rng_state()
    net = handwriting(sizes, slot, rng)
    model, same = net.network(), net.network()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), same.parameters(), strict=True))
    assert not torch.equal(model[0].weight, net.network("again")[0].weight)
    assert net.batches.shape == (60, 10)
    assert torch.equal(net.batches[:4].flatten().sort().values, torch.arange(40)), "a pass over all images"
    before = accuracy(model, net.split.train)
    found = net.train(model, learning_rate=0.01)
    assert set(found) == {"early_accuracy", "accuracy", "valid"}
    assert accuracy(model, net.split.train) > before
    assert "early_accuracy" not in net.train(same, learning_rate=0.01, start=5)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: (folder / "t10k-labels-idx1-ubyte").unlink(), "has no file t10k-labels-idx1-ubyte"),
        (lambda folder: write(folder, "t10k-labels-idx1", np.zeros(7)), "labels (7,); expected one each"),
        (lambda folder: (folder / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x0d\1"), "starts with 00 00 0d 01"),
        (lambda folder: (folder / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08\1\0\0\0\3ab"), "with 3 values"),
        (lambda folder: (folder / "t10k-images-idx3-ubyte").write_bytes(b""), "0 bytes; expected an IDX file"),
    ],
)
def test_files_that_are_wrong_are_refused_in_words(folder, harm, words):
    harm(folder)
    with pytest.raises(UsageError) as caught:
        idx_split(folder, 0, num_valid=10)
    assert words in str(caught.value)


def test_an_image_must_be_left_to_train_on(folder, monkeypatch):
    with pytest.raises(UsageError, match="one must be left"):
        idx_split(folder, 0, num_valid=50)
    monkeypatch.setenv("CUPEL_MNIST", str(folder / "nowhere"))
    with pytest.raises(UsageError, match="the four IDX files of MNIST"):
        handwriting(SimpleNamespace(data="mnist"), None, Seeds(0))
