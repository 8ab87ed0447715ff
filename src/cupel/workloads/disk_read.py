"""Reading a file from disk into the host's memory: how fast data can arrive that no memory holds yet.

Decisions:
- One file of random bytes in the cache folder (`CUPEL_CACHE`, else the user's own): set that to the disk in question.
- `pattern=sequential`: one block after the other, as shards of a data set are read. `pattern=random`: blocks in random
  order, each once in a pass, with read-ahead turned off, as single pictures are read; `random_kib` is 128, about one
  photograph of ImageNet. One thread, one request at a time; more requests at once may get more from a disk.
- Pages of the file are dropped from the page cache by posix_fadvise before the first step and, by each step, once they
  are read. The system may keep them nevertheless (as in tmpfs, which is memory), and what lies behind it (a controller,
  the host of a virtual machine, a file server) has caches of its own that nothing here can empty. A system without
  posix_fadvise (macOS) is refused: it would measure the page cache.
- `full`: 4 GiB, beyond the cache of most disks and controllers; `small` 256 MiB. The file stays for later runs.
- Reads go to one buffer of the host that is kept; no torch, no device.
- Counted: bytes read, in units of 1e9.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np

from cupel.spec import Done, Seeds, Sizes, Slot, Step, UnsupportedError, Workload, WrongWorkError
from cupel.tasks.data.file_cache import cached_folder

CARD = Workload(
    measures="bandwidth of reading a file, page cache dropped",
    unit="GB",
    better="higher",
    source="Mohan et al. 2021, Analyzing and Mitigating Data Stalls in DNN Training (fetch stalls)",
    tags=("data", "disk", "host"),
    settings={"pattern": ("sequential", "random")},
    tiny={"file_mib": 4, "block_kib": 256, "random_kib": 16, "step_mib": 1},
    small={"file_mib": 256, "block_kib": 1024, "random_kib": 128, "step_mib": 16},
    full={"file_mib": 4096, "block_kib": 1024, "random_kib": 128, "step_mib": 256},
    memory_gib={"tiny": 0.01, "small": 0.01, "full": 0.02},
)
KIB, MIB = 2**10, 2**20
FILE_NAME = "random.bin"


class Reader:
    """An open file and the order in which its blocks are read, pass after pass."""

    def __init__(self, path: Path, *, block_bytes: int, rng: np.random.Generator | None) -> None:
        self.file = os.open(path, os.O_RDONLY)
        self.buffer = bytearray(block_bytes)
        self.num_blocks = os.fstat(self.file).st_size // block_bytes
        self.order = np.arange(self.num_blocks) if rng is None else rng.permutation(self.num_blocks)
        self.num_read = 0
        # in order, the system reads ahead by itself: advised to, it did so further and was a seventh slower
        self.advise(0, 0, os.POSIX_FADV_NORMAL if rng is None else os.POSIX_FADV_RANDOM)
        os.fdatasync(self.file)  # pages that are not on the disk yet cannot be dropped
        self.advise(0, 0, os.POSIX_FADV_DONTNEED)

    def __del__(self) -> None:
        """Close the file."""
        os.close(self.file)

    def advise(self, offset: int, num_bytes: int, advice: int) -> None:
        """Tell the system about a part of the file (0 bytes: to its end)."""
        os.posix_fadvise(self.file, offset, num_bytes, advice)

    def read(self) -> int:
        """Read the next block into the buffer and let its pages go; returns the bytes read."""
        offset = int(self.order[self.num_read % self.num_blocks]) * len(self.buffer)
        self.num_read += 1
        num_bytes = os.preadv(self.file, [self.buffer], offset)
        self.advise(offset, num_bytes, os.POSIX_FADV_DONTNEED)
        return num_bytes


def build(sizes: Sizes, slot: Slot, rng: Seeds) -> tuple[Step, Reader, Path]:
    """The step, the reader of its file, and the file."""
    if not hasattr(os, "posix_fadvise"):
        raise UnsupportedError("disk_read needs posix_fadvise, which this system lacks: it would read its page cache.")

    def make(folder: Path) -> None:
        draw = np.random.default_rng(0)
        with (folder / FILE_NAME).open("wb") as file:
            for _ in range(sizes.file_mib):
                file.write(draw.bytes(MIB))

    path = cached_folder(f"random-bytes-v1-{sizes.file_mib}mib", make) / FILE_NAME
    is_random = slot.settings.get("pattern", "sequential") == "random"
    reader = Reader(
        path,
        block_bytes=(sizes.random_kib if is_random else sizes.block_kib) * KIB,
        rng=np.random.default_rng(rng.seed("order")) if is_random else None,
    )
    num_reads = sizes.step_mib * MIB // len(reader.buffer)

    def step() -> Done:
        return Done(items=sum(reader.read() for _ in range(num_reads)) / 1e9)

    return step, reader, path


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A file on disk, out of the page cache; a step reads a part of it."""
    return build(sizes, slot, rng)[0]


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """A pass reads every block of the file once, as it is in the file, in the order of its pattern, and counts it."""
    step, reader, path = build(sizes, slot, rng)
    content, size = path.read_bytes(), len(reader.buffer)
    blocks = [zlib.crc32(content[start : start + size]) for start in range(0, len(content), size)]
    read = []
    for _ in blocks:
        num_bytes = reader.read()
        read.append(zlib.crc32(reader.buffer[:num_bytes]))
    num_wrong = len(set(blocks) ^ set(read))
    if num_wrong or len(set(blocks)) < len(blocks):
        raise WrongWorkError(f"disk_read: a pass left {num_wrong} blocks unread or misread; expected each block once.")
    is_random = slot.settings.get("pattern", "sequential") == "random"
    if (read == blocks) is is_random:
        wanted = "a random order" if is_random else "one after the other"
        raise WrongWorkError(f"disk_read: the blocks were not read in {wanted}; expected it of this pattern.")
    num_steps = -(-sizes.file_mib // sizes.step_mib)
    counted, expected = sum(step().items for _ in range(num_steps)), num_steps * sizes.step_mib * MIB / 1e9
    if abs(counted - expected) > 1e-9:
        raise WrongWorkError(f"disk_read: {num_steps} steps counted {counted:.6f} GB; expected {expected:.6f}.")
