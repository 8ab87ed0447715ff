"""What the machine did during the launches: one small panel per quantity, all launches in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cupel.report.axis import FINE, Axis, axis_around, line_path
from cupel.report.markup import Markup, el, join
from cupel.report.series import Budget, device_lists, telemetry_line
from cupel.report.step_chart import panel_frame
from cupel.report.words import Document

WIDTH, HEIGHT = 260, 112
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 6, 20
GIB = 2.0**30
Line = list[tuple[float, float]]


@dataclass(frozen=True)
class Quantity:
    """One thing that telemetry reads.

    Args:
        key: its key in the document.
        title: its name with its unit.
        scale: the document's value is multiplied by this.
        of_device: whether each accelerator has its own.
    """

    key: str
    title: str
    scale: float = 1.0
    of_device: bool = False


QUANTITIES = (
    Quantity("cpu_frac", "CPU %", 100),
    Quantity("memory_bytes", "memory GiB", 1 / GIB),
    Quantity("temperature_c", "CPU temperature °C"),
    Quantity("clock_mhz", "CPU clock MHz"),
    Quantity("util_frac", "device busy %", 100, of_device=True),
    Quantity("memory_bytes", "device memory GiB", 1 / GIB, of_device=True),
    Quantity("power_w", "device power W", of_device=True),
    Quantity("temperature_c", "device temperature °C", of_device=True),
    Quantity("clock_mhz", "device clock MHz", of_device=True),
)


def telemetry_panels(entry: Document, budget: Budget) -> Markup:
    """Panels of what was read, a line of words for what was not measurable."""
    launches: Sequence[Document] = [x for x in entry.get("launches") or () if x.get("telemetry")]
    if not launches:
        return el("p", "No telemetry was recorded.", class_="quiet")
    panels, absent = [], []
    has_devices = any((x.get("telemetry") or {}).get("devices") for x in launches)
    for quantity in QUANTITIES:
        if quantity.of_device and not has_devices:
            continue
        lines = [list(_lines(launch, quantity, budget)) for launch in launches]
        if any(line for group in lines for line in group):
            panels.append(_panel(quantity, lines))
        else:
            absent.append(quantity.title.rpartition(" ")[0])
    words = [] if not absent else [el("p", f"Not measurable here: {', '.join(absent)}.", class_="quiet")]
    if not has_devices:
        words.append(el("p", "No accelerator was in use.", class_="quiet"))
    return join((el("div", join(panels), class_="panels small") if panels else None, *words))


def _lines(launch: Document, quantity: Quantity, budget: Budget) -> Iterator[Line]:
    """Known points of a quantity in one launch, one line per device."""
    telemetry = launch.get("telemetry") or {}
    times = telemetry.get("t_s") or ()
    sources = (
        [values for _, values in device_lists(telemetry, quantity.key)]
        if quantity.of_device
        else [telemetry.get(quantity.key)]
    )
    for values in sources:
        points = telemetry_line(times, values, budget.telemetry_points)
        yield [(t, v * quantity.scale) for t, v in points]


def _panel(quantity: Quantity, lines: Sequence[Sequence[Line]]) -> Markup:
    """One quantity: a path per launch, its devices parts of the path."""
    points = [point for group in lines for line in group for point in line]
    y = axis_around([v for _, v in points], HEIGHT - BOTTOM, TOP)
    x = Axis(0.0, max(t for t, _ in points) or 1.0, LEFT, WIDTH - RIGHT)
    paths = [
        el("path", d=line_path(_pixels(group, x, y)), class_=f"c{k % 8}") for k, group in enumerate(lines) if any(group)
    ]
    drawn = el("g", *paths, transform=f"scale({1 / FINE:g})", class_="line")
    box = f"0 0 {WIDTH} {HEIGHT}"
    drawing = el("svg", panel_frame(x, y), drawn, viewBox=box, role="img", aria_label=quantity.title)
    return el("figure", el("figcaption", quantity.title), drawing, class_="panel")


def _pixels(group: Sequence[Line], x: Axis, y: Axis) -> Iterator[tuple[float, float] | None]:
    """Points of all devices, a break between them; a single point becomes a short dash, so that it can be seen."""
    for line in group:
        yield None
        if len(line) == 1:
            yield (x(line[0][0]) - 1.5, y(line[0][1]))
            yield (x(line[0][0]) + 1.5, y(line[0][1]))
            continue
        for t, v in line:
            yield (x(t), y(v))
