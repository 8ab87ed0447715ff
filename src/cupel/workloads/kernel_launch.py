"""Launches of a kernel that does next to nothing: what each operation costs before it does any work.

Decisions:
- `x.add_(1)` on one whole number, `launches` times a step, one after the other in one stream; each waits for the one
  before it on the device, never on the host.
- What is counted is bounded by the slower of two: the host, which must go from Python to the driver each time, and the
  device, which must start and end a kernel. On a CPU there is no queue: it is the cost of calling an operation.
- A whole number of 64 bits, so that every launch can be counted in the end; a float would stop at 2^24.
- No precision: a launch costs the same for any.
- Counted: launches.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError

CARD = Workload(
    measures="rate of launching kernels one by one",
    unit="launches",
    better="higher",
    source="Xiong et al. 2024, SuperBench: Improving Cloud AI Infrastructure Reliability with Proactive Validation",
    tags=("kernel", "latency", "host"),
    needs=("torch",),
    tiny={"launches": 1000},
    small={"launches": 20000},
    full={"launches": 20000},
    memory_gib={"tiny": 0.01, "small": 0.01, "full": 0.01},
)
NUM_CHECKED = 3
"""Steps that the check does."""


def build(sizes: Sizes, slot: Slot) -> tuple[Step, Tensor]:
    """The step, and the number that each launch adds one to."""
    total = torch.zeros(1, dtype=torch.int64, device=slot.device)
    add_ = total.add_
    launches = range(sizes.launches)

    def step() -> Done:
        for _ in launches:
            add_(1)
        return Done(items=sizes.launches)

    return step, total


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A zero on the device; a step adds one to it many times."""
    del rng
    return build(sizes, slot)[0]


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """After a few steps the number on the device is that of the launches, and all were counted."""
    del rng
    step, total = build(sizes, slot)
    counted = sum(step().items for _ in range(NUM_CHECKED))
    found, expected = int(total), NUM_CHECKED * sizes.launches
    if found != expected:
        raise WrongWorkError(f"kernel_launch: {found} launches did their work; expected {expected}.")
    if counted != expected:
        raise WrongWorkError(f"kernel_launch: {counted:.0f} launches were counted; expected {expected}.")
