"""What the machine does while a job runs: CPU, memory, devices, power, temperature, clocks; one dict per sample.

None where not measurable, never 0. A sensor that fails leaves its own value None and the others alone; a process that
ends between being listed and being read is normal. A sample reads, it sets nothing and waits for nothing.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psutil

from cupel.measure.accelerators import UNKNOWN, Accelerator, Reading, open_accelerators
from cupel.measure.energy import Rapl

CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "x86_pkg_temp", "cpu-thermal")
"""Names under which kernels file the temperature of the CPU."""

NUM_CLOCKS_READ = 4
"""Clocks are read on at most this many CPUs: on some kernels each one costs an interrupt to a sleeping core."""

MIN_INTERVAL_S = 0.05
"""Kernels count CPU time in ticks of 10 ms: shares over less than this would mostly be rounding."""

DEVICE_WAIT_S = 0.5
"""A driver that has not answered within this time is left behind; the supervisor has time-outs to keep."""

Tree = Mapping[tuple[int, float], tuple[float, int]]
"""Processes by (pid, start time): CPU seconds used so far, and resident bytes."""


class Sampler:
    """Samples the machine; made once per run by the supervisor, not by a worker.

    Shares of CPU time are over the time since the previous sample (the first: since the sampler was made).

    Args:
        root: where `/sys` hangs; another folder in tests.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._accelerators = open_accelerators(root)
        self._devices = _PatientReader(self._accelerators.devices)
        self._rapl = Rapl(root)
        self._temperature_files = _cpu_temperature_files(root)
        self._clock_files = _clock_files(root)
        self._cpu = _cpu_times()
        self._tree: Tree = {}
        self._at_s = time.monotonic()
        self._wall_s = time.time()

    def sample(self, pids: Sequence[int] = ()) -> dict[str, Any]:
        """One sample, as plain data.

        Args:
            pids: roots of the process trees that belong to the job (its ranks).

        Returns:
            `cpu_frac` and `steal_frac` of the whole machine; `tree_cpu_frac` of the trees, in cores (2.0 = two cores
            busy); `memory_bytes`, the resident memory of the trees (pages shared between processes count in each);
            `load1`; `clock_mhz` and `temperature_c` of the CPU; `cpu_energy_j`, joules of the CPU packages since the
            sampler was made; `devices`, see `cupel.measure.accelerators`, `energy_j` being a cumulative counter.
        """
        at_s, wall_s, cpu, tree = time.monotonic(), time.time(), _cpu_times(), _read_tree(pids)
        elapsed_s = at_s - self._at_s
        cpu_frac, steal_frac = cpu_shares(self._cpu, cpu) if elapsed_s >= MIN_INTERVAL_S else (None, None)
        tree_cores = tree_cpu_cores(self._tree, tree, since_s=self._wall_s, elapsed_s=elapsed_s)
        if elapsed_s >= MIN_INTERVAL_S:
            self._cpu, self._tree, self._at_s, self._wall_s = cpu, tree, at_s, wall_s
        else:  # too soon for shares: only remember those that were not known yet, so that the next sample can count
            older = {key: used for key, used in tree.items() if key[1] < self._wall_s - MIN_INTERVAL_S}
            self._tree = {**older, **self._tree}
        return {
            "cpu_frac": cpu_frac,
            "steal_frac": steal_frac,
            "tree_cpu_frac": tree_cores,
            "memory_bytes": sum(rss for _, rss in tree.values()) if tree else None,
            "load1": _load1(),
            "clock_mhz": _mean(_scaled_files(self._clock_files)),
            "temperature_c": max(_scaled_files(self._temperature_files), default=None),
            "cpu_energy_j": self._rapl.read_j(),
            "devices": self._devices.read(),
        }

    def close(self) -> None:
        """Give the sensor libraries back; a second call does nothing harmful."""
        if not self._devices.is_stuck:  # a driver that hangs would hang here, too
            self._accelerators.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _PatientReader:
    """Reads devices in a thread of its own, so that a driver that hangs (a card lost from the bus) takes only it along.

    Until the driver answers again, the devices that were not read are unknown.
    """

    def __init__(self, devices: Sequence[Accelerator]) -> None:
        self._devices = devices
        self._thread: threading.Thread | None = None

    @property
    def is_stuck(self) -> bool:
        """Whether the last reading is still going on."""
        return self._thread is not None and self._thread.is_alive()

    def read(self) -> list[Reading]:
        """One reading of each device, in order."""
        readings: list[Reading] = []
        if self._devices and not self.is_stuck:
            self._thread = threading.Thread(target=self._fill, args=(readings,), name="sensors", daemon=True)
            self._thread.start()
            self._thread.join(DEVICE_WAIT_S)
        done = list(readings)
        return done + [{"index": d.index, "name": d.name, **UNKNOWN} for d in self._devices[len(done) :]]

    def _fill(self, readings: list[Reading]) -> None:
        for device in self._devices:
            readings.append(device.read())  # noqa: PERF401  one by one: what was read before a hang counts


