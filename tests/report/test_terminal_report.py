from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len

from cupel.report.console import Column, fit
from cupel.report.terminal import show_comparison, show_run


def shown(show, document, width=80, encoding="utf-8"):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    show(document, file=file, width=width)
    file.flush()
    return raw.getvalue().decode(encoding)


def test_a_run_in_80_columns(make_run):
    text = shown(show_run, make_run())
    assert all(cell_len(line) <= 80 for line in text.splitlines())
    for part in (
        "✓ matmul",
        "! unet_diffusion",
        "✗ dlrm",
        "± 95 %",
        "33.10M",
        "0.991×",
        "energy not measurable",
        "MemoryError",
        "llama fp8 skipped: the device has no fp8",
    ):
        assert part in text, part
    assert "nan" not in text
    assert "None" not in text


@pytest.mark.parametrize("width", [40, 60, 80, 132])
@pytest.mark.parametrize("name", ["宽" * 60, "x" * 300, "e\u0301" * 90, "🧪 " * 40])
def test_no_line_is_wider_than_the_terminal(make_run, make_comparison, width, name):
    run, comparison = make_run(), make_comparison()
    for document in (run, comparison):
        document["headline"] = name
        for entry in document["entries"]:
            entry["label"] = name
    run["entries"][6]["failures"][0]["log_tail"] = [name, "\x1b[2J" + name]
    for text in (shown(show_run, run, width), shown(show_comparison, comparison, width)):
        assert all(cell_len(line) <= width for line in text.splitlines())
        assert "\x1b" not in text


def test_ascii_where_signs_cannot_be_written(make_run, make_comparison):
    text = shown(show_run, make_run(), encoding="ascii") + shown(show_comparison, make_comparison(), encoding="latin-1")
    assert text.isascii()
    assert "+ matmul" in text
    assert "x dlrm" in text
    assert "? undecided" in text
    assert "?" not in text.replace("? undecided", "").replace("? bert", "").replace("? ppo", "")


def test_colours_only_on_a_terminal_and_not_with_no_color(make_run, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    file = Terminal()
    show_run(make_run(), file=file, width=80)
    assert "\x1b[31m" in file.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    file = Terminal()
    show_run(make_run(), file=file, width=80)
    assert not re.search(r"\x1b\[[\d;]*3[0-7]", file.getvalue())


def test_absent_parts(make_run, make_comparison):
    assert "no entries" in shown(show_run, {})
    assert "Holm" in shown(show_comparison, {})
    run = {**make_run(num_launches=1, plain=True), "score": None, "score_note": "no reference was named"}
    text = shown(show_run, run)
    assert "No reference was named" in text
    assert "one launch: no interval between launches" in text


def test_a_partial_run_names_the_command_that_does_the_rest(make_run):
    text = shown(show_run, {**make_run(), "status": "partial"}, width=120)
    assert "cupel resume runs/20261120-120000-smoke" in text


def test_a_comparison_says_what_would_settle_it(make_comparison):
    text = shown(show_comparison, make_comparison())
    assert "◇ bert: about 4 more launches per side" in text
    assert "! only in A, not compared: dlrm bf16" in text
    assert "▼ slower" in text


def test_columns_are_cut_before_they_are_dropped():
    wide = Column("entry", [("x" * 40, "")], least=10)
    rate, extra = Column("rate", [("1.0", "")]), Column("memory", [("1.3 GiB", "")], drop=1)
    assert [size for _, size in fit([wide, rate, extra], 40)] == [25, 4, 7]
    assert [c.title for c, _ in fit([wide, rate, extra], 20)] == ["entry", "rate"]
