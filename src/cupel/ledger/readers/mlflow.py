"""Runs of MLflow: search_runs() as CSV or Parquet, a folder mlruns, or its database (mlflow.db).

One row per run. A metric keeps its column `metrics.accuracy` and is found as `accuracy` too (`--metric accuracy`); of a
metric logged in steps, the last step counts. Status other than FINISHED is a failure. A parameter or tag that is named
after a role fills it (`params.seed`, `tags.task`, `params.optimizer` as the method) where only one does; else say
`--map method=params.optimizer`. Deleted runs are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cupel.ledger.cells import columns_of_rows, number_or_none, plain_column
from cupel.ledger.prefixed_roles import prefixed_roles
from cupel.ledger.source import Evidence, Source
from cupel.spec.results_table import ResultsTable

COLUMNS = frozenset({"run_id", "experiment_id", "status", "artifact_uri"})
TABLES = frozenset({"experiments", "runs", "latest_metrics", "params", "tags"})
PREFIXES = {"params.": True, "tags.": True}
METRICS = "metrics."
STATES = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}
"""Status of a run by its number in a `meta.yaml`."""
Run = dict[str, Any]


def recognises(source: Source) -> Evidence:
    """The columns of its frame, the tables of its database, or a folder with the `meta.yaml` of a run."""
    is_folder = source.kind == "folder" and next(_run_folders(source), None) is not None
    is_frame = set(source.names) >= COLUMNS
    return Evidence.NAMES if is_folder or is_frame or source.db_tables >= TABLES else Evidence.NONE


def read(source: Source) -> ResultsTable:
    """One row per run."""
    notes: list[str] = []
    lines: Sequence[int] = ()
    if source.kind == "folder":
        columns = _columns(_runs_in_folder(source, notes), source)
    elif source.kind == "sqlite":
        columns = _columns(_runs_in_database(source, notes), source)
    else:
        table = source.table.named()
        columns, lines, notes = dict(table.columns), table.lines, [*table.notes]
    if not columns.keys() >= {"run_id", "status"}:
        raise source.refuse(f"the columns {', '.join(sorted(COLUMNS))} are expected, found {source.found()}.")
    roles, unclear = prefixed_roles(columns, PREFIXES)
    metrics = [name.removeprefix(METRICS) for name in columns if name.startswith(METRICS)]
    columns |= {name: columns[METRICS + name] for name in metrics if name not in columns}
    if len(metrics) == 1:
        roles["value"] = metrics[0]
    elif metrics:
        notes.append(f"There are several metrics ({', '.join(metrics)}): say which, --metric {metrics[0]}")
    states = [str(state) for state in columns["status"]]
    others = [f"{states.count(word)} {word}" for word in sorted(set(states)) if word != "FINISHED"]
    if others:
        notes.append(f"Of {len(states)} runs, {', '.join(others)}: they count as failures.")
    roles["status"] = "status"
    return ResultsTable(columns, source.name, "mlflow", lines, roles=roles, notes=(*notes, *unclear))


def _columns(runs: list[Run], source: Source) -> dict[str, Sequence[Any]]:
    """Runs as columns, the run itself first, then metrics, parameters, tags; numbers where all are numbers."""
    if not runs:
        raise source.refuse("it holds no runs; expected a folder or database that MLflow wrote runs to.")
    columns = columns_of_rows(runs)
    order = ("", METRICS, *PREFIXES)
    names = sorted(columns, key=lambda name: max(k for k, prefix in enumerate(order) if name.startswith(prefix)))
    return {
        name: plain_column([value or "" for value in columns[name]])
        if name.startswith(tuple(PREFIXES))
        else columns[name]
        for name in names
    }


def _run_folders(source: Source) -> Iterator[Path]:
    """Folders of runs: the one named, its subfolders, and theirs (mlruns, an experiment, or a run was named)."""
    if source.path is None:
        return
    for pattern in ("meta.yaml", "*/meta.yaml", "*/*/meta.yaml"):
        for path in sorted(source.path.glob(pattern)):
            if _settings(path, source).keys() & {"run_id", "run_uuid"}:
                yield path.parent


def _settings(path: Path, source: Source) -> dict[str, str]:
    """The plain `key: value` lines of a YAML file, without quotes; MLflow writes nothing else into it."""
    pairs = (line.partition(":") for line in _text(path, source).splitlines() if not line.startswith((" ", "-", "#")))
    return {key.strip(): value.strip().strip("'\"") for key, sign, value in pairs if sign}


def _text(path: Path, source: Source) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise source.refuse(f"{path.name} in {path.parent} cannot be read: {error.strerror}.") from error


def _runs_in_folder(source: Source, notes: list[str]) -> list[Run]:
    runs: list[Run] = []
    num_deleted = 0
    for folder in _run_folders(source):
        settings = _settings(folder / "meta.yaml", source)
        if settings.get("lifecycle_stage") == "deleted":
            num_deleted += 1
            continue
        run: Run = {
            "run_id": settings.get("run_id") or settings["run_uuid"],
            "experiment_id": settings.get("experiment_id", folder.parent.name),
            "status": STATES.get(settings.get("status", ""), settings.get("status") or "not set"),
            "run_name": settings.get("run_name") or None,
        }
        experiment = folder.parent / "meta.yaml"
        if experiment.is_file():
            run["experiment"] = _settings(experiment, source).get("name")
        run |= {METRICS + name: _last(path, source) for name, path in _files(folder / "metrics")}
        run |= {f"params.{name}": _text(path, source) for name, path in _files(folder / "params")}
        run |= {f"tags.{name}": _text(path, source) for name, path in _files(folder / "tags")}
        runs.append(run)
    _note_deleted(num_deleted, notes)
    return runs


def _note_deleted(num: int, notes: list[str]) -> None:
    if num:
        notes.append(f"{num} runs that are marked as deleted were passed over.")


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and path of each file below a folder; a name such as `val/loss` is a path."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def _last(path: Path, source: Source) -> float:
    """The value of the last step of a metric: lines of timestamp, value and step."""
    points = []
    for number, line in enumerate(_text(path, source).splitlines(), 1):
        try:
            timestamp, value, *step = line.split()
            points.append((int(step[0]) if step else 0, int(timestamp), float(value)))
        except ValueError:
            raise source.refuse(
                f"line {number} of {path.relative_to(source.path or path)} is {line[:60]!r}; expected time value step."
            ) from None
    if not points:
        raise source.refuse(f"{path.relative_to(source.path or path)} is empty; expected time, value and step.")
    return max(reversed(points), key=lambda point: point[:2])[2]


def _runs_in_database(source: Source, notes: list[str]) -> list[Run]:
    if not source.db_tables >= TABLES:
        raise source.refuse(f"the tables of an MLflow database are expected, found {source.found()}.")
    runs: dict[Any, Run] = {}
    num_deleted = 0
    for run_id, name, status, experiment_id, stage, experiment in source.query(
        "SELECT r.run_uuid, r.name, r.status, r.experiment_id, r.lifecycle_stage, e.name "
        "FROM runs r LEFT JOIN experiments e ON e.experiment_id = r.experiment_id ORDER BY r.start_time, r.run_uuid"
    ):
        if stage == "deleted":
            num_deleted += 1
            continue
        runs[run_id] = {
            "run_id": str(run_id), "experiment_id": str(experiment_id), "status": str(status), "run_name": name,
            "experiment": experiment,
        }  # fmt: skip
    for run_id, key, value, is_nan in source.query(
        "SELECT run_uuid, key, value, is_nan FROM latest_metrics ORDER BY key"
    ):
        if run_id in runs:
            runs[run_id][f"{METRICS}{key}"] = float("nan") if is_nan else _metric(value, str(key), source)
    for table in ("params", "tags"):
        for run_id, key, value in source.query(f"SELECT run_uuid, key, value FROM {table} ORDER BY key"):  # noqa: S608 - two literals
            if run_id in runs:
                runs[run_id][f"{table}.{key}"] = "" if value is None else str(value)
    _note_deleted(num_deleted, notes)
    return list(runs.values())


def _metric(value: object, key: str, source: Source) -> float:
    number = number_or_none(value)
    if number is None:
        raise source.refuse(f"the metric {key!r} of a run is {value!r}; expected a number.")
    return number
