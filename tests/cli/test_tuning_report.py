"""The page of a tuning run and its other forms, as a user asks for them; verbs that cannot take such a run."""

import json
from pathlib import Path

import pytest

from cupel.cli import main

SCRIPT = """\
#!/bin/sh
echo "{\\"loss\\": ${1#--x=}}"
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "fast.sh").write_text(SCRIPT)
    (folder / "fast.sh").chmod(0o755)
    words = ["--space", "x=float(0.01,1), act=cat(relu,gelu)", "--metric", "loss", "--trials", "6", "--reevaluate", "0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["tune", "fast.sh", *words]) == 0
    (found,) = (folder / "runs").iterdir()
    return found


def test_the_page_lies_in_the_folder_and_report_makes_it_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = run / "report.html"
    text = page.read_text(encoding="utf-8")
    assert "fast.sh tuned by random_search" in text
    page.unlink()
    assert main(["report", str(run)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == f"report: {page}"
    assert "records:" not in out
    assert page.read_text(encoding="utf-8").partition("<body>")[2][:500] == text.partition("<body>")[2][:500]


@pytest.mark.parametrize(
    ("form", "start"),
    [("html", "<!doctype html>"), ("markdown", "## tune-fast"), ("csv", "run,metric,trial,"), ("json", "{")],
)
def test_every_form_goes_to_stdout_or_a_file(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, start: str
) -> None:
    assert main(["report", str(run), "--format", form]) == 0
    out = capsys.readouterr().out
    assert out.startswith(start)
    assert main(["report", str(run), "--format", form, "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").read_text(encoding="utf-8") == out
    if form == "json":
        assert json.loads(out)["importance"]["n"] == 6
    if form == "csv":
        assert out.count("\n") == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare", "RUN", "RUN"], "is a tuning run (cupel tune), which measures no machine"),
        (["run", "matmul", "--size", "tiny", "--reference", "RUN"], "is a tuning run (cupel tune)"),
        (["analyze", "RUN"], "is the folder of a tuning run; expected a table of results. Its trials are one: cupel"),
        (["lint", "RUN"], "is the folder of a tuning run"),
        (["power", "--pilot", "RUN"], "is a tuning run"),
        (["show", "RUN"], "is no .py or .toml file"),
        (["report", "RUN", "RUN"], "2 runs as text asked, among them a tuning run; those are shown one at a time"),
        (["report", "RUN", "--format", "reference"], "as text, html, json, markdown, csv"),
        (["report", "RUN", "--reference", "x"], "is a tuning run, which has no score"),
    ],
)
def test_what_a_tuning_run_is_not_for_is_said_in_words(
    run: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main([str(run) if word == "RUN" else word for word in words]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_cannot_be_gone_on_with_says_what_it_lacks(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = json.loads((run / "run.json").read_text())
    del asked["directory"]
    (tmp_path / "run.json").write_text(json.dumps(asked))
    assert main(["resume", str(tmp_path)]) == 2
    assert "lacks 'directory'; expected a file of cupel tune" in capsys.readouterr().err
