"""Whether the devices of one launch do the same work at the same rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.checked import positive
from cupel.stats.note import Note

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MOST_CV_FRAC = 0.05


def devices_differ(rates: ArrayLike) -> Note | None:
    """Warn when the devices of a launch spread by more than 5 %.

    Devices are a level inside the launch: they are compared here and never added to n.

    Args:
        rates: (k,) rate of each device of the launch, above 0.

    Returns:
        A note with the spread and the extremes; None when they agree, or below 2 devices.

    Raises:
        UsageError: when a rate is not a finite number above zero.

    Source: rule R6.
    """
    x = positive("rates", rates)
    if x.size < 2:
        return None
    cv = float(np.log(x).std(ddof=1))
    if cv <= MOST_CV_FRAC:
        return None
    text = f"The {x.size} devices differ by {cv:.1%} (standard deviation), from {x.min():.4g}/s to {x.max():.4g}/s."
    return Note("devices differ", text)
