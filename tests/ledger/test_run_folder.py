"""The run folder: made once, held by one, readable in any state."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from cupel.ledger.job_folder import JobFolder
from cupel.ledger.records import RecordWriter
from cupel.ledger.run_folder import RunFolder
from cupel.spec.errors import RunFolderError
from cupel.spec.job import Job

JOB = Job(entry="workload/matmul", source="/x/matmul.py", digest="0" * 16)


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path, "test", {"name": "test"})


def test_each_run_has_a_folder_of_its_own(tmp_path):
    paths = {RunFolder.create(tmp_path, "same", {}).path for _ in range(3)}
    assert len(paths) == 3


def test_a_second_supervisor_is_refused_and_told_by_whom(folder):
    code = (
        "from pathlib import Path; from cupel.ledger.run_folder import RunFolder\n"
        f"with RunFolder(Path({str(folder.path)!r})).locked(): pass"
    )
    with folder.locked():
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert f"in use by process {os.getpid()}" in result.stderr
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0, "free again afterwards"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "no schema number"),
        ('{"schema": 99}', "reads up to 1"),
        ('{"schema": "1"}', "no schema number"),
    ],
)
def test_a_damaged_run_json_is_explained(tmp_path, content, words):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunFolderError, match=words):
        RunFolder(tmp_path)


def test_a_folder_of_runs_names_the_newest(folder):
    with pytest.raises(RunFolderError, match=folder.path.name):
        RunFolder(folder.path.parent)


def test_old_schemas_stay_readable(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"schema": 1, "name": "old", "unknown key of a newer version": 1}))
    assert RunFolder(tmp_path).asked["name"] == "old"


def test_another_attempt_keeps_what_the_first_left(folder):
    first = folder.job(JOB)
    (first.rank_path / "events.jsonl").write_text('{"kind":"failure","reason":"crashed"}\n')
    RecordWriter(first.path / "supervisor.jsonl").write("end", status="failed")
    assert JobFolder(first.path).status == "failed"
    second = folder.job(JOB)
    assert second.status == "unfinished"
    assert (second.path / "attempts" / "0" / "rank0" / "events.jsonl").exists()
    assert (second.path / "attempts" / "0" / "supervisor.jsonl").exists()


def test_a_result_counts_although_the_supervisor_died_before_it_saw_it(folder):
    job = folder.job(JOB)
    writer = RecordWriter(job.rank_path / "events.jsonl")
    writer.write("step", i=0, s=1.0, n=1, end_s=1.0)
    writer.write("result")
    assert folder.done(JOB)


def test_a_failure_that_the_supervisor_found_outweighs_a_result(folder):
    job = folder.job(JOB)
    RecordWriter(job.rank_path / "events.jsonl").write("result")
    RecordWriter(job.path / "supervisor.jsonl").write("failure", reason="flooded its log")
    assert not folder.done(JOB)


def test_late_losses_find_their_steps(folder):
    job = folder.job(JOB)
    writer = RecordWriter(job.rank_path / "events.jsonl")
    for index in range(3):
        writer.write("step", i=index, s=0.5, n=2, end_s=0.5 * (index + 1), also={"tokens": 9})
    writer.write("losses", loss=[3.0, 2.0, "nan"])
    steps = JobFolder(job.path).steps()
    assert steps.losses[:2] == [3.0, 2.0]
    assert steps.losses[2] != steps.losses[2], "not a number is kept as such"
    assert steps.also == {"tokens": [9.0, 9.0, 9.0]}


def test_the_log_tail_survives_binary_rubbish(folder):
    job = folder.job(JOB)
    (job.rank_path / "stderr.log").write_bytes(b"\xff\xfe" * 50_000 + b"\nthe end\n")
    assert job.log_tail()[-1] == "the end"
