"""A figure as data: primitives in pixels whose colours are roles. `svg` and `pdf` make files of it.

Decisions
    Every length is a CSS pixel, 1/96 inch; the origin is the upper left corner and y grows downwards.
    A shape names a role ("ink", "warn", "c3") and never a colour: the page's themes, the stand-alone file and the
    PDF each have their own colours for it.
    A shape may have a tip: the page shows it beside the pointer, the stand-alone file as its title.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cupel.report.text_width import text_width_px

Role = Literal[
    "ink", "quiet", "grid", "shade", "paper", "good", "warn", "bad", "calm",
    "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "v0", "v1", "v2", "v3", "v4", "v5",
]  # fmt: skip
Anchor = Literal["start", "middle", "end"]
Size = Literal[10, 11, 12, 14]
MarkShape = Literal["circle", "square", "up", "down", "diamond", "plus", "cross"]
Point: TypeAlias = tuple[float, float]
Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom."""

SERIES: tuple[Role, ...] = ("c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7")
GRADES: tuple[Role, ...] = ("v0", "v1", "v2", "v3", "v4", "v5")
"""From the best to the worst, by how far they stand out from the ground."""
STROKE_PX = 1.6
"""Width of the lines of a plus or a cross."""
ASCENT, DESCENT = 0.95, 0.25
"""How far letters reach above and below their base line, in parts of their size."""


@dataclass(frozen=True)
class Pen:
    """How a line is drawn.

    Args:
        role: its colour.
        width_px: its width, above 0.
        dash: lengths of dashes and gaps in turn; none for an unbroken line.
    """

    role: Role = "ink"
    width_px: float = 1.0
    dash: tuple[float, ...] = ()


@dataclass(frozen=True)
class Line:
    """A straight line from (x1, y1) to (x2, y2)."""

    x1: float
    y1: float
    x2: float
    y2: float
    pen: Pen = Pen()
    tip: str = ""

    def box(self) -> Box:
        """The place that it takes."""
        return _around(((self.x1, self.y1), (self.x2, self.y2)), self.pen.width_px / 2)


@dataclass(frozen=True)
class Path:
    """Straight lines from point to point, or with `is_closed` and a fill the area inside of them.

    Args:
        points: at least one.
        pen: None for no outline.
        fill: None for no area.
        opacity: of the area, 0 to 1.
        is_closed: whether the last point is joined to the first.
        tip: what the shape means.
    """

    points: tuple[Point, ...]
    pen: Pen | None = Pen()
    fill: Role | None = None
    opacity: float = 1.0
    is_closed: bool = False
    tip: str = ""

    def box(self) -> Box:
        """The place that it takes."""
        return _around(self.points, self.pen.width_px / 2 if self.pen else 0.0)


@dataclass(frozen=True)
class Rect:
    """A filled rectangle; (x, y) is its upper left corner."""

    x: float
    y: float
    width: float
    height: float
    fill: Role = "shade"
    opacity: float = 1.0
    tip: str = ""

    def box(self) -> Box:
        """The place that it takes."""
        return (self.x, self.y, self.x + self.width, self.y + self.height)


