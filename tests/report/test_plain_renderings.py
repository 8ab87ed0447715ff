"""Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json

import numpy as np

from cupel.report import csv as csv_renderer
from cupel.report import json as json_renderer
from cupel.report import markdown


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_json_is_strict_and_stable(make_run):
    run = {**make_run(), "strange": [float("nan"), float("inf"), np.float64(0.5), np.int64(3), np.bool_(True), (1, 2)]}
    run["entries"][0]["rate"] = float("-inf")
    text = json_renderer.render(run)

    def refuse(name):
        raise AssertionError(name)

    back = json.loads(text, parse_constant=refuse)
    assert back["strange"] == [None, None, 0.5, 3, True, [1, 2]]
    assert back["entries"][0]["rate"] is None
    assert text.endswith("}\n")
    assert text.startswith('{\n  "schema": 1,\n  "kind": "run",\n  "headline"')
    assert text.isascii()
    assert json_renderer.render(dict(reversed(run.items()))) == text


def test_csv_has_a_row_for_each_launch_and_leaves_nothing_out(make_run):
    rows = rows_of(csv_renderer.render_run(make_run()))
    by_name = {name: [r for r in rows if r["name"] == name] for name in ("matmul", "dlrm", "llama fp8")}
    assert [r["launch"] for r in by_name["matmul"]] == ["0", "1", "2"]
    assert float(by_name["matmul"][0]["rate"]) > 0
    assert by_name["matmul"][1]["rate_low"] == ""
    assert [r["status"] for r in by_name["dlrm"]] == ["failed"] * 3
    assert "out of memory" in by_name["dlrm"][0]["note"]
    assert by_name["dlrm"][0]["rate"] == ""
    assert by_name["llama fp8"][0]["note"] == "the device has no fp8"
    assert len(rows) == 7 * 3 + 3 + 1


def test_csv_of_strange_texts_and_unknown_numbers(make_run):
    run = make_run(num_entries=1)
    run["entries"][0] |= {"label": 'a,"b"\nc\x00', "rate": float("nan"), "settings": {"batch": 4, "precision": "bf16"}}
    rows = rows_of(csv_renderer.render_run(run))
    assert rows[0]["label"] == 'a,"b" c\\x00'
    assert rows[0]["entry_rate"] == ""
    assert rows[0]["settings"] == "batch=4 precision=bf16"


def test_csv_of_a_comparison(make_comparison):
    rows = rows_of(csv_renderer.render_comparison(make_comparison()))
    assert len(rows) == 9
    assert rows[0]["verdict"] == "faster"
    assert float(rows[0]["ratio_low"]) < float(rows[0]["ratio"])
    assert rows[8]["text"] == "only in run A"


def test_markdown_tables_are_whole(make_run, make_comparison):
    for text in (markdown.render_run(make_run()), markdown.render_comparison(make_comparison())):
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert len(rows) == 2 + 8
        assert len({line.count("|") for line in rows}) == 1
        assert text.endswith("\n")
        assert "None" not in text


def test_markdown_escapes_what_it_would_read(make_run):
    run = make_run(num_entries=1)
    run["entries"][0]["label"] = "a|b <script> [x](y)\n# c `d`"
    row = next(line for line in markdown.render_run(run).splitlines() if "script" in line)
    assert r"a\|b \<script\> \[x\](y) \# c \`d\`" in row


def test_empty_documents():
    assert "This run has no entries." in markdown.render_run({})
    assert markdown.render_comparison({}).startswith("**A comparison")
    assert csv_renderer.render_run({}).count("\n") == 1
    assert json_renderer.render({}) == "{}\n"
