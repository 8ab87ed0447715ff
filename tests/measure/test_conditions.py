from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cupel.measure import conditions as module
from cupel.measure.accelerators import Accelerators, open_accelerators
from cupel.measure.conditions import advice, busy_processes, cpu_seconds, describe_conditions, device_processes

QUIET: dict[str, Any] = {
    "load1": 0.1,
    "num_threads_machine": 2,
    "cpu_quota_cores": None,
    "governors": ["performance"],
    "turbo": False,
    "thread_settings": {},
    "device_processes": [],
    "busy_processes": [],
}
CALM: dict[str, Any] = {"steal_frac": 0.0, "floor_frac": 0.001}


def test_frequency_scaling_from_files(plant: Callable[..., Path]) -> None:
    cpus = "sys/devices/system/cpu"
    root = plant(
        {
            f"{cpus}/cpufreq/policy0/scaling_governor": "powersave\n",
            f"{cpus}/cpufreq/policy0/scaling_driver": "intel_pstate\n",
            f"{cpus}/cpufreq/policy0/scaling_min_freq": "800000\n",
            f"{cpus}/cpufreq/policy0/scaling_max_freq": "3800000\n",
            f"{cpus}/cpufreq/policy1/scaling_governor": "performance\n",
            f"{cpus}/intel_pstate/no_turbo": "0\n",
        }
    )
    found = describe_conditions(Accelerators(), root, environ={})
    assert found["governors"] == ["performance", "powersave"]
    assert (found["scaling_driver"], found["turbo"]) == ("intel_pstate", True)
    assert (found["min_mhz"], found["max_mhz"]) == (800.0, 3800.0)
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("file", "text", "turbo"),
    [
        ("intel_pstate/no_turbo", "1", False),
        ("cpufreq/boost", "1", True),
        ("cpufreq/boost", "0", False),
        ("cpufreq/boost", "?", None),
    ],
)
def test_turbo_of_both_makers(plant: Callable[..., Path], file: str, text: str, turbo: bool | None) -> None:
    root = plant({f"sys/devices/system/cpu/{file}": text})
    assert describe_conditions(Accelerators(), root, environ={})["turbo"] is turbo


def test_a_machine_that_shows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError

    monkeypatch.setattr(os, "getloadavg", refuse)
    found = describe_conditions(Accelerators(), tmp_path, environ={})
    assert [found[k] for k in ("load1", "governors", "turbo", "max_mhz", "cpu_quota_cores")] == [None] * 5
    assert advice(found, {}, devices=[]) == []


def test_thread_settings_never_show_a_secret(tmp_path: Path) -> None:
    environ = {
        "OMP_NUM_THREADS": "4,2",
        "OMP_PROC_BIND": "close",
        "GOMP_CPU_AFFINITY": "0-3",
        "MKL_NUM_THREADS": "hf_planted5ecret",
        "HF_TOKEN": "hf_planted5ecret",
        "OPENBLAS_NUM_THREADS": "",
    }
    found = describe_conditions(Accelerators(), tmp_path, environ=environ)["thread_settings"]
    assert found == {
        "OMP_NUM_THREADS": "4,2",
        "MKL_NUM_THREADS": "(not shown)",
        "OMP_PROC_BIND": "close",
        "GOMP_CPU_AFFINITY": "0-3",
    }


def test_processes_on_devices_by_pid_and_name(fake_nvml: Any, tmp_path: Path) -> None:
    parent = os.getppid()
    fake_nvml.cards[0]["pids"] = {os.getpid(): 5, parent: 7 * 2**30}
    fake_nvml.cards[1]["pids"] = {2**22 + 1: None}
    found = device_processes(open_accelerators(tmp_path, {}))
    assert [(p["device"], p["pid"], p["memory_bytes"]) for p in found] == [(0, parent, 7 * 2**30), (1, 2**22 + 1, None)]
    assert found[0]["name"]
    assert found[1]["name"] is None


def test_busy_processes_are_named_and_their_command_lines_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NUM_BUSY_SHOWN", 10**6)
    secret = "hf_planted5ecret"  # noqa: S105  planted, to be looked for
    code = "input(); x = sum(k * k for k in range(2_000_000)); print(flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, secret], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        before = cpu_seconds()
        child.stdin.write("\n")
        child.stdin.flush()
        child.stdout.readline()
        found = busy_processes(before, cpu_seconds(), elapsed_s=0.05)
        child.stdin.write("\n")
    assert child.pid in [process["pid"] for process in found]
    assert os.getpid() not in [process["pid"] for process in found]
    assert secret not in str(found)


def test_busy_means_more_than_a_fifth_of_a_core() -> None:
    before = {(1, 1.0): ("a", 0.0), (2, 1.0): ("b", 0.0), (3, 1.0): ("c", 9.0)}
    after = {(1, 1.0): ("a", 2.0), (2, 1.0): ("b", 0.3), (3, 1.0): ("c", 13.0), (4, 2.0): ("new", 99.0)}
    assert busy_processes(before, after, elapsed_s=2.0) == [
        {"pid": 3, "name": "c", "cores": 2.0},
        {"pid": 1, "name": "a", "cores": 1.0},
    ]
    assert busy_processes(before, after, elapsed_s=0.0) == []


def test_a_quiet_machine_needs_no_advice() -> None:
    assert advice(QUIET, CALM, devices=[{"index": 0, "name": "H100", "throttle": []}]) == []


@pytest.mark.parametrize(
    ("conditions", "noise", "words"),
    [
        ({"load1": 7.2}, {}, "Load 7.2 on 2 hardware threads"),
        ({"busy_processes": [{"pid": 7, "name": "cc1", "cores": 1.5}]}, {}, "cc1 (pid 7, 1.5 cores)"),
        ({"device_processes": [{"pid": 8, "name": None, "device": 1}]}, {}, "unknown (pid 8, device 1)"),
        ({"cpu_quota_cores": 1.5}, {}, "Keep --threads at 1 or below"),
        ({"governors": ["ondemand"]}, {}, "governor ondemand"),
        ({"turbo": True}, {}, "Turbo is on"),
        ({"thread_settings": {"OMP_NUM_THREADS": "1"}}, {}, "OMP_NUM_THREADS=1"),
        ({}, {"steal_frac": 0.12}, "hypervisor gave 12 %"),
        ({}, {"floor_frac": 0.097}, "noise floor is 9.7 %"),
    ],
)
def test_each_disturbance_has_its_advice(conditions: dict[str, Any], noise: dict[str, Any], words: str) -> None:
    (text,) = advice({**QUIET, **conditions}, {**CALM, **noise}, devices=[])
    assert words in text


def test_a_throttled_device_is_named() -> None:
    (text,) = advice(QUIET, CALM, devices=[{"index": 3, "name": "H100", "throttle": ["power cap", "power brake"]}])
    assert text.startswith("Device 3 (H100) is slowed down even now: power cap, power brake.")


def test_the_module_changes_nothing() -> None:
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    for word in ("kill", "terminate", "write_text", "cmdline", "setpriority", "nice("):
        assert word not in source
