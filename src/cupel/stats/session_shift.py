"""How far the machine itself moved between two runs on it.

Formula
    Before each launch a fixed piece of work that no entry has a part in
    (the null workload) is timed. The shift is the log of the ratio of its
    mean times, B's over A's.
    On the same machine, the shift is added, squared, to the variance of
    every log ratio: a difference as large as what the machine shows by
    itself is not attributed to an entry. It is not subtracted, since an
    entry need not follow the null workload.
    Between different machines nothing is added: there the shift is part of
    what is measured.
    Launches do not make it smaller; another session does.

Source: Kalibera & Jones (2013) on variance between executions of a whole
experiment; measured here in docs/performance.md.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.checked import positive

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def session_shift(null_a_s: ArrayLike, null_b_s: ArrayLike) -> float | None:
    """Log ratio of what the null workload took in B to what it took in A.

    Args:
        null_a_s: (n_a,) seconds of the null workload before each launch of run A, above 0.
        null_b_s: (n_b,) the same of run B.

    Returns:
        The shift, positive where the machine was slower in B; None where a run has none recorded.

    Raises:
        UsageError: when a time is not above 0.

    Example:
        >>> round(session_shift([1.0, 1.0], [1.02, 1.02]), 4)
        0.0198
    """
    logs = [np.log(positive(name, side)) for name, side in (("null_a_s", null_a_s), ("null_b_s", null_b_s))]
    if not all(side.size for side in logs):
        return None
    shift = float(np.median(logs[1]) - np.median(logs[0]))
    return shift if math.isfinite(shift) else None
