"""`cupel tune` as a user runs it, kills it and goes on with it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cupel.cli import main
from cupel.ledger.tuning_log import read_decisions, trials_of
from cupel.methods.find_searcher import searcher_names

SCRIPT = """\
import json, os, random, sys
a = dict(word[2:].split("=") for word in sys.argv[1:])
rng = random.Random(int(os.environ["CUPEL_SEED"]))
for step in range(1, int(os.environ.get("CUPEL_RESOURCE", "3")) + 1):
    print(json.dumps({"loss": abs(float(a["x"])) + 1 / step + rng.gauss(0, 0.01), "step": step}))
"""
FAST = """\
#!/bin/sh
echo "{\\"loss\\": ${1#--x=}}"
"""
SPACE = "x=float(0.01,1), act=cat(relu,gelu)"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "fast.sh").write_text(FAST)
    (tmp_path / "fast.sh").chmod(0o755)
    return tmp_path


def run_of(folder: Path) -> Path:
    (found,) = (folder / "runs").iterdir()
    return found


def result(text: str) -> Any:
    return json.loads(text.splitlines()[-1])


def test_the_last_line_under_json_is_the_result(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["tune", "train.py", "--space", SPACE, "--metric", "loss", "--max-resource", "3", "--trials", "6"]
    assert main([*words, "--workers", "2", "--reevaluate", "3", "--json"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    found = result(out)
    assert found["schema"] == 1
    best = found["best"]
    assert best["parameters"].keys() == {"x", "act"}
    assert best["resource"] == 3
    again = best["reevaluated"]
    assert again["n"] == 3
    assert again["low"] < again["mean"] < again["high"]
    assert found["asked"]["searcher"] == "asha"
    assert found["counts"]["trials"] == 6
    assert "is the best so far" in err
    assert main(["report", str(run_of(folder)), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["best"] == best


def test_the_text_says_what_is_best_and_how_sure_that_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "train.py", "--space", SPACE, "--metric", "loss", "--trials", "4"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("train.py tuned by random_search: 4 trials\n")
    assert "as selected (too good by the selection)" in out
    assert "over 5 fresh seeds, 95 % interval" in out
    assert all(len(line) <= 80 or str(run_of(folder)) in line for line in out.splitlines())
    assert main(["report", str(run_of(folder))]) == 0
    assert capsys.readouterr().out.splitlines()[:4] == out.splitlines()[:4]


@pytest.mark.parametrize("searcher", searcher_names())
def test_one_word_switches_the_algorithm(folder: Path, capsys: pytest.CaptureFixture[str], searcher: str) -> None:
    if searcher in ("tpe", "cma_es"):
        pytest.importorskip("optuna", reason="needs optuna (cupel[hpo])")
    if searcher == "cma_es":
        pytest.importorskip("cmaes", reason="needs cmaes (cupel[hpo])")
    words = ["tune", "fast.sh", "--space", "x=float(0.01,1)~0.5", "--metric", "loss", "--max-resource", "3"]
    assert main([*words, "--searcher", searcher, "--trials", "6", "--reevaluate", "0", "--json"]) == 0
    found = result(capsys.readouterr().out)
    values = [trial["value"] for trial in found["trials"] if trial["value"] is not None]
    assert found["counts"]["trials"] == 6
    assert found["best"]["value"] >= min(values)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--space", "x=float(0,1", "--metric", "m"], "'x=float(0,1' is not understood"),
        (["--space", "x=flaot(0,1)", "--metric", "m"], "No kind of parameter named 'flaot'. Close: float"),
        (["--space", "x=float(1,0)", "--metric", "m"], "expected a finite least value below"),
        (["--space", "x=log(0,1)", "--metric", "m"], "expected more than 0"),
        (["--space", "x=float(0,1),x=int(1,2)", "--metric", "m"], "x is there twice"),
        (["--space", SPACE, "--metric", "m", "--searcher", "ahsa"], "No searcher named 'ahsa'. Close: asha"),
        (["--space", SPACE, "--metric", "m", "--searcher", "asha"], "give --max-resource R"),
        (["--space", SPACE, "--metric", "m", "--searcher", "grid:valeus=3"], "No option of grid named 'valeus'"),
        (["--space", SPACE, "--metric", "m", "--trials", "0"], "trials is 0; expected 1 or more"),
        (["--space", SPACE, "--metric", "m", "--constraint", "__import__('os')"], "expected names, numbers"),
        (["--space", SPACE, "--metric", "m", "--constraint", "y<1"], "No parameter named 'y'"),
        (["--space", SPACE, "--metric", "m", "--initial", "x=7"], "x=7; expected a value of"),
        (["--space", "@absent.txt", "--metric", "m"], "absent.txt cannot be read"),
    ],
)
def test_what_cannot_be_tuned_is_refused_in_words_before_a_folder_is_made(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["tune", "train.py", *words]) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "runs").exists()


def test_no_value_at_all_is_an_exit_of_its_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "train.py", "--space", SPACE, "--metric", "lsos", "--trials", "2"]) == 4
    out, err = capsys.readouterr()
    assert "No trial reached a value." in out
    assert "lines of JSON with loss, step" in err


def test_a_space_can_stand_in_a_file_with_comments_and_begin_where_the_user_says(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "space.txt").write_text("# the rate\nx=float(0.01,1)\nact=cat(relu,gelu)\n")
    words = ["tune", "fast.sh", "--space", "@space.txt", "--metric", "loss", "--trials", "3", "--reevaluate", "0"]
    assert main([*words, "--initial", "x=0.5,act=gelu", "--initial", '{"x": 0.25}', "--json"]) == 0
    trials = result(capsys.readouterr().out)["trials"]
    assert trials[0]["parameters"] == {"x": 0.5, "act": "gelu"}
    assert trials[1]["parameters"]["x"] == 0.25


def test_a_run_killed_at_any_moment_goes_on_and_counts_every_trial_once(folder: Path) -> None:
    words = ["tune", "fast.sh", "--space", "x=float(0.01,1)", "--metric", "loss", "--trials", "150"]
    command = [sys.executable, "-m", "cupel", *words, "--workers", "4", "--reevaluate", "0"]
    environment = {**os.environ, "CUPEL_DEBUG": "1"}
    for kill_at in (20, 70, 110):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            log = next((folder / "runs").glob("*/decisions.jsonl"), None) if (folder / "runs").is_dir() else None
            if log is not None and log.read_bytes().count(b'"kind":"told"') >= kill_at:
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        command = [sys.executable, "-m", "cupel", "resume", str(run_of(folder))]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    records = list(read_decisions(run_of(folder)))
    told = Counter(record["trial"] for record in records if record["kind"] == "told")
    assert told == dict.fromkeys(range(150), 1)
    assert not any(trial.is_open for trial in trials_of(records).values())


def test_a_changed_script_is_not_gone_on_with_unless_told(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["tune", "fast.sh", "--space", "x=float(0.01,1)", "--metric", "loss", "--trials", "2"]) == 0
    (folder / "fast.sh").write_text(FAST + "# changed\n")
    assert main(["resume", str(run_of(folder))]) == 2
    assert "fast.sh changed" in capsys.readouterr().err
    run = run_of(folder)
    monkeypatch.chdir("/")  # gone on with from another folder
    assert main(["resume", str(run), "--anyway", "--json"]) == 0
    assert result(capsys.readouterr().out)["counts"]["trials"] == 2


def test_repeats_say_what_tunings_add_to_the_variance_and_go_on_after_a_stop(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["tune", "train.py", "--space", SPACE, "--metric", "loss", "--max-resource", "3", "--trials", "4"]
    assert main([*words, "--searcher", "asha,successive_halving:size=2,when_idle=wait", "--repeats", "3"]) == 0
    out = capsys.readouterr().out
    assert "tuned 6 times of 6" in out
    assert "asha: sd between tunings" in out
    assert "successive_halving:size=2,when_idle=wait: sd between tunings" in out
    run = run_of(folder)
    rows = (run / "repeats.csv").read_text().splitlines()
    assert rows[0] == "method,task,hpo_run,seed,value"
    assert len(rows) == 1 + 2 * 3 * 5
    part = run / "parts" / "1-successive_halving-002"
    log = part / "decisions.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[: len(lines) // 2]))
    assert main(["report", str(run)]) == 0
    assert "tuned 5 times of 6" in capsys.readouterr().out
    assert main(["resume", str(run), "--json"]) == 0
    found = result(capsys.readouterr().out)
    assert (found["kind"], found["status"], len(found["rows"])) == ("tuning repeats", "complete", 30)
    assert [spread["hpo_runs"] for spread in found["spreads"]] == [3, 3]
    assert found["statement"]


def test_searchers_are_compared_on_the_same_seeds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["tune", "train.py", "--space", SPACE, "--metric", "loss", "--trials", "3", "--reevaluate", "1"]
    assert main([*words, "--searcher", "random_search,random_search:x=1"]) == 2
    assert "No option of random_search named 'x'" in capsys.readouterr().err
    assert main([*words, "--searcher", "grid,grid"]) == 2
    assert "for repeats say --repeats" in capsys.readouterr().err
    assert main([*words, "--searcher", "random_search,sobol", "--json"]) == 0
    found = result(capsys.readouterr().out)
    parts = [
        json.loads((path / "run.json").read_text())["tuning"] for path in sorted((run_of(folder) / "parts").iterdir())
    ]
    assert [part["searcher"] for part in parts] == ["random_search", "sobol"]
    assert len({part["seed"] for part in parts}) == 1
    assert "nothing is said about which searcher is better" in found["statement"]
