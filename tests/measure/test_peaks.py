"""Bounds are too high rather than too low, and None where nothing is known."""

from __future__ import annotations

import math
import sys
import types

import pytest

from cupel.measure import peaks
from cupel.measure.peaks import HEADROOM, PRECISIONS, SHEETS, cpu_peak, device_peak, gpu_peak


@pytest.mark.parametrize(
    ("name", "precision", "tflop", "gb_per_s"),
    [
        ("Tesla V100-SXM2-16GB", "fp32", 16.4, 1134),
        ("Tesla T4", "int8", 130, 320),
        ("NVIDIA A10", "bf16", 140, 600),
        ("NVIDIA A100-SXM4-80GB", "tf32", 156, 2039),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "bf16", 312, 2039),
        ("NVIDIA L4", "fp8", 242.5, 300),
        ("NVIDIA L40", "fp8", 362, 864),
        ("NVIDIA L40S", "fp8", 733, 864),
        ("NVIDIA H100 PCIe", "bf16", 756, 2039),
        ("NVIDIA H100 80GB HBM3", "bf16", 990, 3360),
        ("NVIDIA H200", "fp32", 67, 4917),
        ("NVIDIA B200", "fp8", 5000, 8000),
        ("AMD Instinct MI250X/MI250", "bf16", 383, 3277),
        ("AMD Instinct MI300X", "fp16", 1307.4, 5300),
        ("AMD Instinct MI325X", "fp16", 1307.4, 6000),
        ("NVIDIA GeForce RTX 3090", "fp32", 40, 1008),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "fp32", 82.6, 1008),
        ("NVIDIA GeForce RTX 5090", "int8", 838, 1792),
    ],
)
def test_a_known_gpu_has_its_data_sheet_plus_headroom(name, precision, tflop, gb_per_s):
    peak = gpu_peak(name, precision)
    assert peak.flop_per_s == pytest.approx(tflop * 1e12 * HEADROOM)
    assert peak.bytes_per_s == pytest.approx(gb_per_s * 1e9 * HEADROOM)
    assert "data sheet" in peak.source


def test_an_unknown_gpu_is_not_known_rather_than_zero():
    peak = gpu_peak("NVIDIA GeForce GTX 1080", "fp32")
    assert (peak.flop_per_s, peak.bytes_per_s) == (None, None)
    assert "GTX 1080" in peak.source


def test_a_precision_that_a_known_gpu_lacks_leaves_its_bandwidth_known():
    peak = gpu_peak("Tesla V100-SXM2-16GB", "bf16")
    assert peak.flop_per_s is None
    assert peak.bytes_per_s is not None


@pytest.mark.parametrize("precision", ["fp64", "bandwidth", ""])
def test_an_unknown_precision_has_no_peak(precision):
    assert gpu_peak("NVIDIA H200", precision).flop_per_s is None
    assert cpu_peak({"avx2"}, precision, num_cores=1, clock_hz=3e9).flop_per_s is None


@pytest.mark.parametrize(("pattern", "sheet"), SHEETS, ids=[pattern for pattern, _ in SHEETS])
def test_narrower_numbers_are_never_slower_on_a_sheet(pattern, sheet):
    rates = [getattr(sheet, precision) for precision in ("fp32", "tf32", "fp16", "fp8")]
    known = [rate for rate in rates if rate is not None]
    assert known == sorted(known)
    assert sheet.fp16 >= (sheet.bf16 or 0)
    assert 100 < sheet.bandwidth < 20_000


def test_a_cpu_is_cores_times_clock_times_units():
    peak = cpu_peak({"avx", "avx2", "fma", "avx512f"}, "fp32", num_cores=2, clock_hz=3e9)
    assert peak.flop_per_s == 2 * 3e9 * 64
    assert "3.0 GHz" in peak.source


def test_a_cpu_that_hides_its_clock_is_taken_for_a_fast_one_and_says_so():
    peak = cpu_peak({"avx"}, "fp32", num_cores=1, clock_hz=None)
    assert peak.flop_per_s == 6e9 * 32
    assert "assumed 6 GHz" in peak.source


@pytest.mark.parametrize("flags", [(), ("sse2",), ("asimd", "sme")])
def test_a_cpu_without_known_units_is_not_known(flags):
    peak = cpu_peak(flags, "fp32", num_cores=4, clock_hz=3e9)
    assert (peak.flop_per_s, peak.bytes_per_s) == (None, None)
    assert peak.source.startswith("not known")


def test_matrix_units_raise_the_bound_of_bf16_only_where_they_are():
    with_amx = cpu_peak({"avx512f", "amx_tile"}, "bf16", num_cores=1, clock_hz=3e9).flop_per_s
    without = cpu_peak({"avx512f"}, "bf16", num_cores=1, clock_hz=3e9).flop_per_s
    assert with_amx == 8 * without


@pytest.mark.parametrize("precision", PRECISIONS)
def test_this_cpu_is_bounded_or_not_known_and_never_zero(precision):
    peak = device_peak("cpu", precision)
    for bound in (peak.flop_per_s, peak.bytes_per_s):
        assert bound is None or (bound > 1e9 and math.isfinite(bound))


def test_the_gpu_of_this_machine_is_asked_for_its_name(monkeypatch):
    cuda = types.SimpleNamespace(get_device_name=lambda device: {"cuda:1": "NVIDIA H200"}[device])
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))
    assert device_peak("cuda:1", "bf16") == gpu_peak("NVIDIA H200", "bf16")


def test_other_kinds_of_device_are_not_known():
    assert device_peak("mps", "fp32").flop_per_s is None


def test_clock_and_flags_are_read_from_the_system(tmp_path, monkeypatch):
    (tmp_path / "policy0").mkdir()
    (tmp_path / "policy0" / "cpuinfo_max_freq").write_text("4200000\n")
    (tmp_path / "policy1").mkdir()
    (tmp_path / "policy1" / "cpuinfo_max_freq").write_text("<unknown>\n")
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu avx avx2\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    monkeypatch.setattr(peaks, "CPU_FREQUENCIES", tmp_path)
    monkeypatch.setattr(peaks, "CPU_INFO", tmp_path / "cpuinfo")
    assert peaks.highest_clock_hz() == 4.2e9
    assert peaks.cpu_flags() == {"fpu", "avx", "avx2"}


def test_a_system_that_tells_nothing_gives_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(peaks, "CPU_FREQUENCIES", tmp_path / "absent")
    monkeypatch.setattr(peaks, "CPU_INFO", tmp_path / "absent")
    assert peaks.highest_clock_hz() is None
    assert peaks.cpu_flags() == frozenset()
