"""Memory: the peak of this process, what a device has, what the host has left, and whether a card fits."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from cupel.measure import cgroup
from cupel.measure.accelerators import open_accelerators
from cupel.spec.errors import UsageError

GIB = 2**30


@dataclass(frozen=True)
class MemoryBytes:
    """Memory of a host or a device, in bytes.

    Args:
        total: all that this process may use (the control group's limit counts).
        free: what is left of it now, page cache that can be dropped included.
    """

    total: int
    free: int


def peak_rss_bytes(root: Path = Path("/")) -> int | None:
    """The most resident memory that this process has had, in bytes; None where the system does not say.

    On Linux `VmHWM` is read, since `ru_maxrss` survives `exec`: a small worker started by a large parent would report
    the parent's memory. Elsewhere `ru_maxrss`, which counts bytes on macOS and KiB on other systems.
    """
    try:
        status = (root / "proc/self/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        status = ""
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else _rusage_peak_bytes(sys.platform)


def _rusage_peak_bytes(platform: str) -> int | None:
    """`ru_maxrss` in bytes; its unit depends on the system."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if peak <= 0:
        return None
    return peak if platform == "darwin" else peak * 1024


def host_memory_bytes(root: Path = Path("/")) -> MemoryBytes:
    """Memory of the host as far as this process may use it: the control group's limit is respected."""
    import psutil

    host = psutil.virtual_memory()
    limit, left = cgroup.memory_limit_bytes(root), cgroup.memory_left_bytes(root)
    total = int(host.total) if limit is None else min(int(host.total), limit)
    free = int(host.available) if left is None else min(int(host.available), left)
    return MemoryBytes(total=total, free=min(free, total))


def device_memory_bytes(device: str, root: Path = Path("/")) -> MemoryBytes | None:
    """Memory of a device: the host's for `cpu`, the card's for `cuda:k`; None where it cannot be measured.

    The sensor library is asked first, which is harmless in a supervisor. Torch is asked only where that knows nothing,
    and makes a context on the card (some hundred MiB that stay taken) in this process.

    Raises:
        UsageError: the text is no device.
    """
    kind, _, number = device.partition(":")
    if kind == "cpu" and not number:
        return host_memory_bytes(root)
    if kind == "xpu":
        return None
    if kind != "cuda" or not (number or "0").isdecimal():
        raise UsageError(f"{device!r} is no device; expected cpu, cuda, or cuda:k with k = 0, 1, ...")
    return _memory_by_sensors(int(number or 0), root) or _memory_by_torch(int(number or 0))


def _memory_by_sensors(index: int, root: Path) -> MemoryBytes | None:
    """Memory of the accelerator `cuda:index` as its driver counts it."""
    opened = open_accelerators(root)
    try:
        found = next((d for d in opened.devices if d.index == index), None)
        used = found.read()["memory_bytes"] if found is not None else None
    finally:
        opened.close()
    if found is None or found.memory_bytes is None or used is None:
        return None
    return MemoryBytes(total=found.memory_bytes, free=max(0, found.memory_bytes - used))


def _memory_by_torch(index: int) -> MemoryBytes | None:
    """Memory of `cuda:index` as torch sees it."""
    try:
        import torch
    except ImportError:
        return None
    if not torch.cuda.is_available() or index >= torch.cuda.device_count():
        return None
    try:
        free, total = torch.cuda.mem_get_info(index)
    except RuntimeError:  # a driver that is being reset, a card in exclusive mode that another process holds
        return None
    return MemoryBytes(total=int(total), free=int(free))


def fits(card_memory_gib: float | None, device: str = "cpu", *, memory: MemoryBytes | None = None) -> bool | None:
    """Whether a card's memory fits into what a device has free.

    Args:
        card_memory_gib: memory that the card asks for at a size, in GiB; None where the card does not say.
        device: `cpu` or `cuda:k`.
        memory: the device's memory where it is known already; it is asked for otherwise.

    Returns:
        None where either is not known: that is no yes.
    """
    if card_memory_gib is None:
        return None
    found = memory if memory is not None else device_memory_bytes(device)
    return None if found is None else card_memory_gib * GIB <= found.free
