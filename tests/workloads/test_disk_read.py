"""disk_read reads every block from the disk, not from the page cache, and its check can fail."""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cupel.run.slot import PlainSlot
from cupel.spec import Done, Seeds, UnsupportedError, WrongWorkError
from cupel.workloads import disk_read

TINY = SimpleNamespace(**disk_read.CARD.sizes("tiny"))
PATTERNS = ("sequential", "random")
pytestmark = pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="disk_read needs posix_fadvise")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("CUPEL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def make_slot(pattern: str = "sequential") -> PlainSlot:
    return PlainSlot(device="cpu", settings={"pattern": pattern}, threads=1)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_step_counts_the_bytes_that_it_read(pattern):
    step, reader, _ = disk_read.build(TINY, make_slot(pattern), Seeds(0))
    assert [step().items * 1e9 for _ in range(6)] == pytest.approx([TINY.step_mib * 2**20] * 6)
    assert reader.num_read * len(reader.buffer) == 6 * TINY.step_mib * 2**20


def test_blocks_are_read_one_after_the_other_or_by_the_seed():
    orders = [
        disk_read.build(TINY, make_slot(pattern), Seeds(seed))[1].order.tolist()
        for pattern, seed in (("sequential", 0), ("sequential", 1), ("random", 0), ("random", 0), ("random", 1))
    ]
    assert orders[0] == orders[1] == list(range(16))
    assert orders[2] == orders[3] != orders[4]
    assert sorted(orders[2]) == sorted(orders[4]) == list(range(256))


def cached_frac(path: Path) -> float:
    """Share of a file's pages that lie in the page cache."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        content = np.frombuffer(mapped, np.uint8)
        is_cached = np.zeros(-(-len(content) // mmap.PAGESIZE), np.uint8)
        address, size = ctypes.c_void_p(content.ctypes.data), ctypes.c_size_t(len(content))
        failed = ctypes.CDLL(None).mincore(address, size, ctypes.c_void_p(is_cached.ctypes.data))
        del content
    if failed:
        pytest.skip("the system does not tell what its page cache holds")
    return float((is_cached & 1).mean())


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_page_cache_is_empty_before_and_after_each_pass(pattern):
    step, _, path = disk_read.build(TINY, make_slot(pattern), Seeds(0))
    if cached_frac(path) == 1.0:
        pytest.skip("the file system keeps every page, as tmpfs does")
    assert cached_frac(path) < 0.05
    for _ in range(TINY.file_mib // TINY.step_mib):
        step()
    assert cached_frac(path) < 0.2
    path.read_bytes()
    assert cached_frac(path) > 0.9


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_check_passes(pattern):
    disk_read.sane(TINY, make_slot(pattern), Seeds(0))


@pytest.mark.parametrize(
    ("cheat", "message"),
    [
        pytest.param(lambda _, buffers, __: len(buffers[0]), "unread or misread", id="nothing is read"),
        pytest.param(lambda file, buffers, _: os.pread_into(file, buffers), "unread", id="the first block always"),
    ],
)
def test_the_check_fails_when_blocks_are_not_read(monkeypatch, cheat, message):
    preadv = os.preadv
    monkeypatch.setattr(os, "pread_into", lambda file, buffers: preadv(file, buffers, 0), raising=False)
    monkeypatch.setattr(os, "preadv", cheat)
    with pytest.raises(WrongWorkError, match=message):
        disk_read.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_the_order_is_not_random(monkeypatch):
    init = disk_read.Reader.__init__

    def in_order(reader, path, *, block_bytes, rng):
        init(reader, path, block_bytes=block_bytes, rng=None)

    monkeypatch.setattr(disk_read.Reader, "__init__", in_order)
    with pytest.raises(WrongWorkError, match="not read in a random order"):
        disk_read.sane(TINY, make_slot("random"), Seeds(0))


def test_the_check_fails_when_the_count_is_wrong(monkeypatch):
    build = disk_read.build

    def doubled(sizes, slot, rng):
        step, reader, path = build(sizes, slot, rng)
        return lambda: Done(items=2 * step().items), reader, path

    monkeypatch.setattr(disk_read, "build", doubled)
    with pytest.raises(WrongWorkError, match="counted"):
        disk_read.sane(TINY, make_slot(), Seeds(0))


def test_a_system_that_cannot_drop_pages_is_refused_in_words(monkeypatch):
    monkeypatch.delattr(os, "posix_fadvise")
    with pytest.raises(UnsupportedError, match="needs posix_fadvise, which this system lacks"):
        disk_read.setup(TINY, make_slot(), Seeds(0))
