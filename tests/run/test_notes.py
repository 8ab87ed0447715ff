"""What a workload notes of its work stands in its records, in every report of them, and beside a comparison."""

from __future__ import annotations

import io

from cupel.ledger.job_folder import JobFolder
from cupel.report.comparison import build_comparison
from cupel.report.document import build_document
from cupel.report.html import render_run
from cupel.report.terminal import show_comparison, show_run

OWN = "the data are 3 files of the user's own"
BODY = """
def setup(sizes, slot, rng):
    import os
    def step():
        spin(500)
        return Done(items=1)
    for text in os.environ.get("NOTED", "").split(";"):
        if text:
            slot.note(text)
    return step
"""


def test_a_note_reaches_records_reports_and_comparisons(driver, workload, monkeypatch):
    path = workload("noting", BODY)
    monkeypatch.setenv("NOTED", f"{OWN};{OWN}")
    own, _ = driver.run(path)
    monkeypatch.setenv("NOTED", "")
    made, _ = driver.run(path)
    launch = next(job for job in own.jobs() if job.job.kind == "launch")
    assert JobFolder(launch.path).last("result")["notes"] == [OWN]
    document, plain = build_document(own), build_document(made)
    (entry,) = document["entries"]
    assert entry["notes"] == [OWN]
    assert {"code": "note", "text": OWN} in entry["warnings"]
    assert plain["entries"][0]["notes"] == []
    for text in (shown(show_run, document), render_run(document)):
        assert "3 files of the user" in text
    comparison = build_comparison(document, plain)
    (warning,) = (one for one in comparison["warnings"] if one["code"] == "notes differ")
    assert warning["text"] == f"noting: the launches noted other things of their work: A {OWN}; B nothing"
    assert OWN in shown(show_comparison, comparison)
    assert not any(one["code"] == "notes differ" for one in build_comparison(document, document)["warnings"])


def test_a_note_of_some_launches_says_of_how_many(driver, workload, tmp_path):
    body = f"""
    def setup(sizes, slot, rng):
        from pathlib import Path
        def step():
            spin(500)
            return Done(items=1)
        mark = Path({str(tmp_path / "mark")!r})
        if not mark.exists():
            mark.touch()
            slot.note("the first")
        return step
    """
    folder, _ = driver.run(workload("some", body), launches=2)
    assert build_document(folder)["entries"][0]["notes"] == ["in 1 of 2 launches: the first"]


def shown(show, document) -> str:
    file = io.StringIO()
    show(document, file=file, width=200)
    return file.getvalue()
