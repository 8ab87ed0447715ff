"""cupel verdicts: the table of all claims in every form."""

import csv
import io
import json
import re

import pytest

from cupel.cli import main
from cupel.spec.claim import Claim

SAID = {"name": "loss", "kind": "quality", "says": "The loss | is lower", "metric": "loss", "better": "lower"}
EXACT = {"name": "same", "kind": "exact", "says": "Both are equal", "metric": "error", "better": "lower", "bar": 0.1}
SIZES = {"tiny": {"n": 1}, "small": {"n": 4}, "full": {"n": 8}}
LOWER = [-1.0, -1.1, -0.9, -1.05, -0.95, -1.0]


@pytest.fixture
def runs(tmp_path, claims_book, monkeypatch):
    """Two claims, the second on two machines; a repetition of the first."""
    out = tmp_path / "runs"
    card = Claim(
        says="A beats B.", source="A paper", statements=(SAID, EXACT), varies=("init",),
        arms={"method": "a", "baseline": "b"}, instances={"tiny": 2}, **SIZES,
    )  # fmt: skip
    for name, effects, changes in (
        ("a_vs_b", LOWER, {}),
        ("a_vs_b", LOWER[:2], {"seed": 3}),
        ("c_vs_d", [-effect for effect in LOWER], {}),
        ("c_vs_d", LOWER[:3], {"machine": "8 cores"}),
    ):
        book = claims_book(out, {name: card}, **changes)
        book.pairs(name, "loss", effects)
        book.instances(name, "error", [0.0, 0.05])
        book.finish()
    monkeypatch.chdir(tmp_path)
    return out


def test_the_table_fits_the_terminal_and_names_everything(runs, capsys):
    assert main(["verdicts"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert max(map(len, out.splitlines())) <= 80
    words = " ".join(out.split())
    assert re.search(r"loss +✓ supported +✓ +\+1 +0\.8\d+ to 1\.1", out)
    assert re.search(r"loss +✗ contradicted +✗ +-1 ", out)
    assert "a_vs_b: this task at size tiny on cpu; seeds vary init; 0.1 min on 2 cores, run 20" in words
    assert "is a repetition with seed 3: there loss is undecided (n = 2); not pooled" in words
    assert "on 8 cores, run 20" in words
    assert "seed 0; some of its verdicts may change" in words
    assert "same for the table as a whole: ✓ supported, at most 91 % fail" in words
    assert "6 statements of 3 claims: 4 supported, 1 contradicted, 1 undecided; after Holm over 6 rows" in words


def test_csv_has_a_row_per_statement(runs, capsys):
    assert main(["verdicts", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(r["claim"], r["statement"], r["machine"]) for r in rows] == [
        ("a_vs_b", "loss", "2 cores"), ("a_vs_b", "same", "2 cores"), ("c_vs_d", "loss", "2 cores"),
        ("c_vs_d", "same", "2 cores"), ("c_vs_d", "loss", "8 cores"), ("c_vs_d", "same", "8 cores"),
    ]  # fmt: skip
    assert [r["verdict_holm"] for r in rows][:3] == ["supported", "supported", "contradicted"]
    assert rows[0]["num_others"] == "1"
    assert float(rows[0]["p_holm"]) >= float(rows[0]["p"])
    assert rows[1]["holm_high"] != ""


def test_markdown_has_both_verdicts_and_the_command(runs, capsys):
    assert main(["verdicts", "--format", "markdown"]) == 0
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if line.startswith("| a\\_vs\\_b"))
    assert "| **The loss \\| is lower** | ✓ supported | ✓ supported | +1 |" in row
    assert "`cupel run a_vs_b --size tiny`" in out
    assert "machine |" in out.splitlines()[2]


def test_html_is_a_page(runs, tmp_path, capsys):
    assert main(["verdicts", "--format", "html", "--out", str(tmp_path / "v.html")]) == 0
    assert capsys.readouterr().out == ""
    text = (tmp_path / "v.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert text.count("<tr><td") == 6 == text.count('class="says"')
    assert 'class="pill bad">✗ contradicted</span>' in text
    assert "c_vs_d: some of its verdicts may change." in text
    assert "Further runs" in text
    assert not re.search(r"https?://|url\(|@import", text)


def test_json_is_one_document_on_stdout(runs, capsys):
    (runs / "broken").mkdir()
    assert main(["verdicts", "--json", "--alpha", "0.2"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["kind"] == "verdicts"
    assert document["alpha"] == 0.2
    assert document["machines"] == ["2 cores", "8 cores"]
    assert err.startswith("note: runs/broken is left out: runs/broken is no run folder")


def test_no_claim_yet_is_said(tmp_path, monkeypatch, capsys):
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    for words in ([], ["--format", "markdown"], ["--format", "html"], ["--format", "csv"]):
        assert main(["verdicts", *words]) == 0
        assert "runs has no run of a claim. Try one" in capsys.readouterr().err
    assert main(["verdicts", "--json", "--size", "full"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["verdicts"] == []
    assert "runs has no run of a claim at full" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--runs", "none"], "none is no folder; expected one with runs"),
        (["--alpha", "0"], "alpha is 0; expected a chance between 0 and 1"),
        (["--json", "--format", "csv"], "--json and --format csv were given; expected one of them"),
    ],
)
def test_what_cannot_be_shown_is_said_in_words(runs, capsys, words, message):
    assert main(["verdicts", *words]) == 2
    assert message in capsys.readouterr().err
