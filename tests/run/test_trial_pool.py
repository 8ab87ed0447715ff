"""Trials that crash, hang, shout or leave things behind: each is a result of its own, and the rest goes on."""

import os
import signal
import sys
import textwrap
import threading
import time

import psutil
import pytest

from cupel.run.claim_plan import ClaimRequest, make_claim_plan
from cupel.run.stop import Stop
from cupel.run.trial_pool import TrialPool
from cupel.spec.catalog import Catalog

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="trials are forked on Linux")

HEAD = """
from cupel.spec.claim import Claim
from cupel.spec.outcome import Outcome

CARD = Claim(
    says="a beats b", source="a test", varies=("init",), arms={"method": "a", "baseline": "b"},
    statements=({"name": "s", "kind": "quality", "says": "a is larger", "metric": "v", "better": "higher"},),
    tiny={"n": 2}, small={"n": 3}, full={"n": 4},
)


def task(sizes, slot, rng):
    return sizes.n


def method(task, slot, rng, hp):
    return Outcome({"v": task + (rng.seed("init") % 1000) / 1000}, {"steps": 1})


def baseline(task, slot, rng, hp):
    return 1.0
"""


@pytest.fixture
def cell(tmp_path):
    def write(body="", **request):
        path = tmp_path / "a_vs_b.py"
        path.write_text(HEAD + textwrap.dedent(body), encoding="utf-8")
        plan = make_claim_plan(ClaimRequest(names=(str(path),), size="tiny", **request), Catalog([]))
        return plan.cells[0]

    return write


@pytest.fixture
def pool(tmp_path):
    with TrialPool(tmp_path, Stop(), workers=2, needs=()) as found:
        yield found


def jobs(cell, num=4, arm="method"):
    return [cell.trial(arm, index, hp={}) for index in range(num)]


def test_trials_end_with_outcomes_and_leave_no_log(cell, pool, tmp_path):
    ended = list(pool.run(jobs(cell(), 6)))
    assert sorted(e.job.launch for e in ended) == list(range(6))
    assert all(e.status == "ok" and e.outcome.costs == {"steps": 1.0} for e in ended)
    assert len({e.outcome.metric("v") for e in ended}) == 6
    assert not list((tmp_path / "trials").glob("a_vs_b*"))


def test_same_job_same_numbers(cell, pool):
    mine = cell()
    values = [{e.job.launch: e.outcome.as_dict() for e in pool.run(jobs(mine))} for _ in range(2)]
    assert values[0] == values[1]


def test_a_bare_number_is_a_value(cell, pool):
    (ended,) = pool.run(jobs(cell(), 1, "baseline"))
    assert ended.outcome.metric("anything") == 1.0


@pytest.mark.parametrize(
    ("body", "reason", "message"),
    [
        ("raise ValueError('no such layer')", "crashed", "ValueError: no such layer"),
        ("import os; os._exit(3)", "crashed", "exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed", "SIGSEGV"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "crashed", "needs more memory"),
        ("return 'good'", "refused", "returned str; expected an Outcome"),
        ("return Outcome({'v': 1}, note='x' * 100_000)", "refused", "expected at most 60000"),
        ("import sys; sys.exit(0)", "crashed", "SystemExit"),
    ],
)
def test_a_trial_that_fails_is_told_and_the_rest_goes_on(cell, pool, body, reason, message):
    mine = cell(f"""
        good = method

        def method(task, slot, rng, hp):
            if rng.trial == 1:
                print("just before")
                {body}
            return good(task, slot, rng, hp)
    """)
    ended = {e.job.launch: e for e in pool.run(jobs(mine))}
    assert [ended[k].status for k in range(4)] == ["ok", "failed", "ok", "ok"]
    assert ended[1].reason == reason
    assert message in ended[1].message
    assert any("just before" in line for line in ended[1].log_tail) or "os._exit" in body or "signal" in body


