"""A run of claims as a page and as CSV, from records that are invented."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cupel.report.claims_document import build_claims_document, exit_code
from cupel.report.claims_page import render_claims
from cupel.report.csv import render_claims as render_csv
from cupel.report.json import plain_data
from cupel.spec.claim import Claim

HOSTILE = "<b onload='x'>Ä & \"co\"</b>\x1b[31m"
PUBLISHED = "loss 0.31 against 0.38 on 8 accelerators"
STATEMENTS = (
    {"name": "loss", "kind": "quality", "says": "The loss is lower", "metric": "loss", "better": "lower",
     "unit": "nats", "bar": 0.5, "rope": 0.25},
    {"name": "steps", "kind": "quality", "says": "It needs no more steps", "metric": "steps", "better": "lower",
     "scale": "log", "sentence": "non-inferiority", "margin": 0.1},
    {"name": "ablation", "kind": "quality", "says": "The part changes nothing", "metric": "loss", "better": "lower",
     "unit": "nats", "sentence": "equivalence", "margin": 0.4, "arms": ("method", "without")},
    {"name": "same", "kind": "exact", "says": "Both sums are equal", "metric": "error", "better": "lower", "bar": 1e-6},
    {"name": "rate", "kind": "speed", "says": "A step is faster", "metric": "rate", "better": "higher", "scale": "log"},
    {"name": "record", "kind": "published", "says": "The record holds", "metric": "value", "better": "higher",
     "bar": 2.0},
)  # fmt: skip
ARMS = {"method": "with all parts", "baseline": "as it was", "without": f"without a part {HOSTILE}"}
VOID = {"meta", "input", "br"}


class Balanced(HTMLParser):
    """Checks that elements are closed in order; keeps ids, targets, names and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


def check_page(text: str) -> tuple[Balanced, str]:
    """The page is well formed and loads nothing; returns what the reader sees."""
    page = Balanced()
    page.feed(text)
    page.close()
    assert page.open == []
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {target[1:] for target in page.values("href")} <= set(ids)
    assert not {name for name, _ in page.attributes} & {"src", "style", "onclick", "onload", "onerror", "srcset"}
    assert not set(page.names) & {"link", "img", "iframe", "object", "base", "form"}
    assert page.names.count("script") == 2
    assert not re.search(r"https?://|url\(|@import", text)
    words = " ".join(" ".join(page.words).split())
    assert not re.search(r"\b(nan|inf|None|undefined)\b", words), words
    return page, words


def card(**changes: Any) -> Claim:
    sizes = {"tiny": {"n": 1}, "small": {"n": 4}, "full": {"n": 8}}
    about = {"says": "The method is better.", "source": "A paper (2031)", "published": PUBLISHED, "kept": "the loss",
             "smaller": "ten numbers", "varies": ("init", "order"), "arms": ARMS, "instances": {"tiny": 3}}  # fmt: skip
    return Claim(**{**sizes, **about, "statements": STATEMENTS, **changes})


@pytest.fixture
def full(tmp_path: Path, claims_book: Any) -> dict[str, Any]:
    """Every kind of statement; the third pair lost its defended arm."""
    book = claims_book(tmp_path, {"a_vs_b": card()}, seed=7)
    losses = [-0.8, -1.2, None, -0.9, -1.1, -1.0, -0.95, -1.05]
    for index, effect in enumerate(losses):
        values = None if effect is None else {"loss": 3 + effect, "steps": 100.0 + index}
        book.trial("a_vs_b", "method", index, values, costs={"macs": 1e9}, log_tail=[f"line {HOSTILE}"] * 3)
        book.trial("a_vs_b", "baseline", index, {"loss": 3.0, "steps": 101.0}, costs={"macs": 2e9})
        book.trial("a_vs_b", "without", index, {"loss": 2.0 + 0.01 * index, "steps": 100.0})
    for index in range(8):
        for source in ("init", "order"):
            book.trial("a_vs_b", "method", index, {"loss": 2 + 0.01 * index, "steps": 1.0}, stream=f"only {source}")
    book.instances("a_vs_b", "error", [1e-9, 2e-9, 3e-6])
    for block in range(6):
        book.launch("a_vs_b", "method", block, 2.0 + 0.01 * block)
        book.launch("a_vs_b", "baseline", block, 1.0)
    book.trial("a_vs_b", "", 0, {"value": 2.4}, job="recompute")
    book.tuned("a_vs_b", "method", value=0.5, num_trials=3, edge=["lr"])
    return build_claims_document(book.finish())


