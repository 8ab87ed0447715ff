"""The conditions under which this machine measures now, and what to do about those that disturb: it changes none.

Load, clocks, limits, thread settings, and other processes by pid and name. Command lines are never read: they can hold
secrets, as can the environment, of which only a list of thread settings with harmless values is shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from cupel.measure import cgroup
from cupel.measure.accelerators import Accelerators
from cupel.spec.units import format_percent

THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
    *("OMP_PROC_BIND", "OMP_PLACES", "OMP_WAIT_POLICY", "OMP_DYNAMIC", "GOMP_CPU_AFFINITY", "KMP_BLOCKTIME"),
)
HARMLESS = re.compile(
    r"\d{1,5}([,:\- ]\d{1,5})*|true|false|close|spread|master|primary|cores|threads|sockets|active|passive|infinite",
    re.IGNORECASE,
)
STEADY_GOVERNORS = ("performance",)
BUSY_CORES = 0.2
"""A process that uses more of a core than this is named."""
NUM_BUSY_SHOWN = 5

CpuSeconds = Mapping[tuple[int, float], tuple[str, float]]
"""Processes by (pid, start time): name, and CPU seconds used so far."""


def describe_conditions(
    accelerators: Accelerators, root: Path = Path("/"), *, environ: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The conditions as plain data; None where not known."""
    env = os.environ if environ is None else environ
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return {
        "load1": _load1(),
        "num_threads_machine": psutil.cpu_count(logical=True),
        "num_threads_usable": usable,
        "cpu_quota_cores": cgroup.cpu_quota_cores(root),
        "memory_limit_bytes": cgroup.memory_limit_bytes(root),
        **_frequency(root),
        "thread_settings": _thread_settings(env),
        "device_processes": device_processes(accelerators),
    }


def device_processes(accelerators: Accelerators) -> list[dict[str, Any]]:
    """Other processes that use an accelerator: device, pid, name (None where not ours to see), bytes on it."""
    return [
        {"device": device.index, "pid": pid, "name": _process_name(pid), "memory_bytes": used}
        for device in accelerators.devices
        for pid, used in device.processes().items()
        if pid != os.getpid()
    ]


def cpu_seconds() -> CpuSeconds:
    """CPU time of every other process that can be seen; take it twice for `busy_processes`."""
    found: dict[tuple[int, float], tuple[str, float]] = {}
    for process in psutil.process_iter():
        try:
            with process.oneshot():
                times = process.cpu_times()
                found[process.pid, process.create_time()] = (process.name(), times.user + times.system)
        except (psutil.Error, OSError):  # it has just ended, or is not ours to read
            continue
    return {key: value for key, value in found.items() if key[0] != os.getpid()}


def busy_processes(before: CpuSeconds, after: CpuSeconds, *, elapsed_s: float) -> list[dict[str, Any]]:
    """Processes that used more than a fifth of a core in between, the busiest first: pid, name, cores."""
    used: list[tuple[float, int, str]] = [
        (max(0.0, cpu_s - before[key][1]) / elapsed_s, key[0], name)
        for key, (name, cpu_s) in after.items()
        if key in before and elapsed_s > 0
    ]
    busiest = sorted((u for u in used if u[0] > BUSY_CORES), reverse=True)[:NUM_BUSY_SHOWN]
    return [{"pid": pid, "name": name, "cores": cores} for cores, pid, name in busiest]


