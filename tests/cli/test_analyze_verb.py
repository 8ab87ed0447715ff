"""`cupel analyze` as a user calls it."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pandas as pd
import pytest

from cupel.cli import main


@pytest.fixture
def results_csv(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        {"optimizer": m, "dataset": f"d{t}", "seed": s, "acc": round(0.8 + 0.02 * t + gain + 0.01 * rng.normal(), 4)}
        for m, gain in (("adam", 0.0), ("ours", 0.03), ("sgd", 0.0))
        for t in range(6)
        for s in range(5)
    ]
    path = tmp_path / "results.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_a_csv_and_two_words_are_enough(results_csv, capsys):
    assert main(["analyze", str(results_csv), "--metric", "acc", "--better", "higher"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ours has the best mean acc: better than")
    assert "method = optimizer, task = dataset" in out


@pytest.mark.parametrize("form", ["text", "json", "markdown", "latex", "csv", "html"])
def test_every_form_is_written_where_it_was_asked_for(results_csv, tmp_path, capsys, form):
    words = ["analyze", str(results_csv), "--metric", "acc", "--better", "higher", "--format", form]
    assert main(words) == 0
    to_stdout = capsys.readouterr().out
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "out").read_text() == to_stdout
    assert "ours" in to_stdout


def test_json_is_one_document_on_stdout(results_csv, capsys):
    words = ["analyze", str(results_csv), "--metric", "acc", "--better", "higher", "--json", "--checks"]
    assert main(words) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["reader"] == "long_csv"
    assert document["pairs"][0]["verdict"] == "supported"
    assert [check["name"] for check in document["checks"]] == ["seeds", "tasks"]


def test_figures_are_written_as_svg_and_pdf(results_csv, tmp_path, capsys):
    folder = tmp_path / "figures"
    assert main(["analyze", str(results_csv), "--metric", "acc", "--better", "higher", "--figures", str(folder)]) == 0
    names = {path.name for path in folder.iterdir()}
    assert {"contrasts.svg", "contrasts.pdf", "critical_difference.svg", "profile.pdf", "variance.svg"} <= names
    assert "figures: " in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_said(results_csv, tmp_path, capsys):
    taken = tmp_path / "taken"
    taken.write_text("")
    words = ["analyze", str(results_csv), "--metric", "acc", "--better", "higher"]
    assert main([*words, "--figures", str(taken)]) == 2
    assert str(taken) in capsys.readouterr().err
    assert main([*words, "--out", str(tmp_path / "no" / "out.txt")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--metric", "acc"], "Which direction of 'acc' is better? Say it: --better"),
        (["--metric", "accc", "--better", "higher"], "No metric named 'accc'. Close: acc"),
        (["--metric", "acc", "--better", "higher", "--map", "method"], "not of the form NAME=VALUE"),
        (
            ["--metric", "acc", "--better", "higher", "--map", "method=optimiser"],
            "No column named 'optimiser'. Close: optimizer",
        ),
        (["--metric", "acc", "--better", "higher", "--where", "seed=99"], "No value of seed named '99'"),
        (["--metric", "acc", "--better", "higher", "--baseline", "adamw"], "No method named 'adamw'. Close: adam"),
        (["--metric", "acc", "--better", "higher", "--where", "optimizer=sgd"], "one method only ('sgd' in line"),
        (["--metric", "acc", "--better", "higher", "--reader", "optunaa"], "Close: optuna"),
        (["--metric", "acc", "--better", "higher", "--level", "95"], "is no fraction"),
        (["--metric", "acc", "--better", "higher", "--rope", "-1"], "expected"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(results_csv, capsys, words, message):
    assert main(["analyze", str(results_csv), *words]) == 2
    assert message in capsys.readouterr().err


def test_bad_rows_are_named_by_their_line(results_csv, capsys):
    words = ["analyze", str(results_csv), "--metric", "acc", "--better", "higher"]
    good = results_csv.read_text().splitlines()
    results_csv.write_text("\n".join([*good, good[5]]) + "\n")
    assert main(words) == 2
    assert "lines 6, 92 are duplicates" in capsys.readouterr().err
    results_csv.write_text("\n".join([*good[:9], good[9].rpartition(",")[0] + ",0;83", *good[10:]]) + "\n")
    assert main(words) == 2
    err = capsys.readouterr().err
    assert "line 10" in err
    assert "0;83" in err
    results_csv.write_text("\n".join([*good[:9], good[9].rpartition(",")[0] + ",OOM", *good[10:]]) + "\n")
    assert main(words) == 0
    assert "1 of 90 rows have no value (adam 1 of 30): line 10" in " ".join(capsys.readouterr().out.split())


def test_a_method_that_is_worse_than_the_baseline_is_exit_code_3(results_csv, capsys):
    words = ["analyze", str(results_csv), "--metric", "acc", "--better", "higher", "--baseline", "ours"]
    assert main(words) == 3
    assert "not better" in capsys.readouterr().out


def test_few_tasks_fall_back_and_the_population_is_refused(results_csv, capsys):
    words = ["analyze", str(results_csv), "--metric", "acc", "--better", "higher", "--where", "dataset=d0"]
    assert main(words) == 0
    assert "1 task cannot carry a claim about tasks like these" in " ".join(capsys.readouterr().out.split())
    assert main([*words, "--scope", "population"]) == 2
    assert "needs at least 5 tasks" in capsys.readouterr().err


def test_the_design_before_any_test(results_csv, capsys):
    assert main(["analyze", str(results_csv), "--metric", "acc", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "3 methods × 6 tasks × 5 runs, paired by seed, 0 failures" in out
    assert "p-value" not in out.lower()
    assert main(["analyze", str(results_csv), "--metric", "acc", "--dry-run", "--format", "html"]) == 2
    assert "text or json" in capsys.readouterr().err


def test_standard_input_is_a_file(results_csv, capsys, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(results_csv.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert main(["analyze", "-", "--metric", "acc", "--better", "higher"]) == 0
    assert "ours has the best mean acc" in capsys.readouterr().out


def test_a_file_that_is_not_there(tmp_path, capsys):
    assert main(["analyze", str(tmp_path / "none.csv"), "--better", "higher"]) == 2
    assert "none.csv" in capsys.readouterr().err
