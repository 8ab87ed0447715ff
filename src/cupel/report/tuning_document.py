"""The document of a tuning run: its folder as one JSON-able statement, which all renderers show.

schema, kind "tuning", run, name, started, status (complete | partial), asked, machine,
directory, script_digest
best            parameters, value (as selected), trial, resource, reevaluated
                (mean, low, high, sd, n, values, note), seeds (of its starts), command
                (that trains it again)
trials          trial, parameters, value, resource, told, curve, status, message,
                attempts, elapsed_s, asked_t, told_t
incumbents      t, device_s, trial, value, resource: each time another was best
counts          trials, valued, failed, open, starts
costs           device_s (wall seconds of all starts, re-evaluations included),
                search_s (without them), elapsed_s, energy_j (None where not
                measurable), rungs (resource, valued, failed, device_s)
importance      resource (values at it are compared), n, scale, level, notes,
                parameters (name, share of the variance, low, high, n, reason)
notes           what a reader must know, as sentences
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from cupel.ledger.run_folder import RunFolder
from cupel.ledger.tuning_log import TrialRecord, best_trial, read_decisions, trials_of
from cupel.report.tuning_costs import rung_costs
from cupel.report.tuning_importance import describe_importance
from cupel.spec.errors import RunFolderError
from cupel.spec.tuning import TuningRequest, arguments
from cupel.stats.mean_interval import mean_interval

SCHEMA = 1


def is_tuning(folder: RunFolder) -> bool:
    """Whether a run folder is one of a tuning run."""
    return folder.asked.get("kind") == "tuning"


def build_tuning_document(folder: RunFolder) -> dict[str, Any]:
    """The document of a tuning run.

    Raises:
        RunFolderError: the folder lacks what a tuning run writes.
    """
    try:
        request = TuningRequest.from_dict(folder.asked["tuning"])
    except (KeyError, TypeError) as error:
        raise RunFolderError(f"{folder.path / 'run.json'} lacks {error}; expected a file of cupel tune.") from error
    about = {
        "run": str(folder.path),
        "name": folder.asked.get("name", folder.path.name),
        "cupel": folder.asked.get("cupel", ""),
        "started": folder.asked.get("started", ""),
        "machine": folder.asked.get("machine", {}),
        "directory": folder.asked.get("directory", ""),
        "script_digest": folder.asked.get("script_digest", ""),
    }
    directory = str(folder.asked.get("directory", ""))
    return {**about, **tuning_document(request, list(read_decisions(folder.path)), directory)}


def tuning_document(
    request: TuningRequest, records: Sequence[Mapping[str, Any]], directory: str = ""
) -> dict[str, Any]:
    """The same from records, without a folder; `directory` is where the script is run."""
    rows = [dict(record) for record in records]
    trials = trials_of(rows)
    best = best_trial(trials, request.better)
    fresh = [row for row in rows if row["kind"] == "reevaluated"]
    finished = [row for row in rows if row["kind"] == "finished"]
    is_complete = bool(finished) and finished[-1]["reason"] != "interrupted"
    valued = [trial for trial in trials.values() if trial.value is not None]
    num_cut_off = sum(row["kind"] == "started" for row in rows) - sum(row["kind"] == "ended" for row in rows)
    costs = _costs(rows)
    return {
        "schema": SCHEMA,
        "kind": "tuning",
        "status": "complete" if is_complete else "partial",
        "ended": finished[-1]["reason"] if finished else "unfinished",
        "asked": request.as_dict(),
        "best": None if best is None else {**_best(best, fresh), **_again(request, best, rows, directory)},
        "trials": [_trial(trial) for trial in trials.values()],
        "incumbents": incumbents(rows, request.better),
        "counts": {
            "trials": len(trials),
            "valued": len(valued),
            "failed": sum(trial.has_failed for trial in trials.values()),
            "open": sum(trial.is_open for trial in trials.values()),
            "starts": sum(trial.attempts for trial in trials.values()),
        },
        "costs": {**costs, "energy_j": None if num_cut_off else costs["energy_j"]},
        "importance": describe_importance(request.search.space, trials.values(), request.searcher),
        "notes": [*_notes(request, trials, best, fresh), *_cut_off(num_cut_off, is_over=bool(finished))],
    }


def _costs(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Seconds and energy of all starts of the run."""
    energies = [row["energy_j"] for row in rows if row["kind"] == "power"]
    search_s = math.fsum(row["elapsed_s"] for row in rows if row["kind"] == "ended")
    fresh_s = math.fsum(row["elapsed_s"] for row in rows if row["kind"] == "reevaluated")
    return {
        "device_s": search_s + fresh_s,
        "search_s": search_s,
        "elapsed_s": max((float(row.get("t", 0.0)) for row in rows), default=0.0),
        "energy_j": math.fsum(energies) if energies and None not in energies else None,
        "rungs": rung_costs(rows),
    }


def _cut_off(num: int, *, is_over: bool) -> list[str]:
    """What is said where starts of trials have no end in the records."""
    if not num or not is_over:
        return []
    starts = "1 start of a trial was" if num == 1 else f"{num} starts of trials were"
    return [f"{starts} cut off when the run was killed: that time is not in the cost, and the energy is not known."]


