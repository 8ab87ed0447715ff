"""The sign-flip permutation test: how often random signs of the differences give a mean as far from zero.

Rule
    Under "no difference" a and b could be swapped in every pair. Up to 16
    differences all 2^n signs are tried; above, 9,999 random ones, and the
    differences at hand count as one more: p = (1 + as far) / (1 + tried).

Source: Fisher (1935), The Design of Experiments, section 21; Phipson & Smyth (2010), Statistical Applications in
Genetics and Molecular Biology 9, 39 (the one more).
"""

from __future__ import annotations

import numpy as np

from cupel.stats.checked import Floats

MOST_EXACT = 16
NUM_FLIPS = 9_999
ROUNDING = 1e-12
CHUNK = 2**22
"""Random signs drawn at once."""


def sign_flip(differences: Floats, seed: int) -> tuple[float, str]:
    """Two-sided p-value of "the differences are symmetric about zero", and how it was computed.

    Args:
        differences: (n,) finite numbers.
        seed: of the random signs, above 16 differences.
    """
    size = np.abs(differences)
    slack = ROUNDING * float(size.sum())
    observed = abs(float(differences.sum())) - slack
    if differences.size <= MOST_EXACT:
        sums = np.zeros(1)
        for value in size[1:]:
            sums = np.concatenate((sums + value, sums - value))
        sums = sums + (size[0] if size.size else 0.0)  # the other half of the signs mirrors this one
        return float(np.mean(np.abs(sums) >= observed)), "all signs"
    # Only the sums of the flipped are needed: the sum with these signs is the whole minus twice that.
    rng = np.random.default_rng(seed)
    step, as_far = max(1, CHUNK // size.size), 0
    for start in range(0, NUM_FLIPS, step):
        is_flipped = rng.random((min(step, NUM_FLIPS - start), size.size), dtype=np.float32) < 0.5
        sums = size.sum() - 2 * (is_flipped @ size)
        as_far += int(np.sum(np.abs(sums) >= observed))
    return (1 + as_far) / (1 + NUM_FLIPS), f"{NUM_FLIPS} random signs"
