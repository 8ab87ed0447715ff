"""Timings of commands by hyperfine (--export-json).

One row per timed run, in seconds; lower is better. method = command, as hyperfine itself compares commands; parameters
of a scan become columns (`parameters.size`), so that `--map method=parameters.tool --map task=parameters.size` works.
A run that ended with another exit code than 0, or by a signal, is a failure (hyperfine goes on with --ignore-failure).
Several files with the same commands compare the files: method = source_file, task = command.
Without the single times (`times`) a command is one row, its mean, and its spread cannot be used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cupel.ledger.cells import columns_of_rows, number_or_none, plain_column, plain_value
from cupel.ledger.source import Evidence, Source
from cupel.spec.results_table import ResultsTable

ROLES = {"method": "command", "value": "time_s", "rep": "run", "status": "status"}


def recognises(source: Source) -> Evidence:
    """A list `results` whose members name a command and its mean time."""
    results = source.json["results"] if "results" in source.keys else None
    first = results[0] if isinstance(results, list) and results else None
    return Evidence.NAMES if isinstance(first, dict) and {"command", "mean"} <= first.keys() else Evidence.NONE


def read(source: Source) -> ResultsTable:
    """One row per timed run of each command."""
    if "results" not in source.keys:
        raise source.refuse(
            f"JSON with the key 'results' was expected, as hyperfine writes it; found {source.found()}."
        )
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for k, result in enumerate(source.expect(source.json["results"], list, "'results'")):
        rows += _runs(source.expect(result, dict, f"result {k}"), f"result {k}", source)
    columns = columns_of_rows(rows)
    scanned = [name for name in columns if name.startswith("parameters.")]
    for name in scanned:
        columns[name] = plain_column(["" if value is None else str(value) for value in columns[name]])
    if scanned:
        notes.append(
            f"Each command is a method; the scanned parameters are columns: {', '.join(scanned)}. To compare over one "
            f"of them: {_suggestion({name: columns[name] for name in scanned})}"
        )
    failed = columns.get("status", []).count("failed")
    if failed:
        notes.append(f"{failed} of {len(rows)} runs did not end with exit code 0 and count as failures.")
    zeros = sum(row["time_s"] == 0 for row in rows)
    if zeros:
        notes.append(
            f"{zeros} of {len(rows)} times are 0 s: the command took no longer than the shell that started it, whose "
            "time is subtracted. Such a time is no measurement; hyperfine -N starts commands without a shell."
        )
    means = sorted({row["command"] for row in rows if row["run"] is None})
    if means:
        notes.append(f"No single times are kept for {', '.join(means)}: each is one row, its mean, without its spread.")
    return ResultsTable(
        columns, source.name, "hyperfine", roles=ROLES, better="lower", unit="s", notes=tuple(notes),
        same_cells_mean="method",
    )  # fmt: skip


def _suggestion(scanned: Mapping[str, list[Any]]) -> str:
    """How to say which parameter is compared: the first of words, else the first; the others make the task."""
    words = [name for name, values in scanned.items() if any(isinstance(value, str) for value in values)]
    method = (words or list(scanned))[0]
    rest = ":".join(name for name in scanned if name != method)
    return f"--map method={method}" + (f" --map task={rest}" if rest else "")


def _runs(result: Mapping[str, Any], where: str, source: Source) -> Iterator[dict[str, Any]]:
    """The rows of one command."""
    command = source.expect(result.get("command"), str, f"the command of {where}")
    parameters = source.expect(result.get("parameters") or {}, dict, f"'parameters' of {where}")
    scanned = {f"parameters.{name}": plain_value(value) for name, value in parameters.items()}
    times = source.expect(result.get("times") or [], list, f"'times' of {where}")
    codes = source.expect(result.get("exit_codes") or [0] * len(times), list, f"'exit_codes' of {where}")
    if len(codes) != len(times):
        raise source.refuse(
            f"{where} ({command}) has {len(times)} times and {len(codes)} exit codes; expected as many."
        )
    for k, (time, code) in enumerate(zip(times, codes, strict=True)):
        yield {
            "command": command, "run": k, "time_s": _seconds(time, f"time {k} of {where}", source),
            "status": "ok" if code == 0 else "failed", "exit_code": number_or_none(code), **scanned,
        }  # fmt: skip
    if not times:
        mean = _seconds(result.get("mean"), f"the mean of {where}", source)
        yield {"command": command, "run": None, "time_s": mean, "status": "ok", "exit_code": None, **scanned}


def _seconds(value: object, what: str, source: Source) -> float:
    number = number_or_none(value)
    if number is None:
        raise source.refuse(f"{what} is {value!r}; expected a number of seconds.")
    return number
