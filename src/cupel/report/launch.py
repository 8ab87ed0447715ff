"""One launch of the result document: from the records of a job to its rate, its series and its telemetry."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cupel.ledger.job_folder import JobFolder
from cupel.ledger.steps import Steps
from cupel.spec.job import Job
from cupel.stats.throughput import Throughput, throughput

SERIES_BINS = 400
THROTTLED_FRAC = 0.10
"""Share of the samples from which on a device counts as slowed down."""
HOT_MARKS = ("thermal", "hardware", "brake")
LIMITS = ("power cap", "application clocks")
"""What a device runs at by its settings: to be known, but no sign that a launch differs from the next."""
DEVICE_COLUMNS = ("memory_bytes", "util_frac", "power_w", "temperature_c", "clock_mhz")


@dataclass(frozen=True)
class Launch:
    """A launch, read and summarised.

    Attributes:
        job: the job.
        status: `ok`, `failed`, `skipped` or `unfinished`.
        result: what `throughput` says; None unless the launch is ok and has steps.
        also: rates of the card's further units.
        document: the launch as the result document has it.
        failure: its failure as the document has it, or None.
        notes: warnings that come from telemetry, by code.
    """

    job: Job
    status: str
    result: Throughput | None
    also: Mapping[str, float]
    document: dict[str, Any]
    failure: dict[str, Any] | None
    notes: Mapping[str, str]


def read_launch(folder: JobFolder, card: Mapping[str, Any], flop_per_item: float | None = None) -> Launch:
    """A launch from its folder.

    Args:
        folder: the job's folder.
        card: the entry's card as `run.json` has it.
        flop_per_item: operations that another launch of the same cell counted, for the bound on the rate.

    Raises:
        RunFolderError: the job's own file is damaged.
    """
    job, status, steps = folder.job, folder.status, folder.steps()
    done = folder.last("result") or {}
    counted = folder.last("count") or done  # earlier runs have the count in the result
    flop = counted.get("flop_per_item")
    result = None
    if status == "ok" and steps.seconds:
        result = throughput(steps.items, steps.seconds, peak_rate=_peak_rate(done, card, flop or flop_per_item))
    telemetry = folder.telemetry()
    end = folder.last("end") or {}
    document = {
        "job": job.id,
        "launch": job.launch,
        "status": status,
        "started": _iso(folder.last("start")),
        "null_s": (folder.last("start") or {}).get("null_s"),
        **_numbers(result, steps),
        "flop_per_item": flop,
        "flop_note": counted.get("note", ""),
        "notes": [str(text) for text in done.get("notes") or ()],
        "setup_s": done.get("setup_s"),
        "first_step_s": steps.seconds[0] if steps.seconds else None,
        "peak_memory_bytes": done.get("peak_rss_bytes"),
        "peak_device_bytes": done.get("peak_device_bytes"),
        "elapsed_s": end.get("elapsed_s"),
        "power_w": end.get("power_w"),
        "energy_j": end.get("energy_j"),
        "series": _series(steps),
        "telemetry": _telemetry(telemetry),
    }
    return Launch(
        job=job,
        status=status,
        result=result,
        also=_also(result, steps),
        document=document,
        failure=_failure(folder, status),
        notes=_telemetry_notes(telemetry, job.device),
    )


def finite(value: float | None) -> float | None:
    """The value, None where it is no finite number."""
    return value if value is not None and math.isfinite(value) else None


def _numbers(result: Throughput | None, steps: Steps) -> dict[str, Any]:
    """What the statistics say of the launch."""
    if result is None:
        names = ("rate", "interval", "kind", "start", "num_kept", "rho1", "ess", "p50_s", "p95_s", "p99_s")
        return {**dict.fromkeys(names), "num_steps": len(steps.seconds), "warnings": []}
    return {
        "rate": finite(result.rate),
        "interval": [result.interval.low, result.interval.high] if result.interval else None,
        "kind": result.kind,
        "start": result.start,
        "num_steps": result.num_steps,
        "num_kept": result.num_kept,
        "rho1": finite(result.rho1),
        "ess": finite(result.ess),
        "p50_s": finite(result.p50_s),
        "p95_s": finite(result.p95_s),
        "p99_s": finite(result.p99_s),
        "warnings": [{"code": note.code, "text": note.text} for note in result.warnings],
    }


def _peak_rate(done: Mapping[str, Any], card: Mapping[str, Any], flop_per_item: float | None) -> float | None:
    """Largest rate that the device can physically reach, in items per second; None where it is not known.

    By what an item is on the card, else by the operations that were counted for one.
    """
    peaks = done.get("peak") or {}
    if card.get("bound"):
        peak = peaks.get(card["bound"])
        return float(peak) / float(card.get("per_item") or 1.0) if peak else None
    peak = peaks.get("flop")
    return float(peak) / flop_per_item if peak and flop_per_item else None


def _also(result: Throughput | None, steps: Steps) -> dict[str, float]:
    """Rates of the further units: as many per second as they are per item in the steps that count."""
    if result is None:
        return {}
    items = sum(steps.items[result.start :])
    if not items or not math.isfinite(result.rate):
        return {}
    return {unit: result.rate * sum(counts[result.start :]) / items for unit, counts in steps.also.items()}


def _failure(folder: JobFolder, status: str) -> dict[str, Any] | None:
    """What went wrong, with the end of the log."""
    if status not in ("failed", "skipped"):
        return None
    record = (
        next((r for r in reversed(folder.supervisor_records) if r["kind"] == "failure"), None)
        or folder.last("failure")
        or {}
    )
    return {
        "job": folder.path.name,
        "reason": record.get("reason", "crashed"),
        "message": record.get("message", "no record says why"),
        "log_tail": record.get("log_tail") or (folder.log_tail() if status == "failed" else []),
    }


def _iso(start: Mapping[str, Any] | None) -> str | None:
    """Start of the job in UTC."""
    if start is None or not isinstance(start.get("t"), int | float):
        return None
    return dt.datetime.fromtimestamp(start["t"], dt.UTC).isoformat(timespec="seconds")


def _series(steps: Steps) -> dict[str, list[float]]:
    """Step seconds over time in at most 400 bins, each with its lowest, middle and highest."""
    size = max(1, math.ceil(len(steps.seconds) / SERIES_BINS))
    series: dict[str, list[float]] = {"t_s": [], "low_s": [], "mid_s": [], "high_s": []}
    for first in range(0, len(steps.seconds), size):
        part = sorted(steps.seconds[first : first + size])
        series["t_s"].append(round(steps.end_s[first], 6))
        series["low_s"].append(part[0])
        series["mid_s"].append(part[len(part) // 2])
        series["high_s"].append(part[-1])
    return series


def _telemetry(records: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Telemetry as columns; a column that was never measurable is null."""
    if not records:
        return None
    names = [device.get("name") for device in records[-1].get("devices") or []]
    devices = []
    for index, name in enumerate(names):
        rows = [d[index] if index < len(d := record.get("devices") or []) else {} for record in records]
        devices.append({"name": name, **{key: _column(rows, key) for key in DEVICE_COLUMNS}})
    return {
        "t_s": [record.get("elapsed_s") for record in records],
        "cpu_frac": _column(records, "cpu_frac"),
        "memory_bytes": _column(records, "memory_bytes"),
        "temperature_c": _column(records, "temperature_c"),
        "clock_mhz": _column(records, "clock_mhz"),
        "devices": devices,
    }


