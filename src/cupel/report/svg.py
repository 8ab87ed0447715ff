"""A drawing as SVG: inside the report page, coloured by its style sheet, or as a file that stands alone.

Both have the same elements with the same classes. The page's content security policy allows no inline style, so that
sizes are classes too; everything else is a presentation attribute.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cupel.report.drawing import STROKE_PX, Drawing, Line, Mark, Marks, Path, Pen, Point, Rect, Shape, Text
from cupel.report.markup import Markup, el, join
from cupel.report.palette import palette

FONTS = '"DejaVu Sans", Verdana, Helvetica, Arial, sans-serif'
NOT_IN_XML = re.compile("[\ufffe\uffff]|[\U0001fffe\U0001ffff]")


def to_markup(drawing: Drawing) -> Markup:
    """The drawing for the report page: its colours follow the theme, its tips appear beside the pointer."""
    return el(
        "svg",
        el("desc", clean(drawing.description)) if drawing.description else None,
        *(_shape(shape, data_tip=clean(shape.tip) or None) for shape in drawing.shapes),
        **_frame(drawing),
        role="img",
        aria_label=clean(drawing.title),
        class_="drawing",
    )


def to_file(drawing: Drawing, *, follows_theme: bool = False) -> str:
    """The text of an SVG file that needs nothing else: black ink on no ground, texts as texts.

    Args:
        drawing: what to write.
        follows_theme: whether the colours turn light where the reader's system is dark; off for papers.

    Returns:
        XML in which no text of the drawing can become an element. The same drawing gives the same bytes.
    """
    dark = f"@media (prefers-color-scheme: dark) {{\n{_style(drawing, 'dark')}\n}}" if follows_theme else ""
    body = el(
        "svg",
        Markup("\n"),
        el("title", clean(drawing.title), id="title"),
        el("desc", clean(drawing.description), id="desc"),
        el("style", Markup(f"\n{_style(drawing, 'light')}\n{dark}")),
        Markup("\n"),
        *(_titled(shape) for shape in drawing.shapes),
        xmlns="http://www.w3.org/2000/svg",
        **_frame(drawing),
        role="img",
        aria_labelledby="title desc",
        class_="drawing",
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def clean(text: str) -> str:
    """A text without the code points that no XML document may hold."""
    return NOT_IN_XML.sub("\ufffd", text)


def _frame(drawing: Drawing) -> dict[str, object]:
    width, height = _num(drawing.width_px), _num(drawing.height_px)
    return {"viewBox": f"0 0 {width} {height}", "width": width, "height": height}


def _titled(shape: Shape) -> Markup:
    """A shape on its line, grouped with its title where it has a tip."""
    drawn = _shape(shape)
    return join((el("g", el("title", clean(shape.tip)), drawn) if shape.tip else drawn, Markup("\n")))


def _shape(shape: Shape, **more: object) -> Markup:
    match shape:
        case Line():
            ends = {"x1": shape.x1, "y1": shape.y1, "x2": shape.x2, "y2": shape.y2}
            return el("line", **_numbers(ends), **_stroke(shape.pen), **more)
        case Rect():
            place = {"x": shape.x, "y": shape.y, "width": shape.width, "height": shape.height}
            return el("rect", **_numbers(place), **_opacity(shape.opacity), class_=f"solid {shape.fill}", **more)
        case Path():
            return _path(shape, more)
        case Mark():
            return _mark(shape, more)
        case Marks():
            return _marks(shape, more)
        case Text():
            return _text(shape, more)


def _path(shape: Path, more: dict[str, object]) -> Markup:
    """An area, its outline, or both: the area first, each in its own role."""
    d = path_data([shape.points], is_closed=shape.is_closed)
    parts: list[Markup] = []
    if shape.fill:
        parts.append(el("path", d=d, **_opacity(shape.opacity), class_=f"solid {shape.fill}", **more))
    if shape.pen:
        parts.append(el("path", d=d, **_stroke(shape.pen), **more))
    return join(parts)


def _mark(mark: Mark, more: dict[str, object]) -> Markup:
    if mark.strokes():
        return el("path", d=path_data(mark.strokes()), **_stroke(Pen(mark.role, STROKE_PX)), **more)
    look = {"class_": f"{'hollow' if mark.is_hollow else 'solid'} {mark.role}", **_opacity(mark.opacity), **more}
    return _outline(mark, {**look, "stroke_width": "1.4"} if mark.is_hollow else look)


def _outline(mark: Mark, look: dict[str, object]) -> Markup:
    """A shape with an area."""
    if mark.shape == "circle":
        return el("circle", **_numbers({"cx": mark.x, "cy": mark.y, "r": mark.radius}), **look)
    return el("path", d=path_data([mark.corners()], is_closed=True), **look)


def _marks(marks: Marks, more: dict[str, object]) -> Markup:
    """What the marks have in common is said once; strokes have no area to fill."""
    each = marks.each()
    if each[0].strokes():
        lines = [line for mark in each for line in mark.strokes()]
        return el("path", d=path_data(lines), **_stroke(Pen(marks.role, STROKE_PX)), **more)
    fill = {} if marks.opacity >= 1 else {"fill_opacity": _num(marks.opacity)}
    return el("g", *(_outline(mark, {}) for mark in each), class_=f"solid {marks.role}", **fill, **more)


def _text(text: Text, more: dict[str, object]) -> Markup:
    turn = f"rotate({_num(text.rotation_deg)} {_num(text.x)} {_num(text.y)})" if text.rotation_deg else None
    bold = " strong" if text.is_bold else ""
    anchor = {"start": None, "middle": "middle", "end": "end"}[text.anchor]
    return el(
        "text",
        clean(text.text),
        **_numbers({"x": text.x, "y": text.y}),
        text_anchor=anchor,
        transform=turn,
        class_=f"t{text.size}{bold} {text.role}",
        **more,
    )


def path_data(lines: Iterable[Sequence[Point]], *, is_closed: bool = False) -> str:
    """Path data through points.

    Example:
        >>> path_data([[(0, 0), (1.25, 2)], [(3, 3), (4, 4)]])
        'M0 0L1.25 2M3 3L4 4'
    """
    texts = ["M" + "L".join(f"{_num(x)} {_num(y)}" for x, y in points) for points in lines if points]
    return "".join(text + ("Z" if is_closed else "") for text in texts)


def _stroke(pen: Pen) -> dict[str, object]:
    dash = " ".join(_num(length) for length in pen.dash) or None
    return {"class_": f"pen {pen.role}", "stroke_width": _num(pen.width_px), "stroke_dasharray": dash}


def _opacity(opacity: float) -> dict[str, object]:
    return {} if opacity >= 1 else {"opacity": _num(opacity)}


def _numbers(values: dict[str, float]) -> dict[str, object]:
    return {name: _num(value) for name, value in values.items()}


def _num(value: float) -> str:
    """A length to a hundredth of a pixel, without needless noughts."""
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")


def _style(drawing: Drawing, theme: str) -> str:
    """The rules of a file: those of the page with the theme's colours written out, for programs without variables."""
    colours = palette("dark" if theme == "dark" else "light")
    used = [role for role in colours if f"{role}" in _roles(drawing)]
    rules = [] if theme == "dark" else [
        f".drawing text {{ font-family: {FONTS}; }}",
        ".drawing .strong { font-weight: 600; }",
        ".drawing .pen { fill: none; stroke-linejoin: round; }",
        *(f".drawing .t{size} {{ font-size: {size}px; }}" for size in (10, 11, 12, 14)),
    ]  # fmt: skip
    for role in used:
        colour = colours[role]
        rules.append(f".drawing text.{role}, .drawing .solid.{role} {{ fill: {colour}; }}")
        rules.append(f".drawing .pen.{role} {{ stroke: {colour}; }}")
        rules.append(f".drawing .hollow.{role} {{ fill: {colours['paper']}; stroke: {colour}; }}")
    return "\n".join(rules)


def _roles(drawing: Drawing) -> set[str]:
    found: set[str] = set()
    for shape in drawing.shapes:
        match shape:
            case Line():
                found.add(shape.pen.role)
            case Rect():
                found.add(shape.fill)
            case Path():
                found |= {role for role in (shape.fill, shape.pen and shape.pen.role) if role}
            case Mark() | Marks() | Text():
                found.add(shape.role)
    return found
