"""Where evidence that falls from an end of the range to the estimate crosses its bar, for many looks at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cupel.stats.checked import Floats

HALVINGS, SECANTS = 10, 9
"""Steps of the search; together they reach about 12 digits of the range."""


def search_limit(evidence: Callable[[Floats], Floats], outside: Floats, inside: Floats, bar: float) -> Floats:
    """The value between `outside` and `inside` at which the evidence is `bar`, for each look.

    Args:
        evidence: from (n,) values to (n,) log evidence against them; falls from `outside` to `inside`.
        outside: (n,) end of the range, where the evidence may be infinite; it is not evaluated there.
        inside: (n,) the estimate, where the evidence is below the bar.
        bar: log evidence from which on a value is excluded.

    Returns:
        (n,) limits; near `outside` where nothing is excluded.

    Cost: 19 evaluations.
    """
    far, near = outside, inside
    excess = [np.full(far.shape, np.inf), np.full(far.shape, -bar)]
    was_refused = np.zeros(far.shape, dtype=bool)
    middle = inside
    for step in range(HALVINGS + SECANTS):
        middle = (far + near) / 2 if step < HALVINGS else _secant(far, near, excess)
        found = evidence(middle) - bar
        is_refused = found >= 0
        again = is_refused == was_refused
        # an end that stays twice counts half, so that it moves too (the Illinois rule)
        stays = [np.where(again, end / 2, end) if step > HALVINGS else end for end in excess]
        excess = [np.where(is_refused, found, stays[0]), np.where(is_refused, stays[1], found)]
        far, near, was_refused = np.where(is_refused, middle, far), np.where(is_refused, near, middle), is_refused
    return np.where(np.isinf(excess[0]), outside, middle)


def _secant(far: Floats, near: Floats, excess: list[Floats]) -> Floats:
    """Where the line through both ends meets the bar; the middle where an end is not known."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share = excess[0] / (excess[0] - excess[1])
    return far + (near - far) * np.where(np.isfinite(share), np.clip(share, 0, 1), 0.5)
