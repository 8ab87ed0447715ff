"""Drawings as PDF pages."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import warnings

import pytest

matplotlib = pytest.importorskip("matplotlib", reason="PDF figures need matplotlib")
pypdf = pytest.importorskip("pypdf", reason="the pages are read with pypdf")

from cupel.report import pdf
from cupel.report.drawing import Drawing, Line, Mark, Marks, Path, Pen, Rect, Shape, Text
from cupel.report.figure_forest import EffectAxis, forest
from cupel.report.palette import palette
from cupel.spec.errors import MissingExtraError


def page_of(*shapes: Shape, width: float = 240, height: float = 96) -> pypdf.PageObject:
    reader = pypdf.PdfReader(io.BytesIO(pdf.to_bytes(Drawing(width, height, "a title: α", shapes))))
    assert len(reader.pages) == 1
    return reader.pages[0]


def operators(page: pypdf.PageObject) -> list[tuple[list[float], str]]:
    content = page.get_contents()
    assert content is not None
    return [(operands, operator.decode()) for operands, operator in content.operations]


def test_a_page_has_the_size_of_the_drawing_and_its_words():
    drawing = forest(
        [
            {"label": "δ-greedy − Müller", "estimate": 0.2, "interval": (0.1, None), "verdict": "supported"},
            {"label": "B", "estimate": None, "interval": None, "verdict": "undecided"},
        ],
        axis=EffectAxis("σ² of the regret", left="HB better", right="PB better"),
    )
    reader = pypdf.PdfReader(io.BytesIO(pdf.to_bytes(drawing)))
    page = reader.pages[0]
    assert float(page.mediabox.width) == pytest.approx(drawing.width_px * 0.75)
    assert float(page.mediabox.height) == pytest.approx(drawing.height_px * 0.75)
    text = page.extract_text()
    for part in (
        "δ-greedy − Müller",
        "σ² of the regret",
        "▲ supported",
        "◇ undecided",
        "0.20 [0.10, ∞]",
        "PB better ▸",
    ):
        assert part in text, part
    assert reader.metadata.title == drawing.title
    assert reader.metadata.creation_date is None


def test_fonts_are_embedded_as_truetype():
    fonts = page_of(Text(5, 20, "plain Ω"), Text(5, 40, "bold", is_bold=True))["/Resources"]["/Font"]
    found = [font.get_object() for font in fonts.values()]
    names = {str(font["/BaseFont"]) for font in found}
    assert all("DejaVuSans" in name for name in names)
    assert any("Bold" in name for name in names)
    for font in found:
        inner = font["/DescendantFonts"][0].get_object() if font["/Subtype"] == "/Type0" else font
        assert inner["/Subtype"] in ("/TrueType", "/CIDFontType2")
        assert "/FontFile2" in inner["/FontDescriptor"].get_object()


def test_shapes_stand_where_they_are_with_y_downwards():
    page = page_of(Rect(20, 10, 40, 30, "c0"), Line(0, 96, 240, 0, Pen("c1", 2.0, (4, 2))))
    found = operators(page)
    corners = [tuple(map(float, operands)) for operands, name in found if name in ("m", "l")]
    assert (15.0, 64.5) in corners, "20 px from the left and 10 from the top, in points from below"
    assert (45.0, 42.0) in corners
    assert (0.0, 0.0) in corners
    assert (180.0, 72.0) in corners
    widths = [float(operands[0]) for operands, name in found if name == "w"]
    assert 1.5 in widths, "2 px are 1.5 pt"
    dashes = [[float(v) for v in operands[0]] for operands, name in found if name == "d"]
    assert [3.0, 1.5] in dashes
    colours = {tuple(round(255 * float(v)) for v in operands) for operands, name in found if name in ("rg", "RG")}
    for role in ("c0", "c1"):
        assert tuple(int(palette()[role][k : k + 2], 16) for k in (1, 3, 5)) in colours


def test_every_kind_of_shape_leaves_a_mark_on_the_page():
    empty = len(operators(page_of()))
    marks = [Mark(50, 50, shape, is_hollow=True) for shape in ("circle", "square", "up", "down", "diamond")]
    for shape in (
        *marks,
        Mark(50, 50, "plus"),
        Mark(50, 50, "cross"),
        Marks(((1, 1), (2, 2)), "up", opacity=0.5),
        Path(((0, 0), (9, 9), (0, 9)), None, "c2", 0.2, is_closed=True),
        Path(((0, 0), (9, 9), (0, 9)), Pen("ink"), "c2", is_closed=True),
        Text(50, 50, "x", "end", rotation_deg=-90),
    ):
        assert len(operators(page_of(shape))) > empty, shape


def test_the_same_drawing_gives_the_same_bytes_whatever_the_users_settings():
    drawing = Drawing(200, 50, "t", (Text(5, 20, "some words"), Line(0, 0, 9, 9), Mark(20, 20)))
    first = pdf.to_bytes(drawing)
    settings = {"pdf.fonttype": 3, "font.size": 31.0, "lines.scale_dashes": False, "path.sketch": (1, 100, 2),
                "text.color": "red", "patch.force_edgecolor": True, "pdf.compression": 0}  # fmt: skip
    with matplotlib.rc_context(settings):
        before = dict(matplotlib.rcParams)
        assert pdf.to_bytes(drawing) == first
        assert dict(matplotlib.rcParams) == before
    assert pdf.to_bytes(drawing) == first


def test_pages_made_at_once_are_those_made_one_by_one():
    drawings = [Drawing(200, 50, f"{k}", tuple(Text(5, 9 * j, f"{k} {j}") for j in range(1, 5))) for k in range(4)]
    alone = [pdf.to_bytes(drawing) for drawing in drawings]
    made: dict[int, bytes] = {}
    threads = [
        threading.Thread(target=lambda k=k: made.__setitem__(k, pdf.to_bytes(drawings[k])))
        for k in range(len(drawings))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [made[k] for k in range(4)] == alone


def test_texts_are_no_formulas_and_absent_letters_are_boxes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = page_of(Text(5, 20, "$x_1$ \\alpha 名 %{}"), Text(5, 40, "a\nb\x00"), Text(5, 60, "")).extract_text()
    assert "$x_1$ \\alpha □ %{}" in text
    assert "a b\\x00" in text


def test_texts_end_stand_and_turn_at_their_anchor():
    page = page_of(Text(100, 50, "mmmm", "end"), Text(100, 50, "mmmm"), Text(100, 90, "mmmm", rotation_deg=-90))
    places = [[float(v) for v in operands] for operands, name in operators(page) if name in ("cm", "Tm")]
    moves = [[float(v) for v in operands] for operands, name in operators(page) if name == "Td"]
    width_pt = 4 * 0.974 * 9
    starts = [m[-2:] for m in (*places, *moves)]
    assert any(x == pytest.approx(75 - width_pt, abs=0.6) and y == pytest.approx(34.5, abs=0.1) for x, y in starts)
    assert any(x == pytest.approx(75, abs=0.3) and y == pytest.approx(34.5, abs=0.1) for x, y in starts)
    turned = [m for m in places if abs(m[1]) == pytest.approx(1)]
    assert len(turned) == 1
    assert turned[0][1] > 0, "upwards"


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"PDF figures need matplotlib: pip install 'cupel\[figures\]'"):
        pdf.to_bytes(Drawing(10, 10, "t", ()))


def test_matplotlib_is_imported_on_demand_and_pyplot_never():
    program = """
import sys
from cupel.report import figure_files, figure_forest, pdf, svg
drawing = figure_forest.forest([{"label": "A", "estimate": 1.0, "interval": None}])
svg.to_file(drawing)
assert "matplotlib" not in sys.modules
pdf.to_bytes(drawing)
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
