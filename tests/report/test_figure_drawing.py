"""Drawings as SVG, their colours, and the widths of texts."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupel.report.drawing import SERIES, Drawing, Line, Mark, Marks, Path, Pen, Rect, Text
from cupel.report.markup import el
from cupel.report.page import Page, render_page
from cupel.report.palette import palette
from cupel.report.svg import path_data, to_file, to_markup
from cupel.report.text_width import ELLIPSIS, fitted, text_width_px
from cupel.report.words import plain

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "</text><script>alert(1)</script>",
    "\"><svg onload='x'>&amp;",
    "]]><!-- --><![CDATA[",
    "a\nb\x00\x07\x1b[31m",
    "\ufffe\uffff\ud800 \U0001ffff",
    "\u202egnorw",
    "Ω ≤ μ⁻¹ 名前 עברית 😀",
    "",
    "n" * 400,
)


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - a text of our own; the parser of XML is the judge here


def one_of_each(word: str = "word") -> Drawing:
    shapes = (
        Rect(10, 10, 40, 20, "shade", tip=word),
        Line(0, 5, 100, 5, Pen("c1", 1.5, (4, 2)), word),
        Path(((0, 0), (10, 5), (20, 0)), None, "c2", 0.5, is_closed=True, tip=word),
        Path(((0, 0), (10, 5.5), (20, 0)), Pen("ink")),
        Path(((1, 1), (2, 2), (3, 1)), Pen("warn"), "good", is_closed=True),
        *(Mark(20 + 10 * k, 50, shape, role="bad", tip=word) for k, shape in enumerate(("circle", "up", "cross"))),
        Mark(70, 50, "diamond", is_hollow=True, opacity=0.5),
        Marks(((10, 60), (12, 60)), "square", role="c3", opacity=0.7, tip=word),
        Marks(((20, 60), (22, 60)), "plus", role="c4"),
        Text(50, 80, word, "middle", 12, is_bold=True, role="quiet", tip=word),
        Text(90, 50, word, "end", 10, rotation_deg=-90),
    )
    return Drawing(120, 90, f"title {word}", shapes, f"description {word}")


@pytest.mark.parametrize("word", HOSTILE)
def test_no_text_of_a_drawing_becomes_an_element_of_the_file(word):
    root = parsed(to_file(one_of_each(word)))
    allowed = {"svg", "title", "desc", "style", "g", "rect", "line", "path", "circle", "text"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == allowed
    expected = re.sub("[\ufffe\uffff\U0001ffff]", "\ufffd", plain(word))
    texts = [element.text or "" for element in root.iter(f"{SVG}text")]
    assert [text.strip() for text in texts] == [expected, expected]
    titles = [element.text or "" for element in root.iter(f"{SVG}title")]
    assert titles[0].strip() == f"title {expected}".strip()
    assert len(titles) == (9 if word else 1)


@pytest.mark.parametrize("word", HOSTILE)
def test_no_text_of_a_drawing_becomes_an_element_of_the_page(word):
    text = to_markup(one_of_each(word))
    root = parsed(text)
    assert {element.tag for element in root.iter()} == {"svg", "desc", "g", "rect", "line", "path", "circle", "text"}
    assert not {"style", "onload"} & {name for element in root.iter() for name in element.attrib}


def test_the_page_colours_and_sizes_drawings_by_classes_that_its_sheet_has():
    text = to_markup(one_of_each())
    sheet = resources.files("cupel.report").joinpath("page.css").read_text(encoding="utf-8")
    used = {name for found in re.findall(r'class="([^"]*)"', text) for name in found.split()}
    assert {"pen", "solid", "hollow", "strong", "t10", "t12", "ink", "shade", "c1"} <= used
    assert {name for name in used if not re.search(rf"\.{name}\b", sheet)} == set()
    page = render_page(Page("t", "s", [], [el("div", text)], {"name": "x", "csv": "", "json": {}}))
    assert text in page
    assert " style=" not in page


def test_a_file_stands_alone_and_is_black_on_no_ground():
    text = to_file(one_of_each())
    assert text == to_file(one_of_each())
    assert not re.search(r"url\(|@import|href|prefers-color-scheme|var\(|currentColor", text)
    root = parsed(text)
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("120", "90", "0 0 120 90")
    assert root.get("role") == "img"
    ids = {element.get("id") for element in root.iter() if element.get("id")}
    assert set((root.get("aria-labelledby") or "").split()) == ids == {"title", "desc"}
    style = next(root.iter(f"{SVG}style")).text or ""
    assert f".drawing text.ink, .drawing .solid.ink {{ fill: {palette()['ink']}; }}" in style
    assert f".drawing .pen.c1 {{ stroke: {palette()['c1']}; }}" in style
    assert "c7" not in style, "only the colours that are used"


def test_a_file_follows_the_readers_theme_when_asked():
    style = to_file(one_of_each(), follows_theme=True).partition("<style>")[2].partition("</style>")[0]
    light, _, dark = style.partition("@media (prefers-color-scheme: dark)")
    assert palette("light")["ink"] in light
    assert palette("dark")["ink"] in dark
    assert style.count("{") == style.count("}")


def test_the_palette_is_that_of_the_page_in_both_themes():
    sheet = resources.files("cupel.report").joinpath("page.css").read_text(encoding="utf-8")
    for theme in ("light", "dark"):
        colours = palette(theme)
        assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours.values())
        assert all(f"--{role}: {colours[role]};" in sheet for role in SERIES)
        assert len({colours[role] for role in SERIES}) == 8
    assert palette("light")["paper"] == "#ffffff"
    assert palette("dark")["paper"] != palette("light")["paper"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_in_every_role_can_be_read_on_the_ground(theme):
    colours = palette(theme)
    for role in ("ink", "quiet", "good", "warn", "bad", "calm"):
        assert contrast(colours[role], colours["paper"]) >= 4.5, role
    for role in SERIES:
        assert contrast(colours[role], colours["paper"]) >= 3.0, role


def contrast(a: str, b: str) -> float:
    """The contrast ratio of WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_shapes_are_written_where_they_are():
    root = parsed(to_file(one_of_each()))
    line = next(root.iter(f"{SVG}line"))
    assert [line.get(name) for name in ("x1", "y1", "x2", "y2", "stroke-width")] == ["0", "5", "100", "5", "1.5"]
    assert line.get("stroke-dasharray") == "4 2"
    circle = next(root.iter(f"{SVG}circle"))
    assert [circle.get(name) for name in ("cx", "cy", "r")] == ["20", "50", "4"]
    turned = list(root.iter(f"{SVG}text"))[1]
    assert turned.get("transform") == "rotate(-90 90 50)"
    assert turned.get("text-anchor") == "end"
    paths = [element.get("d") for element in root.iter(f"{SVG}path")]
    assert "M0 0L10 5L20 0Z" in paths
    assert "M0 0L10 5.5L20 0" in paths
    assert paths.count("M1 1L2 2L3 1Z") == 2, "the area and its outline"


