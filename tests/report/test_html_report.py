from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from cupel.report.html import render_comparison, render_run

VOID = {"meta", "input", "br"}


class Balanced(HTMLParser):
    """Checks that elements are closed in order, that ids are unique and links inside the page lead somewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.targets += [(value or "")[1:] for name, value in attrs if name == "href"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def check_page(text: str) -> Balanced:
    parser = Balanced()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert set(parser.targets) <= set(parser.ids)
    names = {name for name, _ in parser.attributes}
    assert not names & {"src", "style", "onclick", "onload", "onerror", "srcset", "xlink:href"}
    assert not set(parser.names) & {"link", "img", "iframe", "object", "base", "form"}
    assert not re.search(r"https?://|url\(|@import", text)
    words = visible(text)
    assert not re.search(r"\b(nan|inf|None|undefined)\b", words), re.search(r".{40}\b(nan|inf|None)\b.{20}", words)
    return parser


def visible(text: str) -> str:
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def embedded(text: str) -> dict[str, Any]:
    found = re.search(r'id="data">([A-Za-z0-9+/=]*)</script>', text)
    assert found
    data = json.loads(gzip.decompress(base64.b64decode(found[1])))
    assert isinstance(data, dict)
    return data


def test_a_run_has_all_its_parts_and_is_well_formed(make_run):
    text = render_run(make_run())
    parser = check_page(text)
    assert {"results", "score", "details", "machine", "e0", "e7", "filter", "theme"} <= set(parser.ids)
    words = visible(text)
    for part in (
        "7 of 8 workloads measured",
        "1.031×",
        "95 % interval [1.012, 1.049]",
        "7 of 8 entries; incomplete",
        "not measurable",
        "most launches have no steady state",
        "asked for 3.0 GiB, 1.2 GiB were free (3 launches)",
        "MemoryError",
        "llama fp8 the device has no fp8",
        "Xeon 8481C",
        "how the score would change".capitalize(),
        "cupel report runs/20261120-120000-smoke",
    ):
        assert part in words, part
    assert words.index("7 of 8 workloads") < words.index("score against laptop") < words.index("launches notes")


def test_the_policy_allows_this_style_and_this_script_alone(make_run):
    text = render_run(make_run(num_entries=2))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    allowed = policy[1].replace("&#x27;", "'")
    assert allowed.startswith("default-src 'none'")
    assert "unsafe" not in allowed
    for name in ("style", "script"):
        body = re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
        assert body
        mark = base64.b64encode(hashlib.sha256(body[1].encode()).digest()).decode()
        assert f"{name}-src 'sha256-{mark}'" in allowed


def test_texts_of_the_document_are_never_markup(make_run):
    run = make_run()
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\x00\u202e'\"&"
    run["headline"] = run["name"] = evil
    run["machine"]["label"] = run["machine"]["host"] = evil
    run["machine"]["packages"][evil] = evil
    run["asked"][evil] = evil
    run["warnings"] = [{"code": evil, "text": evil}]
    run["skipped"] = [{"name": evil, "reason": evil}]
    for entry in run["entries"]:
        entry |= {"label": evil, "unit": evil, "key": evil, "text": evil, "tags": [evil], "settings": {evil: evil}}
        entry["interval_note"] = entry["status"] = evil
        for launch in entry["launches"]:
            launch |= {"kind": evil, "job": evil, "status": evil}
    run["entries"][6]["failures"][0] |= {"reason": evil, "message": evil, "log_tail": [evil, "caf\udce9"]}
    text = render_run(run)
    parser = check_page(text)
    assert parser.names.count("script") == 2
    assert "img" not in parser.names
    assert "\x1b" not in text
    assert "\x00" not in text
    assert "\u202e" not in text
    assert "\\x1b[31m" in text
    text.encode("utf-8")


@pytest.mark.parametrize(
    "change",
    [
        {"entries": []},
        {"entries": None, "score": None, "score_note": "no reference was named", "warnings": None, "skipped": None},
        {"machine": None, "asked": None, "price": None},
        {"status": "partial", "milabench_score": {"value": 2.0, "text": "by Milabench's own formula"}},
    ],
)
def test_what_is_absent_is_said(make_run, change):
    check_page(render_run({**make_run(), **change}))


def test_an_empty_document_is_still_a_page():
    check_page(render_run({}))
    check_page(render_comparison({}))


def test_many_warnings_alike_are_one_line(make_run):
    run = make_run(plain=True)
    for entry in run["entries"]:
        entry |= {"status": "unstable", "warnings": [{"code": "unstable", "text": "The 3 launches differ by 33 %"}]}
    text = render_run(run)
    check_page(text)
    notes = re.search(r'<ul class="notes">.*?</ul>', text, re.DOTALL)
    assert notes
    assert notes[0].count("<li>") == 2
    assert "dlrm, ppo: their notes stand in the table" in visible(notes[0]).replace(" ,", ",").replace(" :", ":")


def test_every_entry_failed(make_run, make_failed):
    run = make_run()
    run["entries"] = [make_failed(entry) for entry in run["entries"]]
    run |= {"score": {**run["score"], "value": None, "interval": None}, "score_note": "no entry has a rate"}
    words = visible(render_run(run))
    assert "0 ✓" in words
    assert "8 ✗" in words
    assert "no entry has a rate" in words


def test_unknown_numbers_are_dashes_and_never_zero(make_run):
    run = make_run(plain=True)
    nan, inf = float("nan"), float("inf")
    for entry in run["entries"]:
        entry |= {"rate": nan, "interval": [nan, inf], "cv": nan, "peak_memory_bytes": None, "setup_s": inf}
        entry["reference"] = {"ratio": nan, "interval": [0.0, inf]}
        for launch in entry["launches"]:
            launch |= {"rate": nan, "interval": [1.0, nan], "p50_s": nan, "rho1": nan, "ess": None}
            launch["series"]["mid_s"][3] = nan
            launch["telemetry"]["cpu_frac"] = [None, nan, 0.5, *[None] * 6]
            launch["telemetry"]["memory_bytes"] = None
    text = render_run(run)
    check_page(text)
    row = re.search(r"<tr data-find.*?</tr>", text, re.DOTALL)
    assert row
    assert row[0].count("—") >= 4
    assert ">0<" not in row[0]


def test_one_launch_has_no_interval_and_says_so(make_run):
    words = visible(render_run(make_run(num_launches=1, plain=True)))
    assert "one launch: no interval between launches" in words
    assert "0.1234 (no interval)" in words


def test_an_interval_far_outside_the_plot_ends_in_an_arrow(make_run):
    run = make_run(plain=True)
    run["entries"][0]["reference"] = {"ratio": 1.0, "interval": [1e-9, 1e9]}
    run["entries"][0]["interval"] = [1e-9, 1e9]
    text = render_run(run)
    check_page(text)
    row = re.search(r"<tr data-find.*?</tr>", text, re.DOTALL)
    assert row
    assert row[0].count('class="arrow"') == 2
    for x in re.findall(r'x[12]="([-\d.e]+)"', text):
        assert -1 <= float(x) <= 960


def test_the_warm_up_of_every_launch_is_shaded(make_run):
    text = render_run(make_run(num_entries=2, num_launches=4, plain=True))
    assert text.count('class="warm-up"') == 8
    assert text.count("<figcaption><b") == 8


def test_what_the_script_saves_is_in_the_page(make_run):
    data = embedded(render_run(make_run(num_entries=3, plain=True)))
    assert data["csv"].count("\n") == 1 + 3 * 3
    assert data["json"]["entries"][0]["launches"][0]["rate"] > 0
    assert "series" not in data["json"]["entries"][0]["launches"][0]


def test_a_large_run_is_a_small_file_with_nothing_left_out(make_run):
    text = render_run(make_run(num_entries=50, num_launches=5, num_bins=400, num_devices=1))
    assert len(text.encode()) < 1_000_000
    assert text.count('<figure class="panel"><figcaption><b') == 49 * 5
    parser = check_page(text)
    assert "e49" in parser.ids


def test_two_hundred_entries(make_run):
    parser = check_page(render_run(make_run(num_entries=200, num_launches=2, num_bins=20)))
    assert "e199" in parser.ids


def test_very_long_names_are_cut_only_in_drawings(make_comparison):
    comparison = make_comparison()
    name = "resnet50 " + "very-long-setting=1 " * 20
    comparison["entries"][0]["label"] = name
    text = render_comparison(comparison)
    check_page(text)
    assert name.strip() in visible(text)
    assert max(len(t) for t in re.findall(r"<text[^>]*>([^<]*)</text>", text)) < 40


def test_the_same_document_gives_the_same_bytes(make_run):
    assert render_run(make_run()) == render_run(make_run())


def test_a_comparison_shows_both_verdicts(make_comparison):
    text = render_comparison(make_comparison())
    check_page(text)
    words = visible(text)
    assert "B against A over 8 entries" in words
    assert "4 more launches per side" in words
    assert "only in A, not compared: dlrm bf16" in words
    assert 'class="rope"' in text
    assert "▲ faster" in words
    assert "▼ slower" in words


def test_a_comparison_without_intervals_or_ratios(make_comparison):
    comparison = make_comparison(4)
    comparison["rope"] = None
    unknown = ("interval", "interval_alone", "p", "p_holm", "num_more")
    for entry in comparison["entries"]:
        entry.update(dict.fromkeys(unknown) | {"verdict": "undecided"})
    comparison["entries"][0]["ratio"] = None
    words = visible(render_comparison(comparison))
    assert "no interval" in words
    assert "no ratio" in words
    comparison["entries"] = []
    assert "no entry in common" in visible(render_comparison(comparison))


def test_a_comparison_of_what_should_be_low_says_so(make_comparison):
    comparison = make_comparison(num_entries=1)
    comparison["entries"][0]["better"] = "lower"
    words = visible(render_comparison(comparison))
    assert "B needs less" in words
    assert "◀ B faster" in words
    assert "does more per second" not in words
    assert "interval (Holm)" in words


def test_launches_that_differ_between_entries_are_a_range(make_run):
    run = make_run(num_devices=1)
    for entry, planned in zip(run["entries"], (5, 37, 5, 5, 12, 5, 5, 5), strict=True):
        entry["planned_launches"] = planned
    words = visible(render_run(run))
    assert "5 to 37 launches each" in words
    assert "mean " not in words.partition("over the stepping")[0][-200:]
