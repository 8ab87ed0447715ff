from __future__ import annotations

import dataclasses
import io

import pytest
from rich.cells import cell_len

from cupel.report.live import LEAST_WAIT_S, Live
from cupel.spec.events import Decided, Finished, JobEnded, JobStarted, Planned, Progress
from cupel.spec.job import Job

GIB = 2.0**30


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


def job(name, launch=0, kind="launch"):
    return Job(entry=f"workload/{name}", source="x.py", digest="d", launch=launch, kind=kind)


def planned(names=("matmul", "dlrm"), num_jobs=4, expected_s=60.0):
    cells = {job(name).cell: (name, "images") for name in names}
    return Planned("runs/x", "smoke", "a laptop", cells, num_jobs, expected_s, {"llama fp8": "no fp8"})


def ended(name, launch=0, status="ok", **kw):
    words = {"reason": "", "message": "", "rate": 12.5, **kw}
    return JobEnded(job(name, launch), status, elapsed_s=4.2, **words)


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return Terminal()


def test_plain_lines_where_there_is_no_terminal():
    file = io.StringIO()
    with Live(file=file, width=80) as live:
        live.handle(planned())
        live.handle(JobStarted(job("matmul"), 2))
        live.handle(Progress(job("matmul"), "stepping", 5, 11.0, 1.0, GIB, None))
        live.handle(ended("matmul"))
        live.handle(JobStarted(job("dlrm"), 2))
        live.handle(ended("dlrm", status="failed", reason="out of memory", message="3 GiB asked\x1b[2J", rate=None))
        live.handle(Decided("matmul: 2 more launches"))
        live.handle(Finished(interrupted=False, num_ok=1, num_failed=1, elapsed_s=9.0))
    assert file.getvalue().splitlines() == [
        "smoke on a laptop: 4 jobs, about 1 min 00 s; records in runs/x",
        "– llama fp8 skipped: no fp8",
        "✓ [1/4] matmul launch 1 of 2: 12.50 images/s (4.2 s)",
        "✗ [2/4] dlrm launch 1 of 2 failed, out of memory: 3 GiB asked\\x1b[2J (4.2 s)",
        "· matmul: 2 more launches",
        "done: 1 launch ok, 1 job failed, 9.0 s",
    ]


