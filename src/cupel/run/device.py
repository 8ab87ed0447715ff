"""Which device a run takes, found without loading torch where there is no sign of an accelerator."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from cupel.spec.errors import UsageError

PROBE_TIMEOUT_S = 120.0
CPU_RANKS = 2
SIGNS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg", "/dev/accel", "/dev/dri/renderD128")
"""Files that a driver of an accelerator makes; without any, nobody is asked."""

PROBE = """
import json, torch
found = []
for kind in ("cuda", "xpu"):
    module = getattr(torch, kind)
    if module.is_available():
        found += [f"{kind}:{index}" for index in range(module.device_count())]
print(json.dumps(found))
"""


def resolve_device(asked: str) -> str:
    """The device to use.

    Args:
        asked: `auto`, `cpu`, `cuda`, `cuda:0`, `xpu:1`.

    Returns:
        `cpu`, or a device with its index.

    Raises:
        UsageError: no such device here; the message lists those there are.
    """
    if asked == "cpu":
        return asked
    if asked != "auto" and not re.fullmatch(r"(cuda|xpu)(:\d+)?", asked):
        raise UsageError(f"--device is {asked!r}; expected auto, cpu, cuda:0 or xpu:0.")
    found = _devices() if asked != "auto" or any(Path(sign).exists() for sign in SIGNS) else []
    if asked == "auto":
        return found[0] if found else "cpu"
    name = asked if ":" in asked else f"{asked}:0"
    if name not in found:
        raise UsageError(
            f"--device {asked} was asked; torch finds here: {', '.join(['cpu', *found])}. See cupel doctor."
        )
    return name


def num_ranks(devices: str, device: str) -> int:
    """How many processes a job has.

    Args:
        devices: the run's setting: `one`; `each` or `all`, a process per accelerator of the kind. A CPU is one device:
            `each` is one process on it, and a job over `all` is shared out over two, so that it is one over several.
        device: one of the devices, as `resolve_device` gives it.
    """
    kind = device.partition(":")[0]
    if devices == "one" or (devices == "each" and kind == "cpu"):
        return 1
    return CPU_RANKS if kind == "cpu" else max(1, sum(name.startswith(f"{kind}:") for name in _devices()))


@functools.cache
def _devices() -> list[str]:
    """Accelerators that torch can use, asked in a process of its own so that this one stays light."""
    if importlib.util.find_spec("torch") is None:
        return []
    try:
        output = subprocess.run(
            [sys.executable, "-P", "-c", PROBE], capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=True
        ).stdout
        names: Any = json.loads(output.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return []
    return [str(name) for name in names]
