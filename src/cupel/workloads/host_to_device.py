"""Copies between the host's memory and an accelerator's: how fast data reach the device, and results leave it.

Decisions:
- Random bytes in page-locked (pinned) memory of the host, `buffers` pairs of `buffer_mib` in rotation; copies are
  handed over without waiting, one after the other in one stream. Data in pageable memory would be copied twice.
- `direction=to_device` is what batches do, `to_host` what results and offloaded states do.
- `full`: 4 pairs of 256 MiB, beyond any cache; `repeats` copies a step, so that a step takes milliseconds.
- A CPU has no memory apart from the host's, so there is nothing to measure on it: `small` and `full` are refused there.
  `tiny` copies within the host's memory on a CPU (`on_cpu`), so that the work can be tested anywhere.
- No precision: bytes are bytes.
- Counted: bytes that were copied, once each, in units of 1e9.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, UnsupportedError, Workload, WrongWorkError

CARD = Workload(
    measures="bandwidth between host and device",
    unit="GB",
    better="higher",
    source="Xiong et al. 2024, SuperBench: Improving Cloud AI Infrastructure Reliability with Proactive Validation",
    tags=("kernel", "memory", "host"),
    needs=("torch",),
    settings={"direction": ("to_device", "to_host")},
    tiny={"buffer_mib": 2, "buffers": 2, "repeats": 4, "on_cpu": True},
    small={"buffer_mib": 64, "buffers": 2, "repeats": 4, "on_cpu": False},
    full={"buffer_mib": 256, "buffers": 4, "repeats": 8, "on_cpu": False},
    memory_gib={"tiny": 0.01, "small": 0.3, "full": 1.0},
)
MIB = 2**20
WORD_BYTES = 8


def build(sizes: Sizes, slot: Slot, rng: Seeds) -> tuple[Step, list[tuple[Tensor, Tensor]]]:
    """The step, and the pairs of buffers (source, copy) that it rotates over.

    Raises:
        UnsupportedError: the device is a CPU, and the sizes do not say that it is to be taken for one.
    """
    if slot.device.type == "cpu" and not sizes.on_cpu:
        raise UnsupportedError(
            "host_to_device was asked on a CPU, which has no memory of its own to copy to; it needs an accelerator. "
            "Take memory_copy for the bandwidth of the host's memory."
        )
    generator = torch.Generator().manual_seed(rng.seed("data"))
    num_words = sizes.buffer_mib * MIB // WORD_BYTES
    is_pinned = slot.device.type != "cpu"
    pairs = []
    for _ in range(sizes.buffers):
        on_host = torch.empty(num_words, dtype=torch.int64, pin_memory=is_pinned)
        on_host.random_(generator=generator)
        if slot.settings.get("direction", "to_device") == "to_device":
            pairs.append((on_host, torch.zeros(num_words, dtype=torch.int64, device=slot.device)))
        else:
            source = on_host.clone().to(slot.device)
            pairs.append((source, on_host.zero_()))
    items = sizes.repeats * sizes.buffer_mib * MIB / 1e9
    num_copied = 0

    def step() -> Done:
        nonlocal num_copied
        for _ in range(sizes.repeats):
            source, copy = pairs[num_copied % sizes.buffers]
            copy.copy_(source, non_blocking=True)
            num_copied += 1
        return Done(items=items)

    return step, pairs


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Random bytes on one side; a step copies them to the other."""
    return build(sizes, slot, rng)[0]


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Steps that go once around the buffers leave each copy on its side, equal to its source, and count its bytes."""
    step, pairs = build(sizes, slot, rng)
    num_steps = -(-sizes.buffers // sizes.repeats)
    items = sum(step().items for _ in range(num_steps))
    slot.sync()
    is_to_device = slot.settings.get("direction", "to_device") == "to_device"
    for source, copy in pairs:
        on_device, on_host = (copy, source) if is_to_device else (source, copy)
        if on_device.device.type != slot.device.type or on_host.device.type != "cpu":
            raise WrongWorkError(
                f"host_to_device: the buffers are on {on_host.device} and {on_device.device}; "
                f"expected cpu and {slot.device}."
            )
        num_wrong = int((source.cpu() != copy.cpu()).sum())
        if num_wrong:
            raise WrongWorkError(
                f"host_to_device: {num_wrong} of {source.numel()} words differ from their source; expected 0."
            )
        if len(set(source[:1000].tolist())) < 990:
            raise WrongWorkError("host_to_device: the words of a source repeat themselves; expected random ones.")
    num_bytes = num_steps * sizes.repeats * pairs[0][0].nbytes
    if abs(items * 1e9 - num_bytes) > 0.5:
        raise WrongWorkError(
            f"host_to_device: {num_steps} steps counted {items * 1e9:.0f} bytes; expected {num_bytes}."
        )
