"""Tables like HIGGS: simulated collisions of particles, signal or background, 28 numbers each. numpy only.

Decisions:
- The layout of that data set: of a lepton and four jets the transverse momentum, pseudorapidity and azimuth; missing
  energy and its azimuth; a b-tag of three levels for each jet: 21 low-level features. Then seven invariant masses of
  pairs of these five, m^2 = 2 p q (cosh(difference of pseudorapidity) - cos(difference of azimuth)).
- The laws are of our own choosing, no physics: momenta log-normal, angles normal and uniform, tags discrete. A
  collision is likelier to be signal where two masses are near a resonance, and with two b-tags or more; the best
  possible classifier is right in about three of four cases, as on the real data.

Source: Baldi et al. 2014, Searching for Exotic Particles in High-Energy Physics with Deep Learning (layout).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUM_FEATURES = 28
TAGS = (0.0, 1.0873, 2.1746)
"""The three levels of a b-tag, 0 (none) in half of all jets."""
PAIRS = tuple(itertools.combinations(range(5), 2))[:7]
"""Objects whose invariant mass is a feature."""
CHUNK_ROWS = 1_000_000
"""Rows that are drawn at a time, so that intermediate numbers stay small beside the table."""


def collisions(num_rows: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw a table.

    Args:
        num_rows: number of collisions.
        seed: of the random generator.

    Returns:
        Features (num_rows, 28), and 1 for signal, 0 for background (num_rows,), both float32.
    """
    generator = np.random.default_rng(seed)
    features = np.empty((num_rows, NUM_FEATURES), dtype=np.float32)
    is_signal = np.empty(num_rows, dtype=np.float32)
    for start in range(0, num_rows, CHUNK_ROWS):
        rows = slice(start, min(start + CHUNK_ROWS, num_rows))
        _fill(features[rows], is_signal[rows], generator)
    return features, is_signal


def _fill(features: NDArray[np.float32], is_signal: NDArray[np.float32], generator: np.random.Generator) -> None:
    """Draw collisions into the given rows."""
    num = len(features)
    momentum = np.exp(0.5 * generator.standard_normal((num, 5), dtype=np.float32))
    rapidity = generator.standard_normal((num, 5), dtype=np.float32)
    azimuth = np.float32(np.pi) * (2 * generator.random((num, 5), dtype=np.float32) - 1)
    features[:, 0:15:3], features[:, 1:15:3], features[:, 2:15:3] = momentum, rapidity, azimuth
    features[:, 15] = np.exp(0.6 * generator.standard_normal(num, dtype=np.float32))
    features[:, 16] = np.float32(np.pi) * (2 * generator.random(num, dtype=np.float32) - 1)
    tag = (generator.random((num, 4), dtype=np.float32) * 4).astype(np.int64).clip(1) - 1
    features[:, 17:21] = np.asarray(TAGS, dtype=np.float32)[tag]
    for column, (one, other) in enumerate(PAIRS, start=21):
        angles = np.cosh(rapidity[:, one] - rapidity[:, other]) - np.cos(azimuth[:, one] - azimuth[:, other])
        features[:, column] = np.sqrt(2 * momentum[:, one] * momentum[:, other] * angles)
    resonances = np.exp(-((features[:, 21] - 2) ** 2)) + np.exp(-((features[:, 25] - 1.5) ** 2))
    logit = 3 * resonances + (tag > 0).sum(axis=1) - 5.14
    is_signal[:] = generator.random(num, dtype=np.float32) < 1 / (1 + np.exp(-logit))