@dataclass(frozen=True)
class Mark:
    """A small shape that stands for a value; its middle is (x, y).

    Args:
        x: middle.
        y: middle.
        shape: what it looks like.
        radius: half its width.
        role: its colour.
        is_hollow: an outline filled with the paper's colour, for what is not decided.
        opacity: 0 to 1, below 1 where many marks lie on each other.
        tip: what the mark means.
    """

    x: float
    y: float
    shape: MarkShape = "circle"
    radius: float = 4.0
    role: Role = "ink"
    is_hollow: bool = False
    opacity: float = 1.0
    tip: str = ""

    def box(self) -> Box:
        """The place that it takes."""
        return _around(((self.x, self.y),), self.radius + (0.7 if self.is_hollow else 0.0))

    def strokes(self) -> tuple[tuple[Point, ...], ...]:
        """The lines of a plus or a cross; nothing for a shape with an area."""
        x, y, r = self.x, self.y, self.radius
        if self.shape == "plus":
            return (((x - r, y), (x + r, y)), ((x, y - r), (x, y + r)))
        if self.shape == "cross":
            s = r * 0.8
            return (((x - s, y - s), (x + s, y + s)), ((x - s, y + s), (x + s, y - s)))
        return ()

    def corners(self) -> tuple[Point, ...]:
        """The corners of a shape with an area; none for a circle or strokes. All have about the same area."""
        x, y, r = self.x, self.y, self.radius
        s = r * 0.86
        return {
            "square": ((x - s, y - s), (x + s, y - s), (x + s, y + s), (x - s, y + s)),
            "up": ((x, y - r), (x + r, y + s), (x - r, y + s)),
            "down": ((x, y + r), (x - r, y - s), (x + r, y - s)),
            "diamond": ((x, y - r), (x + r, y), (x, y + r), (x - r, y)),
        }.get(self.shape, ())


@dataclass(frozen=True)
class Marks:
    """Many marks that mean the same, such as the runs of a method; where they lie on each other they are darker.

    Args:
        points: their middles, at least one.
        shape: one with an area.
        radius: half their width.
        role: their colour.
        opacity: of each, 0 to 1.
        tip: what they mean.
    """

    points: tuple[Point, ...]
    shape: MarkShape = "circle"
    radius: float = 2.6
    role: Role = "ink"
    opacity: float = 1.0
    tip: str = ""

    def each(self) -> tuple[Mark, ...]:
        """The marks one by one."""
        return tuple(Mark(x, y, self.shape, self.radius, self.role, opacity=self.opacity) for x, y in self.points)

    def box(self) -> Box:
        """The place that they take together."""
        return _around(self.points, self.radius)


@dataclass(frozen=True)
class Text:
    """One line of text.

    Args:
        x: where its anchor stands.
        y: its base line.
        text: any text; line ends become spaces when it is drawn.
        anchor: which end of the text stands at x.
        size: of the letters, one of four.
        is_bold: for headings.
        rotation_deg: clockwise about (x, y).
        role: its colour.
        tip: what it means, or the whole text where a part is shown.
    """

    x: float
    y: float
    text: str
    anchor: Anchor = "start"
    size: Size = 12
    is_bold: bool = False
    rotation_deg: float = 0.0
    role: Role = "ink"
    tip: str = ""

    def box(self) -> Box:
        """The place that it takes, by the estimated widths of its letters."""
        width = text_width_px(self.text, self.size, is_bold=self.is_bold)
        left = {"start": 0.0, "middle": -width / 2, "end": -width}[self.anchor]
        corners = [
            (left + dx, dy) for dx in (0.0, width) for dy in (-ASCENT * self.size, DESCENT * self.size)
        ]  # fmt: skip
        turn = math.radians(self.rotation_deg)
        cos, sin = math.cos(turn), math.sin(turn)
        return _around([(self.x + dx * cos - dy * sin, self.y + dx * sin + dy * cos) for dx, dy in corners], 0.0)


Shape: TypeAlias = Line | Path | Rect | Mark | Marks | Text


@dataclass(frozen=True)
class Drawing:
    """A figure.

    Args:
        width_px: of the whole, above 0.
        height_px: of the whole, above 0.
        title: what it shows, for those who do not see it; not drawn.
        shapes: from back to front.
        description: its numbers in words; not drawn.
    """

    width_px: float
    height_px: float
    title: str
    shapes: tuple[Shape, ...]
    description: str = ""

    def __post_init__(self) -> None:
        """An unknown value must have been left out or said in words by whoever made the figure."""
        assert self.width_px > 0
        assert self.height_px > 0
        for shape in self.shapes:
            assert all(map(math.isfinite, shape.box())), shape


def _around(points: Iterable[Point], margin: float) -> Box:
    xs, ys = zip(*points, strict=True)
    assert all(map(math.isfinite, (*xs, *ys))), "min and max pass over what is not a number"
    return (min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin)