def test_a_dumb_terminal_gets_plain_lines(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with Live(file=terminal, width=80) as live:
        live.handle(planned())
        live.handle(ended("matmul"))
    assert "\x1b" not in terminal.getvalue()
    assert "matmul launch 1" in terminal.getvalue()


def test_a_terminal_gets_a_table_that_is_gone_afterwards(terminal):
    clock = Clock()
    with Live(file=terminal, width=80, clock=clock) as live:
        live.handle(planned())
        clock.now_s = 1.0
        live.handle(JobStarted(job("matmul"), 2))
        clock.now_s = 2.0
        live.handle(Progress(job("matmul"), "stepping", 5, 11.0, 1.0, 1.5 * GIB, 250.0))
    text = terminal.getvalue()
    for part in ("items/s so far", "1/2", "11.00", "1.5 GiB", "250", "stepping", "about 58 s left", "Ctrl-C once"):
        assert part in text, part
    assert text.rstrip().endswith("\x1b[2K") or "\x1b[1A" in text  # the lines were taken away


def test_the_cursor_comes_back_after_an_error(terminal):
    def interrupted():
        with Live(file=terminal, width=80) as live:
            live.handle(planned())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert terminal.getvalue().count("\x1b[?25h") == 1


def test_at_most_two_drawings_a_second(terminal):
    clock = Clock()
    drawn = []
    with Live(file=terminal, width=80, clock=clock) as live:
        drawing = live._drawing
        live._drawing = lambda: drawn.append(clock.now_s) or drawing()
        live.handle(planned())
        for k in range(1000):
            clock.now_s = k * 0.01
            live.handle(Progress(job("matmul"), "stepping", k, 11.0, 1.0, None, None))
    assert 2 <= len(drawn) <= 10 / LEAST_WAIT_S + 1


def test_slow_drawing_takes_at_most_a_hundredth_of_the_time(terminal):
    clock = Clock()
    drawn = []
    with Live(file=terminal, width=80, clock=clock) as live:
        drawing = live._drawing

        def slow():
            drawn.append(clock.now_s)
            clock.now_s += 0.1
            return drawing()

        live._drawing = slow
        for _ in range(1000):
            clock.now_s += 0.05
            live.handle(Progress(job("matmul"), "stepping", 1, 11.0, 1.0, None, None))
    assert len(drawn) * 0.1 <= 0.011 * clock.now_s + 0.1


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(terminal, width):
    names = ("宽" * 40, "x" * 200, "llama precision=bf16 batch=128 strategy=fsdp")
    live = Live(file=terminal, width=width)
    live.handle(planned(names))
    for name in names:
        live.handle(Progress(job(name), "setting up", 0, None, 0.5, 3 * GIB, 700.0))
    file = io.StringIO()
    from cupel.report.console import open_console

    open_console(file, width).print(live._drawing())
    assert len(file.getvalue().splitlines()) >= 6
    assert all(cell_len(line) <= width for line in file.getvalue().splitlines())


def test_many_entries_fit_the_screen(terminal, monkeypatch):
    monkeypatch.setenv("LINES", "24")
    live = Live(file=terminal, width=80)
    names = [f"entry{k}" for k in range(200)]
    live.handle(planned(names, num_jobs=200))
    for name in names[:50]:
        live.handle(JobStarted(job(name), 1))
        live.handle(ended(name))
    live.handle(JobStarted(job("entry50"), 1))
    rows = [row.label for row in live._shown_rows()]
    assert len(rows) <= 24
    assert "entry50" in rows
    assert "entry49" in rows
    assert "entry51" in rows


def test_signs_tell_how_launches_ended(terminal):
    live = Live(file=io.StringIO(), width=80)
    live.handle(planned(("a", "b", "c", "d", "e")))
    live.handle(ended("a"))
    live.handle(ended("b"))
    live.handle(ended("b", 1, status="failed", reason="crashed", rate=None))
    live.handle(ended("c", status="failed", reason="timed out", rate=None))
    live.handle(ended("d", status="skipped", reason="not supported here", rate=None))
    assert [row.sign.mark for row in live._rows.values()] == ["✓", "!", "✗", "–", "·"]


def test_time_left_comes_from_the_jobs_that_ended():
    live = Live(file=io.StringIO(), width=80)
    assert live.left_s(0.0) is None
    live.handle(planned(num_jobs=10, expected_s=100.0))
    assert live.left_s(10.0) == 90.0
    for k in range(5):
        live.handle(ended("matmul", k))
    assert 35.0 < live.left_s(50.0) < 55.0
    for k in range(5, 12):  # more jobs than were planned at first
        live.handle(ended("matmul", k))
    assert live.left_s(120.0) == 0.0


def test_a_check_is_no_launch():
    file = io.StringIO()
    live = Live(file=file, width=80)
    live.handle(planned(("matmul",), num_jobs=2))
    live.handle(JobStarted(job("matmul", kind="sane"), None))
    live.handle(JobEnded(job("matmul", kind="sane"), "ok", "", "", None, 1.0))
    assert "matmul check (1.0 s)" in file.getvalue()
    assert next(iter(live._rows.values())).num_ok == 0


def test_a_check_stands_in_the_row_of_its_cell():
    small = job("matmul")
    check = dataclasses.replace(small, kind="sane", size="tiny", launch=0)
    live = Live(file=io.StringIO(), width=80)
    live.handle(dataclasses.replace(planned(("matmul",)), checks={check.id: small.cell}))
    live.handle(JobStarted(check, None))
    assert [(row.label, row.phase) for row in live._rows.values()] == [("matmul", "checking")]
    live.handle(JobEnded(check, "ok", "", "", None, 1.0))
    assert len(live._rows) == 1


def test_an_interrupted_job_is_no_failure():
    file = io.StringIO()
    live = Live(file=file, width=80)
    live.handle(planned(("matmul",)))
    live.handle(ended("matmul", status="failed", reason="interrupted", message="stopped by the user", rate=None))
    assert "… [1/4] matmul launch 1 interrupted (4.2 s)" in file.getvalue()
    row = next(iter(live._rows.values()))
    assert (row.num_failed, row.sign.word) == (0, "interrupted")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_that_is_gone_does_not_end_the_run(monkeypatch, is_terminal):
    class Gone(io.StringIO):
        encoding = "utf-8"

        def isatty(self):
            return is_terminal

        def write(self, text):
            raise OSError(5, f"Input/output error, {len(text)} letters lost")

    monkeypatch.setenv("TERM", "xterm-256color")
    clock = Clock()
    with Live(file=Gone(), width=80, clock=clock) as live:
        live.handle(planned())
        clock.now_s = 5.0
        live.handle(JobStarted(job("matmul"), 2))
        live.handle(ended("matmul"))
    assert live._is_gone
