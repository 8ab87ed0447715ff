"""A claim from the command line: verdicts, exit codes, budgets, stops, resumes."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from cupel.cli import main
from cupel.ledger.records import read_records

CLAIM = """
import random

from cupel.spec.claim import Claim
from cupel.spec.outcome import Outcome

CARD = Claim(
    says="A beats B", source="a test", varies=("init",), arms={{"method": "a", "baseline": "b", "third": "c"}},
    published="9.9 on a mainframe", kept="the numbers", smaller="everything",
    statements=(
        {{"name": "score", "kind": "quality", "says": "A scores more than B", "metric": "score", "better": "higher",
         "rope": 0.2}},
        {{"name": "squares", "kind": "exact", "says": "squares are not negative", "metric": "square",
         "better": "higher"}},
    ),
    tiny={{"shift": {shift}}}, small={{"shift": 0.0}}, full={{"shift": 0.0}}, most_pairs={{"tiny": 12}},
    instances={{"tiny": 5}},
)


def task(sizes, slot, rng):
    return sizes.shift


def noisy(rng, name):
    return random.Random(rng.seed("init", name)).gauss(0, 0.3)


def method(task, slot, rng, hp):
    return Outcome({{"score": task + noisy(rng, "a")}}, {{"steps": 3}})


def baseline(task, slot, rng, hp):
    return Outcome({{"score": noisy(rng, "b")}}, {{"steps": 3}})


def third(task, slot, rng, hp):
    return Outcome({{"score": noisy(rng, "c")}}, {{"steps": 4}})


def instance(sizes, rng):
    return rng.seed("x")


def check(x):
    return Outcome({{"square": float(x) ** 2}})
"""

SLOW = """
    import time

    plain = method

    def method(task, slot, rng, hp):
        time.sleep({})
        return plain(task, slot, rng, hp)
