from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from cupel.measure import telemetry
from cupel.measure.telemetry import Sampler, cpu_shares, tree_cpu_cores

KEYS = {
    *("cpu_frac", "steal_frac", "tree_cpu_frac", "memory_bytes", "load1", "clock_mhz", "temperature_c"),
    *("cpu_energy_j", "devices"),
}
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import sys; b = bytearray(50 * 2**20); print(1, flush=True); input()"],
                         stdin=subprocess.PIPE)
input()
child.communicate()
"""


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.offset_s = time.time() - self.now_s

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return self.now_s + self.offset_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stand_in = Clock()
    monkeypatch.setattr(telemetry, "time", stand_in)
    return stand_in


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    """A process with a child that holds 50 MiB."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdin is not None
    parent.stdout.readline()
    yield parent
    if parent.poll() is None:
        parent.communicate("\n")
    parent.stdin.close()
    parent.stdout.close()


def test_a_sample_is_plain_data_with_every_key(no_nvml: None, tmp_path: Path, clock: Clock) -> None:
    with Sampler(tmp_path) as sampler:
        clock.now_s += 1
        sample = sampler.sample([os.getpid()])
    assert set(sample) == KEYS
    assert json.loads(json.dumps(sample, allow_nan=False)) == sample
    assert sample["memory_bytes"] > 2**20


def test_what_is_not_measurable_is_none(no_nvml: None, tmp_path: Path, clock: Clock) -> None:
    sampler = Sampler(tmp_path)
    clock.now_s += 1
    sample = sampler.sample([])
    assert [sample[k] for k in ("tree_cpu_frac", "memory_bytes", "clock_mhz", "temperature_c", "cpu_energy_j")] == [
        None
    ] * 5
    assert sample["devices"] == []
    sampler.close()
    sampler.close()


def test_memory_of_children_counts(no_nvml: None, tmp_path: Path, family: subprocess.Popen[str]) -> None:
    with Sampler(tmp_path) as sampler:
        assert sampler.sample([family.pid])["memory_bytes"] > 55 * 2**20
        assert sampler.sample([os.getpid()])["memory_bytes"] > sampler.sample([family.pid])["memory_bytes"]