def test_a_trial_that_hangs_is_ended_with_what_it_started(cell, pool):
    mine = cell(
        """
        import subprocess, sys, time

        def method(task, slot, rng, hp):
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            time.sleep(600)
    """,
        timeout_s=1.5,
    )
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    started = time.monotonic()
    (ended,) = pool.run(jobs(mine, 1))
    assert (ended.status, ended.reason) == ("failed", "timed out")
    assert "did not end within 1.5 s" in ended.message
    assert time.monotonic() - started < 60
    time.sleep(0.3)
    left = [p for p in psutil.Process().children(recursive=True) if p.pid not in before and "sleep(600)" in _line(p)]
    assert not left


def _line(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_a_trial_that_floods_its_log_is_ended(cell, pool):
    mine = cell("""
        def method(task, slot, rng, hp):
            while True:
                print("x" * 10_000)
    """)
    (ended,) = pool.run(jobs(mine, 1))
    assert ended.reason == "log flood"


def test_a_server_that_is_killed_is_replaced(cell, pool):
    mine = cell("""
        import os, signal

        good = method

        def method(task, slot, rng, hp):
            if rng.trial == 0:
                os.kill(os.getppid(), signal.SIGKILL)
            return good(task, slot, rng, hp)
    """)
    ended = {e.job.launch: e.status for e in pool.run(jobs(mine))}
    assert ended.pop(0) == "failed"
    assert set(ended.values()) == {"ok"}


def test_a_claim_that_cannot_be_imported_says_so(cell, pool):
    mine = cell("import no_such_module_anywhere")
    (ended,) = pool.run(jobs(mine, 1))
    assert (ended.status, ended.reason) == ("failed", "crashed")
    assert "no_such_module_anywhere" in ended.message


def test_a_stop_starts_no_further_trial(cell, tmp_path):
    stop = Stop()
    with TrialPool(tmp_path, stop, workers=1, needs=()) as pool:
        ended = []
        for each in pool.run(jobs(cell(), 10)):
            ended.append(each)
            stop.requests = 1
    assert len(ended) == 1


def test_two_stops_end_what_runs(cell, tmp_path):
    stop = Stop()
    mine = cell("""
        import time

        def method(task, slot, rng, hp):
            time.sleep(600)
    """)
    started = time.monotonic()
    later = threading.Timer(0.5, lambda: setattr(stop, "requests", 2))
    later.start()
    with TrialPool(tmp_path, stop, workers=1, needs=()) as pool:
        assert list(pool.run(jobs(mine, 1))) == []
    assert time.monotonic() - started < 60


def test_not_testable_is_an_outcome(cell, pool):
    mine = cell("""
        from cupel.spec.errors import UnsupportedError

        def method(task, slot, rng, hp):
            raise UnsupportedError("this needs two GPUs")

        def baseline(task, slot, rng, hp):
            return Outcome.not_testable("nor does this")
    """)
    for arm, text in (("method", "two GPUs"), ("baseline", "nor does")):
        (ended,) = pool.run(jobs(mine, 1, arm))
        assert ended.status == "ok"
        assert not ended.outcome.is_testable
        assert text in ended.outcome.note


def test_trials_die_with_their_supervisor(cell, tmp_path):
    mine = cell(f"""
        import os, time

        def method(task, slot, rng, hp):
            open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
            time.sleep(600)
    """)
    pid = os.fork()
    if pid == 0:
        with TrialPool(tmp_path, Stop(), workers=1, needs=()) as pool:
            list(pool.run(jobs(mine, 1)))
        os._exit(0)
    wanted = tmp_path / "pid"
    end = time.monotonic() + 60
    while not (wanted.exists() and wanted.read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    trial = int(wanted.read_text())
    while psutil.pid_exists(trial) and psutil.Process(trial).status() != "zombie" and time.monotonic() < end:
        time.sleep(0.05)
    assert not psutil.pid_exists(trial) or psutil.Process(trial).status() == "zombie"
