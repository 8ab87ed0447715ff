"""Documents to render: every number in them is invented."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cupel.ledger.records import RecordWriter
from cupel.ledger.run_folder import RunFolder
from cupel.report.document import build_document
from cupel.spec.card import Workload
from cupel.spec.job import Job

GIB = 2**30
NAMES = ("matmul", "memory_copy", "resnet50", "bert", "llama", "unet_diffusion", "dlrm", "ppo")
UNITS = ("TFLOP", "GB", "images", "sequences", "tokens", "images", "samples", "environment steps")
RATES = (0.1234, 21.4, 9.87, 3.21, 812.5, 0.0421, 15321.0, 3.31e7)


def invent_launch(name: str, launch: int, rate: float, *, seed: int, num_bins: int, num_devices: int) -> dict[str, Any]:
    rng = random.Random(f"{name} {launch} {seed}")
    own = rate * math.exp(rng.gauss(0, 0.006))
    mid = [1.0 / own * (1 + 2.0 * math.exp(-k / 4)) * math.exp(rng.gauss(0, 0.01)) for k in range(num_bins)]
    t_s = [sum(mid[: k + 1]) for k in range(num_bins)]
    num_seconds = 9
    devices = [
        {
            "name": f"GPU {d}",
            "memory_bytes": [(3 + 0.1 * k) * GIB for k in range(num_seconds)],
            "util_frac": [min(0.99, 0.3 * k) for k in range(num_seconds)],
            "power_w": [120 + 60 * k + 3 * d for k in range(num_seconds)],
            "temperature_c": [45 + k for k in range(num_seconds)],
            "clock_mhz": None,
        }
        for d in range(num_devices)
    ]
    return {
        "job": f"{name}.small.{launch:03d}.0123456789ab",
        "launch": launch,
        "status": "ok",
        "started": "2026-11-20T12:00:00+00:00",
        "rate": own,
        "interval": [own * 0.99, own * 1.01] if launch != 1 else None,
        "kind": "warmup",
        "start": 7,
        "num_steps": num_bins,
        "num_kept": num_bins - 7,
        "rho1": 0.13,
        "ess": 24.2,
        "p50_s": 1 / own,
        "p95_s": 1.02 / own,
        "p99_s": None,
        "setup_s": 0.8,
        "first_step_s": mid[0],
        "series": {
            "t_s": t_s,
            "low_s": [v * 0.97 for v in mid],
            "high_s": [v * 1.05 for v in mid],
            "mid_s": mid,
        },
        "telemetry": {
            "t_s": [float(k) for k in range(num_seconds)],
            "cpu_frac": [min(0.97, 0.2 * k + 0.3) * (1 - 0.05 * rng.random()) for k in range(num_seconds)],
            "memory_bytes": [(1.2 + 0.05 * k + 0.04 * launch) * GIB for k in range(num_seconds)],
            "devices": devices,
        },
    }


def invent_entry(
    name: str, unit: str, rate: float, *, seed: int = 0, num_launches: int = 3, num_bins: int = 40, num_devices: int = 0
) -> dict[str, Any]:
    launches = [
        invent_launch(name, k, rate, seed=seed, num_bins=num_bins, num_devices=num_devices) for k in range(num_launches)
    ]
    rng = random.Random(f"{name} {seed}")
    half = 0.004 + 0.03 * rng.random()
    ratio = math.exp(rng.gauss(0, 0.06))
    several = num_launches > 1
    return {
        "key": f"workload/{name} small",
        "name": name,
        "kind": "workload",
        "label": name,
        "size": "small",
        "settings": {},
        "overrides": {},
        "device": "cuda:0" if num_devices else "cpu",
        "threads": 2,
        "unit": unit,
        "measures": "training throughput",
        "better": "higher",
        "tags": ["vision"] if name == "resnet50" else [],
        "weight": 1.0,
        "status": "ok",
        "rate": rate,
        "interval": [rate * (1 - half), rate * (1 + half)] if several else None,
        "level": 0.95,
        "interval_kind": "between launches" if several else None,
        "interval_note": "" if several else "one launch: no interval between launches",
        "cv": half / 2 if several else None,
        "num_launches": num_launches,
        "planned_launches": num_launches,
        "also": [{"unit": "tokens", "rate": rate * 128, "interval": None}] if name == "bert" else [],
        "reference": {
            "ratio": ratio,
            "interval": [ratio * (1 - 2 * half), ratio * (1 + 2 * half)] if several else None,
        },
        "peak_memory_bytes": 1.3 * GIB,
        "peak_device_bytes": 4.2 * GIB if num_devices else None,
        "power_w": 412.0 if num_devices else None,
        "energy_j_per_item": 1.77 if num_devices else None,
        "setup_s": 0.8,
        "first_step_s": 0.31,
        "warnings": [],
        "failures": [],
        "text": f"{name}: {rate:g} {unit}/s",
        "launches": launches,
    }


def fail_entry(entry: dict[str, Any], reason: str = "out of memory", num_failures: int = 3) -> dict[str, Any]:
    failures = [
        {
            "job": f"{entry['name']}.small.{k:03d}.0123456789ab",
            "reason": reason,
            "message": "asked for 3.0 GiB, 1.2 GiB were free",
            "log_tail": [f"line {j} of the log" for j in range(50)] + ["MemoryError"],
        }
        for k in range(num_failures)
    ]
    unknown = ("rate", "interval", "cv", "reference", "peak_memory_bytes", "setup_s", "first_step_s", "interval_kind")
    return {
        **entry,
        **dict.fromkeys(unknown),
        "status": "failed",
        "num_launches": 0,
        "launches": [],
        "failures": failures,
        "text": f"{entry['name']} failed in {num_failures} of {num_failures} launches",
    }


def invent_run(
    *, num_entries: int = 8, num_launches: int = 3, num_bins: int = 40, num_devices: int = 0, plain: bool = False
) -> dict[str, Any]:
    """A run of the first suite: one entry unstable, one failed, unless `plain`."""
    entries = []
    for k in range(num_entries):
        at, again = k % len(NAMES), k // len(NAMES)
        name = NAMES[at] + (f"_{again}" if again else "")
        size = {"num_launches": num_launches, "num_bins": num_bins, "num_devices": num_devices}
        entries.append(invent_entry(name, UNITS[at], RATES[at], **size))
    if not plain and num_entries > 6:
        text = "most launches have no steady state: the rate is shown, its interval is not to be trusted"
        entries[5] |= {"status": "unstable", "warnings": [{"code": "no steady state", "text": text}]}
        entries[6] = fail_entry(entries[6])
    measured = [e for e in entries if e["rate"] is not None]
    missing = [e["label"] for e in entries if e["rate"] is None]
    return {
        "schema": 1,
        "kind": "run",
        "name": "smoke",
        "run": "runs/20261120-120000-smoke",
        "cupel": "0.1.0",
        "started": "2026-11-20T12:00:00Z",
        "elapsed_s": 185.0,
        "status": "complete",
        "headline": f"{len(measured)} of {len(entries)} workloads measured; score 1.031 × laptop.",
        "asked": {"entries": ["smoke"], "size": "small", "launches": 3, "width": None, "budget_s": 240.0, "seed": 0},
        "machine": {
            "label": "Xeon 8481C, 2 cores, 8 GiB",
            "host": "node-07",
            "hardware": {"cpu": "Xeon 8481C", "num_cores": 2, "memory_bytes": 8 * GIB, "devices": []},
            "software": {"python": "3.11.9", "torch": "2.9.0", "os": "Debian 12", "cuda": None},
            "git": {"commit": "1a2b3c4", "dirty": False},
            "packages": {"numpy": "2.3.1", "torch": "2.9.0", "rich": "15.0.0"},
        },
        "score": {
            "value": 1.031,
            "interval": [1.012, 1.049] if num_launches > 1 else None,
            "level": 0.95,
            "reference": "laptop",
            "measured": len(measured),
            "of": len(entries),
            "missing": missing,
            "unreferenced": [],
            "floored": 0.58 if missing else None,
            "floor": 0.01,
            "population_interval": [0.91, 1.17],
            "influence": {e["label"]: 0.01 * (k - 3) for k, e in enumerate(measured)},
            "text": f"score 1.031 × laptop over {len(measured)} of {len(entries)} entries",
        },
        "score_note": "",
        "milabench_score": None,
        "entries": entries,
        "skipped": [] if plain else [{"name": "llama fp8", "reason": "the device has no fp8"}],
        "warnings": [{"code": "one session", "text": "all launches are of one session"}],
        "price": {"wall_s": 185.0, "energy_j": 412.0 * 185 if num_devices else None},
    }


def invent_comparison(num_entries: int = 8) -> dict[str, Any]:
    rng = random.Random(num_entries)
    verdicts = ("faster", "equivalent", "slower", "undecided")
    centres = {"faster": 1.09, "equivalent": 1.001, "slower": 0.91, "undecided": 1.02}
    halves = {"faster": 0.03, "equivalent": 0.004, "slower": 0.03, "undecided": 0.06}
    entries = []
    for k in range(num_entries):
        verdict = verdicts[k % 4]
        at, again = k % len(NAMES), k // len(NAMES)
        ratio, half = centres[verdict] * (1 + 0.02 * rng.random()), halves[verdict]
        name = NAMES[at] + (f"_{again}" if again else "")
        entries.append(
            {
                "key": f"workload/{name} small",
                "label": name,
                "unit": UNITS[at],
                "rate_a": RATES[at],
                "rate_b": RATES[at] * ratio,
                "ratio": ratio,
                "interval": [ratio - half, ratio + half],
                "interval_alone": [ratio - half / 2, ratio + half / 2],
                "p": 0.0123,
                "p_holm": 0.0984,
                "verdict": verdict,
                "verdict_alone": verdicts[(k + 1) % 4] if k == 3 else verdict,
                "num_a": 3,
                "num_b": 3,
                "num_more": 4 if verdict == "undecided" else None,
                "text": f"{name}: {verdict}, ratio {ratio:.3f}",
            }
        )
    runs = {"name": "smoke", "started": "2026-11-20T12:00:00Z", "machine": "Xeon 8481C, 2 cores, 8 GiB"}
    return {
        "schema": 1,
        "kind": "comparison",
        "headline": f"B against A over {num_entries} entries: 2 slower, 2 faster.",
        "a": {"run": "runs/a", **runs},
        "b": {"run": "runs/b", **runs},
        "rope": 0.01,
        "level": 0.95,
        "entries": entries,
        "only_in_a": ["dlrm bf16"],
        "only_in_b": [],
        "warnings": [{"code": "one session each", "text": "each run is one session"}],
    }


@pytest.fixture
def make_run() -> Callable[..., dict[str, Any]]:
    return invent_run


@pytest.fixture
def make_entry() -> Callable[..., dict[str, Any]]:
    return invent_entry


@pytest.fixture
def make_failed() -> Callable[..., dict[str, Any]]:
    return fail_entry


@pytest.fixture
def make_comparison() -> Callable[..., dict[str, Any]]:
    return invent_comparison


SIZES = {"n": 1}
MACHINE = {"label": "a machine", "host": "here", "hardware": {"num_cores": 2}, "software": {}}


def card(**changes: object) -> dict[str, object]:
    values = {
        "measures": "x",
        "unit": "calls",
        "better": "higher",
        "source": "a test",
        "tiny": SIZES,
        "small": SIZES,
        "full": SIZES,
    }
    return dataclasses.asdict(Workload(**{**values, **changes}))  # type: ignore[arg-type]


class Book:
    """Writes a run folder by hand."""

    def __init__(
        self,
        out: Path,
        names: tuple[str, ...] = ("a",),
        *,
        changes: dict[str, object] | None = None,
        **request: object,
    ) -> None:
        """`changes`: of every card (`card`), cell (`cell`), job (`job`) or of the plan (`plan`)."""
        new: dict[str, dict[str, object]] = {key: {} for key in ("card", "cell", "job", "plan")} | (changes or {})
        about = {"source": "/x.py", "digest": "0", **new["job"]}
        self.jobs = {name: Job(entry=f"workload/{name}", **about) for name in names}
        made = card(also=("tokens",), **new["card"])
        cells = [
            {"key": job.cell, "job": job.as_dict(), "card": made, "label": name, "weight": 1.0, **new["cell"]}
            for name, job in self.jobs.items()
        ]
        plan = {
            "request": {"launches": 3, "pilot": 5, "width": 0.02, **request},
            "cells": cells,
            "reference": "",
            "scores": ["cupel"],
            **new["plan"],
        }
        self.folder = RunFolder.create(
            out, "test", {"kind": "run", "name": "test", "plan": plan, "machine": MACHINE, "cupel": "0", "code": "c0"}
        )

    def launch(
        self,
        name: str,
        index: int,
        seconds: list[float],
        *,
        at_s: float = 1000.0,
        items: float = 1.0,
        ends: bool = True,
        peak: dict[str, float] | None = None,
        **telemetry: object,
    ) -> None:
        job = dataclasses.replace(self.jobs[name], launch=index, seed=index)
        folder = self.folder.job(job)
        supervisor = RecordWriter(folder.path / "supervisor.jsonl")
        supervisor.write("start", t=at_s + index)
        for second in (0.0, 1.0):
            supervisor.write("telemetry", t=at_s + second + index, elapsed_s=second, **telemetry)
        rank = RecordWriter(folder.rank_path / "events.jsonl")
        now = 0.0
        for number, step in enumerate(seconds):
            now += step
            rank.write("step", i=number, s=step, n=items, end_s=now, also={"tokens": 7 * items})
        if ends:
            rank.write("result", setup_s=0.5, peak_rss_bytes=2**20, peak=peak)
            supervisor.write("end", t=at_s + 10 + index, status="ok", elapsed_s=9.0)

    def fail(self, name: str, index: int, reason: str = "crashed", status: str = "failed") -> None:
        job = dataclasses.replace(self.jobs[name], launch=index, seed=index)
        folder = self.folder.job(job)
        supervisor = RecordWriter(folder.path / "supervisor.jsonl")
        supervisor.write("failure", reason=reason, message="it broke", log_tail=["line"])
        supervisor.write("end", t=5.0, status=status, elapsed_s=1.0)

    def document(self, **options: str) -> dict[str, object]:
        return build_document(RunFolder(self.folder.path), **options)


@pytest.fixture
def book_of() -> type[Book]:
    return Book
