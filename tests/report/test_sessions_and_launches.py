"""What a run says of its sessions, its launches, its sensors, and what `--launches auto` reached."""

from __future__ import annotations

import math
import random

import pytest

from cupel.ledger import job_folder
from cupel.ledger.records import RecordWriter
from cupel.ledger.run_folder import RunFolder
from cupel.report.document import build_document, exit_code

HOUR_S = 3600.0


def steady(mean=0.01, n=60, seed=0, spread=0.002):
    rng = random.Random(f"{mean} {n} {seed}")
    return [mean * math.exp(rng.gauss(0, spread)) for _ in range(n)]


def launches(book, times, name="a", **options):
    for index, at_s in enumerate(times):
        book.launch(name, index, steady(seed=index), at_s=at_s, **options)
    return book


def codes(holder):
    return [warning["code"] for warning in holder["warnings"]]


def test_a_long_pause_is_another_session(book_of, tmp_path):
    assert codes(launches(book_of(tmp_path), [1e9, 1e9 + 50, 1e9 + HOUR_S]).document()) == ["one session"]
    late = launches(book_of(tmp_path), [1e9, 1e9 + 50, 1e9 + 2 * HOUR_S]).document()
    assert codes(late) == ["several sessions"]
    assert "launches are of 2 sessions" in late["warnings"][0]["text"]


def test_a_resume_is_another_session_and_its_differences_are_listed(book_of, tmp_path):
    book = launches(book_of(tmp_path), [1e9, 1e9 + 50, 1e9 + 400])
    resumed = [{"t": 1e9 + 300, "machine": "m", "differences": ["the kernel differs", "the code differs"]}]
    RunFolder(book.folder.path).note(resumed=resumed, code_end="c1")
    document = book.document()
    assert codes(document) == ["resumed otherwise", "code changed", "several sessions"]
    assert "the kernel differs; the code differs" in document["warnings"][0]["text"]
    RunFolder(book.folder.path).note(resumed=[{"t": 1e9 + 900, "differences": []}], code_end="c0")
    assert codes(book.document()) == ["one session"], "nothing was launched after it, and the code is the same"


def test_few_steps_are_a_warning_of_the_entry(book_of, tmp_path):
    book = book_of(tmp_path)
    for index in range(3):
        book.launch("a", index, steady(n=8, seed=index))
    entry = book.document()["entries"][0]
    assert entry["status"] == "unstable"
    assert codes(entry) == ["too few steps"]
    assert entry["untrusted"] == ""
    some = book_of(tmp_path)
    for index in range(3):
        some.launch("a", index, steady(n=25, seed=index))
    assert (some.document()["entries"][0]["status"], codes(some.document()["entries"][0])) == ("ok", [])


def test_the_pilot_is_the_first_launches_that_ended_well(book_of, tmp_path):
    book = book_of(tmp_path, launches=None, pilot=4, width=0.5)
    for index in (0, 2, 3, 4, 5):
        book.launch("a", index, steady(0.01 * (1 + 0.01 * (index % 2)), seed=index))
    book.fail("a", 1)
    entry = book.document()["entries"][0]
    assert (entry["pilot_n"], entry["num_launches"], entry["planned_launches"]) == (4, 5, 4)
    short = book_of(tmp_path, launches=None, pilot=4)
    short.launch("a", 0, steady(0.01))
    short.launch("a", 2, steady(0.011))
    short.fail("a", 1)
    entry = short.document()["entries"][0]
    assert (entry["pilot_n"], entry["planned_launches"]) == (2, 4)
    text = next(w["text"] for w in entry["warnings"] if w["code"] == "width not reached")
    assert "only 2 of the pilot's 4 launches ended well" in text


