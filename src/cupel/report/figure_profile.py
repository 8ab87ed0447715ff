"""Performance profile: for each method, the share of the tasks (or runs) that it masters at each value along.

Curves are steps: a value holds from its x to the next. Bands, where given, are pointwise or simultaneous as whoever
computed them says in the label.

Source: Dolan and Moré (2002), Mathematical Programming 91, 201-213; Agarwal et al. (2021), NeurIPS (score profiles).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cupel.report.curve_plot import Curve, CurveAxes, CurveFrame, curve_sentence
from cupel.report.drawing import Drawing
from cupel.report.plot_frame import WIDTH


def profile(
    curves: Sequence[Mapping[str, Any]],
    *,
    axes: CurveAxes | None = None,
    title: str = "Performance profile",
) -> Drawing:
    """Draw the profiles of methods as steps with bands.

    Args:
        curves: each with `label`, `x` (ascending), `y` (lists; None for unknown), and if wanted `low` and `high` (ends
            of the band) and `series` (number of its look).
        axes: what lies along and up; by default shares from 0 to 1.
        title: for those who do not see the figure.

    Returns:
        A drawing; it grows with the number of curves, so that no name touches another.

    Raises:
        UsageError: lists of a curve differ in length, or its x do not ascend.

    Example:
        >>> profile([{"label": "A", "x": [1, 2, 4], "y": [0.2, 0.7, 1.0]}]).title
        'Performance profile'
    """
    look = axes or CurveAxes(y_range=(0.0, 1.0))
    read = [Curve.of(curve, place, is_log_x=look.is_log_x) for place, curve in enumerate(curves)]
    frame = CurveFrame.around(read, look, 26.0 if look.y_label else 10.0)
    shapes = (*frame.ground(), *frame.curves(read, is_step=True), *frame.names(read))
    return Drawing(WIDTH, frame.bottom, title, shapes, "; ".join(map(curve_sentence, read)))
