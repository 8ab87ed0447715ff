"""The result document: a run folder as one JSON-able statement. The only place where records become results.

The schema stands in `docs/design/0002-result-document.md`; terminal, HTML, Markdown, CSV and JSON render it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cupel.ledger.run_folder import RunFolder
from cupel.report.achieved import add_achieved
from cupel.report.entry import describe_entry
from cupel.report.reference import Reference, load_reference, reference_of
from cupel.report.run_records import RunRecords, read_run, work_of
from cupel.report.run_score import add_score, listed, milabench_part
from cupel.report.run_warnings import run_warnings
from cupel.spec.errors import CupelError, RunFolderError

SCHEMA = 1


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
    if asked.get("kind") == "tuning":
        raise RunFolderError(
            f"{folder.path} is a tuning run (cupel tune), which measures no machine; expected a folder of cupel run. "
            f"Show it with: cupel report {folder.path}"
        )
    if asked.get("kind") == "claims":
        raise RunFolderError(
            f"{folder.path} is a run of claims, which compares methods and measures no machine; expected a run of "
            f"workloads. Show it with: cupel report {folder.path}"
        )
    try:
        plan, machine = asked["plan"], asked["machine"]
        request = plan["request"]
        cells = plan["cells"]
    except (KeyError, TypeError) as error:
        raise RunFolderError(
            f"{folder.path / 'run.json'} lacks {error}; expected a file written by cupel run."
        ) from error
    records = read_run(folder, cells, (machine.get("hardware") or {}).get("num_cores") or 1)
    entries = [
        describe_entry(cell, records.launches.get(cell["key"], []), records.checks.get(work_of(cell)), request)
        for cell in cells
    ]
    add_achieved(entries)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": "run",
        "name": asked.get("name", folder.path.name),
        "run": str(folder.path),
        "cupel": asked.get("cupel", ""),
        "started": asked.get("started", ""),
        "elapsed_s": records.elapsed_s,
        "status": _status(entries, records),
        "asked": request,
        "machine": machine,
        "entries": entries,
        "skipped": [{"name": name, "reason": reason} for name, reason in plan.get("skipped", {}).items()],
        "warnings": [*run_warnings(records, asked), *({"code": "note", "text": t} for t in plan.get("notes", ()))],
    }
    document["reference_kept"] = asked.get("reference")
    _add_score(document, plan, reference)
    document["milabench_score"] = (
        milabench_part(folder.path, entries) if "milabench" in plan.get("scores", ()) else None
    )
    document["price"] = _price(document)
    document["headline"] = _headline(document)
    return document


def exit_code(document: Mapping[str, Any]) -> int:
    """0 where all that was found is well, 1 where a job failed, 4 where nothing could run."""
    if any(f["reason"] != "not supported here" for entry in document["entries"] for f in entry["failures"]):
        return 1
    return 4 if all(entry["status"] == "skipped" for entry in document["entries"]) else 0


def _status(entries: Sequence[Mapping[str, Any]], records: RunRecords) -> str:
    """`complete`, or `partial` where `cupel resume` has something to do."""
    is_short = any(e["num_launches"] < e["planned_launches"] and not e["failures"] for e in entries)
    return "partial" if records.is_cut or is_short else "complete"


def _add_score(document: dict[str, Any], plan: Mapping[str, Any], asked: str) -> None:
    """Score, why there is none, and each entry's ratio to the reference."""
    document["score"], document["score_note"] = None, ""
    name = asked or plan.get("reference") or ""
    kept = document.pop("reference_kept")
    if not name:
        document["score_note"] = "no reference was named, so rates are shown without a score (--reference NAME or RUN)"
        return
    try:
        reference = find_reference(name) if asked or kept is None else Reference(**kept)
    except CupelError as error:
        if asked:
            raise
        document["score_note"] = str(error).rstrip(".")
        return
    add_score(document, reference)
    threads = sorted({entry["threads"] for entry in document["entries"]})
    if reference.threads and threads and list(reference.threads) != threads:
        here, there = (", ".join(map(str, values)) for values in (threads, reference.threads))
        text = f"threads: {here} here, {there} in the reference {reference.name}"
        document["warnings"].append({"code": "reference threads", "text": text})


def find_reference(name: str) -> Reference:
    """A reference by the name of a shipped one, a reference file, or a run folder."""
    path = Path(name)
    if (path / "run.json").is_file():
        return reference_of(build_document(RunFolder(path)), path.name)
    return load_reference(name)


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
    unstable = sum(entry["status"] == "unstable" for entry in entries)
    for count, word in ((failed, "failed"), (unstable, "unstable")):
        text += f", {count} {word}" if count else ""
    if document["status"] == "partial":
        text += ", run not finished"
    result = document["score"]
    if result is None or result["value"] is None:
        return f"{text}; no score: {document['score_note']}."
    value = f"{result['value']:.3f} × {result['reference']}"
    if result["interval"]:
        value += f" (95 % {result['interval'][0]:.3f} to {result['interval'][1]:.3f})"
    incomplete = "" if result["measured"] == result["of"] else f", incomplete: {result['measured']} of {result['of']}"
    without = f" (without {listed(result['missing'])})" if result["missing"] else ""
    return f"{text}; score {value}{incomplete}{without}."