def cpu_shares(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[float | None, float | None]:
    """Shares of the machine's CPU time that were busy, and that the hypervisor gave to others (`steal`).

    Returns:
        (busy, steal), each in [0, 1]; None where no time has passed, and for steal where the system does not count it.
        Stolen time is no part of busy: nobody here worked in it.
    """
    passed = {k: max(0.0, after[k] - before.get(k, 0.0)) for k in after}
    total = sum(passed.values())
    if total <= 0:
        return None, None
    idle = passed.get("idle", 0.0) + passed.get("iowait", 0.0) + passed.get("steal", 0.0)
    return (total - idle) / total, passed["steal"] / total if "steal" in passed else None


def tree_cpu_cores(before: Tree, after: Tree, *, since_s: float, elapsed_s: float) -> float | None:
    """CPU time of process trees over a stretch of time, in cores.

    A process that was not there before counts whole when it began after `since_s` (time since 1970), and from the next
    sample on otherwise. One that has ended since takes its last part with it: the value is then a little low.

    Returns:
        None where no process can be counted yet or less than 50 ms have passed.
    """
    if not after or elapsed_s < MIN_INTERVAL_S:
        return None
    parts_s = []
    for key, (cpu_s, _) in after.items():
        if key in before:
            parts_s.append(max(0.0, cpu_s - before[key][0]))
        elif key[1] >= since_s - MIN_INTERVAL_S:
            parts_s.append(cpu_s)
    return sum(parts_s) / elapsed_s if parts_s else None


def _cpu_times() -> dict[str, float]:
    """CPU seconds of the machine by kind; guest time is left out, since the kernel counts it in `user` already."""
    return {k: v for k, v in psutil.cpu_times()._asdict().items() if not k.startswith("guest")}


def _read_tree(pids: Sequence[int]) -> Tree:
    """CPU time and memory of each process at or below `pids`, those that can be read."""
    found: dict[tuple[int, float], tuple[float, int]] = {}
    for pid in _with_descendants(pids):
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                times = process.cpu_times()
                found[pid, process.create_time()] = (times.user + times.system, process.memory_info().rss)
        except (psutil.Error, OSError):  # it has just ended, or is not ours to read
            continue
    return found


def _with_descendants(pids: Iterable[int]) -> list[int]:
    """The pids with all below them, each once."""
    found = dict.fromkeys(pids)
    stack = list(found)
    while stack:
        for child in _children(stack.pop()):
            if child not in found:
                found[child] = None
                stack.append(child)
    return list(found)


def _children(pid: int) -> list[int]:
    """Pids of a process's children.

    Linux lists them per thread, which costs microseconds; the portable way reads every process of the machine.
    """
    folder = f"/proc/{pid}/task"
    children: list[int] = []
    try:
        for task in os.listdir(folder):  # noqa: PTH208  strings: this runs for every process of every sample
            with open(f"{folder}/{task}/children", encoding="ascii") as lines:  # noqa: PTH123
                children += map(int, lines.read().split())
    except OSError:
        return children if _HAS_CHILDREN_FILE else _children_portable(pid)
    return children


_HAS_CHILDREN_FILE = Path(f"/proc/self/task/{os.getpid()}/children").exists()


def _children_portable(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except (psutil.Error, OSError):
        return []


def _load1() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _cpu_temperature_files(root: Path) -> list[str]:
    """Files with the temperature of each CPU package in thousandths of a degree; found once, the search is slow."""
    monitors = sorted((root / "sys/class/hwmon").glob("hwmon*"))
    found = [monitor / "temp1_input" for monitor in monitors if _name(monitor / "name") in CPU_SENSORS]
    if not found:
        zones = sorted((root / "sys/class/thermal").glob("thermal_zone*"))
        found = [z / "temp" for z in zones if _name(z / "type") in CPU_SENSORS]
    return [str(f) for f in found]


def _clock_files(root: Path) -> list[str]:
    """Files with the present clock of some of the usable CPUs, in kHz; a virtual machine has none."""
    folder = root / "sys/devices/system/cpu"
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(NUM_CLOCKS_READ)
    files = [folder / f"cpu{k}/cpufreq/scaling_cur_freq" for k in usable]
    there = [str(f) for f in files if f.exists()]
    return there[:: max(1, len(there) // NUM_CLOCKS_READ)][:NUM_CLOCKS_READ]


def _scaled_files(paths: Sequence[str]) -> list[float]:
    """Thousandths of the numbers in the files; those that cannot be read are left out."""
    values = []
    for path in paths:
        try:
            values.append(float(Path(path).read_text(encoding="ascii")) / 1000)
        except (OSError, ValueError):
            continue
    return values


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _name(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
