"""What a training script calls to report to whoever tunes it."""

from __future__ import annotations

import json
import math
import sys


def tell(step: float | None = None, **values: float) -> None:
    """Print values as one line of JSON on stdout, which `cupel tune` reads; without a tuner it is a line to be read.

    Args:
        step: how far the training is, in the unit of the resource (epochs, steps).
        **values: metrics by name, such as `val_loss=0.3`; a value that is no finite number is told as null.

    Raises:
        TypeError: a value that is no number.

    Example:
        >>> tell(step=5, val_loss=0.25)
        {"val_loss": 0.25, "step": 5}
    """
    numbers = {name: float(value) for name, value in values.items()}
    line = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
    sys.stdout.write(json.dumps({**line, **({} if step is None else {"step": step})}) + "\n")
    sys.stdout.flush()