@pytest.mark.parametrize(("most", "why"), [(6, "at most 6 launches"), (60, "the budget or a stop ended them")])
def test_a_width_that_was_not_reached_is_said(book_of, tmp_path, most, why):
    book = book_of(tmp_path, launches=None, pilot=5, width=0.001, most_launches=most)
    for index in range(6):
        book.launch("a", index, steady(0.01 * (1 + 0.02 * (index % 3)), seed=index))
    entry = book.document()["entries"][0]
    assert why in next(w["text"] for w in entry["warnings"] if w["code"] == "width not reached")
    wide = book_of(tmp_path, launches=None, pilot=3, width=0.5)
    for index in range(3):
        wide.launch("a", index, steady(seed=index))
    assert codes(wide.document()["entries"][0]) == []


def test_an_outlier_after_the_pilot_makes_auto_unstable(book_of, tmp_path):
    book = book_of(tmp_path, launches=None, pilot=4, width=0.5)
    for index in range(6):
        book.launch("a", index, steady(0.01 * (1.7 if index == 5 else 1 + 0.001 * index), seed=index))
    entry = book.document()["entries"][0]
    assert entry["status"] == "unstable"
    assert (entry["cv_n"], entry["cv"] > 0.1) == (6, True)
    assert entry["also"][0]["interval"][0] == pytest.approx(7 * entry["interval"][0])


def test_launches_equal_to_the_last_digit_have_no_interval(book_of, tmp_path):
    book = book_of(tmp_path)
    for index in range(3):
        book.launch("a", index, [0.01] * 60)
    entry = book.document()["entries"][0]
    assert (entry["interval"], entry["cv"]) == (None, None)
    assert "too coarse" in entry["interval_note"]
    assert "from 3 launches" in entry["text"]


def seen(word):
    """A sample of two devices, the second of which stands first and has something to say."""
    return {"devices": [{"index": 1, "throttle": [word]}, {"index": 0, "throttle": []}]}


@pytest.mark.parametrize(
    ("device", "word", "expected"),
    [
        ("cuda:1", "thermal (hardware)", "throttled"),
        ("cuda:1", "power brake", "throttled"),
        ("cuda:1", "power cap", "power cap"),
        ("cuda:1", "application clocks", "application clocks"),
        ("cuda:1", "sync boost", ""),
        ("cuda:0", "thermal (hardware)", ""),
        ("cpu", "thermal (hardware)", ""),
    ],
)
def test_only_the_jobs_own_device_can_be_throttled(book_of, tmp_path, device, word, expected):
    book = book_of(tmp_path, changes={"job": {"device": device}})
    launches(book, [1e9, 1e9, 1e9], **seen(word))
    entry = book.document()["entries"][0]
    assert codes(entry) == ([expected] if expected else [])
    assert entry["status"] == ("unstable" if expected == "throttled" else "ok")


def test_a_moment_of_heat_is_no_throttling(book_of, tmp_path):
    book = launches(book_of(tmp_path, changes={"job": {"device": "cuda:1"}}), [1e9, 1e9, 1e9])
    for job in RunFolder(book.folder.path).jobs():
        writer = RecordWriter(job.path / "supervisor.jsonl")
        for k in range(20):
            writer.write("telemetry", t=1e9, **seen("thermal (software)" if k == 0 else "power cap"))
    assert codes(book.document()["entries"][0]) == ["power cap"]


def test_every_record_file_is_read_once(book_of, tmp_path, monkeypatch):
    book = launches(book_of(tmp_path, ("a", "b")), [1e9, 1e9, 1e9])
    launches(book, [1e9, 1e9], "b")
    read = []
    real = job_folder.read_records
    monkeypatch.setattr(job_folder, "read_records", lambda path: read.append(str(path)) or real(path))
    build_document(RunFolder(book.folder.path))
    assert len(read) == len(set(read)) == 10


def test_nothing_but_skips_is_exit_code_4(book_of, tmp_path):
    book = book_of(tmp_path)
    book.fail("a", 0, "not supported here", "skipped")
    assert exit_code(book.document()) == 4
    assert exit_code(book_of(tmp_path).document()) == 0, "what is merely missing"
