"""Trials of Optuna: trials_dataframe() as CSV or Parquet, an SQLite storage, or a journal file.

One row per trial, its columns as Optuna names them (`params_lr`, `user_attrs_method`). A trial that failed, was pruned
or still runs has no value that counts. A user attribute that is named after a role (`method`, `task`, `seed`) fills it,
and so does a parameter of just that name; without a method, each study is one, as when one study was made for each
sampler.
Trials of one study depend on each other, so samplers are compared by studies. A storage holds the directions: better is
set, and the value is `best_value`, the best value of a study up to a trial, with budget = number of the trial. Make one
study for each method, task and seed. Where a trial itself names its method or seed, its own value counts instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cupel.ledger.cells import columns_of_rows
from cupel.ledger.optuna_storages import STATES, TABLES, Study, operations, studies_in_database, studies_in_journal
from cupel.ledger.prefixed_roles import prefixed_roles
from cupel.ledger.source import Evidence, Source
from cupel.spec.errors import UsageError
from cupel.spec.results_table import ResultsTable

COLUMNS = frozenset({"number", "state", "datetime_start", "datetime_complete"})
PREFIXES = {"user_attrs_": True, "study_attrs_": True, "params_": False}
"""A tuned parameter `params_optimizer` is no method; `params_method` is one."""
TRIAL = ("user_attrs_", "params_")
"""What belongs to a trial and not to its study."""


def recognises(source: Source) -> Evidence:
    """The columns of its frame, the tables of its database, or the operations of its journal."""
    is_frame = set(source.names) >= COLUMNS and any(name.split("_")[0] in ("value", "values") for name in source.names)
    return Evidence.NAMES if is_frame or source.db_tables >= TABLES or _is_journal(source) else Evidence.NONE


def _is_journal(source: Source) -> bool:
    if source.kind != "json lines":
        return False
    try:
        _, first = next(operations(source))
    except (UsageError, StopIteration):
        return False
    return first.keys() >= {"op_code", "worker_id"}


def read(source: Source) -> ResultsTable:
    """One row per trial."""
    if source.kind == "sqlite":
        if not source.db_tables >= TABLES:
            raise source.refuse(f"the tables of an Optuna storage are expected, found {source.found()}.")
        return _of_storage(studies_in_database(source), source)
    if source.kind == "json lines":
        return _of_storage(studies_in_journal(source), source)
    table = source.table.named()
    if not table.columns.keys() >= COLUMNS:
        raise source.refuse(f"the columns {', '.join(sorted(COLUMNS))} are expected, found {source.found()}.")
    roles, notes = _roles(table.columns, "state")
    roles["status"] = "state"
    notes = [*table.notes, *notes, "The direction is not in this file: say better = higher or lower."]
    return ResultsTable(table.columns, source.name, "optuna", table.lines, roles=roles, notes=tuple(notes))


def _roles(columns: Mapping[str, Sequence[Any]], state: str) -> tuple[dict[str, str], list[str]]:
    """The roles that the columns say, and what a user must know of the trials."""
    roles, notes = prefixed_roles(columns, PREFIXES)
    if "study" in columns:
        roles["hpo_run" if "method" in roles else "method"] = "study"
    states = list(columns[state])
    others = [f"{states.count(word)} {word}" for word in STATES if word != "COMPLETE" and word in states]
    if others:
        notes.append(f"Of {len(states)} trials, {', '.join(others)}: their values do not count.")
    objectives = [name for name in columns if name.startswith("values_")]
    if len(objectives) > 1:
        notes.append(f"There are several objectives ({', '.join(objectives)}): say which, --metric {objectives[0]}")
    if len(objectives) == 1:
        roles["value"] = objectives[0]
    notes.append("Trials of one study depend on each other: they are no repeats of a method. Compare studies.")
    return roles, notes


def _of_storage(studies: Sequence[Study], source: Source) -> ResultsTable:
    """The table of a storage, with the directions that it holds."""
    rows = [row for study in studies for row in _rows(study)]
    if not rows:
        raise source.refuse(f"the storage has {len(studies)} studies and no trials; expected at least one trial.")
    columns = columns_of_rows(rows)
    roles, notes = _roles(columns, "trial_state")
    if "best_value" in columns and not any(name.startswith(TRIAL) for name in roles.values()):
        roles |= {"value": "best_value", "budget": "number"}
        notes.append("value = best_value, the best of a study up to a trial; budget = number of the trial.")
    directions = {tuple(study.directions) for study in studies if study.trials}
    alone = next(iter(directions)) if len(directions) == 1 else ()
    if len(directions) > 1:
        notes.append("Studies have different directions (column study_direction): read those of one direction alone.")
    better = alone[0] if alone in (("higher",), ("lower",)) else ""
    return ResultsTable(columns, source.name, "optuna", roles=roles, better=better, notes=tuple(notes))


def _rows(study: Study) -> Iterator[dict[str, Any]]:
    """The trials of a study in the order of their numbers, with the best value so far where there is one objective.

    The state is no status: a trial that failed has no value of its own, but its study still has a best one.
    """
    has_one = len(study.directions) == 1
    names = ["value"] if has_one else [f"values_{k}" for k in range(len(study.directions))]
    best: float | None = None
    for trial in sorted(study.trials, key=lambda trial: trial.number):
        is_complete = trial.state == "COMPLETE"
        values = [*(trial.values if is_complete else ()), *[None] * len(names)][: len(names)]
        row: dict[str, Any] = {"study": study.name, "number": trial.number, **dict(zip(names, values, strict=True))}
        if has_one:
            best = _best(best, values[0], study.directions[0])
            row["best_value"] = best
        row |= {"datetime_start": trial.start, "datetime_complete": trial.complete}
        row |= {f"params_{name}": value for name, value in trial.params.items()}
        row |= {f"user_attrs_{name}": value for name, value in trial.user_attrs.items()}
        row |= {f"study_attrs_{name}": value for name, value in study.user_attrs.items()}
        yield row | {"study_direction": ", ".join(study.directions), "trial_state": trial.state}


def _best(best: float | None, value: float | None, direction: str) -> float | None:
    """The better of two values; None where there is none, or no direction."""
    if direction not in ("higher", "lower"):
        return None
    known = [number for number in (best, value) if number is not None]
    return (max if direction == "higher" else min)(known, default=None)
