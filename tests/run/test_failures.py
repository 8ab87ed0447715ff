"""Every way to fail is a recorded failure; what was started is gone afterwards; the rest goes on."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from cupel.report.document import build_document, exit_code
from cupel.run import watch
from cupel.spec.events import Finished, JobEnded

CASES = {
    "raises": ("def setup(sizes, slot, rng):\n    raise RuntimeError('no such layer')\n", "crashed", "no such layer"),
    "exits_early": ("def setup(sizes, slot, rng):\n    import os\n    os._exit(0)\n", "crashed", "left no result"),
    "system_exit": ("def setup(sizes, slot, rng):\n    raise SystemExit(3)\n", "crashed", "SystemExit"),
    "segfaults": (
        "def setup(sizes, slot, rng):\n    import os, signal\n    os.kill(os.getpid(), signal.SIGSEGV)\n",
        "crashed",
        "SIGSEGV",
    ),
    "out_of_memory": ("def setup(sizes, slot, rng):\n    raise MemoryError('12 GiB')\n", "out of memory", "12 GiB"),
    "nan_loss": (
        (
            "def setup(sizes, slot, rng):\n"
            "    def step():\n        spin(500)\n        return Done(items=1, loss=float('nan'))\n"
            "    return step\n"
        ),
        "loss is not finite",
        "nan at step 0",
    ),
    "wrong": (
        "def sane(sizes, slot, rng):\n    raise WrongWorkError('the sum is 3, expected 4')\n",
        "wrong work",
        "expected 4",
    ),
    "no_step": ("def setup(sizes, slot, rng):\n    return None\n", "crashed", "TypeError"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_failure_is_recorded_and_the_rest_goes_on(driver, workload, name):
    body, reason, words = CASES[name]
    folder, events = driver.run(workload(name, body), workload("fine"))
    document = build_document(folder)
    by_name = {entry["name"]: entry for entry in document["entries"]}
    assert by_name["fine"]["num_launches"] == 2
    assert by_name[name]["status"] == "failed"
    assert by_name[name]["rate"] is None
    failure = by_name[name]["failures"][0]
    assert failure["reason"] == reason
    assert words in failure["message"]
    assert exit_code(document) == 1
    assert "1 of 2 workloads" in document["headline"]
    assert isinstance(events[-1], Finished)
    assert events[-1].num_ok == 2


def test_the_log_of_a_crash_is_quoted(driver, workload):
    folder, _ = driver.run(
        workload(
            "shouts", "def setup(sizes, slot, rng):\n    print('loading shard 7')\n    raise OSError('bad shard')\n"
        )
    )
    failure = build_document(folder)["entries"][0]["failures"][0]
    assert any("loading shard 7" in line for line in failure["log_tail"])
    assert any("bad shard" in line for line in failure["log_tail"])


def test_what_the_device_cannot_do_is_a_skip(driver, workload):
    body = "def sane(sizes, slot, rng):\n    raise UnsupportedError('no fp8 here')\n"
    folder, _ = driver.run(workload("fp8_only", body), workload("fine"))
    document = build_document(folder)
    assert document["entries"][0]["status"] == "skipped"
    assert document["entries"][1]["num_launches"] == 2
    assert exit_code(document) == 0


HANG = """
def setup(sizes, slot, rng):
    import os, signal, subprocess, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = "import os, time; os.setsid(); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.DEVNULL)
    with open({marker!r}, "w") as file:
        file.write(str(child.pid))
    while True:
        time.sleep(1)
