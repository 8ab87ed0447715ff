"""Scripts as trials: what they are given, what is read of them, and how they end."""

import json
import os
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cupel.run.trial_processes import TrialProcesses, script_command
from cupel.spec.errors import UsageError
from cupel.spec.tuning import Attempt, AttemptEnded, Report, TuningRequest, arguments

Run = Callable[..., tuple[list[Report], AttemptEnded]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a script once, to its end."""

    def run_script(
        text: str, *, name: str = "train.py", timeout_s: float | None = None, most: float = 1e9
    ) -> tuple[list[Report], AttemptEnded]:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        request = TuningRequest(script=str(path), space={}, metric="loss", timeout_s=timeout_s)
        reports: list[Report] = []

        def take(report: Report) -> bool:
            reports.append(report)
            return (report.step or 0) < most

        with TrialProcesses(script_command(str(path)), tmp_path, request) as trainer:
            trainer.start(attempt("000000.0"))
            ended = [end for _ in range(400) for end in trainer.collect(take, 0.1)]
        assert len(ended) == 1
        return reports, ended[0]

    return run_script


def attempt(key: str, **parameters: float | str | bool) -> Attempt:
    return Attempt(key, 0, {"lr": 0.001, **parameters}, 1, 9, 123, "000000")


def test_a_script_is_given_its_parameters_on_argv_and_the_rest_in_its_environment(run: Run, tmp_path: Path) -> None:
    reports, ended = run(
        """
        import json, os, sys
        keys = ("CUPEL_RESOURCE", "CUPEL_CHECKPOINT", "CUPEL_SEED", "CUPEL_WORKER")
        print("not json")
        print(json.dumps({"loss": 1.5, "step": 2, "argv": sys.argv[1:], **{k: os.environ[k] for k in keys}}))
        """
    )
    assert (ended.status, [(r.value, r.step) for r in reports]) == ("ok", [(1.5, 2.0)])
    line = json.loads((tmp_path / "trials" / "000000" / "000000.0.log").read_text().splitlines()[1])
    assert line["argv"] == ["--lr=0.001"]
    assert (line["CUPEL_RESOURCE"], line["CUPEL_SEED"], line["CUPEL_WORKER"]) == ("9", "123", "0")
    checkpoint = Path(line["CUPEL_CHECKPOINT"])
    assert checkpoint.parent == tmp_path / "trials" / "000000"
    assert not checkpoint.exists()


def test_values_are_written_as_people_write_them() -> None:
    found = arguments({"lr": 1e-05, "width": 64, "act": "relu", "nesterov": False})
    assert found == ["--lr=1e-05", "--width=64", "--act=relu", "--nesterov=false"]


@pytest.mark.parametrize(
    ("line", "value", "step"),
    [
        ('{"loss": 2, "step": 3}', 2.0, 3.0),
        ('  {"loss": 2}', 2.0, None),
        ('{"loss": NaN}', None, None),
        ('{"loss": null, "step": 1}', None, 1.0),
        ('{"loss": Infinity, "step": true}', float("inf"), None),
        ('{"loss": "nan"}', None, None),
    ],
)
def test_a_line_of_json_with_the_metric_is_a_report(run: Run, line: str, value: float | None, step: float) -> None:
    reports, ended = run(f"print({line!r})")
    assert ended.status == "ok"
    assert len(reports) == 1
    assert reports[0].step == step
    assert reports[0].value == value or (value is None and reports[0].value != reports[0].value)


@pytest.mark.parametrize("line", ["[1, 2]", '{"loss": true}', '{"loss": [1]}', '{"loss": 1', "{" * 5000, '"loss"'])
def test_other_lines_are_left_alone(run: Run, line: str) -> None:
    reports, ended = run(f"print({line!r})\nprint('{{\"loss\": 7}}')")
    assert ([r.value for r in reports], ended.status) == ([7.0], "ok")


def test_a_script_without_the_metric_is_told_what_it_printed_instead(run: Run) -> None:
    _, ended = run("print('{\"accuracy\": 1}')")
    assert (ended.status, ended.reason) == ("failed", "no value")
    assert "with accuracy" in ended.message
    assert '"loss"' in ended.message


def test_a_script_that_fails_leaves_the_end_of_its_log(run: Run) -> None:
    reports, ended = run("print('{\"loss\": 1}')\nraise ValueError('no such activation')")
    assert (ended.status, len(reports)) == ("failed", 1)
    assert ended.message == "it exited with 1"
    assert ended.log_tail[-1] == "ValueError: no such activation"


def test_a_script_that_a_signal_ends_is_lost_and_not_failed(run: Run) -> None:
    _, ended = run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert (ended.status, "SIGKILL" in ended.message) == ("lost", True)


def test_a_script_that_takes_too_long_is_ended(run: Run) -> None:
    _, ended = run("import time\ntime.sleep(600)", timeout_s=0.3)
    assert (ended.status, ended.reason, ended.message) == ("failed", "timed out", "it took longer than 0.3 s")


def test_a_script_that_need_not_go_on_may_write_its_checkpoint_first(run: Run, tmp_path: Path) -> None:
    reports, ended = run(
        """
        import os, signal, sys, time
        def end(*_):
            open(os.environ["CUPEL_CHECKPOINT"], "w").write("saved")
            sys.exit(0)
        signal.signal(signal.SIGTERM, end)
        for step in range(1, 10_000):
            print('{"loss": 1, "step": %d}' % step, flush=True)
            time.sleep(0.05)
        """,
        most=3,
    )
    assert ended.status == "stopped"
    assert 3 <= len(reports) < 40
    assert (tmp_path / "trials" / "000000" / "checkpoint").read_text() == "saved"


def test_what_a_script_started_ends_with_it(run: Run, tmp_path: Path) -> None:
    _, ended = run(
        f"""
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
        print('{{"loss": 1}}')
        """
    )
    assert ended.status == "ok"
    pid = int((tmp_path / "pid").read_text())
    end = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < end:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_flood_of_output_is_read_to_its_last_line(run: Run) -> None:
    reports, ended = run("for _ in range(20000): print('x' * 200)\nprint('{\"loss\": 4}', end='')")
    assert ([r.value for r in reports], ended.status) == ([4.0], "ok")


def test_several_scripts_run_at_once_each_on_a_worker_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import os, time\ntime.sleep(0.2)\nprint('{\"loss\": %s}' % os.environ['CUPEL_WORKER'])")
    request = TuningRequest(script=str(script), space={}, metric="loss", workers=3)
    values: dict[str, float] = {}
    with TrialProcesses(script_command(str(script)), tmp_path, request) as trainer:
        for k in range(3):
            trainer.start(attempt(f"00000{k}.0"))
        assert len(trainer.pids) == 3

        def take(report: Report) -> bool:
            values[report.key] = report.value
            return True

        ended = [end for _ in range(100) for end in trainer.collect(take, 0.1)]
    assert len(ended) == 3
    assert sorted(values.values()) == [0, 1, 2]


def test_a_script_in_another_language_runs_by_its_first_line_or_by_its_bit(run: Run, tmp_path: Path) -> None:
    text = '#!/bin/sh\necho "{\\"loss\\": 5, \\"step\\": $CUPEL_RESOURCE}"\n'
    reports, ended = run(text, name="train.sh")
    assert ([(r.value, r.step) for r in reports], ended.status) == ([(5.0, 9.0)], "ok")
    path = tmp_path / "train.sh"
    path.chmod(0o755)
    assert script_command(str(path)) == [str(path)]
    assert script_command(str(tmp_path / "train.sh"))[0] == str(path)
    other = tmp_path / "train.r"
    other.write_text("print(1)")
    with pytest.raises(UsageError, match="does not begin with #!"):
        script_command(str(other))
    with pytest.raises(UsageError, match="is not there"):
        script_command(str(tmp_path / "absent.py"))


def test_a_script_that_cannot_be_started_is_a_failed_trial(tmp_path: Path) -> None:
    request = TuningRequest(script="s", space={}, metric="loss")
    with TrialProcesses([str(tmp_path / "absent")], tmp_path, request) as trainer:
        trainer.start(attempt("000000.0"))
        ended = list(trainer.collect(lambda _: True, 1.0))
        assert [(e.status, e.reason) for e in ended] == [("failed", "could not start")]
        assert "No such file" in ended[0].message
        trainer.start(attempt("000000.1"))  # its worker is free again
        assert len(list(trainer.collect(lambda _: True, 1.0))) == 1


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.mark.usefixtures("two_devices")
def test_workers_share_out_the_devices_and_the_cores(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import os, json\n"
        "keys = ('CUDA_VISIBLE_DEVICES', 'OMP_NUM_THREADS')\n"
        "print(json.dumps({'loss': 1, **{k: os.environ[k] for k in keys}}))"
    )
    request = TuningRequest(script=str(script), space={}, metric="loss", workers=2)
    with TrialProcesses([sys.executable, str(script)], tmp_path, request) as trainer:
        for k in range(2):
            trainer.start(attempt(f"00000{k}.0"))
        ended = [end for _ in range(100) for end in trainer.collect(lambda _: True, 0.1)]
    assert len(ended) == 2
    lines = [json.loads((tmp_path / f"trials/000000/00000{k}.0.log").read_text()) for k in range(2)]
    assert [line["CUDA_VISIBLE_DEVICES"] for line in lines] == ["3", "5"]
    assert {line["OMP_NUM_THREADS"] for line in lines} == {str(max(1, (os.cpu_count() or 1) // 2))}
