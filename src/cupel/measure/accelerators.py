"""Accelerators and their sensors, without torch: NVIDIA through NVML, AMD through sysfs.

Every reading is None where it cannot be had, never 0. `index` is the `k` of torch's `cuda:k` as this process's
environment makes it (`CUDA_VISIBLE_DEVICES`, `HIP_VISIBLE_DEVICES`), given `CUDA_DEVICE_ORDER=PCI_BUS_ID` or cards of
one kind: with mixed cards CUDA's own order is fastest first, which no sensor library knows; match by `uuid` then.
Nothing here sets, kills or resets anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Reading = dict[str, Any]
"""One device's sensors at one moment; the keys are those of `UNKNOWN`, with `index` and `name`."""

UNKNOWN: Mapping[str, None] = dict.fromkeys(
    ("memory_bytes", "util_frac", "power_w", "energy_j", "temperature_c", "clock_mhz", "throttle")
)

THROTTLE_WORDS = {
    0x2: "application clocks",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "thermal (software)",
    0x40: "thermal (hardware)",
    0x80: "power brake",
    0x100: "display clocks",
}
"""NVML's clock event reasons as words; 0x1 is an idle card, which is no throttling."""

AMD_VENDOR = "0x1002"
INTEGRATED_BYTES = 2 * 2**30
"""Graphics built into a CPU carve out at most this much; such a device is no accelerator that one would measure."""


@dataclass(frozen=True)
class Accelerator:
    """One device.

    Args:
        index: the `k` of `cuda:k`.
        name: the maker's name of it.
        memory_bytes: all of its memory, None where not measurable.
        uuid: the maker's identity of it, None where there is none.
        sensors: reads its sensors now; see `read`.
        processes: pids that use it now, with their bytes on it (None where not measurable).
    """

    index: int
    name: str
    memory_bytes: int | None
    uuid: str | None
    sensors: Callable[[], Reading] = field(repr=False)
    processes: Callable[[], dict[int, int | None]] = field(repr=False, default=dict)

    def read(self) -> Reading:
        """All sensors now: `index`, `name` and the keys of `UNKNOWN`."""
        return {"index": self.index, "name": self.name, **UNKNOWN, **self.sensors()}


@dataclass(frozen=True)
class Accelerators:
    """What `open_accelerators` found; `close` gives the sensor library back."""

    devices: tuple[Accelerator, ...] = ()
    driver: str | None = None
    cuda_of_driver: str | None = None
    close: Callable[[], None] = field(repr=False, default=lambda: None)


def open_accelerators(root: Path = Path("/"), environ: Mapping[str, str] | None = None) -> Accelerators:
    """The accelerators that this process may use; NVIDIA's where there are any, else AMD's.

    Cost: without a driver under a millisecond; with one, NVML's start (tens of milliseconds, up to a second for each
    card that nobody holds awake).
    """
    env = os.environ if environ is None else environ
    return _nvidia(env) or _amd(root, env) or Accelerators()


def visible(text: str | None, uuids: Sequence[str | None]) -> list[int | str]:
    """Devices that a `*_VISIBLE_DEVICES` text leaves, in its order: indices, and `MIG-` names as they stand.

    As in CUDA, what follows the first invalid part is not visible.

    Example:
        >>> visible("1,0", ["GPU-a", "GPU-b"]), visible(None, ["GPU-a"]), visible("", ["GPU-a"])
        ([1, 0], [0], [])
    """
    if text is None:
        return list(range(len(uuids)))
    chosen: list[int | str] = []
    for part in (p.strip() for p in text.split(",")):
        if part.startswith("MIG-"):
            chosen.append(part)
            continue
        named = [i for i, uuid in enumerate(uuids) if uuid and part and uuid.startswith(part)]
        idx = int(part) if part.isdecimal() else named[0] if len(named) == 1 else -1
        if not 0 <= idx < len(uuids) or idx in chosen:
            break
        chosen.append(idx)
    return chosen


# NVIDIA ---------------------------------------------------------------------------------------------------------------


