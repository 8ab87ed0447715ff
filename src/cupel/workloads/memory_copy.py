"""Copies between buffers on the device: the memory bandwidth that a program gets.

Decisions:
- Random bytes, copied whole from one buffer to another of its own; `buffers` pairs in rotation.
- `small`: 2 pairs of 128 MiB, 512 MiB in all: each buffer is four times a last-level cache of 32 MiB, and all together
  outweigh a cache of 128 MiB four times; a server with a larger cache should take `full`.
- `full`: 4 pairs of 1 GiB, beyond any cache of an accelerator (256 MiB).
- A step does `repeats` copies, so that it takes milliseconds on a fast device.
- Counted: bytes read plus bytes written, in units of 1e9. What the processor reads in order to write (write-allocate)
  is not counted, as in STREAM.
- No precision: bytes are bytes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError

CARD = Workload(
    measures="memory bandwidth",
    unit="GB",
    better="higher",
    source="McCalpin 1995, Memory Bandwidth and Machine Balance in Current High Performance Computers (STREAM Copy)",
    tags=("kernel", "memory"),
    needs=("torch",),
    tiny={"buffer_mib": 4, "buffers": 2, "repeats": 8},
    small={"buffer_mib": 128, "buffers": 2, "repeats": 4},
    full={"buffer_mib": 1024, "buffers": 4, "repeats": 8},
    memory_gib={"tiny": 0.01, "small": 0.5, "full": 8.0},
    bound="byte",
    per_item=1e9,
)

MIB = 2**20
WORD_BYTES = 8


def build(sizes: Sizes, slot: Slot, rng: Seeds) -> tuple[Step, list[tuple[Tensor, Tensor]]]:
    """The step, and the pairs of buffers (source, copy) that it rotates over."""
    generator = slot.generator(rng.seed("data"))
    num_words = sizes.buffer_mib * MIB // WORD_BYTES
    pairs = []
    for _ in range(sizes.buffers):
        source = torch.empty(num_words, dtype=torch.int64, device=slot.device).random_(generator=generator)
        pairs.append((source, torch.zeros_like(source)))
    items = 2 * sizes.repeats * sizes.buffer_mib * MIB / 1e9
    num_copied = 0

    def step() -> Done:
        nonlocal num_copied
        for _ in range(sizes.repeats):
            source, copy = pairs[num_copied % sizes.buffers]
            copy.copy_(source)
            num_copied += 1
        return Done(items=items)

    return step, pairs


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Random bytes on the device; a step copies them."""
    return build(sizes, slot, rng)[0]


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Steps that go once around the buffers leave every copy equal to its source, bit for bit, and count its bytes."""
    step, pairs = build(sizes, slot, rng)
    num_steps = -(-sizes.buffers // sizes.repeats)
    items = sum(step().items for _ in range(num_steps))
    slot.sync()
    for source, copy in pairs:
        num_wrong = int((source != copy).sum())
        if num_wrong:
            raise WrongWorkError(
                f"memory_copy: {num_wrong} of {source.numel()} words differ from their source; expected 0."
            )
        if len(source[:1000].unique()) < 990:
            raise WrongWorkError("memory_copy: the words of a source repeat themselves; expected random ones.")
    num_bytes = 2 * num_steps * sizes.repeats * pairs[0][0].nbytes
    if abs(items * 1e9 - num_bytes) > 0.5:
        raise WrongWorkError(f"memory_copy: {num_steps} steps counted {items * 1e9:.0f} bytes; expected {num_bytes}.")