def test_the_page_has_every_part_of_a_claim(full: dict[str, Any]) -> None:
    page, words = check_page(render_claims(full))
    assert {"verdicts", "c0", "machine", "table", "data"} <= set(page.values("id"))
    for part in ("Effects", "Evidence", "Arms in numbers", "Tuning", "Where the variance comes from", "Failures (1)"):
        assert part in words
    assert f"{PUBLISHED} As published; never compared across hardware." in words
    assert "kept of the paper's setting the loss" in words
    assert "smaller or other here ten numbers" in words
    assert "still the last of its grid: lr" in words
    assert "source A paper (2031)" in words
    # three forests (ratios, losses, the record), looks and pairs of four statements, instances, shares
    assert page.values("class").count("drawing") == 3 + 2 * 4 + 1 + 1


def test_the_page_says_every_verdict_with_sign_and_colour(full: dict[str, Any]) -> None:
    text = render_claims(full)
    for verdict in full["verdicts"]:
        tone, mark = {"supported": ("good", "✓"), "contradicted": ("bad", "✗"), "undecided": ("warn", "?")}[
            verdict["verdict"]
        ]
        assert f'class="pill {tone}">{mark} {verdict["verdict"]}</span>' in text
        assert verdict["says"] in text
    assert "1 of 3 fail" in text
    assert {verdict["verdict"] for verdict in full["verdicts"]} == {"supported", "contradicted", "undecided"}
    _, words = check_page(text)
    assert "The defended arm failed in 1 trials, the other in 0." in words


def test_texts_of_a_claim_never_become_elements(tmp_path: Path, claims_book: Any) -> None:
    said = {**STATEMENTS[0], "says": HOSTILE, "unit": HOSTILE}
    made = card(says=HOSTILE, source=HOSTILE, published=HOSTILE, statements=(said,))
    book = claims_book(tmp_path, {"a_vs_b": made}, machine=HOSTILE)
    book.pairs("a_vs_b", "loss", [1.0, 1.1, None])
    page, words = check_page(render_claims(build_claims_document(book.finish())))
    assert page.names.count("b") > 0
    assert "\x1b" not in words
    assert "onload" not in {name for name, _ in page.attributes}


@pytest.mark.parametrize("num", [0, 1, 2])
def test_a_claim_of_which_little_is_known_has_a_page_too(tmp_path: Path, claims_book: Any, num: int) -> None:
    few = card(statements=(STATEMENTS[0], *STATEMENTS[3:]))
    book = claims_book(tmp_path, {"a_vs_b": few, "c_vs_d": card(statements=STATEMENTS[:1])})
    book.pairs("a_vs_b", "loss", [1.0] * num)
    document = build_claims_document(book.finish("interrupted"))
    page, words = check_page(render_claims(document))
    assert document["status"] == "partial"
    assert f"cupel resume {document['run']}" in words
    assert {"c0", "c1"} <= set(page.values("id"))
    assert "0 of 2 claims" not in words


def test_bars_margins_and_regions_are_drawn_where_the_judge_puts_them(full: dict[str, Any]) -> None:
    limits = {v["statement"]: (v["no_effect"], v["bar_at"], v["region"]) for v in full["verdicts"]}
    assert limits["loss"] == (0.0, 0.5, [-0.25, 0.25])
    assert limits["steps"] == (1.0, 1 / 1.1, None)
    assert limits["ablation"] == (0.0, None, [-0.4, 0.4])
    assert limits["rate"] == (1.0, 1.01, [1 / 1.01, 1.01])  # what is below the noise floor is no speed-up
    assert limits["same"] == (None, 1e-6, None)
    text = render_claims(full)
    assert 'data-tip="loss: the bar, 0.5"' in text
    assert 'data-tip="loss: practically equal, −0.25 to 0.25"' in text
    assert 'data-tip="steps: the bar, 0.909091"' in text
    assert 'data-tip="ablation: practically equal, −0.4 to 0.4"' in text