def _nvidia(env: Mapping[str, str]) -> Accelerators | None:
    """NVIDIA's devices; None where there is no NVML, no driver or no card."""
    try:
        import pynvml as nvml
    except ImportError:
        return None
    if _ask(nvml, "nvmlInit", default=False) is False:
        return None
    count = _ask(nvml, "nvmlDeviceGetCount") or 0
    if not count:
        _ask(nvml, "nvmlShutdown")
        return None
    handles = [_ask(nvml, "nvmlDeviceGetHandleByIndex", k) for k in range(count)]
    uuids = [_word(_ask(nvml, "nvmlDeviceGetUUID", h)) for h in handles]
    chosen = [_nvidia_handle(nvml, handles, which) for which in visible(env.get("CUDA_VISIBLE_DEVICES"), uuids)]
    cuda = _ask(nvml, "nvmlSystemGetCudaDriverVersion_v2")
    return Accelerators(
        devices=tuple(_nvidia_device(nvml, k, h) for k, h in enumerate(chosen) if h is not None),
        driver=_word(_ask(nvml, "nvmlSystemGetDriverVersion")),
        cuda_of_driver=f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else None,
        close=lambda: _ask(nvml, "nvmlShutdown"),
    )


def _nvidia_handle(nvml: Any, handles: Sequence[Any], which: int | str) -> Any:
    """The handle that CUDA would use: a slice where the card is cut into slices (MIG), the card itself otherwise."""
    if isinstance(which, str):
        return _ask(nvml, "nvmlDeviceGetHandleByUUID", which)
    handle = handles[which]
    mode = _ask(nvml, "nvmlDeviceGetMigMode", handle)
    if not mode or not mode[0]:
        return handle
    num_slots = _ask(nvml, "nvmlDeviceGetMaxMigDeviceCount", handle) or 0
    slices = (_ask(nvml, "nvmlDeviceGetMigDeviceHandleByIndex", handle, k) for k in range(num_slots))
    return next((s for s in slices if s is not None), handle)


def _nvidia_device(nvml: Any, index: int, handle: Any) -> Accelerator:
    memory = _ask(nvml, "nvmlDeviceGetMemoryInfo", handle)
    return Accelerator(
        index=index,
        name=_word(_ask(nvml, "nvmlDeviceGetName", handle)) or "NVIDIA device",
        memory_bytes=int(memory.total) if memory else None,
        uuid=_word(_ask(nvml, "nvmlDeviceGetUUID", handle)),
        sensors=lambda: _nvidia_read(nvml, handle),
        processes=lambda: _nvidia_processes(nvml, handle),
    )


def _nvidia_read(nvml: Any, handle: Any) -> Reading:
    """NVML speaks in percent, milliwatt, millijoule since the driver was loaded, degrees Celsius and MHz."""
    memory = _ask(nvml, "nvmlDeviceGetMemoryInfo", handle)
    util = _ask(nvml, "nvmlDeviceGetUtilizationRates", handle)
    return {
        "memory_bytes": int(memory.used) if memory else None,
        "util_frac": util.gpu / 100 if util else None,
        "power_w": _scaled(_ask(nvml, "nvmlDeviceGetPowerUsage", handle), 1e-3),
        "energy_j": _scaled(_ask(nvml, "nvmlDeviceGetTotalEnergyConsumption", handle), 1e-3),
        "temperature_c": _scaled(_ask(nvml, "nvmlDeviceGetTemperature", handle, 0), 1.0),  # 0 = the chip
        "clock_mhz": _scaled(_ask(nvml, "nvmlDeviceGetClockInfo", handle, 1), 1.0),  # 1 = the multiprocessors
        "throttle": _nvidia_throttle(nvml, handle),
    }


def _nvidia_throttle(nvml: Any, handle: Any) -> list[str] | None:
    """What slows the card down, in words; empty is nothing, None is unknown. The call was renamed with driver 535."""
    reasons = _ask(nvml, "nvmlDeviceGetCurrentClocksEventReasons", handle)
    if reasons is None:
        reasons = _ask(nvml, "nvmlDeviceGetCurrentClocksThrottleReasons", handle)
    return None if reasons is None else [word for bit, word in THROTTLE_WORDS.items() if reasons & bit]


