import json
from pathlib import Path

import pytest

from cupel.cli import main
from cupel.stats.lint import pitfalls

FEW = "method,task,seed,accuracy\n" + "".join(
    f"{m},{t},{s},{0.8 + 0.01 * k:.4f}\n"
    for k, (m, t, s) in enumerate((m, t, s) for m in ("ours", "svm") for t in ("adult", "bank") for s in range(3))
)
BARE = "method,task,mean_accuracy,n_seeds\nours,adult,0.91,10\nsvm,adult,0.9,10\nours,bank,0.81,10\nsvm,bank,0.8,10\n"


@pytest.fixture
def few(tmp_path: Path) -> str:
    """A file with three runs per cell: an error."""
    path = tmp_path / "results.csv"
    path.write_text(FEW)
    return str(path)


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """A file of means without spread: a warning."""
    path = tmp_path / "means.csv"
    path.write_text(BARE)
    return str(path)


def test_an_error_exits_with_3_and_is_told_with_its_lines(few: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", few]) == 3
    out = capsys.readouterr().out
    assert out.startswith("1 error")
    assert "error  L06 few_repeats: too few repeats" in out
    assert "(lines " in out
    assert "Next: Run every method again" in out
    assert "What no table can show, for you to check:" in out
    assert max(map(len, out.replace(few, "").splitlines())) <= 80


def test_a_warning_exits_with_0_and_strictly_with_3(bare: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", bare]) == 0
    assert "warning  L12 bare_estimate" in capsys.readouterr().out
    assert main(["lint", bare, "--strict"]) == 3


def test_advice_alone_exits_with_0_also_strictly(few: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", few, "--min-runs", "3", "--strict"]) == 0
    assert capsys.readouterr().out.startswith("1 advice: ")


def test_rules_are_ignored_and_selected(few: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", few, "--ignore", "L06,no_trivial_baseline"]) == 0
    assert capsys.readouterr().out.startswith("Nothing found")
    assert main(["lint", few, "--select", "one_task,L06", "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert [rule["name"] for rule in document["checked"]] == ["few_repeats", "one_task"]
    assert len(document["ignored"]) == len(pitfalls()) - 2


def test_json_has_everything(few: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", few, "--format", "json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["kind"], document["num_errors"]) == (1, "lint", 1)
    finding = document["findings"][0]
    assert {"id", "name", "severity", "stage", "title", "found", "why", "do", "source", "rows", "num_rows"} == set(
        finding
    )
    assert document["source"] == few
    assert {"id": "L11", "name": "uncorrected_tests", "needs": "a column p_value"} in document["not_checkable"]
    assert document["methods"] == ["ours", "svm"]


def test_markdown_has_a_section_for_each_finding_and_boxes_to_tick(
    few: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lint", few, "--format", "markdown"]) == 3
    out = capsys.readouterr().out
    assert "### error: L06 few\\_repeats: too few repeats" in out
    assert out.count("- [ ] ") == 8


def test_columns_are_mapped_and_the_metric_is_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.csv"
    path.write_text(FEW.replace("method,task", "who,what"))
    assert main(["lint", str(path)]) == 0
    assert "No column was read as the method" in " ".join(capsys.readouterr().out.split())
    assert main(["lint", str(path), "--map", "method=who", "--map", "task=what", "--metric", "accuracy"]) == 3


def test_several_files_are_one_table(few: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = tmp_path / "more.csv"
    head, *rows = FEW.splitlines()
    again = (f"{m},{t},{int(s) + 3},{float(v) + 0.005}" for m, t, s, v in (row.split(",") for row in rows))
    more.write_text("\n".join([head, *again]) + "\n")
    assert main(["lint", few, str(more)]) == 0
    assert "24 rows, 2 methods, 2 tasks" in " ".join(capsys.readouterr().out.split())


def test_the_rules_are_listed_within_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "--rules"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[: len(pitfalls())]] == list(pitfalls())
    assert max(map(len, lines[:-1])) <= 80


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lint"], "No results file is named"),
        (["lint", "FILE", "--map", "method"], "expected such as --map method=algorithm"),
        (["lint", "FILE", "--map", "method=algo"], "No column named 'algo'"),
        (["lint", "FILE", "--metric", "acc"], "No metric named 'acc'. Close: accuracy"),
        (["lint", "FILE", "--better", "sideways"], "expected 'higher' or 'lower'"),
        (["lint", "FILE", "--ignore", "L99"], "No rule of lint named 'L99'"),
        (["lint", "FILE", "--select", "L06", "--ignore", "few_repeats"], "No rule is left"),
        (["lint", "FILE", "--min-runs", "0"], "--min-runs 0"),
        (["lint", "absent.csv"], "absent.csv"),
    ],
)
def test_what_cannot_be_done_is_a_usage_error(
    words: list[str], told: str, few: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([few if word == "FILE" else word for word in words]) == 2
    assert told in capsys.readouterr().err
