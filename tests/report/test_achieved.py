"""Operations per second, and their share of the run's own matrix products."""

from __future__ import annotations

from typing import Any

import pytest

from cupel.report.achieved import add_achieved


def entry(name: str, rate: float | None, flop: float | None, **more: Any) -> dict[str, Any]:
    plain = {"settings": {}, "overrides": {}, "device": "cpu", "threads": 1, "size": "small"}
    launches = [{"flop_per_item": flop}, {"flop_per_item": None}]
    return {"name": name, "rate": rate, "launches": launches, **plain, **more}


def test_the_share_is_of_the_products_at_the_same_precision():
    bf16 = {"settings": {"precision": "bf16"}}
    entries = [
        entry("matmul", 0.1, 1e12),
        entry("matmul", 0.9, 1e12, **bf16),
        entry("matmul", 0.5, 1e12, settings={"precision": "bf16", "shape": "transformer"}),
        entry("bert", 10.0, 3e9, **bf16),
        entry("resnet50", 4.0, 5e9),
        entry("llama", 4.0, 5e9, device="cuda:0"),
        entry("llama", 4.0, 5e9, ranks=2),
    ]
    add_achieved(entries)
    assert [e["flop_share"] for e in entries] == [None, None, pytest.approx(0.5 / 0.9), pytest.approx(1 / 30),
                                                  pytest.approx(0.2), None, None]  # fmt: skip
    assert entries[3]["flop_per_s"] == pytest.approx(3e10)


def test_why_a_count_failed_is_told():
    one = entry("bert", 10.0, None)
    one["launches"][0]["flop_note"] = "RuntimeError: a kernel without a formula"
    add_achieved([one])
    assert one["flop_note"] == "RuntimeError: a kernel without a formula"


def test_what_is_not_known_is_none():
    entries = [entry("matmul", 1.0, 1e12), entry("memory_copy", 5.0, None), entry("bert", None, 1e9)]
    add_achieved(entries)
    for one in entries[1:]:
        assert one["flop_per_s"] is None
        assert one["flop_share"] is None
