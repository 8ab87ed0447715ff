"""Timings of functions by pytest-benchmark (--benchmark-json, or --benchmark-save with --benchmark-save-data).

One row per round, in seconds per call; lower is better. All rounds of a file are from one process: they do not show
what differs from one launch to the next. Benchmarks of one group are compared with each other: method = name,
task = group where there are groups. Parameters and extra_info become columns (`params.n`,
`extra_info.k`), so that `--map method=params.lib --map task=params.n` works.
Several files with the same benchmarks (one per commit or machine) compare the files: method = source_file.
Without --benchmark-save-data a saved file has no rounds: a benchmark is one row, its mean, without its spread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cupel.ledger.cells import columns_of_rows, number_or_none, plain_value
from cupel.ledger.source import Evidence, Source
from cupel.spec.results_table import ResultsTable

KEYS = {"machine_info", "benchmarks"}
NO_GROUP = "no group"


def recognises(source: Source) -> Evidence:
    """The keys `machine_info` and `benchmarks`."""
    return Evidence.NAMES if source.keys >= KEYS else Evidence.NONE


def read(source: Source) -> ResultsTable:
    """One row per round of each benchmark."""
    if "benchmarks" not in source.keys:
        raise source.refuse(
            f"JSON with the key 'benchmarks' was expected, as pytest-benchmark writes it; found {source.found()}."
        )
    content = source.json
    machine = source.expect(content.get("machine_info") or {}, dict, "'machine_info'")
    commit = source.expect(content.get("commit_info") or {}, dict, "'commit_info'")
    session = {"machine": plain_value(machine.get("node")), "commit": plain_value(commit.get("id"))}
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for k, benchmark in enumerate(source.expect(content["benchmarks"], list, "'benchmarks'")):
        rows += _rounds(source.expect(benchmark, dict, f"benchmark {k}"), f"benchmark {k}", source)
    means = sorted({row["benchmark"] for row in rows if row["round"] is None})
    if means:
        notes.append(
            f"No single rounds are kept for {len(means)} benchmarks, such as {means[0]}: each is one row, its mean; "
            "the spread of its rounds cannot be used. pytest-benchmark keeps them with --benchmark-save-data."
        )
    if len(means) < len({row["benchmark"] for row in rows}):
        notes.append("The rounds of a benchmark are from one process; what differs between launches is not in them.")
    roles = {"method": "name", "value": "time_s", "rep": "round"}
    if any(row["group"] is not None for row in rows):
        roles["task"] = "group"
        rows = [{**row, "group": NO_GROUP if row["group"] is None else row["group"]} for row in rows]
    return ResultsTable(
        columns_of_rows({**row, **session} for row in rows), source.name, "pytest_benchmark", roles=roles,
        better="lower", unit="s", notes=tuple(notes), same_cells_mean="method",
    )  # fmt: skip


def _rounds(benchmark: Mapping[str, Any], where: str, source: Source) -> Iterator[dict[str, Any]]:
    """The rows of one benchmark."""
    name = source.expect(benchmark.get("name"), str, f"the name of {where}")
    stats = source.expect(benchmark.get("stats"), dict, f"'stats' of {where}")
    full = source.expect(benchmark.get("fullname") or name, str, f"'fullname' of {where}")
    row: dict[str, Any] = {
        "benchmark": full, "name": name, "function": name.partition("[")[0],
        "group": plain_value(benchmark.get("group")), "round": None, "time_s": None,
    }  # fmt: skip
    for kind in ("params", "extra_info"):
        given = source.expect(benchmark.get(kind) or {}, dict, f"{kind!r} of {where}")
        row |= {f"{kind}.{key}": plain_value(value) for key, value in given.items()}
    row["iterations"] = plain_value(stats.get("iterations"))
    data = source.expect(stats.get("data") or [], list, f"'data' of {where}")
    for k, time in enumerate(data or [stats.get("mean")]):
        number = number_or_none(time)
        if number is None:
            raise source.refuse(f"round {k} of {where} ({name}) is {time!r}; expected a number of seconds.")
        yield {**row, "round": k if data else None, "time_s": number}
