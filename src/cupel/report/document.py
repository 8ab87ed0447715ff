"""The result document: a run folder as one JSON-able statement. The only place where records become results.

The schema stands in `docs/design/0002-result-document.md`; terminal, HTML, Markdown, CSV and JSON render it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cupel.ledger.job_folder import JobFolder
from cupel.ledger.run_folder import RunFolder
from cupel.report.entry import describe_entry
from cupel.report.launch import Launch, read_launch
from cupel.report.reference import Reference, load_reference, reference_of
from cupel.spec.errors import CupelError, RunFolderError
from cupel.spec.units import format_percent
from cupel.stats.compare_rates import compare_rates
from cupel.stats.milabench_score import milabench_score
from cupel.stats.score import score

SCHEMA = 1
OTHERS_FRAC = 0.15
"""Share of the machine that other processes may take before the report says so."""


def build_document(folder: RunFolder, reference: str = "") -> dict[str, Any]:
    """The result document of a run.

    Args:
        folder: the run.
        reference: name, file or run folder that scores are relative to, instead of the run's own.

    Raises:
        RunFolderError: the folder lacks what a run writes.
        UnknownNameError: the reference that was asked does not exist.
    """
    asked = folder.asked
    try:
        plan, machine = asked["plan"], asked["machine"]
        request = plan["request"]
        cells = plan["cells"]
    except (KeyError, TypeError) as error:
        raise RunFolderError(
            f"{folder.path / 'run.json'} lacks {error}; expected a file written by cupel run."
        ) from error
    jobs = _jobs_by_cell(folder.jobs())
    entries = [_entry(cell, jobs, request) for cell in cells]
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": "run",
        "name": asked.get("name", folder.path.name),
        "run": str(folder.path),
        "cupel": asked.get("cupel", ""),
        "started": asked.get("started", ""),
        "elapsed_s": _elapsed_s(folder.jobs()),
        "status": _status(entries, folder.jobs()),
        "asked": request,
        "machine": machine,
        "entries": entries,
        "skipped": [{"name": name, "reason": reason} for name, reason in plan.get("skipped", {}).items()],
    }
    _add_score(document, plan, reference)
    document["milabench_score"] = _milabench(folder, entries) if "milabench" in plan.get("scores", ()) else None
    document["warnings"] = [
        *_run_warnings(folder.jobs(), machine),
        *({"code": "note", "text": t} for t in plan.get("notes", ())),
    ]
    document["price"] = _price(document)
    document["headline"] = _headline(document)
    return document


def exit_code(document: Mapping[str, Any]) -> int:
    """0 where all that was found is well, 1 where a job failed, 4 where nothing could run."""
    if any(f["reason"] != "not supported here" for entry in document["entries"] for f in entry["failures"]):
        return 1
    return 4 if all(entry["status"] == "skipped" for entry in document["entries"]) else 0


def _jobs_by_cell(folders: Sequence[JobFolder]) -> dict[tuple[str, str], list[JobFolder]]:
    """Job folders by kind and cell; a check stands under what it checks: entry and settings."""
    found: dict[tuple[str, str], list[JobFolder]] = {}
    for folder in folders:
        job = folder.job
        key = job.cell if job.kind == "launch" else _work(job.entry, job.settings)
        found.setdefault((job.kind, key), []).append(folder)
    return found


def _work(entry: str, settings: Mapping[str, Any]) -> str:
    return f"{entry} {sorted(settings.items())}"


def _entry(
    cell: Mapping[str, Any], jobs: Mapping[tuple[str, str], list[JobFolder]], request: Mapping[str, Any]
) -> dict[str, Any]:
    """One cell's part of the document."""
    card = cell["card"]
    launches = [read_launch(folder, card) for folder in jobs.get(("launch", cell["key"]), [])]
    checks: list[Launch] = [
        read_launch(f, card) for f in jobs.get(("sane", _work(cell["job"]["entry"], cell["job"]["settings"])), [])
    ]
    launches.sort(key=lambda launch: launch.job.launch)
    return describe_entry(cell, launches, checks[0] if checks else None, request)


def _status(entries: Sequence[Mapping[str, Any]], folders: Sequence[JobFolder]) -> str:
    """`complete`, or `partial` where `cupel resume` has something to do."""
    is_cut = any(folder.status == "unfinished" for folder in folders)
    is_short = any(e["num_launches"] < e["planned_launches"] and not e["failures"] for e in entries)
    return "partial" if is_cut or is_short else "complete"


def _elapsed_s(folders: Sequence[JobFolder]) -> float | None:
    """Wall seconds from the first start to the last record; pauses between attempts included."""
    times = [r["t"] for folder in folders for r in folder.supervisor_records if isinstance(r.get("t"), int | float)]
    return max(times) - min(times) if times else None


