"""What a control group (container, batch job) allows this process: memory and CPU, for cgroup versions 1 and 2.

A container sees the whole host in `/proc`; its share stands here. Limits of all ancestors count, the tightest wins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

UNLIMITED_BYTES = 2**60
"""Version 1 writes a number near 2**63 for no limit."""


def memory_limit_bytes(root: Path = Path("/")) -> int | None:
    """The tightest memory limit in bytes; None where there is none."""
    found = [_number(d / name) for d, name in _files(root, "memory", "memory.max", "memory.limit_in_bytes")]
    limits = [int(v) for v in found if v is not None and v < UNLIMITED_BYTES]
    return min(limits, default=None)


def memory_left_bytes(root: Path = Path("/")) -> int | None:
    """Bytes left below the tightest limit, page cache that can be dropped not counted as used; None without a limit."""
    left = []
    for folder, name in _files(root, "memory", "memory.max", "memory.limit_in_bytes"):
        limit = _number(folder / name)
        is_v2 = name == "memory.max"
        used = _number(folder / ("memory.current" if is_v2 else "memory.usage_in_bytes"))
        if limit is None or limit >= UNLIMITED_BYTES or used is None:
            continue
        cache = _stat(folder / "memory.stat", "inactive_file" if is_v2 else "total_inactive_file")
        left.append(max(0, int(limit - used + min(cache, used))))
    return min(left, default=None)


def cpu_quota_cores(root: Path = Path("/")) -> float | None:
    """CPU time that the tightest quota allows, in cores (1.5 = one and a half); None where there is none."""
    quotas = []
    for folder, name in _files(root, "cpu", "cpu.max", "cpu.cfs_quota_us"):
        if name == "cpu.max":
            words = _text(folder / name).split()
            quota, period = (_float(words[0]), _float(words[1])) if len(words) == 2 else (None, None)
        else:
            quota, period = _number(folder / name), _number(folder / "cpu.cfs_period_us")
        if quota is not None and period is not None and quota > 0 and period > 0:
            quotas.append(quota / period)
    return min(quotas, default=None)


def _files(root: Path, controller: str, v2_name: str, v1_name: str) -> Iterator[tuple[Path, str]]:
    """Each (folder, file name) of this process's group and its ancestors that exists."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield from _up(root / "sys/fs/cgroup", path, v2_name)
        elif controller in controllers.split(","):
            for mount in dict.fromkeys((controllers, controller)):
                yield from _up(root / "sys/fs/cgroup" / mount, path, v1_name)


def _up(mount: Path, path: str, name: str) -> Iterator[tuple[Path, str]]:
    """The file in the group's folder and in all above it; inside a container only the mount itself may be there."""
    parts = [p for p in path.split("/") if p not in ("", "..")]
    for k in range(len(parts), -1, -1):
        folder = mount.joinpath(*parts[:k])
        if (folder / name).is_file():
            yield folder, name


def _stat(path: Path, key: str) -> float:
    """One value of a `key value` file; 0 where the kernel does not write it (nothing then counts as droppable)."""
    for line in _text(path).splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == key:
            return _float(words[1]) or 0.0
    return 0.0


def _number(path: Path) -> float | None:
    return _float(_text(path))


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
