"""Frames of the package lmem-significance: algorithm, benchmark, value, seed, used_fidelity (CSV or Parquet).

method = algorithm, budget = used_fidelity. Where one benchmark was run under several values of a column `prior`, the
benchmark does not tell tasks apart: task = bench_prior, or benchmark and prior joined. The values are losses or
regrets: lower is better.
"""

from __future__ import annotations

from cupel.ledger.plain_table import PlainTable
from cupel.ledger.source import Evidence, Source
from cupel.spec.results_table import ResultsTable

NAMES = ("algorithm", "benchmark", "used_fidelity")


def recognises(source: Source) -> Evidence:
    """The three names that the package asks for."""
    return Evidence.NAMES if set(NAMES) <= set(source.names) else Evidence.NONE


def read(source: Source) -> ResultsTable:
    """The columns as they stand, with their roles."""
    table = source.table.named()
    lacking = [name for name in NAMES if name not in table.columns]
    if lacking:
        raise source.refuse(f"the columns {', '.join(NAMES)} are expected, and {', '.join(lacking)} is not there.")
    task, note = _task(table)
    roles = {"method": "algorithm", "task": task, "budget": "used_fidelity"}
    if "seed" in table.columns:
        roles["seed"] = "seed"
    notes = (*table.notes, *note, "The values of lmem-significance are losses or regrets: lower is better.")
    return ResultsTable(
        table.columns, source.name, "lmem_significance", table.lines, roles=roles, better="lower", notes=notes
    )


def _task(table: PlainTable) -> tuple[str, tuple[str, ...]]:
    """Which column tells tasks apart, and what to say of it."""
    columns = table.columns
    if "prior" not in columns:
        return "benchmark", ()
    pairs = set(zip(columns["benchmark"], columns["prior"], strict=True))
    num_benchmarks = len(set(columns["benchmark"]))
    if len(pairs) == num_benchmarks:
        return "benchmark", ()
    task = "bench_prior" if "bench_prior" in columns else "benchmark:prior"
    why = f"{num_benchmarks} benchmarks were run under several priors, which makes {len(pairs)} tasks: task = {task}."
    return task, (why,)
