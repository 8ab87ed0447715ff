"""The auto-encoder: its shape, its loss, what its seeds control, and where it ends."""

from __future__ import annotations

import gzip
import struct
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="this task needs torch")
pytest.importorskip("sklearn", reason="digits come with scikit-learn")

from torch import nn

from cupel.run.slot import TorchSlot
from cupel.spec.seeds import TrialSeeds
from cupel.tasks.image_autoencoder import image_autoencoder, reconstruction_loss

SIZES = {"data": "digits", "train": 60, "valid": 20, "layers": "10-4", "batch": 25, "iterations": 5}
SLOT = TorchSlot(device="cpu", settings={}, threads=1)


def make(trial=0, varies=("split", "init", "order"), **changed):
    return image_autoencoder(SimpleNamespace(**{**SIZES, **changed}), SLOT, TrialSeeds(0, trial, varies))


def sgd(lr):
    return lambda model: torch.optim.SGD(model.parameters(), lr=lr)


def test_the_network_narrows_to_the_code_and_widens_again():
    task = make(layers="10-7-4")
    assert task.shapes == [(64, 10), (10, 7), (7, 4), (4, 7), (7, 10), (10, 64)]
    kinds = [type(part) for part in task.network()]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU] * 5 + [nn.Linear]
    assert all(float(layer.weight.detach().abs().max()) <= layer.in_features**-0.5 for layer in task.network()[::3])


def test_the_loss_is_summed_over_pixels_and_averaged_over_images():
    loss = reconstruction_loss(lambda x: x + 0.5, torch.zeros(3, 8))
    assert float(loss) == pytest.approx(8 * 0.25)


def test_training_is_that_of_a_loop_by_hand():
    task = make()
    model = task.network()
    for idx in task.batches:
        loss = (model(task.train[idx]) - task.train[idx]).pow(2).sum() / 25
        grads = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for p, grad in zip(model.parameters(), grads, strict=True):
                p.sub_(0.01 * grad)
    found = task.fit(sgd(0.01))
    with torch.no_grad():
        valid = (model.eval()(task.valid) - task.valid).pow(2).sum() / 20
        train = (model.train()(task.train) - task.train).pow(2).sum() / 60
    assert found == pytest.approx({"train_loss": float(train), "valid_loss": float(valid)}, rel=1e-5)


def test_each_seed_controls_its_own_and_no_global_generator_moves():
    state = torch.get_rng_state()
    for source in ("split", "init", "order"):
        first, other = make(0, (source,)), make(1, (source,))
        same = {
            "split": torch.equal(first.train, other.train),
            "init": torch.equal(first.network()[0].weight, other.network()[0].weight),
            "order": torch.equal(first.batches, other.batches),
        }
        assert [name for name, is_same in same.items() if not is_same] == [source]
    assert make().fit(sgd(0.01)) == make().fit(sgd(0.01))
    assert torch.equal(state, torch.get_rng_state())


def test_every_image_comes_once_per_pass():
    batches = make(iterations=12).batches
    assert batches.shape == (12, 25)
    assert torch.bincount(batches.flatten()).tolist() == [5] * 60


def test_training_that_diverges_ends_with_an_infinite_loss():
    assert make(iterations=60).fit(sgd(1e12)) == {"train_loss": float("inf"), "valid_loss": float("inf")}


def test_mnist_is_the_users_own(tmp_path, monkeypatch):
    monkeypatch.delenv("CUPEL_MNIST", raising=False)
    assert make(data="mnist") is None
    rng = np.random.default_rng(0)
    for part, num in (("train", 50), ("t10k", 10)):
        images, labels = rng.integers(0, 256, (num, 6, 6)), rng.integers(0, 10, num)
        for name, values in ((f"{part}-images-idx3-ubyte.gz", images), (f"{part}-labels-idx1-ubyte.gz", labels)):
            head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
            (tmp_path / name).write_bytes(gzip.compress(head + values.astype(np.uint8).tobytes()))
    monkeypatch.setenv("CUPEL_MNIST", str(tmp_path))
    task = make(data="mnist")
    assert (task.train.shape, task.valid.shape) == ((30, 36), (20, 36))
    assert task.shapes[0] == (36, 10)
