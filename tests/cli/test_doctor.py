from __future__ import annotations

import argparse
import copy
import importlib.util
import io
import json
import sys
from typing import Any

import pytest

from cupel.cli import doctor
from cupel.cli._main import main

GPU: dict[str, Any] = {
    "index": 0,
    "name": "NVIDIA H100 80GB HBM3",
    "memory_bytes": 2**30,
    "util_frac": 0.0,
    "power_w": 70.0,
    "energy_j": None,
    "temperature_c": 30.0,
    "clock_mhz": 345.0,
    "throttle": [],
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """What this machine gives, without the probe of precisions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doctor, "ask_precisions", lambda: ({"cpu": {"fp32": True, "fp8": False}}, ""))
        return doctor.examine(0.1)


def rich_document(document: dict[str, Any]) -> dict[str, Any]:
    """The same machine with a card, a quota, neighbours, and a great deal to say."""
    found = copy.deepcopy(document)
    found["machine"]["hardware"]["devices"] = [
        {"index": 0, "name": GPU["name"], "memory_bytes": 80 * 2**30, "uuid": None}
    ]
    found["machine"]["hardware"]["accelerator_driver"] = "570.86.10"
    found["measurable"]["devices"] = doctor._measurable({**dict.fromkeys(doctor.CPU_SENSORS), "devices": [GPU]})[
        "devices"
    ]
    found["conditions"] |= {
        "governors": ["powersave"],
        "turbo": True,
        "min_mhz": 800.0,
        "max_mhz": 3800.0,
        "cpu_quota_cores": 1.5,
        "memory_limit_bytes": 2**30,
        "thread_settings": {"OMP_NUM_THREADS": "1"},
        "device_processes": [{"device": 0, "pid": 7, "name": None, "memory_bytes": None}],
        "busy_processes": [{"pid": k, "name": "a-process-with-a-long-name", "cores": 1.0} for k in range(5)],
    }
    found["advice"] = ["a long word of advice " * 8]
    found["missing_extras"] = {"torch": "pip install 'cupel[torch]'"}
    return found


def test_the_document_is_plain_data(document: dict[str, Any]) -> None:
    assert (document["schema"], document["kind"]) == (1, "doctor")
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["measurable"]["cpu"]["tree_cpu_frac"] is True
    assert document["noise_floor"]["num"] >= 20
    assert document["noise_floor"]["text"]


def test_the_text_has_every_section_and_fits_80_columns(document: dict[str, Any]) -> None:
    for found in (document, rich_document(document)):
        lines = doctor.text_lines(found)
        titles = ["Machine", "Can be measured", "Precisions", "Conditions now", "Noise floor", "Advice"]
        assert [line for line in lines if line in titles] == titles
        assert max(len(line) for text in lines for line in text.splitlines()) <= 80


def test_the_text_says_what_a_card_can_measure_and_who_uses_it(document: dict[str, Any]) -> None:
    text = "\n".join(doctor.text_lines(rich_document(document)))
    assert "device 0       memory, utilisation, power, temperature, clock, throttling" in text
    assert "not measurable: energy counter" in text
    assert "on device 0    unknown (pid 7, —)" in text
    assert "governor powersave, turbo on, 800 to 3800 MHz" in text
    assert "CPU quota of 1.5 cores, memory 1.0 GiB" in text
    assert "pip install 'cupel[torch]'" in text


def test_what_is_unknown_is_said_and_never_zero(document: dict[str, Any]) -> None:
    found = copy.deepcopy(document)
    found["conditions"] |= {"load1": None, "governors": None}
    found["noise_floor"] |= {"p99_over_p50": None, "steal_frac": None}
    found |= {"precisions": None, "precisions_note": "the probe gave no answer within 60 s"}
    found |= {"advice": [], "missing_extras": {}}
    found["measurable"]["cpu"] = dict.fromkeys(doctor.CPU_SENSORS, False)
    text = "\n".join(doctor.text_lines(found))
    for line in (
        "  load           not measurable",
        "  clock          not measurable",
        "  stolen time    not measurable",
        "  unknown        the probe gave no answer within 60 s",
        "  CPU            nothing",
        "  Nothing was found that would disturb a measurement.",
    ):
        assert line in text.splitlines()


@pytest.mark.parametrize(
    ("cpu_energy_j", "power_w", "is_counted", "words"),
    [
        (1.0, None, True, None),
        (None, 70.0, False, None),
        (None, None, True, "only root may read it"),
        (None, None, False, "No sensor of power"),
    ],
)
def test_missing_power_is_explained(
    cpu_energy_j: float | None,
    power_w: float | None,
    is_counted: bool,
    words: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "Rapl", lambda: argparse.Namespace(has_packages=is_counted))
    said = doctor._about_sensors({"cpu_energy_j": cpu_energy_j, "devices": [{**GPU, "power_w": power_w}]})
    assert [words in text for text in said] == ([True] if words else [])


def test_without_torch_it_works_and_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec

    def without_torch(name: str) -> Any:
        return None if name == "torch" else find(name)

    monkeypatch.setattr(importlib.util, "find_spec", without_torch)
    assert main(["doctor", "--seconds", "0.1"]) == 0
    out, err = capsys.readouterr()
    assert "torch is not installed" in out
    assert "pip install 'cupel[torch]'" in out
    assert err == ""


def test_json_is_one_document_on_stdout(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda _: document)
    assert main(["doctor", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == document
    assert err == ""


@pytest.mark.parametrize("text", ["0", "0.01", "-1", "nan", "two", "1e9"])
def test_seconds_that_are_none_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--seconds", text]) == 2
    assert "expected seconds from 0.1" in capsys.readouterr().err


def test_planted_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    token = "hf_planted5ecretT0ken"  # noqa: S105  planted, to be looked for
    for name in ("HF_TOKEN", "OMP_NUM_THREADS", "WANDB_API_KEY"):
        monkeypatch.setenv(name, token)
    monkeypatch.setattr(sys, "argv", ["cupel", f"--token={token}"])
    monkeypatch.setattr(doctor, "ask_precisions", lambda: (None, "not asked"))
    found = doctor.examine(0.1)
    assert token not in json.dumps(found) + "\n".join(doctor.text_lines(found))


def test_what_it_says_can_be_written_as_ascii(document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    monkeypatch.setattr(doctor, "examine", lambda _seconds: document)
    assert main(["doctor"]) == 0
    assert b" x the median" in raw.getvalue()