"""


def test_a_hang_is_ended_with_all_that_it_started(driver, workload, tmp_path):
    marker = tmp_path / "child.pid"
    folder, events = driver.run(workload("hangs", HANG.format(marker=str(marker))), workload("fine"), timeout_s=2.0)
    document = build_document(folder)
    failure = document["entries"][0]["failures"][0]
    assert failure["reason"] == "timed out"
    assert any("setup" in line for line in failure["log_tail"]), "the stack says where it hung"
    assert not _is_running(int(marker.read_text()))
    assert len([e for e in events if isinstance(e, JobEnded) and e.reason == "timed out"]) == 1, "not tried again"
    assert document["entries"][1]["num_launches"] == 2


DAEMON = """
def setup(sizes, slot, rng):
    import os, time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with open({marker!r}, "w") as file:
                file.write(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    while not os.path.exists({marker!r}):
        time.sleep(0.01)
    def step():
        spin(500)
        return Done(items=1)
    return step
"""


def test_a_daemon_does_not_outlive_its_launch(driver, workload, tmp_path):
    marker = tmp_path / "daemon.pid"
    folder, _ = driver.run(workload("forks", DAEMON.format(marker=str(marker))), launches=1)
    assert build_document(folder)["entries"][0]["num_launches"] == 1
    assert not _is_running(int(marker.read_text()))


def test_a_flooded_log_ends_the_job_and_is_cut(driver, workload, monkeypatch):
    monkeypatch.setattr(watch, "LOG_LIMIT_BYTES", 2 * 2**20)
    body = "def setup(sizes, slot, rng):\n    while True:\n        print('x' * 10000)\n"
    folder, _ = driver.run(workload("floods", body), workload("fine"))
    document = build_document(folder)
    assert document["entries"][0]["failures"][0]["reason"] == "flooded its log"
    assert document["entries"][1]["num_launches"] == 2
    sizes = [path.stat().st_size for path in folder.path.rglob("stdout.log")]
    assert max(sizes) < 2**20


def test_a_nan_loss_is_refused_although_a_later_one_is_fine(driver, workload):
    body = """
    def setup(sizes, slot, rng):
        losses = iter([1.0, float("inf")] + [1.0] * 100000)
        def step():
            spin(500)
            return Done(items=1, loss=next(losses))
        return step
    """
    folder, _ = driver.run(workload("spikes", body))
    assert build_document(folder)["entries"][0]["failures"][0]["message"].endswith(
        "expected a finite number at every step"
    )


def test_a_crash_is_tried_again_in_the_next_round_other_failures_are_not(driver, workload):
    for body, tries in (("os.kill(os.getpid(), 9)", 2), ("raise MemoryError('big')", 1)):
        text = f"def setup(sizes, slot, rng):\n    import os\n    {body}\n"
        _, events = driver.run(workload(f"tries{tries}", text), launches=3)
        assert sum(isinstance(e, JobEnded) and e.job.kind == "launch" for e in events) == tries


def test_a_full_disk_is_a_recorded_failure(driver, workload, monkeypatch):
    body = """
    def setup(sizes, slot, rng):
        import errno
        raise OSError(errno.ENOSPC, "No space left on device", "/scratch/cache")
    """
    folder, _ = driver.run(workload("fills", body), workload("fine"))
    failure = build_document(folder)["entries"][0]["failures"][0]
    assert failure["reason"] == "disk full"
    assert "/scratch/cache" in failure["message"]


def test_no_secret_of_the_environment_reaches_the_run_folder(driver, workload, monkeypatch):
    token = "hf_planted_" + "7" * 24
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setenv("CUPEL_TEST_PASSWORD", token)
    folder, _ = driver.run(workload("fine"), workload("raises", CASES["raises"][0]))
    for path in folder.path.rglob("*"):
        if path.is_file():
            assert token.encode() not in path.read_bytes(), path


def test_a_worker_ends_itself_when_its_supervisor_is_killed(driver, workload, tmp_path):
    """A supervisor in a process of its own is killed -9 in the middle of a launch."""
    marker = tmp_path / "child.pid"
    path = workload("hangs", HANG.format(marker=str(marker)))
    supervisor = os.fork()
    if supervisor == 0:
        try:
            os.setsid()
            for _ in driver.events(plan := driver.plan(path, timeout_s=60.0), driver.start(plan)):
                pass
        finally:
            os._exit(0)
    deadline = time.monotonic() + 20
    while not (marker.exists() and marker.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    child = int(marker.read_text())
    worker = psutil.Process(child).ppid()
    os.kill(supervisor, 9)
    os.waitpid(supervisor, 0)
    _wait_gone([worker, child], 4.0)
    folder = next(driver.out.iterdir())
    assert json.loads((folder / "run.json").read_text())["schema"] == 1
    document = build_document(type(driver.start(driver.plan(path)))(folder))
    assert document["status"] == "partial"


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _wait_gone(pids: list[int], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(_is_running(pid) for pid in pids):
            return
        time.sleep(0.05)
    raise AssertionError(f"still running: {[pid for pid in pids if _is_running(pid)]}")


def test_the_events_of_a_job_say_where_its_folder_is(driver, workload):
    folder, events = driver.run(workload("fine"), launches=1)
    ended = [e for e in events if isinstance(e, JobEnded)]
    assert [e.status for e in ended] == ["ok", "ok"]
    assert {p.name for p in Path(folder.path, "jobs").iterdir()} == {e.job.id for e in ended}


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_fills_up_costs_the_job_and_is_said(driver, workload, tmp_path):
    """A real file system of 1.2 MB, filled by the records of a job with a step of no time."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1200k", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        body = """
        def setup(sizes, slot, rng):
            import os
            fd = os.open(os.path.join(os.environ["CUPEL_TEST_DISK"], "ballast"), os.O_WRONLY | os.O_CREAT)
            try:
                while True:
                    os.write(fd, b"x" * 4096)
            except OSError:
                pass
            return lambda: Done(items=1, also={"x" * 100: 1})
        """
        os.environ["CUPEL_TEST_DISK"] = str(small)
        driver = type(driver)(small / "runs")
        folder, events = driver.run(workload("fills", body), launches=1)
        ended = [e for e in events if isinstance(e, JobEnded) and e.job.kind == "launch"]
        assert ended[0].reason == "disk full"
        document = build_document(folder)
        assert document["entries"][0]["failures"][0]["reason"] == "disk full"
        assert "cupel resume" in document["entries"][0]["failures"][0]["message"]
    finally:
        os.environ.pop("CUPEL_TEST_DISK", None)
        subprocess.run(["umount", str(small)], check=False)
