from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from cupel.measure import precisions
from cupel.measure.precisions import PRECISIONS, ask_precisions


def script(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_answer_is_the_last_line_that_the_probe_prints() -> None:
    code = """print("a library says hello"); print('{"cpu": {"fp32": true}}')"""
    assert ask_precisions(60, script(code)) == ({"cpu": {"fp32": True}}, "")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; sys.exit('driver mismatch')", "ended with exit code 1: driver mismatch"),
        ("import os; os.abort()", "ended with exit code -6: no message"),
        ("print('no json')", "could not be read"),
        ("pass", "could not be read"),
    ],
)
def test_a_probe_that_fails_is_a_reason(code: str, reason: str) -> None:
    answers, text = ask_precisions(60, script(code))
    assert answers is None
    assert reason in text


def test_a_probe_that_hangs_is_ended() -> None:
    answers, text = ask_precisions(0.2, script("import time; time.sleep(600)"))
    assert (answers, text) == (None, "the probe gave no answer within 0.2 s")


def test_a_probe_that_cannot_start_is_a_reason() -> None:
    answers, text = ask_precisions(1, ["/nonexistent/python"])
    assert answers is None
    assert "could not be started" in text


def test_the_probe_of_this_machine() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    answers, reason = ask_precisions()
    assert reason == ""
    assert answers is not None
    assert set(answers["cpu"]) == set(PRECISIONS)
    assert answers["cpu"]["fp32"]
    assert not answers["cpu"]["tf32"]


def fake_torch(capability: tuple[int, int], hip: str | None = None) -> Any:
    cuda = SimpleNamespace(get_device_capability=lambda _: capability)
    return SimpleNamespace(cuda=cuda, version=SimpleNamespace(hip=hip))


@pytest.mark.parametrize(
    ("precision", "capability", "hip", "works"),
    [
        ("tf32", (9, 0), None, True),
        ("tf32", (7, 5), None, False),
        ("bf16", (8, 0), None, True),
        ("bf16", (7, 5), None, False),
        ("fp16", (7, 0), None, True),
        ("bf16", (9, 4), "6.2", True),
        ("tf32", (9, 4), "6.2", False),
    ],
)
def test_what_would_be_computed_as_fp32_does_not_count(
    precision: str, capability: tuple[int, int], hip: str | None, works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precisions, "_multiply", lambda *_: None)
    assert precisions._works(fake_torch(capability, hip), "cuda:0", precision) is works


def test_a_refusal_of_torch_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("torch._scaled_mm is only supported on devices with compute capability >= 8.9")

    monkeypatch.setattr(precisions, "_multiply", refuse)
    assert precisions._works(fake_torch((8, 0)), "cuda:0", "fp8") is False
