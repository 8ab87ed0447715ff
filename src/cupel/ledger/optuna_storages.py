"""Studies and trials as Optuna keeps them on disk: the tables of an SQLite storage, and the operations of a journal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cupel.ledger.cells import number_or_none, plain_value
from cupel.ledger.source import Source

TABLES = frozenset({"studies", "study_directions", "trials", "trial_values", "trial_params"})
DIRECTIONS = {"MINIMIZE": "lower", "MAXIMIZE": "higher", 1: "lower", 2: "higher"}
STATES = ("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING")
"""States by their number in a journal."""
FINISHED = frozenset({"COMPLETE", "PRUNED", "FAIL"})


@dataclass
class Trial:
    """One trial.

    Attributes:
        number: its number in its study, from 0.
        state: one of `STATES`.
        values: one per objective; empty where it has none.
        start: when it began, as text.
        complete: when it ended, as text.
        params: name to value as the user chose it.
        user_attrs: as the user set them.
    """

    number: int
    state: str = "RUNNING"
    values: list[float | None] = field(default_factory=list)
    start: str | None = None
    complete: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    user_attrs: dict[str, Any] = field(default_factory=dict)


@dataclass
class Study:
    """One study.

    Attributes:
        name: its name.
        directions: `higher`, `lower` or `not set` for each objective.
        trials: in the order of the file.
        user_attrs: of the study, as the user set them.
    """

    name: str
    directions: list[str]
    trials: list[Trial] = field(default_factory=list)
    user_attrs: dict[str, Any] = field(default_factory=dict)


def studies_in_database(source: Source) -> list[Study]:
    """The studies of an SQLite storage.

    Raises:
        UsageError: a table lacks a column, or holds what is no trial.
    """
    studies: dict[Any, Study] = {}
    for study_id, name in source.query("SELECT study_id, study_name FROM studies ORDER BY study_id"):
        studies[study_id] = Study(str(name), [])
    for study_id, direction in source.query("SELECT study_id, direction FROM study_directions ORDER BY objective"):
        if study_id in studies:
            studies[study_id].directions.append(DIRECTIONS.get(direction, "not set"))
    if "study_user_attributes" in source.db_tables:
        for study_id, key, value in source.query("SELECT study_id, key, value_json FROM study_user_attributes"):
            if study_id in studies:
                studies[study_id].user_attrs[str(key)] = plain_value(_parsed(value))
    trials: dict[Any, Trial] = {}
    for trial_id, number, study_id, state, start, complete in source.query(
        "SELECT trial_id, number, study_id, state, datetime_start, datetime_complete FROM trials ORDER BY trial_id"
    ):
        if study_id in studies:
            at = source.expect(number, int, f"the number of trial {trial_id}")
            trials[trial_id] = Trial(at, str(state), start=plain_value(start), complete=plain_value(complete))
            studies[study_id].trials.append(trials[trial_id])
    _fill_trials(trials, source)
    return list(studies.values())


def _fill_trials(trials: Mapping[Any, Trial], source: Source) -> None:
    """Values, parameters and attributes of the trials of an SQLite storage."""
    # storages of older versions keep infinities as they are, in a column without a kind beside it
    has_kind = bool(source.query("SELECT 1 FROM pragma_table_info('trial_values') WHERE name = 'value_type'"))
    for trial_id, value, *kind in source.query(
        "SELECT trial_id, value, value_type FROM trial_values ORDER BY objective"
        if has_kind
        else "SELECT trial_id, value FROM trial_values ORDER BY objective"
    ):
        if trial_id in trials:
            infinite = {"INF_POS": float("inf"), "INF_NEG": float("-inf")}.get(str(kind[0]) if kind else "")
            trials[trial_id].values.append(number_or_none(value) if infinite is None else infinite)
    for trial_id, name, value, law in source.query(
        "SELECT trial_id, param_name, param_value, distribution_json FROM trial_params ORDER BY param_id"
    ):
        if trial_id in trials:
            trials[trial_id].params[str(name)] = _parameter(value, law)
    if "trial_user_attributes" in source.db_tables:
        for trial_id, key, value in source.query("SELECT trial_id, key, value_json FROM trial_user_attributes"):
            if trial_id in trials:
                trials[trial_id].user_attrs[str(key)] = plain_value(_parsed(value))


def _parsed(text: object) -> Any:
    """The JSON in a cell of a database, or the cell."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return text


