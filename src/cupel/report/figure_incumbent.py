"""The incumbent over time: the value of the best trial as it was selected, and what fresh seeds gave of the last.

A value holds until another trial takes its place. The line breaks where trials reach a larger resource: the best of
those trained furthest is the incumbent, and its value stands beside none at a smaller one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cupel.report.curve_plot import Curve, CurveAxes, CurveFrame, curve_sentence
from cupel.report.drawing import Drawing
from cupel.report.plot_frame import WIDTH
from cupel.report.value_axis import LOG_FROM

UNITS = ((3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
EARLY_FRAC = 0.1
"""Time is logarithmic where half of the changes lie within this part of it."""


def incumbent(
    steps: Sequence[Mapping[str, Any]],
    *,
    end_s: float,
    again: Mapping[str, Any] | None = None,
    y_label: str = "",
    title: str = "The best over time",
) -> Drawing | None:
    """Draw the best value over the workers' time.

    Args:
        steps: each time another trial was best, in order: `device_s`, `value`, `resource`.
        end_s: worker seconds of the whole search.
        again: `mean`, `low` and `high` of the last one's value with fresh seeds; low and high None for no interval.
        y_label: above the figure.
        title: for those who do not see the figure.

    Returns:
        A drawing; None where no trial was ever best.

    Example:
        >>> step = {"device_s": 2.0, "value": 0.5, "resource": 1}
        >>> incumbent([step], end_s=4.0, again={"mean": 0.6, "low": 0.5, "high": 0.7}).description
        'as selected: 0.5 at 4; fresh seeds: 0.6 at 4'
    """
    if not steps:
        return None
    end_s = max(end_s, *(step["device_s"] for step in steps))
    scale, unit = next((pair for pair in UNITS if end_s >= 2 * pair[0]), UNITS[-1])
    xs: list[float] = []
    ys: list[float | None] = []
    for k, step in enumerate(steps):
        at = step["device_s"] / scale
        if k and step["resource"] != steps[k - 1]["resource"]:
            xs += [at, at]
            ys += [steps[k - 1]["value"], None]
        xs.append(at)
        ys.append(step["value"])
    curves: list[dict[str, Any]] = [{"label": "as selected", "x": [*xs, end_s / scale], "y": [*ys, ys[-1]]}]
    if again is not None:
        band = {key: [again[key]] * 2 for key in ("low", "high")} if again["low"] is not None else {}
        curves.append({"label": "fresh seeds", "x": [xs[0], end_s / scale], "y": [again["mean"]] * 2, **band})
    first, half = steps[0]["device_s"], steps[len(steps) // 2]["device_s"]
    axes = CurveAxes(
        x_label=f"{unit} of workers' time",
        y_label=y_label,
        is_log_x=first > 0 and half < EARLY_FRAC * end_s,
        is_log_y=_is_log([*(value for value in ys if value is not None), *([again["mean"]] if again else [])]),
    )
    read = [Curve.of(curve, place, is_log_x=axes.is_log_x) for place, curve in enumerate(curves)]
    frame = CurveFrame.around(read, axes, 26.0 if y_label else 10.0)
    shapes = (*frame.ground(), *frame.curves(read, is_step=True), *frame.names(read))
    return Drawing(WIDTH, frame.bottom, title, shapes, "; ".join(map(curve_sentence, read)))


def _is_log(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) >= LOG_FROM
