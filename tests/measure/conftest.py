"""A stand-in for NVIDIA's sensor library, and folders that look like `/proc` and `/sys`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


class FakeNvmlError(Exception):
    """What NVML raises, of a class that the code under test does not know."""


class FakeNvml:
    """Two cards; `broken` names calls that fail, `cards` can be changed."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.num_open = 0
        self.cards: list[dict[str, Any]] = [
            {"uuid": f"GPU-{k}a{k}b", "name": "NVIDIA H100 80GB HBM3", "used": (k + 1) * 2**30, "mig": [], "pids": {}}
            for k in range(2)
        ]

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("nvml") and name in object.__getattribute__(self, "broken"):
            raise FakeNvmlError(name)
        return object.__getattribute__(self, name)

    def nvmlInit(self) -> None:  # noqa: N802  the library's names, here and below
        self.num_open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.num_open -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.cards)

    def nvmlSystemGetDriverVersion(self) -> bytes:  # noqa: N802
        return b"570.86.10"

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:  # noqa: N802
        return 12080

    def nvmlDeviceGetHandleByIndex(self, k: int) -> dict[str, Any]:  # noqa: N802
        return self.cards[k]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> dict[str, Any]:  # noqa: N802
        return next(s for card in self.cards for s in card["mig"] if s["uuid"] == uuid)

    def nvmlDeviceGetUUID(self, card: dict[str, Any]) -> str:  # noqa: N802
        return str(card["uuid"])

    def nvmlDeviceGetName(self, card: dict[str, Any]) -> str:  # noqa: N802
        return str(card["name"])

    def nvmlDeviceGetMigMode(self, card: dict[str, Any]) -> list[int]:  # noqa: N802
        return [int(bool(card["mig"])), 0]

    def nvmlDeviceGetMaxMigDeviceCount(self, card: dict[str, Any]) -> int:  # noqa: N802
        return len(card["mig"]) + 2

    def nvmlDeviceGetMigDeviceHandleByIndex(self, card: dict[str, Any], k: int) -> dict[str, Any]:  # noqa: N802
        found: dict[str, Any] = card["mig"][k]
        return found

    def nvmlDeviceGetMemoryInfo(self, card: dict[str, Any]) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(total=80 * 2**30, used=card["used"], free=80 * 2**30 - card["used"])

    def nvmlDeviceGetUtilizationRates(self, card: dict[str, Any]) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(gpu=card.get("util_percent", 75), memory=10)

    def nvmlDeviceGetPowerUsage(self, card: dict[str, Any]) -> int:  # noqa: N802
        return int(card.get("power_mw", 412_500))

    def nvmlDeviceGetTotalEnergyConsumption(self, card: dict[str, Any]) -> int:  # noqa: N802
        return int(card.get("energy_mj", 9_000_500))

    def nvmlDeviceGetTemperature(self, card: dict[str, Any], sensor: int) -> int:  # noqa: N802
        return {0: int(card.get("temperature_c", 61))}[sensor]

    def nvmlDeviceGetClockInfo(self, card: dict[str, Any], kind: int) -> int:  # noqa: N802
        return {1: int(card.get("clock_mhz", 1755))}[kind]

    def nvmlDeviceGetCurrentClocksEventReasons(self, card: dict[str, Any]) -> int:  # noqa: N802
        return int(card.get("reasons", 0x1 | 0x4 | 0x20))

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, card: dict[str, Any]) -> int:  # noqa: N802
        return int(card.get("reasons", 0x8))

    def nvmlDeviceGetComputeRunningProcesses(self, card: dict[str, Any]) -> list[SimpleNamespace]:  # noqa: N802
        return [SimpleNamespace(pid=p, usedGpuMemory=m) for p, m in card["pids"].items()]

    def nvmlDeviceGetGraphicsRunningProcesses(self, card: dict[str, Any]) -> list[SimpleNamespace]:  # noqa: N802
        return [SimpleNamespace(pid=p, usedGpuMemory=None) for p in card.get("graphics", ())]


@pytest.fixture
def fake_nvml(monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    """The stand-in, in place of the library."""
    library = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", library)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return library


@pytest.fixture
def no_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without NVIDIA's library."""
    monkeypatch.setitem(sys.modules, "pynvml", None)


@pytest.fixture
def plant(tmp_path: Path) -> Callable[..., Path]:
    """Writes files below a root folder: `plant({"proc/cpuinfo": "..."})` gives that root."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write
