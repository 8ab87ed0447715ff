"""What a device cannot exceed: generous upper bounds, used to refuse impossible rates.

A rate above the bound is a mistake of measurement (an optimised-away loop, a clock that was not waited for); a rate
below it proves nothing. Bounds are meant to be too high, never too low, and None where nothing is known.

- GPUs: dense peaks and memory bandwidth of the makers' data sheets, with `HEADROOM` for boards that clock higher than
  the sheet says. Where one name covers several boards, the fastest stands. Copies that stay in the cache may exceed
  the memory bandwidth: entries that are bound by bytes must use buffers larger than any cache.
- CPUs: usable cores x highest clock x operations per cycle of the widest units that the processor lists. A virtual
  machine does not tell its highest clock; 6 GHz is then assumed. Bytes: what the ports of the first-level cache can
  move, so that copies within a cache are not refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

PRECISIONS = ("fp32", "tf32", "bf16", "fp16", "fp8", "int8")
UNKNOWN_CLOCK_HZ = 6e9
"""Clock assumed for a processor that does not tell its highest: above every one sold so far but for records."""
HEADROOM = 1.15
"""Factor on data sheets: boost clocks of single boards lie above the sheet's."""
L1_PORTS = 4
"""Registers that a core loads or stores in a cycle, at most."""
CPU_FREQUENCIES = Path("/sys/devices/system/cpu/cpufreq")
CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Peak:
    """Upper bounds of a device at one precision; None where not known.

    Args:
        flop_per_s: operations per second (those on int8 are counted like flop).
        bytes_per_s: bytes read plus written per second.
        source: where the bounds are from, in words.
    """

    flop_per_s: float | None
    bytes_per_s: float | None
    source: str


@dataclass(frozen=True)
class Sheet:
    """A data sheet: dense peaks in TFLOP/s by precision, and memory bandwidth in GB/s."""

    bandwidth: float
    fp32: float | None = None
    tf32: float | None = None
    bf16: float | None = None
    fp16: float | None = None
    fp8: float | None = None
    int8: float | None = None


SHEETS: tuple[tuple[str, Sheet], ...] = (
    # name in the driver's words      GB/s   fp32   tf32   bf16   fp16    fp8   int8
    (r"Tesla P100", Sheet(732, 10.6, None, None, 21.2, None, None)),
    (r"V100S?", Sheet(1134, 16.4, None, None, 130, None, 66)),
    (r"T4", Sheet(320, 8.1, None, None, 65, None, 130)),
    (r"A2", Sheet(200, 4.5, 9, 18, 18, None, 36)),
    (r"A10G?", Sheet(600, 35, 70, 140, 140, None, 280)),
    (r"A16", Sheet(800, 18, 36, 72, 72, None, 144)),
    (r"A30X?", Sheet(1223, 10.3, 82.6, 165, 165, None, 330)),
    (r"A40", Sheet(696, 37.4, 74.8, 149.7, 149.7, None, 299.3)),
    (r"A100X?|A800|PG509", Sheet(2039, 19.5, 156, 312, 312, None, 624)),
    (r"RTX A6000", Sheet(768, 38.7, 77.4, 154.8, 154.8, None, 309.7)),
    (r"L4", Sheet(300, 30.3, 60.5, 121, 121, 242.5, 242.5)),
    (r"L40", Sheet(864, 90.5, 90.5, 181, 181, 362, 362)),
    (r"L40S", Sheet(864, 91.6, 183, 366, 366, 733, 733)),
    (r"RTX 6000 Ada", Sheet(960, 91.1, 182.1, 364.2, 364.2, 728.5, 728.5)),
    (r"H100 PCIe", Sheet(2039, 51, 378, 756, 756, 1513, 1513)),
    (r"H100 NVL", Sheet(3938, 60, 418, 836, 836, 1671, 1671)),
    (r"H100|H800", Sheet(3360, 67, 495, 990, 990, 1979, 1979)),
    (r"H200|GH200|H20", Sheet(4917, 67, 495, 990, 990, 1979, 1979)),
    (r"B200|GB200|B300|GB300|B100", Sheet(8000, 80, 1250, 2500, 2500, 5000, 5000)),
    (r"RTX 3080", Sheet(912, 34.1, 34.1, 68, 136, None, 273)),
    (r"RTX 3090(?: Ti)?", Sheet(1008, 40, 40, 80, 160, None, 320)),
    (r"RTX 4080(?: SUPER)?", Sheet(736, 52.2, 52.2, 104.4, 208.9, 417.9, 417.9)),
    (r"RTX 4090", Sheet(1008, 82.6, 82.6, 165.2, 330.3, 660.6, 660.6)),
    (r"RTX 5080", Sheet(960, 56.3, 56.3, 112.6, 225.1, 450.2, 450.2)),
    (r"RTX 5090", Sheet(1792, 104.8, 104.8, 209.5, 419, 838, 838)),
    (r"RTX PRO 6000 Blackwell", Sheet(1792, 126, 252, 504, 504, 1008, 1008)),
    (r"MI210", Sheet(1638, 45.3, None, 181, 181, None, 181)),
    (r"MI250X?", Sheet(3277, 95.7, None, 383, 383, None, 383)),
    (r"MI300A", Sheet(5300, 122.6, 490.3, 980.6, 980.6, 1961.2, 1961.2)),
    (r"MI300X", Sheet(5300, 163.4, 653.7, 1307.4, 1307.4, 2614.9, 2614.9)),
    (r"MI308X", Sheet(5300, 163.4, 653.7, 1307.4, 1307.4, 2614.9, 2614.9)),
    (r"MI325X", Sheet(6000, 163.4, 653.7, 1307.4, 1307.4, 2614.9, 2614.9)),
    (r"MI350X|MI355X", Sheet(8000, 157.3, None, 2516.6, 2516.6, 5033.2, 5033.2)),
)
"""Patterns of whole words in a device's name, with its sheet; of those that fit, the longest match stands."""


