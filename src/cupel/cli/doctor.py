"""What this machine is, what it can measure, and how noisy it is.

The null workload (a loop of integer additions) is timed for some seconds: what its times differ by is the machine's
own noise. Other processes are shown by pid and name; nothing is ended and nothing is set. Every value that cannot be
measured says so.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cupel.cli._entries import wrapped
from cupel.measure.accelerators import UNKNOWN, open_accelerators
from cupel.measure.conditions import advice, busy_processes, cpu_seconds, describe_conditions
from cupel.measure.energy import Rapl
from cupel.measure.machine import describe_machine
from cupel.measure.memory import host_memory_bytes
from cupel.measure.noise_floor import NoiseFloor, noise_floor
from cupel.measure.precisions import ask_precisions
from cupel.measure.telemetry import Sampler
from cupel.spec.extras import EXTRAS, install_line
from cupel.spec.units import format_bytes, format_percent

SCHEMA = 1
MIN_SECONDS, MAX_SECONDS = 0.1, 3600.0
CPU_SENSORS = {
    "cpu_frac": "CPU load",
    "steal_frac": "stolen CPU time",
    "tree_cpu_frac": "CPU load of a job",
    "memory_bytes": "memory of a job",
    "clock_mhz": "CPU clock",
    "temperature_c": "CPU temperature",
    "cpu_energy_j": "CPU energy",
}
DEVICE_SENSORS = {
    "memory_bytes": "memory",
    "util_frac": "utilisation",
    "power_w": "power",
    "energy_j": "energy counter",
    "temperature_c": "temperature",
    "clock_mhz": "clock",
    "throttle": "throttling",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel doctor` takes."""
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument(
        "--seconds", type=_seconds, default=2.0, metavar="S", help="how long to time the null workload (default 2)"
    )


def main(args: argparse.Namespace) -> int:
    """Examine the machine and say what was found."""
    document = examine(args.seconds)
    if args.json:
        print(json.dumps(document, indent=2, allow_nan=False))
    else:
        print("\n".join(text_lines(document)))
    return 0


def examine(seconds: float) -> dict[str, Any]:
    """Everything that the verb shows, as plain data.

    Args:
        seconds: how long to time the null workload.

    Cost: that time, and a second or two for torch to start in a process of its own.
    """
    accelerators = open_accelerators()
    try:
        machine = describe_machine(accelerators=accelerators)
        conditions = describe_conditions(accelerators)
    finally:
        accelerators.close()
    noise, sample, busy = _measured(seconds)
    conditions["busy_processes"] = busy
    missing = _missing_extras()
    answers, reason = (None, "torch is not installed") if "torch" in missing else ask_precisions()
    fields = {**dataclasses.asdict(noise), "text": noise.text}
    return {
        "schema": SCHEMA,
        "kind": "doctor",
        "machine": machine,
        "memory_free_bytes": host_memory_bytes().free,
        "measurable": _measurable(sample),
        "precisions": answers,
        "precisions_note": reason,
        "conditions": conditions,
        "noise_floor": fields,
        "missing_extras": missing,
        "advice": [*advice(conditions, fields, devices=sample["devices"]), *_about_sensors(sample)],
    }


def _missing_extras() -> dict[str, str]:
    """Extras of the package that are not installed, with the line that installs each."""
    return {
        extra: install_line([extra])
        for extra, packages in EXTRAS.items()
        if any(importlib.util.find_spec(package) is None for package in packages)
    }


def _measured(seconds: float) -> tuple[NoiseFloor, dict[str, Any], list[dict[str, Any]]]:
    """The noise floor, a sample of the telemetry over the same time, and who else was busy then."""
    with Sampler() as sampler:
        before, start_s = cpu_seconds(), time.monotonic()
        sampler.sample([os.getpid()])
        noise = noise_floor(seconds)
        sample = sampler.sample([os.getpid()])
        busy = busy_processes(before, cpu_seconds(), elapsed_s=time.monotonic() - start_s)
    return noise, sample, busy


def _measurable(sample: Mapping[str, Any]) -> dict[str, Any]:
    """Which sensors gave a value."""
    return {
        "cpu": {key: sample[key] is not None for key in CPU_SENSORS},
        "devices": [
            {"index": d["index"], "name": d["name"], **{key: d[key] is not None for key in UNKNOWN}}
            for d in sample["devices"]
        ],
    }


def _about_sensors(sample: Mapping[str, Any]) -> list[str]:
    """Why no power can be shown, and what would help."""
    if sample["cpu_energy_j"] is not None or any(d["power_w"] is not None for d in sample["devices"]):
        return []
    if Rapl().has_packages:
        return ["The CPU counts its energy, but only root may read it (/sys/class/powercap): energy is not measurable."]
    return ["No sensor of power was found, as is usual in virtual machines: energy is not measurable."]


def text_lines(document: Mapping[str, Any]) -> list[str]:
    """The document as text of at most 80 columns."""
    sections = {
        "Machine": _machine_lines(document),
        "Can be measured": _sensor_lines(document["measurable"]),
        "Precisions": _precision_lines(document["precisions"], document["precisions_note"]),
        "Conditions now": _condition_lines(document["conditions"]),
        "Noise floor": _noise_lines(document["noise_floor"]),
        "Advice": _advice_lines(document),
    }
    lines = [f"This machine: {document['machine']['label']}"]
    for title, body in sections.items():
        lines += ["", title, *body]
    return lines


