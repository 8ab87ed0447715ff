"""Exchanges between all devices of a machine: the bandwidth of what connects them.

Decisions:
- `operation`: all_reduce (every rank gets the sum of all), all_gather (every rank gets the parts of all),
  reduce_scatter (every rank gets its part of the sum), all_to_all (every rank sends a part to every other).
- One process per device (`devices=all`); NCCL between accelerators, gloo between two processes on a CPU, which measures
  the memory of the machine and not a network. A machine with one accelerator has nothing to exchange.
- `buffer_mib` is the whole buffer of one rank: what is summed, or all parts together. `buffers` of them in rotation.
- Random whole numbers of 32 bits: sums wrap around, so that sums of sums, in place as training does them, neither grow
  beyond what a number holds nor fade to zeros. all_reduce is in place, the others have outputs of their own.
- Counted: bus bandwidth as the NCCL tests define it, in units of 1e9 bytes, so that numbers are comparable between
  operations and numbers of ranks: the buffer times 2(n-1)/n for all_reduce and (n-1)/n for the others. Each rank counts
  its n-th part of that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, UnsupportedError, Workload, WrongWorkError

CARD = Workload(
    measures="bus bandwidth of a collective",
    unit="GB",
    better="higher",
    source="NVIDIA, nccl-tests, PERFORMANCE.md (bus bandwidth)",
    tags=("kernel", "communication"),
    needs=("torch",),
    settings={
        "operation": ("all_reduce", "all_gather", "reduce_scatter", "all_to_all"),
        "devices": ("all",),
    },
    tiny={"buffer_mib": 1, "buffers": 2},
    small={"buffer_mib": 32, "buffers": 2},
    full={"buffer_mib": 1024, "buffers": 2},
    memory_gib={"tiny": 0.02, "small": 0.2, "full": 4.5},
)

MIB = 2**20
WORD_BYTES = 4


def make_exchange(operation: str, source: Tensor, world: int) -> tuple[Callable[[], Any], Tensor]:
    """A call that exchanges, and where its result is; `source` is a rank's whole buffer, a multiple of `world` long."""
    dist = torch.distributed
    if operation == "all_reduce":
        return lambda: dist.all_reduce(source), source
    part = source[: source.numel() // world]
    if operation == "all_gather":
        out = torch.empty_like(source)
        return lambda: dist.all_gather_into_tensor(out, part), out
    if operation == "reduce_scatter":
        out = torch.empty_like(part)
        return lambda: dist.reduce_scatter_tensor(out, source), out
    out = torch.empty_like(source)
    return lambda: dist.all_to_all_single(out, source), out


def build(sizes: Sizes, slot: Slot, rng: Seeds) -> tuple[Step, list[tuple[Tensor, Tensor]]]:
    """The step, and the buffers (source, result) that it rotates over."""
    if slot.world < 2:
        raise UnsupportedError("collective was asked of one device; it needs at least 2. See cupel doctor.")
    operation = str(slot.settings["operation"])
    generator = slot.generator(rng.seed("data"))
    num_words = sizes.buffer_mib * MIB // WORD_BYTES // slot.world * slot.world
    calls, buffers = [], []
    for _ in range(sizes.buffers):
        source = torch.empty(num_words, dtype=torch.int32, device=slot.device)
        source.random_(-(2**31), 2**31 - 1, generator=generator)
        call, out = make_exchange(operation, source, slot.world)
        calls.append(call)
        buffers.append((source, out))
    share = (2 if operation == "all_reduce" else 1) * (slot.world - 1) / slot.world
    items = share * num_words * WORD_BYTES / slot.world / 1e9
    num_done = 0

    def step() -> Done:
        nonlocal num_done
        calls[num_done % len(calls)]()
        num_done += 1
        return Done(items=items)

    return step, buffers


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Random buffers on every rank; a step exchanges one."""
    return build(sizes, slot, rng)[0]


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """The result is what all ranks' buffers, sent whole to every rank one by one, say it must be."""
    step, buffers = build(sizes, slot, rng)
    source, out = buffers[0]
    everyone = [source.clone() for _ in range(slot.world)]
    for rank, copy in enumerate(everyone):
        torch.distributed.broadcast(copy, src=rank)
    step()
    slot.sync()
    if torch.equal(everyone[0], everyone[1]):
        raise WrongWorkError("collective: two ranks have the same operands; expected others on each.")
    parts = [copy.chunk(slot.world) for copy in everyone]
    operation = slot.settings["operation"]
    expected = {
        "all_reduce": lambda: torch.stack(everyone).sum(0, dtype=out.dtype),
        "all_gather": lambda: torch.cat([part[0] for part in parts]),
        "reduce_scatter": lambda: torch.stack([part[slot.rank] for part in parts]).sum(0, dtype=out.dtype),
        "all_to_all": lambda: torch.cat([part[slot.rank] for part in parts]),
    }[str(operation)]()
    if not torch.equal(out, expected):
        raise WrongWorkError(f"collective: the result of {operation} is not what the ranks' buffers give.")