def device_peak(device: str, precision: str) -> Peak:
    """The bounds of a device of this machine.

    Args:
        device: `cpu`, `cuda:0`, ...
        precision: `fp32`, `tf32`, `bf16`, `fp16`, `fp8` or `int8`.
    """
    kind = device.partition(":")[0]
    if kind == "cpu":
        num_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return cpu_peak(cpu_flags(), precision, num_cores=num_cores, clock_hz=highest_clock_hz())
    if kind == "cuda":
        import torch

        return gpu_peak(torch.cuda.get_device_name(device), precision)
    return Peak(None, None, f"not known: no data sheet for devices of kind {kind!r}")


def gpu_peak(name: str, precision: str) -> Peak:
    """The bounds of a GPU by the name that its driver gives it."""
    fits = [(match.group(), sheet) for pattern, sheet in SHEETS if (match := re.search(rf"\b(?:{pattern})\b", name))]
    if not fits:
        return Peak(None, None, f"not known: no data sheet for {name!r}")
    word, sheet = max(fits, key=lambda fit: len(fit[0]))
    tflop = getattr(sheet, precision) if precision in PRECISIONS else None
    flop_per_s = None if tflop is None else tflop * 1e12 * HEADROOM
    return Peak(flop_per_s, sheet.bandwidth * 1e9 * HEADROOM, f"data sheet of {word}, plus {HEADROOM - 1:.0%}")


def cpu_peak(flags: Collection[str], precision: str, *, num_cores: int, clock_hz: float | None) -> Peak:
    """The bounds of a processor.

    Args:
        flags: what the processor can do, in Linux's words (`avx2`, `avx512f`, `amx_tile`, ...).
        precision: as in `device_peak`.
        num_cores: cores that this process may use.
        clock_hz: highest clock; None where not known.
    """
    units, rates, register_bytes = _cpu_units(frozenset(flags))
    if not rates:
        return Peak(None, None, f"not known: {units}")
    clock = clock_hz or UNKNOWN_CLOCK_HZ
    clock_words = f"{clock / 1e9:.1f} GHz" if clock_hz else f"an assumed {clock / 1e9:.0f} GHz"
    flop_per_cycle = rates.get("fp32" if precision == "tf32" else precision)
    return Peak(
        flop_per_s=None if flop_per_cycle is None else num_cores * clock * flop_per_cycle,
        bytes_per_s=num_cores * clock * L1_PORTS * register_bytes,
        source=f"{num_cores} cores x {clock_words} x what {units} do in a cycle",
    )


def _cpu_units(flags: frozenset[str]) -> tuple[str, dict[str, int], int]:
    """The widest units, operations of one core in a cycle by precision with two of them, and bytes of a register."""
    if "sme" in flags:
        return "this table has no figures for matrix units of Arm", {}, 0
    if "asimd" in flags:
        return "Arm vectors of up to 512 bits", {"fp32": 128, "bf16": 512, "fp16": 256, "int8": 1024}, 64
    if "amx_tile" in flags:
        return "AVX-512 and AMX", {"fp32": 64, "bf16": 1024, "fp16": 1024, "int8": 2048}, 64
    if "avx512f" in flags:
        return "AVX-512 units", {"fp32": 64, "bf16": 128, "fp16": 128, "int8": 256}, 64
    if "avx" in flags:
        return "AVX2 units", {"fp32": 32, "bf16": 64, "fp16": 64, "int8": 128}, 32
    return "the processor lists no vector units that this table has", {}, 0


def cpu_flags() -> frozenset[str]:
    """What the processor can do, in Linux's words; empty where it cannot be read."""
    try:
        text = CPU_INFO.read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    match = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.MULTILINE)
    return frozenset(match.group(1).split()) if match else frozenset()


def highest_clock_hz() -> float | None:
    """Highest clock of any core, as the frequency driver says; None without one (most virtual machines)."""
    clocks_khz = []
    for path in CPU_FREQUENCIES.glob("policy*/cpuinfo_max_freq"):
        try:
            clocks_khz.append(int(path.read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue
    return max(clocks_khz) * 1e3 if clocks_khz else None