"""


@pytest.fixture
def claim(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(body="", shift=1.0, stem="a_vs_b"):
        path = tmp_path / f"{stem}.py"
        path.write_text(CLAIM.format(shift=shift) + textwrap.dedent(body), encoding="utf-8")
        return f"./{stem}.py"

    return write


def run(capsys, *arguments):
    code = main(["run", *arguments, "--size", "tiny", "--json"])
    return code, json.loads(capsys.readouterr().out)


def records(tmp_path):
    (folder,) = (tmp_path / "runs").iterdir()
    return folder, list(read_records(folder / "claims.jsonl"))


def test_a_claim_ends_with_verdicts(claim, capsys, tmp_path):
    code, document = run(capsys, claim())
    first, second = document["verdicts"]
    assert (code, document["kind"], document["status"]) == (0, "claims", "complete")
    assert (first["verdict"], second["verdict"]) == ("supported", "supported")
    assert first["interval"][0] > 0
    assert first["n"] >= 5
    assert "a_vs_b: supported: A scores more than B; difference" in document["headline"]
    (told,) = document["claims"]
    assert [arm["num_trials"] for arm in told["arms"]][2] == 5  # an ablation has its numbers from the first pairs
    assert told["arms"][0]["costs"]["steps"]["mean"] == 3
    assert (tmp_path / "runs").is_dir()


def test_text_says_why_and_what_would_change_it(claim, capsys):
    assert main(["run", claim(), "--size", "tiny", "--why"]) == 0
    out = capsys.readouterr().out
    for text in (
        "supported",
        "why: the interval of the difference",
        "what would change it",
        "third: c",
        "9.9 on a mainframe",
    ):
        assert text in " ".join(out.split())
    assert all(len(line) <= 80 for line in out.splitlines() if "report.html" not in line)


@pytest.mark.parametrize(("shift", "word", "code"), [(-1.0, "contradicted", 3), (0.0, "undecided", 0)])
def test_other_verdicts_and_their_exit_codes(claim, capsys, shift, word, code):
    found, document = run(capsys, claim(shift=shift))
    assert (found, document["verdicts"][0]["verdict"]) == (code, word)


def test_a_number_of_pairs_is_kept_to(claim, capsys):
    _, document = run(capsys, claim(), "--pairs", "9")
    assert document["verdicts"][0]["n"] == 9
    assert document["verdicts"][0]["method"].startswith("Student's t")


def test_a_setting_is_part_of_the_claim(claim, capsys):
    _, document = run(capsys, claim(), "--set", "shift=3.0")
    assert document["verdicts"][0]["effect"] > 2
    assert "shift=3.0" in document["verdicts"][0]["scope"]


def test_a_budget_ends_it(claim, capsys):
    _, document = run(capsys, claim(SLOW.format(0.3)), "--budget", "1s")
    assert document["status"] == "partial"
    assert document["price"]["elapsed_s"] < 30


def test_a_claim_that_always_fails_is_given_up(claim, capsys):
    code, document = run(capsys, claim("def method(task, slot, rng, hp):\n    raise ValueError('no such layer')"))
    assert code == 1
    assert document["verdicts"][0]["verdict"] == "undecided"
    assert "no such layer" in document["claims"][0]["failures"][0]["message"]
    assert document["claims"][0]["broken"]


def test_a_metric_that_is_not_there_is_told(claim, capsys):
    _, document = run(capsys, claim("def baseline(task, slot, rng, hp):\n    return Outcome({'speed': 1.0})"))
    assert "'score' was asked; the outcome has speed" in document["claims"][0]["failures"][0]["message"]


def test_a_counter_example_refutes(claim, capsys):
    _, document = run(capsys, claim("def check(x):\n    return Outcome({'square': -1.0})"))
    assert document["verdicts"][1]["verdict"] == "contradicted"
    assert "counter-example" in document["verdicts"][1]["reason"]


def test_nothing_testable_has_an_exit_code_of_its_own(claim, capsys):
    body = """
        def method(task, slot, rng, hp):
            return Outcome.not_testable("this needs a mainframe")

        def check(x):
            return Outcome.not_testable("so does this")
    """
    code, document = run(capsys, claim(body))
    assert code == 4
    assert {verdict["verdict"] for verdict in document["verdicts"]} == {"not testable"}
    assert "mainframe" in document["verdicts"][0]["reason"]


def test_arms_are_tuned_alike(claim, capsys):
    body = """
        def space():
            return {"method": {"lr": (0.1, 0.2, 0.4)}, "baseline": {"lr": (1, 2)}, "third": {"lr": (1, 2)}}

        def method(task, slot, rng, hp):
            return Outcome({"score": task - abs(hp["lr"] - 0.2) + noisy(rng, "a")}, selection=-abs(hp["lr"] - 0.2))
    """
    _, document = run(capsys, claim(body))
    tuned = {item["arm"]: item for item in document["claims"][0]["tuned"]}
    assert tuned["method"]["hp"] == {"lr": 0.2}
    assert len({item["num_trials"] for item in tuned.values()}) == 1
    assert "conditional on one tuning" in document["verdicts"][0]["scope"]


def test_the_spread_of_each_source_is_told_when_asked(claim, capsys):
    _, document = run(capsys, claim(), "--variance")
    shares = {item["source"]: item["sd"] for item in document["claims"][0]["variance"]}
    assert shares["init"] == pytest.approx(0.3, rel=0.7)


def test_workloads_and_claims_are_not_run_together(claim, capsys):
    assert main(["run", claim(), "matmul", "--size", "tiny"]) == 2
    assert "run them apart" in capsys.readouterr().err


def test_options_of_workloads_are_refused(claim, capsys):
    assert main(["run", claim(), "--launches", "9"]) == 2
    assert "--pairs" in capsys.readouterr().err


def test_a_dry_run_tells_what_would_be_tried(claim, capsys):
    assert main(["run", claim(), "--size", "tiny", "--dry-run"]) == 0
    assert "at most 12 pairs" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="trials are forked on Linux")
def test_a_run_that_is_killed_is_gone_on_with(claim, tmp_path, capsys):
    name = claim(SLOW.format(0.15), shift=0.0)
    command = [sys.executable, "-m", "cupel", "run", name, "--size", "tiny"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = list((tmp_path / "runs").glob("*/claims.jsonl")) if (tmp_path / "runs").is_dir() else []
        if found and sum(r["kind"] == "trial" for r in read_records(found[0])) >= 14:
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    folder, before = records(tmp_path)
    assert main(["resume", str(folder), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    _, after = records(tmp_path)
    assert document["verdicts"][0]["n"] == 12
    keys = [
        (r["job"], r["arm"], r["index"], r["stream"]) for r in after if r["kind"] == "trial" and r["job"] != "space"
    ]
    assert len(keys) == len(set(keys))  # none was done twice
    assert after[: len(before)] == before


def test_a_file_that_changed_is_not_gone_on_with(claim, tmp_path, capsys):
    run(capsys, claim(shift=0.0))
    claim("# other", shift=0.0)
    folder, _ = records(tmp_path)
    assert main(["resume", str(folder)]) == 2
    assert "changed since this run was started" in capsys.readouterr().err


def test_a_run_on_a_full_disk_says_so(claim, capsys, monkeypatch):
    from cupel.ledger.claim_log import ClaimLog

    def full(*_args, **_fields):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ClaimLog, "write", full)
    assert main(["run", claim(), "--size", "tiny"]) == 2
    assert "No space left" in capsys.readouterr().err


SPEED = """
from pathlib import Path

from cupel.spec.claim import Claim
from cupel.spec.protocols import Done

CARD = Claim(
    says="A is as fast as B", source="a test", arms={"method": "a", "baseline": "b"}, needs=("torch",),
    statements=({"name": "rate", "kind": "speed", "says": "A is as fast as B", "metric": "rate", "better": "higher",
     "scale": "log", "sentence": "equivalence", "margin": 9.0},),
    tiny={"n": 1}, small={"n": 1}, full={"n": 1},
)


def task(sizes, slot, rng):
    return "cupel.run.worker" in Path("/proc/self/cmdline").read_text()


def method(task, slot, rng, hp):
    def step():
        sum(range(20_000))
        return Done(1 if task else 1e-9)
    return step


def baseline(task, slot, rng, hp):
    return method(task, slot, rng, hp)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_launches_of_speed_statements_are_fresh_processes(tmp_path, monkeypatch, capsys):
    """A worker that a server forked would have that server's command line."""
    pytest.importorskip("torch", reason="servers load torch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_vs_b.py").write_text(SPEED, encoding="utf-8")
    _, document = run(capsys, "./a_vs_b.py", "--pairs", "1")
    assert min(arm["rate"]["mean"] for arm in document["claims"][0]["arms"]) > 1