def incumbents(records: Sequence[Mapping[str, Any]], better: str) -> list[dict[str, Any]]:
    """Each time another trial was best: of those trained furthest, the one with the best value."""
    sign = 1.0 if better == "lower" else -1.0
    best: tuple[float, float, int] | None = None
    found: list[dict[str, Any]] = []
    ended_s, device_s = 0.0, 0.0
    begun_t: dict[int, float] = {}
    for record in records:
        if record["kind"] == "started":
            begun_t[record["trial"]] = record["t"]
        elif record["kind"] == "ended":
            ended_s += record["elapsed_s"]
            begun_t.pop(record["trial"], None)
        if record["kind"] != "told" or record["value"] is None or not math.isfinite(record["value"]):
            continue
        key = (-record["resource"], sign * record["value"], record["trial"])
        if best is None or key < best:
            best = key
            running_s = math.fsum(record["t"] - t for t in begun_t.values())
            device_s = max(device_s, ended_s + running_s)
            row = {k: record[k] for k in ("t", "trial", "value", "resource")}
            found.append({**row, "device_s": round(device_s, 4)})
    return found


def _trial(trial: TrialRecord) -> dict[str, Any]:
    return {
        "trial": trial.trial,
        "parameters": dict(trial.parameters),
        "value": trial.value,
        "resource": trial.resource,
        "told": [[resource, value] for resource, value in sorted(trial.told.items())],
        "curve": [list(point) for point in trial.curve],
        "status": "open" if trial.is_open else "failed" if trial.has_failed else "ok",
        "message": trial.message,
        "bracket": trial.work.bracket,
        "attempts": trial.attempts,
        "elapsed_s": round(trial.elapsed_s, 4),
        "asked_t": trial.asked_t,
        "told_t": trial.told_t,
    }


def _best(best: TrialRecord, fresh: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values = [row["value"] for row in fresh if row["trial"] == best.trial and row["value"] is not None]
    again = mean_interval(values)
    reevaluated = None
    if again is not None:
        interval = again.interval
        reevaluated = {
            "mean": again.mean,
            "low": None if interval is None else interval.low,
            "high": None if interval is None else interval.high,
            "level": 0.95,
            "sd": again.sd,
            "n": again.n,
            "values": values,
            "note": again.reason,
        }
    return {
        "trial": best.trial,
        "parameters": dict(best.parameters),
        "value": best.value,
        "resource": best.resource,
        "reevaluated": reevaluated,
    }


def _again(
    request: TuningRequest, best: TrialRecord, rows: Sequence[Mapping[str, Any]], directory: str
) -> dict[str, Any]:
    """The seeds that the best was trained with, and the command that trains it so once more."""
    mine = [row["seed"] for row in rows if row["kind"] == "started" and row["trial"] == best.trial]
    seeds = list(dict.fromkeys(mine))
    surroundings = {"CUPEL_SEED": str(seeds[-1])} if seeds else {}
    surroundings["CUPEL_CHECKPOINT"] = "best.checkpoint"
    if request.max_resource is not None and request.fidelity == "resource":
        surroundings["CUPEL_RESOURCE"] = f"{best.resource:.15g}"
    script = request.script
    start = ["python", script] if script.endswith(".py") else [script if "/" in script else f"./{script}"]
    words = [f"{name}={value}" for name, value in surroundings.items()]
    line = " ".join([*words, shlex.join([*start, *arguments(best.parameters)])])
    return {"seeds": seeds, "command": f"cd {shlex.quote(directory)} && {line}" if directory else line}


def _notes(
    request: TuningRequest,
    trials: Mapping[int, TrialRecord],
    best: TrialRecord | None,
    fresh: Sequence[Mapping[str, Any]],
) -> list[str]:
    """What a reader of the best value must know."""
    notes = []
    if best is None and trials:
        messages = {trial.message for trial in trials.values() if trial.message}
        said = f" The first message: {min(messages)}." if messages else ""
        notes.append(f"No trial reached a value.{said}")
    if best is not None:
        edges = _edges(request, best.parameters)
        if edges:
            notes.append(f"The best lies at the edge of {', '.join(edges)}: widen the range and tune again.")
        most = request.max_resource
        if most is not None and best.resource < most:
            notes.append(f"The best was trained to {best.resource:g} of {most:g}: none got further.")
    values = {row["value"] for row in fresh}
    if len(fresh) > 1 and len(values) == 1 and None not in values:
        notes.append(
            "Every fresh seed gave the same value: the script is deterministic or does not use CUPEL_SEED, so its "
            "spread is unknown."
        )
    if any(value is None for value in values):
        notes.append(f"{sum(row['value'] is None for row in fresh)} of {len(fresh)} fresh seeds gave no value.")
    return notes


def _edges(request: TuningRequest, parameters: Mapping[str, Any]) -> list[str]:
    """Numbers of the best that lie within one part in fifty of an end of their range."""
    space = request.search.space
    found = []
    for name, place in space.places_of(parameters).items():
        is_number = hasattr(space.parameters[name], "low")
        if is_number and not 0.02 <= place <= 0.98:
            found.append(f"{name} ({parameters[name]:.4g})")
    return found