def _parameter(value: object, law: object) -> Any:
    """A parameter from the number that Optuna keeps of it: the index of a category, or the number itself."""
    number = number_or_none(value)
    described = _parsed(law)
    attributes = described.get("attributes") if isinstance(described, dict) else None
    choices = attributes.get("choices") if isinstance(attributes, dict) else None
    if number is None:
        return plain_value(value)
    if isinstance(choices, list):
        return plain_value(choices[int(number)]) if number in range(len(choices)) else None
    is_int = isinstance(described, dict) and str(described.get("name", "")).startswith("Int")
    return int(number) if is_int and number.is_integer() else number


def studies_in_journal(source: Source) -> list[Study]:
    """The studies of a journal: its operations carried out in order.

    What Optuna passes over is passed over: a study of a name that there is, and changes to a trial that is finished or
    whose study is deleted. So is a torn last line.

    Raises:
        UsageError: a line is no operation.
    """
    journal = _Journal()
    for line, operation in operations(source):
        try:
            journal.carry_out(operation)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise source.refuse(
                f"line {line} is no operation of an Optuna journal ({type(error).__name__}: {error})."
            ) from error
    return list(journal.studies.values())


def operations(source: Source) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Line and content of the operations of a journal; a torn last line is passed over.

    Raises:
        UsageError: a line before the last is no JSON object.
    """
    torn = None
    for line, record in source.records:
        if torn is not None:
            raise source.refuse(f"line {torn} is no JSON object; expected an operation of an Optuna journal.")
        if record is None:
            torn = line
        else:
            yield line, record


class _Journal:
    """What the operations of a journal have made so far."""

    def __init__(self) -> None:
        self.studies: dict[int, Study] = {}
        self._num_studies = 0
        self._trials: list[Trial] = []

    def carry_out(self, operation: Mapping[str, Any]) -> None:
        """One operation; the numbers are Optuna's own."""
        code = operation["op_code"]
        if code == 0:
            self._create_study(str(operation["study_name"]), operation["directions"])
        elif code == 1:
            self.studies.pop(operation["study_id"], None)
        elif code == 2 and operation["study_id"] in self.studies:
            self.studies[operation["study_id"]].user_attrs |= _attributes(operation["user_attr"])
        elif code == 4 and operation["study_id"] in self.studies:
            self._create_trial(self.studies[operation["study_id"]], operation)
        elif code in (5, 6, 8) and self._trials[operation["trial_id"]].state not in FINISHED:
            _change(self._trials[operation["trial_id"]], operation)

    def _create_study(self, name: str, directions: Sequence[Any]) -> None:
        if name in {study.name for study in self.studies.values()}:
            return
        self.studies[self._num_studies] = Study(name, [DIRECTIONS.get(number, "not set") for number in directions])
        self._num_studies += 1

    def _create_trial(self, study: Study, operation: Mapping[str, Any]) -> None:
        trial = Trial(len(study.trials), start=plain_value(operation.get("datetime_start")))
        if operation.get("state") is not None:
            _set_state(trial, operation)
        laws = operation.get("distributions") or {}
        trial.params = {str(k): _parameter(v, laws.get(k)) for k, v in (operation.get("params") or {}).items()}
        trial.user_attrs = _attributes(operation.get("user_attrs") or {})
        study.trials.append(trial)
        self._trials.append(trial)


def _attributes(given: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): plain_value(value) for key, value in given.items()}


def _change(trial: Trial, operation: Mapping[str, Any]) -> None:
    if operation["op_code"] == 5:
        value = _parameter(operation["param_value_internal"], operation["distribution"])
        trial.params[str(operation["param_name"])] = value
    elif operation["op_code"] == 8:
        trial.user_attrs |= _attributes(operation["user_attr"])
    else:
        _set_state(trial, operation)


def _set_state(trial: Trial, operation: Mapping[str, Any]) -> None:
    trial.state = STATES[operation["state"]]
    trial.start = plain_value(operation.get("datetime_start")) or trial.start
    trial.complete = plain_value(operation.get("datetime_complete")) or trial.complete
    values = operation.get("values")
    if values is None and operation.get("value") is not None:
        values = [operation["value"]]
    if values is not None:
        trial.values = [number_or_none(value) for value in values]
