"""The table has the layout of HIGGS, and its signal can be found but not read off."""

from __future__ import annotations

import numpy as np
import pytest

from cupel.tasks.data import collisions as module
from cupel.tasks.data.collisions import NUM_FEATURES, PAIRS, TAGS, collisions


def test_the_layout_is_that_of_higgs():
    features, is_signal = collisions(20_000, 0)
    assert features.shape == (20_000, NUM_FEATURES) == (20_000, 28)
    assert features.dtype == is_signal.dtype == np.float32
    assert np.isfinite(features).all()
    assert is_signal.mean() == pytest.approx(0.53, abs=0.01)
    assert np.unique(features[:, 17:21]).tolist() == pytest.approx(TAGS)
    assert (features[:, 17:21] == 0).mean() == pytest.approx(0.5, abs=0.01)


def test_masses_are_those_of_four_vectors():
    features, _ = collisions(50, 1)
    momentum, rapidity, azimuth = (features[:, start:15:3].astype(float) for start in range(3))
    x, y, z = momentum * np.cos(azimuth), momentum * np.sin(azimuth), momentum * np.sinh(rapidity)
    vectors = np.stack([np.sqrt(x**2 + y**2 + z**2), x, y, z])
    for column, (one, other) in enumerate(PAIRS, start=21):
        energy, *space = vectors[:, :, one] + vectors[:, :, other]
        mass = np.sqrt(energy**2 - sum(part**2 for part in space))
        np.testing.assert_allclose(features[:, column], mass, rtol=2e-3)
    assert column == NUM_FEATURES - 1


def test_same_seed_same_rows_and_another_seed_others():
    first, again, other = collisions(100, 3), collisions(100, 3), collisions(100, 4)
    assert first[0].tobytes() == again[0].tobytes()
    assert first[1].tobytes() == again[1].tobytes()
    assert first[0].tobytes() != other[0].tobytes()


def test_rows_drawn_in_parts_are_all_there_and_differ(monkeypatch):
    monkeypatch.setattr(module, "CHUNK_ROWS", 30)
    features, is_signal = collisions(100, 0)
    assert len(np.unique(features[:, 0])) > 95
    assert set(is_signal.tolist()) == {0.0, 1.0}