def test_the_last_look_is_the_interval_of_the_verdict(full: dict[str, Any]) -> None:
    for verdict in full["verdicts"]:
        evidence = full["claims"][0]["statements"][verdict["statement"]]
        if "pairs" not in evidence:
            continue
        last = evidence["looks"][-1]
        assert last[0] == len(evidence["effects"]) == len(evidence["pairs"])
        assert last[1] == pytest.approx(verdict["effect"])
        assert last[2:] == pytest.approx(verdict["interval"])
    loss = full["claims"][0]["statements"]["loss"]
    assert loss["effects"][2] is None
    assert loss["effects"][:2] == pytest.approx([0.8, 1.2])  # turned: lower is better
    assert [look[0] for look in loss["looks"]] == [1, 2, 4, 5, 6, 7, 8]
    assert loss["looks"][3][2:] == [None, None]  # nothing is excluded before the fifth
    rate = full["claims"][0]["statements"]["rate"]
    assert rate["effects"][5] == pytest.approx(2.05)


def test_pairs_that_were_fixed_beforehand_have_one_look(tmp_path: Path, claims_book: Any) -> None:
    book = claims_book(tmp_path, {"a_vs_b": card(statements=STATEMENTS[:1])}, pairs=6)
    book.pairs("a_vs_b", "loss", [-1.0, -1.1, -0.9, -1.0, -1.2, -0.8])
    document = build_claims_document(book.finish())
    assert document["claims"][0]["statements"]["loss"]["looks"] == []
    page, _ = check_page(render_claims(document))
    assert page.values("class").count("drawing") == 3


def test_bounded_metrics_have_their_own_sequence(tmp_path: Path, claims_book: Any) -> None:
    said = {
        "name": "acc",
        "kind": "quality",
        "says": "More",
        "metric": "acc",
        "better": "higher",
        "bounds": (0.0, 50.0),
    }
    book = claims_book(tmp_path, {"a_vs_b": card(statements=(said,))})
    book.pairs("a_vs_b", "acc", [1.0, 1.1, 0.9, 1.0, 1.2])
    document = build_claims_document(book.finish())
    looks = document["claims"][0]["statements"]["acc"]["looks"]
    assert looks[-1][2:] == pytest.approx(document["verdicts"][0]["interval"])


def test_csv_has_a_row_per_verdict(full: dict[str, Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(render_csv(full))))
    assert [row["statement"] for row in rows] == [said["name"] for said in STATEMENTS]
    assert [row["is_headline"] for row in rows] == ["1", "0", "0", "0", "0", "0"]
    assert rows[0]["machine"] == "2 cores"
    assert rows[0]["seed"] == "7"
    assert float(rows[0]["low"]) == pytest.approx(full["verdicts"][0]["interval"][0])
    assert rows[3]["verdict"] == "contradicted"
    assert rows[2]["against"] == "without"


def test_the_page_carries_its_data(full: dict[str, Any]) -> None:
    found = re.search(r'id="data">([A-Za-z0-9+/=]*)</script>', render_claims(full))
    assert found
    data = json.loads(gzip.decompress(base64.b64decode(found[1])))
    assert data["csv"] == render_csv(full)
    assert data["json"]["verdicts"] == plain_data(full["verdicts"])


def test_exit_codes_say_what_became_of_the_headlines(full: dict[str, Any]) -> None:
    assert full["verdicts"][0]["verdict"] == "undecided"  # the defended arm failed where the other did not
    assert exit_code(full) == 0
    worse = {**full, "verdicts": [{**full["verdicts"][0], "verdict": "contradicted"}]}
    assert exit_code(worse) == 3
    assert exit_code({**worse, "claims": [{**full["claims"][0], "broken": "no trial of method ended well"}]}) == 1
