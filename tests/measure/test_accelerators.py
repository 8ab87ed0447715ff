from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cupel.measure.accelerators import UNKNOWN, open_accelerators, visible

AMD = {
    "sys/class/drm/card0/device/vendor": "0x1002\n",
    "sys/class/drm/card0/device/mem_info_vram_total": str(192 * 2**30),
    "sys/class/drm/card0/device/mem_info_vram_used": str(3 * 2**30),
    "sys/class/drm/card0/device/product_name": "AMD Instinct MI300X\n",
    "sys/class/drm/card0/device/unique_id": "0xabcdef\n",
    "sys/class/drm/card0/device/gpu_busy_percent": "40\n",
    "sys/class/drm/card0/device/hwmon/hwmon3/power1_average": "551000000\n",
    "sys/class/drm/card0/device/hwmon/hwmon3/temp1_input": "48000\n",
    "sys/class/drm/card0-DP-1/status": "connected\n",
    "sys/class/kfd/kfd/proc/4242/pasid": "1\n",
    "sys/module/amdgpu/version": "6.10.5\n",
}


def test_readings_of_nvidia_are_in_the_units_that_their_names_say(fake_nvml: Any, tmp_path: Path) -> None:
    found = open_accelerators(tmp_path)
    assert (found.driver, found.cuda_of_driver) == ("570.86.10", "12.8")
    assert [(d.index, d.name, d.memory_bytes, d.uuid) for d in found.devices] == [
        (0, "NVIDIA H100 80GB HBM3", 80 * 2**30, "GPU-0a0b"),
        (1, "NVIDIA H100 80GB HBM3", 80 * 2**30, "GPU-1a1b"),
    ]
    assert found.devices[1].read() == {
        "index": 1,
        "name": "NVIDIA H100 80GB HBM3",
        "memory_bytes": 2 * 2**30,
        "util_frac": 0.75,
        "power_w": pytest.approx(412.5),
        "energy_j": pytest.approx(9000.5),
        "temperature_c": 61,
        "clock_mhz": 1755,
        "throttle": ["power cap", "thermal (software)"],
    }
    found.close()
    assert fake_nvml.num_open == 0


def test_a_sensor_that_fails_is_none_leaves_the_others_alone_and_may_recover(fake_nvml: Any, tmp_path: Path) -> None:
    device = open_accelerators(tmp_path).devices[0]
    fake_nvml.broken = {"nvmlDeviceGetPowerUsage", "nvmlDeviceGetMemoryInfo", "nvmlDeviceGetUtilizationRates"}
    reading = device.read()
    assert (reading["power_w"], reading["memory_bytes"], reading["util_frac"]) == (None, None, None)
    assert reading["temperature_c"] == 61
    fake_nvml.broken = set()
    assert device.read()["power_w"] == pytest.approx(412.5)


def test_an_older_driver_is_asked_by_the_older_name(fake_nvml: Any, tmp_path: Path) -> None:
    device = open_accelerators(tmp_path).devices[0]
    fake_nvml.broken = {"nvmlDeviceGetCurrentClocksEventReasons"}
    assert device.read()["throttle"] == ["hardware slowdown"]
    fake_nvml.broken |= {"nvmlDeviceGetCurrentClocksThrottleReasons"}
    assert device.read()["throttle"] is None


@pytest.mark.parametrize("broken", ["nvmlInit", "nvmlDeviceGetCount"])
def test_a_library_without_a_driver_is_no_device(fake_nvml: Any, tmp_path: Path, broken: str) -> None:
    fake_nvml.broken = {broken}
    assert open_accelerators(tmp_path).devices == ()
    assert fake_nvml.num_open == 0


def test_index_is_the_one_of_torch(fake_nvml: Any, tmp_path: Path) -> None:
    devices = open_accelerators(tmp_path, {"CUDA_VISIBLE_DEVICES": "1"}).devices
    assert [(d.index, d.uuid) for d in devices] == [(0, "GPU-1a1b")]
    assert open_accelerators(tmp_path, {"CUDA_VISIBLE_DEVICES": ""}).devices == ()


def test_a_card_cut_into_slices_is_its_first_slice(fake_nvml: Any, tmp_path: Path) -> None:
    pieces = [{"uuid": f"MIG-{k}", "name": "H100 MIG 3g.40gb", "used": k, "mig": []} for k in range(2)]
    fake_nvml.cards[0]["mig"] = pieces
    assert [d.uuid for d in open_accelerators(tmp_path, {}).devices] == ["MIG-0", "GPU-1a1b"]
    by_name = open_accelerators(tmp_path, {"CUDA_VISIBLE_DEVICES": "MIG-1"}).devices
    assert [(d.index, d.uuid, d.read()["memory_bytes"]) for d in by_name] == [(0, "MIG-1", 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("2,0", [2, 0]),
        ("0,-1,2", [0]),
        ("0,9,1", [0]),
        ("GPU-bb", [1]),
        ("GPU-b,0", []),
        ("1,1", [1]),
        ("NoDevFiles", []),
    ],
)
def test_visible_follows_cuda(text: str | None, expected: list[int]) -> None:
    assert visible(text, ["GPU-aa", "GPU-bb", "GPU-bc"]) == expected


def test_amd_is_read_from_files(no_nvml: None, plant: Callable[..., Path]) -> None:
    found = open_accelerators(plant(AMD), {})
    assert found.driver == "6.10.5"
    (device,) = found.devices
    assert (device.name, device.memory_bytes, device.uuid) == ("AMD Instinct MI300X", 192 * 2**30, "0xabcdef")
    reading = device.read()
    assert (reading["memory_bytes"], reading["util_frac"]) == (3 * 2**30, pytest.approx(0.4))
    assert (reading["power_w"], reading["temperature_c"]) == (pytest.approx(551.0), pytest.approx(48.0))
    assert (reading["energy_j"], reading["clock_mhz"], reading["throttle"]) == (None, None, None)
    assert device.processes() == {4242: None}


def test_a_card_that_vanishes_reads_as_unknown(no_nvml: None, plant: Callable[..., Path]) -> None:
    root = plant(AMD)
    (device,) = open_accelerators(root, {}).devices
    for path in sorted((root / "sys").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert device.read() == {"index": 0, "name": "AMD Instinct MI300X", **UNKNOWN}
    assert device.processes() == {}


def test_graphics_inside_a_cpu_are_no_accelerator(no_nvml: None, plant: Callable[..., Path]) -> None:
    small = {**AMD, "sys/class/drm/card0/device/mem_info_vram_total": str(512 * 2**20)}
    assert open_accelerators(plant(small), {}).devices == ()


def test_a_machine_without_accelerators(no_nvml: None, tmp_path: Path) -> None:
    found = open_accelerators(tmp_path, {})
    assert (found.devices, found.driver) == ((), None)
    found.close()