def advice(
    conditions: Mapping[str, Any], noise: Mapping[str, Any], *, devices: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What to do, in words, the most harmful first; empty when nothing that disturbs was found.

    Args:
        conditions: from `describe_conditions`, with `busy_processes`.
        noise: fields of a `NoiseFloor`.
        devices: readings of the accelerators.
    """
    said = [
        _about_load(conditions),
        _about_device_processes(conditions),
        *(_about_throttling(device) for device in devices),
        _about_steal(noise.get("steal_frac")),
        _about_quota(conditions.get("cpu_quota_cores")),
        _about_governors(conditions.get("governors") or ()),
        _about_turbo(conditions.get("turbo")),
        _about_thread_settings(conditions.get("thread_settings") or {}),
        _about_noise(noise.get("floor_frac")),
    ]
    return [text for text in said if text]


def _about_load(conditions: Mapping[str, Any]) -> str:
    load1, cores = conditions.get("load1"), conditions.get("num_threads_machine")
    load = f"Load {load1:.1f} on {cores} hardware threads" if load1 is not None and cores else "Load unknown"
    busy = conditions.get("busy_processes") or []
    if busy:
        names = ", ".join(f"{p['name']} (pid {p['pid']}, {p['cores']:.1f} cores)" for p in busy)
        return (
            f"{load}: other processes are at work now: {names}. What they leave changes from second to second; wait "
            "until they have ended, or raise --launches."
        )
    if load1 and cores and load1 > 0.5 * cores:
        return (
            f"{load} over the last minute, though no other process is busy now. If work keeps coming and going, wait "
            "until it has ended, or raise --launches."
        )
    return ""


def _about_device_processes(conditions: Mapping[str, Any]) -> str:
    found = conditions.get("device_processes") or []
    if not found:
        return ""
    names = ", ".join(f"{p['name'] or 'unknown'} (pid {p['pid']}, device {p['device']})" for p in found)
    return f"Other processes use the accelerators: {names}. Measure when they have ended, or on another device."


def _about_throttling(device: Mapping[str, Any]) -> str:
    if not device.get("throttle"):
        return ""
    words = ", ".join(device["throttle"])
    return f"Device {device['index']} ({device['name']}) is slowed down even now: {words}. Rates depend on it."


def _about_steal(steal_frac: float | None) -> str:
    if steal_frac is None or steal_frac <= 0.01:
        return ""
    return (
        f"The hypervisor gave {format_percent(steal_frac)} of the CPU time to others. Take a machine of your own, or "
        "spread more --launches over a longer time."
    )


def _about_quota(quota_cores: float | None) -> str:
    if quota_cores is None:
        return ""
    return (
        f"This container may use the CPU time of {quota_cores:g} cores: once that is used up, everything halts until "
        f"the next period (100 ms as a rule). Keep --threads at {max(1, int(quota_cores))} or below."
    )


def _about_governors(governors: Sequence[str]) -> str:
    unsteady = [governor for governor in governors if governor not in STEADY_GOVERNORS]
    if not unsteady:
        return ""
    return (
        f"The CPU's clock follows the load (governor {', '.join(unsteady)}). For steadier numbers an administrator can "
        "set the governor to performance."
    )


def _about_turbo(is_on: bool | None) -> str:  # noqa: FBT001  it is what the system answers, not a switch
    if not is_on:
        return ""
    return "Turbo is on: the clock depends on temperature and on how many cores work. Compare only runs made alike."


def _about_thread_settings(settings: Mapping[str, str]) -> str:
    if not settings:
        return ""
    words = ", ".join(f"{name}={value}" for name, value in settings.items())
    return f"Thread settings are in force: {words}. Compare only with runs made under the same ones."


def _about_noise(floor_frac: float | None) -> str:
    if floor_frac is None or floor_frac <= 0.02:
        return ""
    return (
        f"The noise floor is {format_percent(floor_frac)}: for smaller differences take more launches (cupel power "
        "says how many), or a quieter machine."
    )


def _frequency(root: Path) -> dict[str, Any]:
    """Frequency scaling: `governors`, `scaling_driver`, `turbo` (on, off or None), `min_mhz`, `max_mhz`."""
    cpus = root / "sys/devices/system/cpu"
    policies = sorted((cpus / "cpufreq").glob("policy*"))
    governors = {text for p in policies if (text := _text(p / "scaling_governor"))}
    drivers = {text for p in policies if (text := _text(p / "scaling_driver"))}
    lows = [int(text) for p in policies if (text := _text(p / "scaling_min_freq")).isdecimal()]
    highs = [int(text) for p in policies if (text := _text(p / "scaling_max_freq")).isdecimal()]
    no_turbo, boost = _text(cpus / "intel_pstate/no_turbo"), _text(cpus / "cpufreq/boost")
    turbo = {"0": True, "1": False}.get(no_turbo, {"0": False, "1": True}.get(boost))
    return {
        "governors": sorted(governors) or None,
        "scaling_driver": ", ".join(sorted(drivers)) or None,
        "turbo": turbo,
        "min_mhz": min(lows) / 1000 if lows else None,
        "max_mhz": max(highs) / 1000 if highs else None,
    }


def _thread_settings(env: Mapping[str, str]) -> dict[str, str]:
    """The thread settings that are set; a value that is no number or known word is not shown."""
    return {k: env[k] if HARMLESS.fullmatch(env[k]) else "(not shown)" for k in THREAD_VARIABLES if env.get(k)}


def _process_name(pid: int) -> str | None:
    try:
        return psutil.Process(pid).name()
    except (psutil.Error, OSError):  # it has ended, or lives in another container
        return None


def _load1() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
