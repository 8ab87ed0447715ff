"""The pipeline: its steps against differences, its sources each by its own seed, and splits that share no image."""

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="the digits are handed over as tensors")
pytest.importorskip("sklearn", reason="the digits come with scikit-learn (extra digits)")

import torch

from cupel.methods.performance_estimators import MeasureSeeds
from cupel.spec.seeds import Seeds
from cupel.tasks.digits_pipeline import (
    DROPOUT,
    MOMENTUM,
    SOURCES,
    SPACE,
    DigitsPipeline,
    Network,
    all_digits,
    cross_entropy,
)

PIPELINE = DigitsPipeline(num_train=80, num_test=90, hidden=5, steps=12, batch=16, trials=3)
CHOICE = {"lr": 0.1, "decay": 0.01}


def test_a_step_is_autograds() -> None:
    rng = np.random.default_rng(0)
    network = Network.drawn(rng, 6, 4)
    weights = [torch.tensor(weight.astype(np.float64), requires_grad=True) for weight in network.weights]
    velocity = [torch.zeros_like(weight) for weight in weights]
    for _ in range(3):
        x = rng.random((7, 6)).astype(np.float32)
        labels = rng.integers(10, size=7)
        mask = ((rng.random((1, 4)) >= DROPOUT) / (1 - DROPOUT)).astype(np.float32)
        network.step(x, np.eye(10, dtype=np.float32)[labels], mask, CHOICE)
        w1, b1, w2, b2 = weights
        hidden = torch.relu(torch.tensor(x, dtype=torch.float64) @ w1 + b1) * torch.tensor(mask, dtype=torch.float64)
        loss = torch.nn.functional.cross_entropy(hidden @ w2 + b2, torch.tensor(labels))
        loss = loss + CHOICE["decay"] / 2 * sum(w.square().sum() for w in weights)
        slopes = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, v, slope in zip(weights, velocity, slopes, strict=True):
                v.mul_(MOMENTUM).add_(slope)
                weight.sub_(CHOICE["lr"] * v)
    for mine, theirs in zip(network.weights, weights, strict=True):
        np.testing.assert_allclose(mine, theirs.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_each_source_changes_a_training_and_only_those_that_are_drawn_anew_do() -> None:
    seeds = Seeds(3)
    drawn = PIPELINE._split(seeds)[0]
    plain = PIPELINE.train(CHOICE, drawn, seeds).weights
    for source in ("init", "order", "dropout"):
        other = PIPELINE.train(CHOICE, drawn, MeasureSeeds(3, seeds, 0, (source,))).weights
        assert not np.array_equal(plain[0], other[0]), source
    same = PIPELINE.train(CHOICE, drawn, MeasureSeeds(3, seeds, 0, ("hpo", "split"))).weights
    assert all(np.array_equal(a, b) for a, b in zip(plain, same, strict=True))
    assert not np.array_equal(drawn, PIPELINE._split(MeasureSeeds(3, seeds, 0, ("split",)))[0])
    assert set(SOURCES) == {"split", "init", "order", "dropout"}


def test_images_that_are_tested_on_were_never_trained_on() -> None:
    drawn, tested = PIPELINE._split(Seeds(1))
    assert (len(drawn), len(tested)) == (80, 90)
    assert not set(drawn.tolist()) & set(tested.tolist())


def test_tuning_takes_the_configuration_with_the_least_validation_loss(monkeypatch) -> None:
    sides = []
    real = DigitsPipeline.train

    def watched(self, configuration, drawn, seeds):
        sides.append((configuration, drawn))
        return real(self, configuration, drawn, seeds)

    monkeypatch.setattr(DigitsPipeline, "train", watched)
    chosen = PIPELINE.tune(Seeds(2))
    assert chosen in [configuration for configuration, _ in sides]
    assert SPACE.check(chosen) == chosen
    assert len(sides) == PIPELINE.trials
    drawn, _ = PIPELINE._split(Seeds(2))
    images, labels = all_digits()
    trained_on = sides[0][1]
    valid = np.setdiff1d(drawn, trained_on)
    assert 0.2 < len(valid) / len(np.unique(drawn)) < 0.4
    valid = drawn[np.isin(drawn, valid)]
    losses = [cross_entropy(real(PIPELINE, c, trained_on, Seeds(2))(images[valid]), labels[valid]) for c, _ in sides]
    assert sides[int(np.argmin(losses))][0] == chosen


def test_a_longer_training_tells_most_digits_right_and_numbers_are_the_same_again() -> None:
    pipeline = DigitsPipeline(num_train=300, num_test=200, hidden=16, steps=150, batch=32, trials=1)
    accuracy = pipeline.measure({"lr": 0.05, "decay": 1e-4}, Seeds(0))
    assert 75 < accuracy <= 100
    assert accuracy == pipeline.measure({"lr": 0.05, "decay": 1e-4}, Seeds(0))


def test_cross_entropy_is_torchs_and_infinite_where_training_diverged() -> None:
    rng = np.random.default_rng(0)
    logits, labels = 30 * rng.standard_normal((6, 10)), rng.integers(10, size=6)
    expected = torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(labels))
    assert cross_entropy(logits, labels) == pytest.approx(float(expected))
    assert cross_entropy(np.full((1, 10), np.nan), np.array([0])) == math.inf
