"""The verbs that show a run again: which forms, to where, and what is left as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cupel.cli import main


def run_quickly(entry: str, folder: Path, launches: int) -> str:
    options = ("--size", "tiny", "--launches", str(launches), "--json", "--out", str(folder))
    command = [sys.executable, "-m", "cupel", "run", entry, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return json.loads(done.stdout)["run"]


@pytest.fixture(scope="module")
def done(tmp_path_factory, workload):
    """A run that is there to be shown; what it measured does not matter."""
    folder = tmp_path_factory.mktemp("done")
    path = folder / "quick.py"
    path.write_text(workload)
    return Path(run_quickly(str(path), folder, 1))


def test_only_a_plain_report_writes_the_page_again(done, capsys):
    page = done / "report.html"
    page.write_text("old")
    assert main(["report", str(done), "--reference", str(done)]) == 0
    assert "report: " not in capsys.readouterr().out
    assert page.read_text() == "old"
    assert main(["report", str(done)]) == 0
    assert page.read_text().startswith("<!doctype html>")


def test_of_several_runs_each_is_named(done, capsys):
    assert main(["report", str(done), str(done)]) == 0
    text = capsys.readouterr().out
    asked = json.loads((done / "run.json").read_text())
    assert text.count(f"{done}\n") == 2
    assert " ".join(text.split()).count(f"on {asked['machine']['label']}, started {asked['started']}") == 2


def test_a_report_is_written_where_it_can_be_written(done, tmp_path, capsys):
    for out in (tmp_path, tmp_path / "absent" / "x.html"):
        assert main(["report", str(done), "--format", "html", "--out", str(out)]) == 2
        assert f"{out} cannot be written" in capsys.readouterr().err
    assert main(["report", str(done), "--format", "markdown", "--out", str(tmp_path / "x.md")]) == 0
    assert "quick" in (tmp_path / "x.md").read_text(encoding="utf-8")


def test_a_closed_pipe_and_a_full_disk_are_known_where_rich_prints(done):
    read, write = os.pipe()
    os.close(read)
    for file, code, words in (
        (write, 141, ""),
        (os.open("/dev/full", os.O_WRONLY), 1, "cupel: stdout cannot be written: No space left on device.\n"),
    ):
        command = [sys.executable, "-m", "cupel", "report", str(done)]
        result = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
        os.close(file)
        assert (result.returncode, result.stderr) == (code, words)


@pytest.mark.parametrize("form", ["text", "html", "markdown", "csv", "json"])
def test_every_form_can_be_written_as_ascii(done, form):
    command = [sys.executable, "-m", "cupel", "report", str(done), "--format", form]
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(command, capture_output=True, check=False, timeout=60, env=env)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.isascii()


def test_power_from_a_pilot(entry, tmp_path, capsys):
    run = run_quickly(entry, tmp_path, 3)
    assert main(["power", "--pilot", run, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["rows"][0]
    assert row["launches"]["10 %"] >= 2
    assert row["launches_cautious"]["1.0 %"] >= row["launches"]["1.0 %"]
    assert row["stepping_s"] == pytest.approx(0.2, rel=0.5)
    assert main(["power", "--pilot", run, "--effect", "0.1%,1%,2%,3%,4%,5%,10%"]) == 0
    text = capsys.readouterr().out
    assert "difference to find" in text
    assert f"\n  1.0 %               {row['launches']['1.0 %']} .. {row['launches_cautious']['1.0 %']} " in text
    assert "of stepping per launch" in text
    assert max(map(len, text.splitlines())) <= 80
    assert main(["power", "--effect", "1%,2%,3%,4%,5%,10%,20%"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
    assert main(["power"]) == 0
    text = capsys.readouterr().out
    assert "23" in text, "cv 1 %, effect 1 %"
    assert max(map(len, text.splitlines())) <= 80
