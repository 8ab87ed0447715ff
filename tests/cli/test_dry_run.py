"""What a run says before anything is run: its jobs, what will not fit, what cannot be asked of it."""

from __future__ import annotations

import json
from pathlib import Path

from cupel.cli import main


def test_a_dry_run_runs_nothing_and_says_what_it_would(entry, tmp_path, capsys):
    out = tmp_path / "runs"
    assert main(["run", entry, "--dry-run", "--out", str(out), "--launches", "2"]) == 0
    text = capsys.readouterr().out
    assert "launch 2 of 2" in text
    assert "check of the work" in text
    assert not out.exists()
    assert main(["run", entry, "--dry-run", "--json", "--out", str(out)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    assert len(document["jobs"]) == 4
    assert document["expected_s"] > 0


def write_suite(folder, workload, text):
    (folder / "quick.py").write_text(workload)
    path = folder / "both.toml"
    path.write_text(f'title = "Both"\n{text}')
    return str(path)


def test_a_dry_run_names_each_job_by_its_own_cell(workload, tmp_path, capsys):
    cells = "".join(f'[[entries]]\nrun = "quick.py"\nset = {{ spin_us = {n} }}\n' for n in (600, 700))
    suite = write_suite(tmp_path, workload, cells)
    options = ("--dry-run", "--launches", "2", "--size", "tiny", "--budget", "9s")
    assert main(["run", suite, *options]) == 0
    text = capsys.readouterr().out
    assert text.count("quick spin_us=600  ") == text.count("quick spin_us=700  ") == 2
    assert "quick spin_us=600 and 1 more" in text
    assert "1 of the 4 launches are expected to fit into 9.0 s" in text
    assert main(["run", suite, *options, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["expected_s"], document["expected_launches"]) == (15.8, 1)


def test_a_size_that_does_not_fit_is_noted_and_tried(entry, workload, capsys):
    Path(entry).write_text(workload.replace("settings=", 'memory_gib={"full": 1e6}, settings='))
    assert main(["run", entry, "--dry-run", "--size", "full"]) == 0
    assert "note: quick needs 1e+06 GiB at full; cpu has " in capsys.readouterr().out
    assert main(["run", entry, "--dry-run", "--size", "small"]) == 0
    assert "GiB" not in capsys.readouterr().out


def test_a_suites_reference_that_is_not_there_is_refused_before_anything_is_run(workload, tmp_path, capsys):
    suite = write_suite(tmp_path, workload, 'reference = "dgx"\n[[entries]]\nrun = "quick.py"\n')
    out = tmp_path / "runs"
    assert main(["run", suite, "--out", str(out)]) == 2
    assert f"{suite}: reference: No reference named 'dgx'" in capsys.readouterr().err
    assert not out.exists()


def test_a_width_without_effect_is_noted(entry, capsys):
    assert main(["run", entry, "--dry-run", "--width", "5%"]) == 0
    assert "--width has no effect without --launches auto" in capsys.readouterr().err
    assert main(["run", entry, "--dry-run", "--width", "5%", "--launches", "auto"]) == 0
    assert capsys.readouterr().err == ""
