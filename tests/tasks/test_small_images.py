"""Small images: CIFAR-10's binary files are read as they are written, networks and training come from named seeds."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="these tasks need torch")
pytest.importorskip("sklearn", reason="digits come with scikit-learn")

from cupel.run.slot import TorchSlot
from cupel.spec import UsageError
from cupel.spec.seeds import TrialSeeds
from cupel.tasks.data import cifar10
from cupel.tasks.models.pooled_resnet import pooled_resnet
from cupel.tasks.small_images import small_images

SLOT = TorchSlot(device="cpu", settings={}, threads=1)


def write(folder, per_file=4):
    """Six files of random records; the images and labels of the five training files."""
    rng = np.random.default_rng(0)
    records = []
    for name in (*cifar10.TRAIN, *cifar10.TEST):
        record = rng.integers(0, 256, size=(per_file, 3073), dtype=np.uint8)
        record[:, 0] = rng.integers(0, 10, size=per_file)
        (folder / name).write_bytes(record.tobytes())
        records.append(record)
    return np.concatenate(records[:5])


def test_cifar10_is_read_as_it_is_written(tmp_path):
    records = write(tmp_path)
    split = cifar10.cifar10_split(tmp_path, 3, num_valid=6)
    assert [len(part[0]) for part in (split.train, split.valid, split.test)] == [14, 6, 4]
    mean, std = (np.array(values)[:, None, None] for values in (cifar10.MEAN, cifar10.STD))
    wanted = {
        record[1:].tobytes(): (int(record[0]), (record[1:].reshape(3, 32, 32) / 255.0 - mean) / std)
        for record in records
    }
    for images, labels in (split.train, split.valid):
        for image, label in zip(images.numpy(), labels.tolist(), strict=True):
            pixels = np.rint((image * std + mean) * 255.0).astype(np.uint8).tobytes()
            expected_label, expected_image = wanted.pop(pixels)
            assert label == expected_label
            np.testing.assert_allclose(image, expected_image, rtol=1e-5, atol=1e-6)
    assert not wanted
    other = cifar10.cifar10_split(tmp_path, 4, num_valid=6)
    assert not torch.equal(other.valid[0], split.valid[0])


def test_files_that_are_not_cifar10_are_refused_in_words(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"no file data_batch_1\.bin"):
        cifar10.cifar10_split(tmp_path, 0, num_valid=0)
    write(tmp_path)
    with pytest.raises(UsageError, match="one must be left"):
        cifar10.cifar10_split(tmp_path, 0, num_valid=20)
    other = tmp_path / "other"
    other.mkdir()
    write(other)
    (other / "test_batch.bin").write_bytes(b"\x0b" + bytes(3072))
    with pytest.raises(UsageError, match="3,073 bytes; expected records"):
        cifar10.cifar10_split(other, 0, num_valid=0)
    monkeypatch.setenv("CUPEL_CIFAR10", str(tmp_path / "absent"))
    with pytest.raises(UsageError, match="CUPEL_CIFAR10 names"):
        cifar10.cifar10_folder()


def test_shifts_and_mirrors_are_those_of_each_image():
    images = torch.arange(1.0, 1 + 40 * 3 * 6 * 6).view(40, 3, 6, 6)
    found = cifar10.shifted_and_mirrored(images, torch.Generator().manual_seed(0))
    assert found.shape == images.shape
    padded = torch.nn.functional.pad(images, (4,) * 4)
    kinds = set()
    for before, after in zip(padded, found, strict=True):
        cuts = {(i, j): before[:, i : i + 6, j : j + 6] for i in range(9) for j in range(9)}
        cuts |= {(*place, "mirrored"): cut.flip(2) for place, cut in cuts.items()}
        matches = [place for place, cut in cuts.items() if torch.equal(cut, after)]
        assert matches
        kinds.add(len(matches[0]))
    assert kinds == {2, 3}


def test_the_residual_network_halves_its_sides_three_times_and_draws_from_its_generator_alone():
    state = torch.get_rng_state()
    models = [pooled_resnet(0.125, num_classes=10, generator=torch.Generator().manual_seed(0)) for _ in range(2)]
    assert torch.equal(state, torch.get_rng_state())
    for one, other in zip(*(model.state_dict().values() for model in models), strict=True):
        assert torch.equal(one, other)
    model = models[0].eval()
    sides = []
    for module in model[3:11]:
        module.register_forward_hook(lambda *given: sides.append(tuple(given[2].shape[1:])))
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert sides == [(8, 32, 32)] * 2 + [(16, 16, 16)] * 2 + [(32, 8, 8)] * 2 + [(64, 4, 4)] * 2
    full = pooled_resnet(0.5, num_classes=10, generator=torch.Generator().manual_seed(0))
    assert [m.weight.shape[0] for m in full.modules() if isinstance(m, torch.nn.Conv2d)][:3] == [32, 32, 32]
    assert sum(p.numel() for p in full.parameters()) == pytest.approx(2.80e6, rel=0.01)


@pytest.mark.parametrize("data", ["digits", "cifar10"])
def test_training_lowers_the_error_and_repeats_itself(data, tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setenv("CUPEL_CIFAR10", str(tmp_path))
    width = 8 if data == "digits" else 0.0625
    sizes = SimpleNamespace(
        data=data, train=200, valid=16, test=200, width=width, epochs=6 if data == "digits" else 1, batch=20
    )
    results = []
    for trial in (0, 0, 1):
        task = small_images(sizes, SLOT, TrialSeeds(0, trial, ("order",)))
        model = task.network()
        steps = task.train(model, learning_rate=0.01)
        assert steps == -(-len(task.split.train[0]) // 20) * sizes.epochs
        results.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2]) or data == "cifar10"  # four images are one batch
    if data == "digits":
        assert task.accuracy(model, "test") > 0.7