def test_both_ways_to_find_children_agree(family: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    quick = telemetry._with_descendants([family.pid])
    monkeypatch.setattr(telemetry, "_children", telemetry._children_portable)
    assert telemetry._with_descendants([family.pid]) == quick
    assert len(quick) == 2


def test_a_process_that_ends_between_listing_and_reading_is_left_out(
    no_nvml: None, tmp_path: Path, family: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed(_: object) -> list[int]:
        return [os.getpid(), family.pid]

    monkeypatch.setattr(telemetry, "_with_descendants", listed)
    family.communicate("\n")
    with Sampler(tmp_path) as sampler:
        assert sampler.sample([os.getpid()])["memory_bytes"] > 0
    assert telemetry._children_portable(family.pid) == []


def test_a_process_that_may_not_be_read_is_left_out(
    no_nvml: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pid: int) -> None:
        raise psutil.AccessDenied(pid)

    monkeypatch.setattr(psutil, "Process", refuse)
    with Sampler(tmp_path) as sampler:
        assert sampler.sample([os.getpid()])["memory_bytes"] is None


def test_two_samples_in_quick_succession_leave_shares_unknown_and_lose_nothing(
    no_nvml: None, tmp_path: Path, clock: Clock, family: subprocess.Popen[str]
) -> None:
    clock.now_s += 100  # the processes are older than the sampler
    with Sampler(tmp_path) as sampler:
        clock.now_s += 0.01
        sampler.sample([family.pid])
        clock.now_s += 0.01
        sample = sampler.sample([family.pid])
        assert (sample["cpu_frac"], sample["tree_cpu_frac"]) == (None, None)
        clock.now_s += 1
        assert sampler.sample([family.pid])["tree_cpu_frac"] is not None


def test_cpu_shares_are_exact() -> None:
    before = {"user": 100.0, "system": 10.0, "idle": 50.0, "iowait": 5.0, "steal": 1.0}
    after = {"user": 102.0, "system": 11.0, "idle": 55.0, "iowait": 6.0, "steal": 2.0}
    assert cpu_shares(before, after) == (pytest.approx(0.3), pytest.approx(0.1))
    assert cpu_shares({"user": 1.0, "idle": 1.0}, {"user": 2.0, "idle": 2.0}) == (0.5, None)
    assert cpu_shares(before, before) == (None, None)


def test_guest_time_is_not_counted_twice() -> None:
    assert not [key for key in telemetry._cpu_times() if key.startswith("guest")]


def test_cores_of_a_tree() -> None:
    before = {(1, 10.0): (5.0, 0), (2, 11.0): (3.0, 0)}
    after = {(1, 10.0): (6.5, 0), (3, 101.0): (0.5, 0), (4, 12.0): (900.0, 0)}
    assert tree_cpu_cores(before, after, since_s=100.0, elapsed_s=2.0) == pytest.approx(1.0)


def test_cores_of_a_tree_are_unknown_without_anything_to_count() -> None:
    assert tree_cpu_cores({}, {}, since_s=0.0, elapsed_s=1.0) is None
    assert tree_cpu_cores({}, {(4, 12.0): (900.0, 0)}, since_s=100.0, elapsed_s=1.0) is None
    assert tree_cpu_cores({(1, 1.0): (1.0, 0)}, {(1, 1.0): (1.0, 0)}, since_s=2.0, elapsed_s=0.01) is None
    assert tree_cpu_cores({(1, 1.0): (1.0, 0)}, {(1, 1.0): (1.0, 0)}, since_s=2.0, elapsed_s=1.0) == 0.0


def test_a_pid_that_is_given_to_another_process_is_another_process() -> None:
    assert tree_cpu_cores({(7, 1.0): (50.0, 0)}, {(7, 99.0): (60.0, 0)}, since_s=100.0, elapsed_s=1.0) is None


def test_clock_and_temperature_are_read_from_files(
    no_nvml: None, plant: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 4, 5, 6, 7}, raising=False)
    files = {f"sys/devices/system/cpu/cpu{k}/cpufreq/scaling_cur_freq": f"{2_000_000 + 1000 * k}\n" for k in range(8)}
    files |= {"sys/class/hwmon/hwmon0/name": "nvme\n", "sys/class/hwmon/hwmon0/temp1_input": "90000\n"}
    for k in (1, 2):
        files |= {f"sys/class/hwmon/hwmon{k}/name": "coretemp\n", f"sys/class/hwmon/hwmon{k}/temp1_input": f"5{k}000\n"}
    root = plant(files)
    sampler = Sampler(root)
    sample = sampler.sample()
    assert sample["clock_mhz"] == pytest.approx((2000 + 2002 + 2004 + 2006) / 4)
    assert sample["temperature_c"] == 52.0
    (root / "sys/class/hwmon/hwmon2/temp1_input").write_text("garbage")
    assert sampler.sample()["temperature_c"] == 51.0
    (root / "sys/class/hwmon/hwmon1/temp1_input").unlink()
    assert sampler.sample()["temperature_c"] is None


def test_without_a_monitor_the_thermal_zone_is_read(no_nvml: None, plant: Callable[..., Path]) -> None:
    zone = "sys/class/thermal/thermal_zone0"
    assert Sampler(plant({f"{zone}/type": "x86_pkg_temp\n", f"{zone}/temp": "45000\n"})).sample()[
        "temperature_c"
    ] == pytest.approx(45.0)


def test_devices_are_in_the_sample_and_a_lost_card_does_not_end_the_run(fake_nvml: Any, tmp_path: Path) -> None:
    with Sampler(tmp_path) as sampler:
        assert [d["power_w"] for d in sampler.sample()["devices"]] == [pytest.approx(412.5)] * 2
        fake_nvml.broken = {name for name in dir(type(fake_nvml)) if name.startswith("nvmlDevice")}
        lost = sampler.sample()["devices"][0]
    assert lost["name"] == "NVIDIA H100 80GB HBM3"
    assert {v for k, v in lost.items() if k not in ("index", "name")} == {None}
    assert fake_nvml.num_open == 0


def test_a_driver_that_hangs_is_left_behind_and_may_come_back(
    fake_nvml: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "DEVICE_WAIT_S", 0.3)
    answers = threading.Event()

    def hang(card: dict[str, Any]) -> int:
        if card is fake_nvml.cards[1]:
            answers.wait()
        return 100_000

    sampler = Sampler(tmp_path)
    monkeypatch.setattr(fake_nvml, "nvmlDeviceGetPowerUsage", hang, raising=False)
    assert [d["power_w"] for d in sampler.sample()["devices"]] == [100, None]
    assert [d["power_w"] for d in sampler.sample()["devices"]] == [None, None]
    sampler.close()
    assert fake_nvml.num_open == 1
    answers.set()
    stuck = sampler._devices._thread
    assert stuck is not None
    stuck.join()
    monkeypatch.setattr(telemetry, "DEVICE_WAIT_S", 60)
    assert [d["power_w"] for d in sampler.sample()["devices"]] == [100, 100]
    sampler.close()
    assert fake_nvml.num_open == 0


def test_a_system_without_a_load_average(no_nvml: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError

    monkeypatch.setattr(os, "getloadavg", refuse)
    assert Sampler(tmp_path).sample()["load1"] is None