def _nvidia_processes(nvml: Any, handle: Any) -> dict[int, int | None]:
    found: dict[int, int | None] = {}
    for call in ("nvmlDeviceGetGraphicsRunningProcesses", "nvmlDeviceGetComputeRunningProcesses"):
        for process in _ask(nvml, call, handle) or ():
            found[int(process.pid)] = process.usedGpuMemory
    return found


def _ask(nvml: Any, call: str, *args: Any, default: Any = None) -> Any:
    """One NVML call, `default` where it fails in any way."""
    try:
        return getattr(nvml, call)(*args)
    # The library is written by others and differs by driver: NVMLError, AttributeError (too old), OSError and ctypes
    # errors were all seen. A sensor that fails must never end a measurement.
    except Exception:  # noqa: BLE001
        return default


def _word(value: Any) -> str | None:
    """Text from NVML, which older versions of its binding hand over as bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _scaled(value: Any, factor: float) -> float | None:
    return None if value is None else value * factor


# AMD ------------------------------------------------------------------------------------------------------------------


def _amd(root: Path, env: Mapping[str, str]) -> Accelerators | None:
    """AMD's devices from sysfs (`amdgpu` driver), in the order of the bus; None where there are none."""
    cards = [c for c in (root / "sys/class/drm").glob("card[0-9]*") if c.name[4:].isdecimal()]
    folders = {(c / "device").resolve() for c in cards if _text(c / "device/vendor") == AMD_VENDOR}
    folders = {f for f in folders if (_number(f / "mem_info_vram_total") or 0) > INTEGRATED_BYTES}
    if not folders:
        return None
    found = sorted(folders, key=lambda f: f.name)
    text = next((env[k] for k in ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES") if k in env), None)
    chosen = [found[i] for i in visible(text, [_text(f / "unique_id") or None for f in found]) if isinstance(i, int)]
    return Accelerators(
        devices=tuple(_amd_device(root, k, folder) for k, folder in enumerate(chosen)),
        driver=_text(root / "sys/module/amdgpu/version") or None,
    )


def _amd_device(root: Path, index: int, folder: Path) -> Accelerator:
    total = _number(folder / "mem_info_vram_total")
    return Accelerator(
        index=index,
        name=_text(folder / "product_name") or f"AMD device {_text(folder / 'device') or 'of unknown kind'}",
        memory_bytes=int(total) if total is not None else None,
        uuid=_text(folder / "unique_id") or None,
        sensors=lambda: _amd_read(folder),
        processes=lambda: _amd_processes(root),
    )


def _amd_read(folder: Path) -> Reading:
    """The driver speaks in percent, microwatt, microjoule, thousandths of a degree and Hz."""
    hwmon = next(iter(sorted(folder.glob("hwmon/hwmon*"))), folder / "hwmon/none")
    used = _number(folder / "mem_info_vram_used")
    power = _number(hwmon / "power1_average")
    return {
        "memory_bytes": int(used) if used is not None else None,
        "util_frac": _scaled(_number(folder / "gpu_busy_percent"), 1e-2),
        "power_w": _scaled(power if power is not None else _number(hwmon / "power1_input"), 1e-6),
        "energy_j": _scaled(_number(hwmon / "energy1_input"), 1e-6),
        "temperature_c": _scaled(_number(hwmon / "temp1_input"), 1e-3),
        "clock_mhz": _scaled(_number(hwmon / "freq1_input"), 1e-6),
    }


def _amd_processes(root: Path) -> dict[int, int | None]:
    """Pids that compute on any AMD device: the driver does not say on which without more rights."""
    folder = root / "sys/class/kfd/kfd/proc"
    try:
        return {int(entry.name): None for entry in folder.iterdir() if entry.name.isdecimal()}
    except OSError:
        return {}


def _number(path: Path) -> float | None:
    try:
        return float(_text(path))
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
