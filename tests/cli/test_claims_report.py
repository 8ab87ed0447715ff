"""A run of claims shown again, in every form; what such a run is not for."""

import csv
import io
import json
from pathlib import Path

import pytest

from cupel.cli import main
from cupel.spec.claim import Claim

SAID = {"name": "loss", "kind": "quality", "says": "The loss is lower", "metric": "loss", "better": "lower"}
EXACT = {"name": "same", "kind": "exact", "says": "Both are equal", "metric": "error", "better": "lower", "bar": 0.1}
SIZES = {"tiny": {"n": 1}, "small": {"n": 4}, "full": {"n": 8}}
LOWER, HIGHER = [-1.0, -1.1, -0.9, -1.05, -0.95, -1.0], [1.0, 1.1, 0.9, 1.05, 0.95, 1.0]


def write(book, out, effects, *, statements=(SAID, EXACT), **changes):
    card = Claim(
        says="A beats B.", source="A paper", statements=statements, varies=("init",), published="9.9 on a mainframe",
        arms={"method": "a", "baseline": "b"}, instances={"tiny": 2}, **SIZES,
    )  # fmt: skip
    made = book(out, {"a_vs_b": card}, **changes)
    made.pairs("a_vs_b", "loss", effects)
    made.instances("a_vs_b", "error", [0.0, 0.05])
    return str(made.finish().path)


@pytest.fixture
def run(tmp_path, claims_book):
    return write(claims_book, tmp_path, LOWER)


def test_text_has_the_verdicts_and_makes_the_page_again(run, capsys):
    assert main(["report", run]) == 0
    out = capsys.readouterr().out
    assert "✓ supported: The loss is lower" in out
    assert "against" not in out
    assert out.splitlines()[-1] == f"report: {run}/report.html"
    assert "The loss is lower" in (Path(run) / "report.html").read_text(encoding="utf-8")


def test_why_shows_the_evidence(run, capsys):
    assert main(["report", run, "--why"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "superiority (quality) of loss; method against baseline" in out
    assert "9.9 on a mainframe (as published; never compared across hardware)" in out


@pytest.mark.parametrize(
    ("form", "start"),
    [("html", "<!doctype html>"), ("markdown", "## made up"), ("csv", "run,started,"), ("json", "{")],
)
def test_every_form_goes_to_stdout_or_a_file(run, tmp_path, capsys, form, start):
    assert main(["report", run, "--format", form]) == 0
    out = capsys.readouterr().out
    assert out.startswith(start)
    assert main(["report", run, "--format", form, "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").read_text(encoding="utf-8") == out
    assert "The loss is lower" in out


def test_markdown_has_verdict_reason_and_what_would_change_it(run, capsys):
    main(["report", run, "--format", "markdown"])
    out = capsys.readouterr().out
    assert "| ✓ supported | **The loss is lower** | +1 | 0.8" in out
    assert "lies wholly beyond no effect (0). What would change it: another task" in out
    assert "- as published, never compared across hardware: 9.9 on a mainframe" in out


def test_a_contradicted_headline_is_exit_code_3(tmp_path, claims_book, capsys):
    run = write(claims_book, tmp_path, HIGHER)
    assert main(["report", run]) == 3
    assert "✗ contradicted: The loss is lower" in capsys.readouterr().out


def test_a_claim_that_could_not_be_tried_is_exit_code_1(tmp_path, claims_book, capsys):
    run = write(claims_book, tmp_path, [None, None, None])
    assert main(["report", run, "--format", "markdown"]) == 1
    out = capsys.readouterr().out
    assert "**no trial of method ended well**" in out
    assert "- failed: method 0, 1, 2: crashed: it broke" in out


def test_a_contradicted_statement_beside_a_supported_headline_is_no_failure(tmp_path, claims_book):
    run = write(claims_book, tmp_path, LOWER, statements=(SAID, {**EXACT, "bar": 0.01}))
    assert main(["report", run, "--format", "csv", "--out", str(tmp_path / "x.csv")]) == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "x.csv").read_text())))
    assert [row["verdict"] for row in rows] == ["supported", "contradicted"]


def test_several_runs_are_shown_one_after_the_other(run, tmp_path, claims_book, capsys):
    other = write(claims_book, tmp_path, HIGHER)
    assert main(["report", run, other]) == 3
    out = capsys.readouterr().out
    assert out.index(run) < out.index("✓ supported: The loss") < out.index("✗ contradicted: The loss")
    main(["report", run, other, "--format", "json"])
    assert [found["run"] for found in json.loads(capsys.readouterr().out)["runs"]] == [run, other]
    main(["report", run, other, "--format", "csv"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["run"] for row in rows] == [run, run, other, other]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["report", "RUN", "--format", "reference"], "a run of claims, from which no reference can be made; expected"),
        (["report", "RUN", "--reference", "x"], "which has verdicts and no score; leave --reference out"),
        (["report", "RUN", "--format", "csv", "--why"], "--why is for text; csv has all the evidence anyway"),
        (["report", "RUN", "RUN", "--format", "html"], "--format html takes one run; 2 were given"),
        (["compare", "RUN", "RUN"], "is a run of claims, which compares methods and measures no machine"),
        (["run", "matmul", "--size", "tiny", "--reference", "RUN"], "is a run of claims"),
        (["power", "--pilot", "RUN"], "is a run of claims"),
    ],
)
def test_what_a_run_of_claims_is_not_for_is_said_in_words(run, capsys, words, message):
    assert main([run if word == "RUN" else word for word in words]) == 2
    assert message in capsys.readouterr().err


def test_other_runs_are_not_mixed_with_claims(run, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    (other / "run.json").write_text(json.dumps({"schema": 1, "kind": "run"}))
    assert main(["report", run, str(other)]) == 2
    assert f"is a run of claims, {other} are not; report the two kinds one after the other" in capsys.readouterr().err
    assert main(["report", str(other), "--why"]) == 2
    assert "is no run of claims" in capsys.readouterr().err


def test_a_damaged_record_is_named(run, capsys):
    with (Path(run) / "claims.jsonl").open("a") as file:
        file.write(json.dumps({"kind": "trial", "cell": "claim/a_vs_b tiny", "job": "trial"}) + "\n")
    assert main(["report", run]) == 2
    assert "claims.jsonl has a record that cannot be read (KeyError: 'arm')" in capsys.readouterr().err