def _machine_lines(document: Mapping[str, Any]) -> Iterator[str]:
    hardware, software = document["machine"]["hardware"], document["machine"]["software"]
    yield _row("CPU", hardware["cpu"])
    yield _row("usable", f"{hardware['num_cores']} cores, {hardware['num_threads']} hardware threads")
    yield _row("instructions", " ".join(hardware["instruction_sets"]) or None)
    memory = f"{format_bytes(hardware['memory_bytes'])}, {format_bytes(document['memory_free_bytes'])} free"
    yield _row("memory", memory)
    for device in hardware["devices"]:
        yield _row(f"device {device['index']}", f"{device['name']}, {format_bytes(device['memory_bytes'])}")
    if hardware["devices"]:
        yield _row("driver", hardware["accelerator_driver"])
    else:
        yield _row("accelerators", "none found")
    versions = [f"{name} {software[key]}" for key, name in _VERSIONS.items() if software[key]]
    yield _row("software", ", ".join([software["os"], *versions]))


_VERSIONS = {"kernel": "kernel", "python": "Python", "cupel": "Cupel", "torch": "torch", "cuda": "CUDA", "rocm": "ROCm"}


def _sensor_lines(measurable: Mapping[str, Any]) -> Iterator[str]:
    yield from _yes_no("CPU", measurable["cpu"], CPU_SENSORS)
    for device in measurable["devices"]:
        yield from _yes_no(f"device {device['index']}", device, DEVICE_SENSORS)


def _yes_no(label: str, found: Mapping[str, bool], names: Mapping[str, str]) -> Iterator[str]:
    yield _row(label, ", ".join(name for key, name in names.items() if found[key]) or "nothing")
    absent = ", ".join(name for key, name in names.items() if not found[key])
    if absent:
        yield _row("", f"not measurable: {absent}")


def _precision_lines(answers: Mapping[str, Mapping[str, bool]] | None, note: str) -> Iterator[str]:
    if answers is None:
        yield _row("unknown", note)
        return
    for device, found in answers.items():
        there = ", ".join(name for name, works in found.items() if works)
        absent = ", ".join(name for name, works in found.items() if not works)
        yield _row(device, there + (f"; not {absent}" if absent else ""))


def _condition_lines(conditions: Mapping[str, Any]) -> Iterator[str]:
    load1, num = conditions["load1"], conditions["num_threads_machine"]
    yield _row("load", None if load1 is None else f"{load1:.2f} on {num} hardware threads (mean of the last minute)")
    busy = [f"{p['name']} (pid {p['pid']}, {p['cores']:.1f} cores)" for p in conditions["busy_processes"]]
    yield _row("busy now", ", ".join(busy) or "no other process")
    yield _row("clock", _clock_text(conditions))
    quota, limit = conditions["cpu_quota_cores"], conditions["memory_limit_bytes"]
    cpu_limit = "no CPU quota" if quota is None else f"CPU quota of {quota:g} cores"
    yield _row("limits", f"{cpu_limit}, {'no memory limit' if limit is None else f'memory {format_bytes(limit)}'}")
    settings = [f"{name}={value}" for name, value in conditions["thread_settings"].items()]
    yield _row("threads", ", ".join(settings) or "no OMP or BLAS thread settings")
    for process in conditions["device_processes"]:
        used = process["memory_bytes"]
        text = f"{process['name'] or 'unknown'} (pid {process['pid']}, {format_bytes(used)})"
        yield _row(f"on device {process['device']}", text)


def _clock_text(conditions: Mapping[str, Any]) -> str | None:
    """Frequency scaling in a line; None where the system shows none."""
    if not conditions["governors"]:
        return None
    turbo = {True: "on", False: "off", None: "unknown"}[conditions["turbo"]]
    span = f", {conditions['min_mhz']:.0f} to {conditions['max_mhz']:.0f} MHz" if conditions["max_mhz"] else ""
    return f"governor {', '.join(conditions['governors'])}, turbo {turbo}{span}"


def _noise_lines(noise: Mapping[str, Any]) -> Iterator[str]:
    p99 = noise["p99_over_p50"]
    spread = "" if p99 is None else f"99th percentile {p99:.2f} ×, "
    yield _row(
        "null workload", f"{noise['p50_s'] * 1e3:.2f} ms (median of {noise['num']}), cv {noise['cv'] * 100:.1f} %"
    )
    yield _row("tail", f"{spread}longest {noise['worst_over_p50']:.2f} × the median")
    steal = noise["steal_frac"]
    yield _row("stolen time", None if steal is None else format_percent(steal))
    yield wrapped(noise["text"], "  ")


def _advice_lines(document: Mapping[str, Any]) -> Iterator[str]:
    said: Sequence[str] = document["advice"]
    for text in said:
        yield wrapped(text, "    ", first="  - ")
    for extra, line in document["missing_extras"].items():
        yield wrapped(f"The extra {extra!r} is not installed: {line}", "    ", first="  - ")
    if not said and not document["missing_extras"]:
        yield "  Nothing was found that would disturb a measurement."


def _row(label: str, text: str | None) -> str:
    """A label and a text beside it; None is not known."""
    return wrapped(text if text is not None else "not measurable", " " * 17, first=f"  {label:<14} ")


def _seconds(text: str) -> float:
    """Seconds that are long enough for shares of CPU time, which are counted in ticks of 10 ms."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not MIN_SECONDS <= value <= MAX_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time for this; expected seconds from {MIN_SECONDS:g} to {MAX_SECONDS:g}, such as 2"
        )
    return value