def _column(rows: Sequence[Mapping[str, Any]], key: str) -> list[Any] | None:
    values = [row.get(key) for row in rows]
    return values if any(value is not None for value in values) else None


def _telemetry_notes(records: Sequence[Mapping[str, Any]], device: str) -> dict[str, str]:
    """What the sensors saw that a reader of the rate must know; of devices, only the job's own."""
    notes: dict[str, str] = {}
    steal = [r["steal_frac"] for r in records if r.get("steal_frac") is not None]
    if steal and sum(steal) / len(steal) > 0.05:
        notes["stolen time"] = f"the hypervisor gave {sum(steal) / len(steal):.0%} of the processor time to others"
    samples = [words for record in records if (words := _slowed(record, device)) is not None]
    counts = Counter(word for words in samples for word in words)
    often = {word: n / len(samples) for word, n in counts.items() if n >= THROTTLED_FRAC * len(samples)}
    hot = sorted(word for word in often if any(mark in word for mark in HOT_MARKS))
    if hot:
        listed = ", ".join(f"{word} ({often[word]:.0%} of the samples)" for word in hot)
        notes["throttled"] = f"the device held its clocks back: {listed}"
    for word in sorted(set(often) & set(LIMITS)):
        notes[word] = f"the device ran at its {word} in {often[word]:.0%} of the samples"
    return notes


def _slowed(record: Mapping[str, Any], device: str) -> list[str] | None:
    """What slowed the job's own device in a sample; None for a processor or where it is not known."""
    kind, _, index = device.partition(":")
    if kind == "cpu":
        return None
    own: Mapping[str, Any] = next((d for d in record.get("devices") or [] if d.get("index") == int(index or 0)), {})
    words = own.get("throttle")
    return None if words is None else [str(word) for word in words]
