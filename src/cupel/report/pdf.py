"""A drawing as a PDF page, by matplotlib as a mere pen: places, sizes and colours are the drawing's own.

Decisions
    A CSS pixel is 1/96 inch, so that a text of 12 px is 9 pt on paper.
    Fonts are the DejaVu files that come with matplotlib, named by their paths and embedded as TrueType (font type 42,
    which journals ask for): the machine's own fonts play no part, and the same drawing gives the same bytes.
    A letter that DejaVu does not have (most of East Asia) is drawn as an empty box; the SVG shows it.
    matplotlib is imported on demand. Its settings of the user are set aside while the page is made and are then as
    they were; pyplot is not imported. A lock keeps two pages made at once from meeting in these settings.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from cupel.report.drawing import STROKE_PX, Drawing, Line, Mark, Marks, Path, Pen, Point, Rect, Role, Shape, Text
from cupel.report.palette import palette
from cupel.report.words import plain
from cupel.spec.errors import MissingExtraError

PX_PER_INCH, POINTS_PER_PX = 96.0, 0.75
ABSENT = "□"
ALIGNMENT: dict[str, Literal["left", "center", "right"]] = {"start": "left", "middle": "center", "end": "right"}
_ONE_AT_A_TIME = threading.Lock()


def to_bytes(drawing: Drawing) -> bytes:
    """The bytes of a PDF file with one page.

    Args:
        drawing: what to draw; its title becomes the document's title.

    Returns:
        A page of the drawing's size without a ground; texts can be searched and copied.

    Raises:
        MissingExtraError: when matplotlib is not installed.

    Cost:
        About a second for the first one, which imports matplotlib; then 0.1 to 0.5 s.
    """
    matplotlib = _matplotlib()
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure
    from matplotlib.transforms import Affine2D

    with _ONE_AT_A_TIME, _own_settings(matplotlib):
        figure = Figure(figsize=(drawing.width_px / PX_PER_INCH, drawing.height_px / PX_PER_INCH))
        canvas = FigureCanvasPdf(figure)
        figure.patch.set_visible(False)
        to_page = Affine2D().scale(1 / drawing.width_px, -1 / drawing.height_px).translate(0, 1) + figure.transFigure
        easel = _Easel(matplotlib)
        for order, artist in enumerate(artist for shape in drawing.shapes for artist in easel.artists(shape)):
            artist.set(transform=to_page, zorder=order, clip_on=False)
            figure.add_artist(artist)
        buffer = io.BytesIO()
        canvas.print_pdf(
            buffer, metadata={"Title": plain(drawing.title), "Creator": "Cupel", "CreationDate": None}
        )  # fmt: skip
        return buffer.getvalue()


def _matplotlib() -> Any:
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtraError("PDF figures need matplotlib: pip install 'cupel[figures]'") from error
    return mpl


@contextmanager
def _own_settings(matplotlib: Any) -> Iterator[None]:
    """The defaults of matplotlib with TrueType fonts, and afterwards the user's settings as they were."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams["pdf.fonttype"] = 42
        yield


class _Easel:
    """Makes matplotlib's artists of shapes."""

    def __init__(self, matplotlib: Any) -> None:
        from matplotlib import font_manager

        folder = f"{matplotlib.get_data_path()}/fonts/ttf"
        self._fonts = {False: f"{folder}/DejaVuSans.ttf", True: f"{folder}/DejaVuSans-Bold.ttf"}
        self._letters = {bold: font_manager.get_font(path).get_charmap() for bold, path in self._fonts.items()}
        self._colours = palette()

    def artists(self, shape: Shape) -> Iterator[Any]:
        """One artist or a few, from back to front, in the drawing's pixels."""
        match shape:
            case Line():
                yield self._outline([((shape.x1, shape.y1), (shape.x2, shape.y2))], shape.pen)
            case Rect():
                left, top, right, bottom = shape.box()
                corners = ((left, top), (right, top), (right, bottom), (left, bottom))
                yield self._area(corners, shape.fill, shape.opacity)
            case Path():
                if shape.fill:
                    yield self._area(shape.points, shape.fill, shape.opacity)
                if shape.pen:
                    ends = shape.points[:1] if shape.is_closed else ()
                    yield self._outline([(*shape.points, *ends)], shape.pen)
            case Mark():
                yield self._mark(shape)
            case Marks():
                yield from map(self._mark, shape.each())
            case Text():
                yield self._text(shape)

    def _outline(self, lines: list[tuple[Point, ...]] | tuple[tuple[Point, ...], ...], pen: Pen) -> Any:
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path as Route

        route = Route.make_compound_path(*(Route(line) for line in lines))
        return PathPatch(
            route,
            fill=False,
            edgecolor=self._colours[pen.role],
            linewidth=pen.width_px * POINTS_PER_PX,
            linestyle=(0, tuple(length / pen.width_px for length in pen.dash)) if pen.dash else "solid",
            capstyle="butt",
            joinstyle="round",
        )

    def _area(self, corners: tuple[Point, ...], role: Role, opacity: float) -> Any:
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path as Route

        route = Route([*corners, corners[0]], closed=True)
        return PathPatch(route, facecolor=self._colours[role], edgecolor="none", linewidth=0, alpha=opacity)

    def _mark(self, mark: Mark) -> Any:
        from matplotlib.patches import Circle, PathPatch
        from matplotlib.path import Path as Route

        if mark.strokes():
            return self._outline(mark.strokes(), Pen(mark.role, STROKE_PX))
        colour = self._colours[mark.role]
        look: dict[str, Any] = {"facecolor": colour, "edgecolor": "none", "linewidth": 0, "alpha": mark.opacity}
        if mark.is_hollow:
            look |= {"facecolor": self._colours["paper"], "edgecolor": colour, "linewidth": 1.4 * POINTS_PER_PX}
        if mark.shape == "circle":
            return Circle((mark.x, mark.y), mark.radius, **look)
        corners = mark.corners()
        return PathPatch(Route([*corners, corners[0]], closed=True), **look)

    def _text(self, text: Text) -> Any:
        from matplotlib.font_manager import FontProperties
        from matplotlib.text import Text as Words

        has = self._letters[text.is_bold]
        return Words(
            text.x,
            text.y,
            "".join(letter if ord(letter) in has else ABSENT for letter in plain(text.text)),
            color=self._colours[text.role],
            horizontalalignment=ALIGNMENT[text.anchor],
            verticalalignment="baseline",
            rotation=-text.rotation_deg,
            rotation_mode="anchor",
            fontproperties=FontProperties(fname=self._fonts[text.is_bold], size=text.size * POINTS_PER_PX),
            parse_math=False,
            usetex=False,
        )
