from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cupel.measure import memory
from cupel.measure.memory import GIB, MemoryBytes, device_memory_bytes, fits, host_memory_bytes, peak_rss_bytes
from cupel.spec.errors import UsageError

PEAKS = """
import json
from cupel.measure.memory import peak_rss_bytes
before = peak_rss_bytes()
block = bytearray(64 * 2**20)
print(json.dumps([before, peak_rss_bytes()]))
"""


def test_the_peak_sees_an_allocation_and_nothing_of_a_large_parent() -> None:
    ballast = b"x" * (150 * 2**20)
    done = subprocess.run([sys.executable, "-c", PEAKS], capture_output=True, text=True, check=True)
    before, after = json.loads(done.stdout)
    assert 63 * 2**20 <= after - before <= 80 * 2**20
    assert after < len(ballast)


def test_the_unit_of_rusage_depends_on_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="resource is a module of POSIX systems")
    monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_maxrss=1000))
    assert memory._rusage_peak_bytes("linux") == 1_024_000
    assert memory._rusage_peak_bytes("darwin") == 1000
    assert peak_rss_bytes(tmp_path) in (1_024_000, 1000)


def test_host_memory_respects_the_limit_of_the_container(plant: Callable[..., Path], tmp_path: Path) -> None:
    free = host_memory_bytes(tmp_path)
    assert 0 < free.free <= free.total
    root = plant(
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{2**27}\n",
            "sys/fs/cgroup/memory.current": f"{2**26}\n",
        }
    )
    assert host_memory_bytes(root) == MemoryBytes(total=2**27, free=2**26)
    assert device_memory_bytes("cpu", root) == MemoryBytes(total=2**27, free=2**26)


def fake_torch(num_devices: int, answer: object) -> SimpleNamespace:
    def mem_get_info(_: int) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    cuda = SimpleNamespace(
        is_available=lambda: num_devices > 0, device_count=lambda: num_devices, mem_get_info=mem_get_info
    )
    return SimpleNamespace(cuda=cuda)


def test_device_memory_comes_from_the_driver_without_torch(fake_nvml: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert device_memory_bytes("cuda:1") == MemoryBytes(total=80 * GIB, free=78 * GIB)
    assert fits(78.5, "cuda:1") is False
    assert device_memory_bytes("cuda:2") is None
    assert fake_nvml.num_open == 0


def test_device_memory_comes_from_torch_where_the_driver_says_nothing(
    no_nvml: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", fake_torch(2, (70 * GIB, 80 * GIB)))
    assert device_memory_bytes("cuda:1") == MemoryBytes(total=80 * GIB, free=70 * GIB)
    assert device_memory_bytes("cuda") == MemoryBytes(total=80 * GIB, free=70 * GIB)
    assert device_memory_bytes("cuda:2") is None


def test_device_memory_is_none_where_it_cannot_be_measured(no_nvml: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", fake_torch(1, RuntimeError("CUDA error: devices unavailable")))
    assert device_memory_bytes("cuda:0") is None
    monkeypatch.setitem(sys.modules, "torch", fake_torch(0, None))
    assert device_memory_bytes("cuda:0") is None
    monkeypatch.setitem(sys.modules, "torch", None)
    assert device_memory_bytes("cuda:0") is None


@pytest.mark.parametrize("text", ["cuda:x", "gpu", "cpu:0", "", "cuda:-1"])
def test_a_text_that_is_no_device_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no device; expected cpu, cuda"):
        device_memory_bytes(text)


def test_fits_is_yes_no_or_unknown() -> None:
    card = MemoryBytes(total=80 * GIB, free=24 * GIB)
    assert fits(24.0, memory=card) is True
    assert fits(24.1, memory=card) is False
    assert fits(None, memory=card) is None
    assert fits(1e-6, "cpu") is True


def test_fits_is_unknown_for_a_device_that_is_not_there(no_nvml: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert fits(1.0, "cuda:0") is None
