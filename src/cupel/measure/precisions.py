"""Which precisions the devices have, found by trying a small product at each, in a process of its own with a time-out.

`python -m cupel.measure.precisions` is that process; a driver that hangs or a library that crashes takes only it down.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

PRECISIONS = ("fp32", "tf32", "bf16", "fp16", "fp8", "int8")
NUM_ROWS = 64
"""Rows and columns of the product: a multiple of 32, which the fp8 and int8 units ask for."""

Answers = dict[str, dict[str, bool]]
"""By device, then by precision: whether a product could be done."""


def ask_precisions(timeout_s: float = 60.0, command: Sequence[str] | None = None) -> tuple[Answers | None, str]:
    """The precisions of every device that torch sees.

    Args:
        timeout_s: after this long the probe is ended.
        command: starts the probe; this interpreter with this module when None.

    Returns:
        The answers and an empty text, or None and why there are none.
    """
    try:
        done = subprocess.run(
            command or [sys.executable, "-m", "cupel.measure.precisions"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"the probe gave no answer within {timeout_s:g} s"
    except OSError as error:
        return None, f"the probe could not be started: {error}"
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return None, f"the probe ended with exit code {done.returncode}: {last[:200]}"
    try:
        answers: Answers = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return None, "the probe's answer could not be read"
    return answers, ""


def probe_precisions() -> Answers:
    """Try every precision on every device; needs torch."""
    import torch

    devices = ["cpu", *(f"cuda:{k}" for k in range(torch.cuda.device_count()))]
    return {device: {name: _works(torch, device, name) for name in PRECISIONS} for device in devices}


def _works(torch: Any, device: str, precision: str) -> bool:
    """Whether one product could be done in units of that precision."""
    if device == "cpu" and precision in ("tf32", "fp8"):
        return False  # a mode of NVIDIA's units; and torch's own fp8 product on a CPU converts to fp32
    is_nvidia = device != "cpu" and torch.version.hip is None
    if precision in ("tf32", "bf16") and device != "cpu":
        is_there = is_nvidia and torch.cuda.get_device_capability(device)[0] >= 8
        if not is_there and (is_nvidia or precision == "tf32"):
            return False  # older cards compute both as fp32, which would succeed here
    try:
        _multiply(torch, device, precision)
    except (RuntimeError, ValueError, TypeError, AttributeError):
        return False  # torch's ways to say that a device, or this version of torch, cannot
    return True


def _multiply(torch: Any, device: str, precision: str) -> None:
    """One product; what it costs or yields does not matter."""
    ones = torch.ones(NUM_ROWS, NUM_ROWS, device=device)
    if precision == "int8":
        out = torch._int_mm(ones.to(torch.int8), ones.to(torch.int8).t())  # noqa: SLF001  it has no public name
    elif precision == "fp8":
        eight, one = ones.to(torch.float8_e4m3fn), torch.ones((), device=device)
        out = torch._scaled_mm(eight, eight.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16)  # noqa: SLF001
    else:
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
        out = ones.to(dtype) @ ones.to(dtype)
    float(out[0, 0])  # waits for the device


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe_precisions()) + "\n")
