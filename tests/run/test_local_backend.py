"""The local back end: fork server, odd entries, odd places."""

from __future__ import annotations

import math
import os
import signal
import sys
import time

import psutil
import pytest

from cupel.ledger.records import RecordWriter, read_records
from cupel.report.document import build_document
from cupel.run.make_plan import make_plan
from cupel.run.plan import Request
from cupel.run.stop import Stop
from cupel.spec.catalog import Catalog, load_catalog
from cupel.spec.errors import UsageError
from cupel.spec.events import JobEnded, Progress

NEEDS_TORCH = """
CARD = Workload(
    measures="test work", unit="calls", better="higher", source="a test", needs=("torch",),
    tiny={"spin_us": 500}, small={"spin_us": 2000}, full={"spin_us": 4000}, stepping_s={"tiny": %s},
)
"""


def with_torch(seconds: float) -> str:
    return NEEDS_TORCH % seconds


def write(tmp_path, name: str, seconds: float, body: str = "") -> str:
    head = "from cupel.spec import Done, Workload, WrongWorkError, UnsupportedError\n"
    rest = """
def setup(sizes, slot, rng):
    import time
    def step():
        time.sleep(sizes.spin_us * 1e-6)
        return Done(items=1)
    return step

def sane(sizes, slot, rng):
    pass
"""
    path = tmp_path / f"{name}.py"
    path.write_text(head + with_torch(seconds) + rest + body)
    return str(path)


@pytest.mark.skipif(sys.platform != "linux", reason="the fork server is for Linux")
def test_a_killed_fork_server_costs_one_launch_and_no_more(driver, tmp_path):
    pytest.importorskip("torch")
    plan = driver.plan(write(tmp_path, "forked", 2.5), launches=2)
    folder = driver.start(plan)
    is_killed = False
    ended = []
    for event in driver.events(plan, folder):
        if isinstance(event, Progress) and event.num_steps > 3 and not is_killed:
            children = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]
            server = next(p for p in children if any("zygote" in word for word in p.cmdline()))
            os.kill(server.pid, signal.SIGKILL)
            is_killed = True
        if isinstance(event, JobEnded):
            ended.append((event.job.kind, event.status))
    assert is_killed
    assert ended == [("sane", "ok"), ("launch", "failed"), ("launch", "ok")]


@pytest.mark.parametrize(
    ("items", "also", "words"),
    [
        ("float('nan')", "None", "step 0 did nan items"),
        ("-1", "None", "expected a finite number"),
        ("1", "{'tokens': float('inf')}", "did inf tokens"),
        ("0", "None", "no step that did anything"),
        ("None", "None", "TypeError"),
    ],
)
def test_a_step_that_counts_wrongly_is_wrong_work(driver, workload, items, also, words):
    body = f"""
    def setup(sizes, slot, rng):
        def step():
            spin(500)
            return Done(items={items}, also={also})
        return step
    """
    folder, _ = driver.run(workload("odd", body), workload("fine"))
    document = build_document(folder)
    assert words in document["entries"][0]["failures"][0]["message"]
    assert document["entries"][1]["num_launches"] == 2
    assert driver.run(workload("odd", body))[0], "a resume or a second run is not stopped by it"


def test_numbers_of_numpy_are_numbers(driver, workload):
    body = """
    def setup(sizes, slot, rng):
        import numpy as np
        def step():
            spin(500)
            return Done(items=np.int64(2), loss=np.float32(0.5), also={"tokens": np.int64(6)})
        return step
    """
    folder, _ = driver.run(workload("numpy_counts", body))
    entry = build_document(folder)["entries"][0]
    assert entry["num_launches"] == 2
    assert folder.jobs()[0].steps().also["tokens"][0] == 6.0


@pytest.mark.parametrize("name", ["with space", "ümläut", "new\nline", "quote'\""])
def test_odd_places(driver, tmp_path, name):
    pytest.importorskip("torch")
    driver.out = tmp_path / name
    _, events = driver.run(write(tmp_path, "placed", 0.05), launches=1)
    assert [e.status for e in events if isinstance(e, JobEnded)] == ["ok", "ok"]


def test_the_users_folder_is_not_imported_from(driver, workload, tmp_path, monkeypatch):
    (tmp_path / "difflib.py").write_text("raise RuntimeError('a file of the user')")
    monkeypatch.chdir(tmp_path)
    _, events = driver.run(workload("fine"), launches=1)
    assert [e.status for e in events if isinstance(e, JobEnded)] == ["ok", "ok"]


def test_two_files_of_one_name_are_not_taken_for_each_other(driver, workload, tmp_path):
    one = workload("mine")
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.py").write_text((tmp_path / "mine.py").read_text())
    with pytest.raises(UsageError, match="have the same name"):
        driver.plan(one, str(other / "mine.py"))


def test_an_entry_without_torch_stays_on_the_cpu(workload):
    plan = make_plan(Request(names=(workload("fine"), "matmul"), device="cuda:0", size="tiny"), load_catalog())
    assert {cell.job.stem: cell.job.device for cell in plan.cells} == {"fine": "cpu", "matmul": "cuda:0"}


def test_settings_that_one_entry_lacks_are_noted(workload):
    plan = make_plan(Request(names=(workload("fine"), "matmul"), settings=("speed=fast",), size="tiny"), load_catalog())
    assert plan.notes == ("matmul has no setting speed; it runs without.",)
    assert [cell.label for cell in plan.cells] == ["fine speed=fast", "matmul"]


def test_what_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = Stop()
        with stop.listening():
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGINT)
        assert stop.requests == 1
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_record_after_a_torn_one_is_readable(tmp_path, monkeypatch):
    writer = RecordWriter(tmp_path / "x.jsonl")
    real = os.write
    taken = []

    def short(descriptor: int, data: bytes) -> int:
        if taken:
            raise OSError(28, "No space left on device")
        taken.append(real(descriptor, data[:7]))
        return taken[0]

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(OSError, match="No space"):
        writer.write("failure", reason="disk full")
    monkeypatch.setattr(os, "write", real)
    writer.write("failure", reason="disk full")
    assert [r["reason"] for r in read_records(tmp_path / "x.jsonl")] == ["disk full"]


def test_the_null_work_is_recorded_with_each_launch(driver, workload):
    folder, _ = driver.run(workload("fine"), launches=1)
    starts = [job.last("start") for job in folder.jobs()]
    assert all(start is not None and 0 < start["null_s"] < 1 for start in starts)
    assert all(math.isfinite(start["null_s"]) for start in starts if start)
    assert time.time() - starts[0]["t"] < 60
    assert Catalog([]).entries == {}