def _add_score(document: dict[str, Any], plan: Mapping[str, Any], asked: str) -> None:
    """Score, why there is none, and each entry's ratio to the reference."""
    document["score"], document["score_note"] = None, ""
    name = asked or plan.get("reference") or ""
    if not name:
        document["score_note"] = "no reference was named, so rates are shown without a score (--reference NAME or RUN)"
        return
    try:
        reference = find_reference(name)
    except CupelError as error:
        if asked:
            raise
        document["score_note"] = str(error).rstrip(".")
        return
    entries = [entry for entry in document["entries"] if entry["status"] != "skipped" or entry["failures"]]
    _add_ratios(entries, reference)
    labels = {entry["key"]: entry["label"] for entry in entries}
    result = score(
        {
            entry["label"]: entry["rates"] or None
            for entry in entries
            if entry["status"] != "pending" or entry["failures"]
        },
        {labels[key]: rates for key, rates in reference.rates.items() if key in labels},
        weights={entry["label"]: entry["weight"] for entry in entries},
        better={entry["label"]: entry["better"] for entry in entries},
    )
    if result.coverage_of == 0:
        sizes = ", ".join(sorted({entry["size"] for entry in entries}))
        document["score_note"] = (
            f"the reference {reference.name} has none of these entries at size {sizes}; rates are shown without a score"
        )
        return
    document["score_note"] = result.reason
    document["score"] = {
        "value": result.value,
        "interval": [result.interval.low, result.interval.high] if result.interval else None,
        "level": 0.95,
        "reference": reference.name,
        "reference_machine": reference.machine,
        "measured": result.coverage_num,
        "of": result.coverage_of,
        "missing": list(result.missing),
        "unreferenced": list(result.unreferenced),
        "floored": result.floored_value,
        "floor": result.floor,
        "population_interval": [result.population_interval.low, result.population_interval.high]
        if result.population_interval
        else None,
        "influence": dict(result.influence),
        "text": result.text,
    }


def find_reference(name: str) -> Reference:
    """A reference by the name of a shipped one, a reference file, or a run folder."""
    path = Path(name)
    if (path / "run.json").is_file():
        return reference_of(build_document(RunFolder(path)), path.name)
    return load_reference(name)


def _add_ratios(entries: Sequence[dict[str, Any]], reference: Reference) -> None:
    """Each entry's rate over the reference's."""
    for entry in entries:
        rates = reference.rates.get(entry["key"])
        if not rates or not entry["rates"]:
            continue
        ratio = compare_rates(rates, entry["rates"], better=entry["better"])
        entry["reference"] = {
            "ratio": ratio.ratio,
            "interval": [ratio.interval.low, ratio.interval.high] if ratio.interval else None,
        }
        if reference.digests.get(entry["key"], entry["digest"]) != entry["digest"]:
            text = f"the workload's code changed since the reference {reference.name} was recorded"
            entry["warnings"].append({"code": "reference differs", "text": text})


def _milabench(folder: RunFolder, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The score by Milabench's formula, from the per-step rates of every launch, warm-up and all, as it takes them."""
    by_id = {job.path.name: job for job in folder.jobs()}
    rates: dict[str, list[list[float]]] = {}
    failures: dict[str, int] = {}
    for entry in entries:
        pooled: list[float] = []
        for launch in entry["launches"]:
            steps = by_id[launch["job"]].steps()
            pooled += [n / s for n, s in zip(steps.items, steps.seconds, strict=True) if s > 0]
        if pooled:
            rates[entry["label"]] = [pooled]
        failures[entry["label"]] = len(entry["failures"])
    result = milabench_score(rates, {entry["label"]: entry["weight"] for entry in entries}, failures=failures)
    return {
        "value": result.value,
        "value_without_plus_one": result.value_v1,
        "text": "by Milabench's own formula, for continuity only: no interval, no reference, and it depends on units",
    }


def _run_warnings(folders: Sequence[JobFolder], machine: Mapping[str, Any]) -> list[dict[str, str]]:
    """What a reader of every number in this run must know."""
    cores = (machine.get("hardware") or {}).get("num_cores") or 1
    others = []
    for folder in folders:
        for record in folder.telemetry():
            busy, own = record.get("cpu_frac"), record.get("tree_cpu_frac")
            if busy is not None and own is not None:
                others.append(max(0.0, busy - own / cores))
    found = []
    if others and sum(others) / len(others) > OTHERS_FRAC:
        share = format_percent(sum(others) / len(others))
        text = f"other processes took {share} of the processors while this ran; a quiet machine or more launches help"
        found.append({"code": "busy machine", "text": text})
    text = "all launches are of one session: how the machine differs between days is not in the intervals"
    return [*found, {"code": "one session", "text": text}]


def _price(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the run cost."""
    energies = [launch["energy_j"] for entry in document["entries"] for launch in entry["launches"]]
    known = [e for e in energies if e is not None]
    return {"wall_s": document["elapsed_s"], "energy_j": sum(known) if known and len(known) == len(energies) else None}


def _headline(document: Mapping[str, Any]) -> str:
    """One sentence: what was measured, and the score."""
    entries = document["entries"]
    measured = sum(entry["rate"] is not None for entry in entries)
    of = len(entries)
    text = f"{measured} of {of} workload{'s' if of != 1 else ''} measured"
    failed = sum(entry["status"] == "failed" for entry in entries)
    if failed:
        text += f", {failed} failed"
    if document["status"] == "partial":
        text += ", run not finished"
    result = document["score"]
    if result is None or result["value"] is None:
        return f"{text}; no score: {document['score_note']}."
    value = f"{result['value']:.3f} × {result['reference']}"
    if result["interval"]:
        value += f" (95 % {result['interval'][0]:.3f} to {result['interval'][1]:.3f})"
    incomplete = "" if result["measured"] == result["of"] else f", incomplete: {result['measured']} of {result['of']}"
    return f"{text}; score {value}{incomplete}."
