"""The verbs that run, by real processes: the outside contract, exit codes, interruption, resumption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cupel.cli import main


@pytest.fixture
def broken(tmp_path: Path, workload: str) -> str:
    path = tmp_path / "broken.py"
    path.write_text(workload.replace("    import time\n", "    raise RuntimeError('no such layer')\n"))
    return str(path)


def cupel(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cupel", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=cwd)


def test_one_json_document_on_stdout_everything_else_on_stderr(entry, tmp_path):
    result = cupel("run", entry, "--size", "tiny", "--json", "--out", str(tmp_path / "runs"))
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["schema"] == 1
    measured = document["entries"][0]
    assert measured["name"] == "quick"
    assert measured["num_launches"] == 3
    assert measured["interval"][0] < measured["rate"] < measured["interval"][1]
    assert measured["also"][0]["rate"] == pytest.approx(3 * measured["rate"])
    assert "launch 3 of 3" in result.stderr
    run = Path(document["run"])
    assert run.parent == tmp_path / "runs"
    assert run.name.endswith("-quick")
    assert (run / "report.html").read_text().startswith("<!doctype html>")
    again = cupel("report", str(run), "--format", "json")
    assert json.loads(again.stdout)["entries"] == document["entries"], "the report is rebuilt from the folder"


def test_one_launch_has_no_interval_and_says_so(entry, tmp_path):
    result = cupel("run", entry, "--size", "tiny", "--launches", "1", "--out", str(tmp_path))
    assert result.returncode == 0
    assert "one launch" in result.stdout
    lines = [line for line in result.stdout.splitlines() if not line.startswith("report: ")]  # a path stays whole
    assert max(map(len, lines)) <= 80


def test_a_failed_job_exits_with_1_and_the_rest_goes_on(entry, broken, tmp_path):
    result = cupel("run", entry, broken, "--size", "tiny", "--out", str(tmp_path / "runs"))
    assert result.returncode == 1
    assert "1 of 2 workloads measured" in result.stdout
    assert "no such layer" in result.stdout
    run = next((tmp_path / "runs").iterdir())
    assert cupel("report", str(run)).returncode == 1


def test_nothing_to_run_exits_with_4(workload, tmp_path):
    path = tmp_path / "fp8.py"
    check = "def sane(sizes, slot, rng):\n    raise UnsupportedError('no fp8')\n"
    text = f"from cupel.spec import UnsupportedError\n{check}"
    path.write_text(workload + text)
    result = cupel("run", str(path), "--size", "tiny", "--out", str(tmp_path / "runs"))
    assert result.returncode == 4
    assert "no fp8" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["matmol"], "Close: matmul"),
        (["matmul", "--size", "tinny"], "Close: tiny"),
        (["matmul", "--set", "precison=bf16"], "Close: precision"),
        (["matmul", "--set", "precision=bf17"], "fp32, tf32, bf16"),
        (["matmul", "--set", "precision"], "expected key=value"),
        (["matmul", "--launches", "0"], "expected a number from 1"),
        (["matmul", "--launches", "many"], "expected a number from 1, or auto"),
        (["matmul", "--width", "200%"], "percentage"),
        (["matmul", "--budget", "soon"], "20min"),
        (["matmul", "--threads", "0"], "--threads"),
        (["matmul", "--device", "gpu"], "cuda:0"),
        (["matmul", "--tag", "visoin"], "No tag named"),
        (["matmul", "--exclude", "nothing"], "No entry or tag to exclude named"),
        (["matmul", "--reference", "dgx"], "No reference named"),
        (["./absent.py"], "No file named"),
        (["./"], "'./' is no .py or .toml file"),
    ],
)
def test_what_cannot_be_asked_is_answered_with_what_can(arguments, words, tmp_path, capsys):
    assert main(["run", *arguments, "--out", str(tmp_path / "runs"), "--dry-run"]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""


def test_settings_and_sizes_reach_the_job(entry, tmp_path):
    options = (
        "--size",
        "tiny",
        "--launches",
        "1",
        "--set",
        "speed=fast",
        "--set",
        "spin_us=900",
        "--json",
        "--out",
        str(tmp_path),
    )
    measured = json.loads(cupel("run", entry, *options).stdout)["entries"][0]
    assert measured["settings"] == {"speed": "fast"}
    assert measured["overrides"] == {"spin_us": 900}
    assert measured["key"] == "workload/quick tiny speed=fast spin_us=900"
    assert measured["rate"] < 1e6 / 900


def test_a_budget_ends_the_run_in_time_and_leaves_it_resumable(entry, tmp_path):
    result = cupel(
        "run", entry, "--size", "small", "--launches", "20", "--budget", "5s", "--json", "--out", str(tmp_path)
    )
    document = json.loads(result.stdout)
    assert result.returncode == 0
    assert 1 <= document["entries"][0]["num_launches"] < 20
    assert document["status"] == "partial"
    assert "cupel resume" in result.stderr


def start(entry: str, out: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cupel", "run", entry, "--size", "small", "--out", str(out), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for_launches(out: Path, count: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        done = [
            p for p in out.glob("*/jobs/*/rank0/events.jsonl") if ".sane." not in str(p) and '"step"' in p.read_text()
        ]
        if len(done) >= count:
            return
        time.sleep(0.05)
    raise AssertionError("no launch began")


def test_ctrl_c_finishes_the_launch_and_resume_does_the_rest_once(entry, tmp_path):
    process = start(entry, tmp_path / "runs", "--launches", "3")
    wait_for_launches(tmp_path / "runs", 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "cupel resume" in err
    assert "1 of 3" in out
    run = next((tmp_path / "runs").iterdir())
    before = {p: p.read_bytes() for p in run.glob("jobs/*/rank0/events.jsonl")}
    result = cupel("resume", str(run), "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["entries"][0]["num_launches"] == 3
    assert all(p.read_bytes() == text for p, text in before.items()), "nothing that was done is done again"


def test_ctrl_c_twice_stops_now(entry, tmp_path):
    process = start(entry, tmp_path / "runs", "--set", "spin_us=100000", "--timeout", "100s")
    wait_for_launches(tmp_path / "runs", 1)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130


def test_a_killed_run_is_readable_and_resumable(entry, tmp_path):
    process = start(entry, tmp_path / "runs", "--launches", "2")
    wait_for_launches(tmp_path / "runs", 1)
    family = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)
    _, alive = psutil.wait_procs(family, timeout=4)
    assert not [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    run = next((tmp_path / "runs").iterdir())
    partial = cupel("report", str(run), "--format", "json")
    assert partial.returncode == 0, "what is missing is no failure"
    assert json.loads(partial.stdout)["status"] == "partial"
    result = cupel("resume", str(run), "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["status"], document["entries"][0]["num_launches"]) == ("complete", 2)


def test_resume_refuses_other_code_unless_told(entry, workload, tmp_path):
    run = Path(
        json.loads(cupel("run", entry, "--size", "tiny", "--launches", "1", "--json", "--out", str(tmp_path)).stdout)[
            "run"
        ]
    )
    content = json.loads((run / "run.json").read_text())
    content["code"] = "another"
    (run / "run.json").write_text(json.dumps(content))
    refused = cupel("resume", str(run))
    assert refused.returncode == 2
    assert "code of cupel differs" in refused.stderr
    assert cupel("resume", str(run), "--anyway").returncode == 0
    Path(entry).write_text(workload + "\n# changed\n")
    assert "changed since this run was started" in cupel("resume", str(run), "--anyway").stderr


def test_compare_exits_by_what_it_finds(entry, tmp_path):
    def run(*options: str) -> str:
        options = (*options, "--size", "tiny", "--launches", "3", "--json", "--out", str(tmp_path))
        return json.loads(cupel("run", entry, *options).stdout)["run"]

    a, b = run(), run("--set", "spin_us=5000")  # ten times slower: seen also where other tests disturb both
    slower = cupel("compare", a, b, "--json")
    document = json.loads(slower.stdout)
    assert document["schema"] == 1
    assert document["entries"][0]["verdict"] == "slower"
    assert document["warnings"][0]["code"] == "settings differ"
    assert slower.returncode == 3
    assert cupel("compare", b, a).returncode == 0
    assert "faster" in cupel("compare", b, a).stdout


def test_a_run_is_not_read_from_what_is_none(tmp_path, capsys):
    for verb in ("report", "resume"):
        assert main([verb, str(tmp_path)]) == 2
        assert "is no run folder" in capsys.readouterr().err