@given(st.lists(st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000)), min_size=1, max_size=9))
def test_path_data_keeps_points_to_a_hundredth(points):
    found = [float(number) for number in re.findall(r"-?[\d.]+", path_data([points]))]
    assert len(found) == 2 * len(points)
    assert all(abs(a - b) <= 0.0051 for a, b in zip(found, [v for p in points for v in p], strict=True))
    assert "e" not in path_data([points])
    assert "-0 " not in path_data([points])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_drawing_refuses_what_is_no_place(bad):
    for shape in (Line(0, bad, 1, 1), Mark(bad, 0), Text(0, bad, "x"), Path(((0, 0), (bad, 1))), Rect(0, 0, bad, 1)):
        with pytest.raises(AssertionError):
            Drawing(10, 10, "t", (shape,))


def test_a_turned_text_takes_the_place_that_it_turns_into():
    upright, turned = Text(50, 50, "a long word").box(), Text(50, 50, "a long word", rotation_deg=-90).box()
    assert turned[3] - turned[1] == pytest.approx(upright[2] - upright[0])
    assert turned[3] == pytest.approx(50)
    assert turned[1] < 0


def test_marks_of_all_shapes_have_about_the_same_size():
    for shape in ("square", "up", "down", "diamond"):
        corners = Mark(0, 0, shape, 10).corners()
        ring = zip(corners, (*corners[1:], corners[0]), strict=True)
        area = abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in ring)) / 2
        assert 0.5 * math.pi * 100 < area < 1.1 * math.pi * 100, shape


def test_estimated_widths_are_those_of_the_font():
    matplotlib = pytest.importorskip("matplotlib", reason="the widths are compared with the font that matplotlib has")
    from matplotlib.ft2font import FT2Font

    for name, is_bold in (("DejaVuSans", False), ("DejaVuSans-Bold", True)):
        font = FT2Font(f"{matplotlib.get_data_path()}/fonts/ttf/{name}.ttf")
        font.set_size(1000, 72)

        def real_width(text: str, font: FT2Font = font) -> float:
            return sum(font.load_char(ord(letter)).linearHoriAdvance / 65536 for letter in text) / 1000

        for text in (
            "PriorBand", "Random search (n = 50)", "resnet50_v1.5/bf16", "+0.051 [+0.036, +0.065]", "δ-greedy ξ_H σ²",
            "WWMM mmww", "illicit fjord", "0.1213", "Bayesian opt. GP", "Émile Müller", "CD = 3.40 (Nemenyi, α = 0.05)",
        ):  # fmt: skip
            estimate = text_width_px(text, 1.0, is_bold=is_bold)
            assert 0.98 * real_width(text) <= estimate <= 1.12 * real_width(text), (text, is_bold)


@given(st.text(max_size=60), st.floats(0, 400), st.sampled_from([10, 11, 12, 14]), st.booleans())
def test_a_fitted_text_fits_and_is_made_of_parts_of_the_whole(text, limit, size, keeps_end):
    whole, short = plain(text), fitted(text, limit, size, keeps_end=keeps_end)
    if text_width_px(whole, size) <= limit:
        assert short == whole
        return
    assert text_width_px(short, size) <= max(limit, text_width_px(ELLIPSIS, size)) + 1e-9
    cuts = [k for k, letter in enumerate(short) if letter == ELLIPSIS]
    assert any(whole.startswith(short[:k]) and whole.endswith(short[k + 1 :]) for k in cuts)
    assert keeps_end or short.endswith(ELLIPSIS)


def test_names_that_differ_at_their_end_still_differ():
    names = [f"a_method_with_a_long_name(lr=0.001, beta={k})" for k in range(10)]
    assert len({fitted(name, 150, 12, keeps_end=True) for name in names}) == 10
