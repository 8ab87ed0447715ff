"""From any frame to the table that the rules of `lint` see, also where `results` would refuse it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cupel.spec.column_names import COLUMN_NAMES, columns_named
from cupel.spec.errors import UnknownNameError, UsageError
from cupel.spec.results_table import ResultsTable
from cupel.stats.frame import Column, Factor, Frame, columns_of
from cupel.stats.lint_table import RUN_ROLES, SOURCES, Limits, LintTable, joined
from cupel.stats.lint_words import MEAN, OVER_TASKS, PARTS, RUN_LABELS, is_configuration, words_of
from cupel.stats.long_form import LongForm, long_form
from cupel.stats.measure import Measure, find_measures, split_by_part
from cupel.stats.results import direction, results
from cupel.stats.roles import JOINT, find_roles, is_failed_status, role_factor
from cupel.stats.rows import Results

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLD_APART = ("method", "task", "budget", *RUN_ROLES)


def read_lint_table(
    frame: Frame,
    *,
    columns: Mapping[str, str] | None = None,
    metric: str | None = None,
    better: str | None = None,
    limits: Limits | None = None,
) -> LintTable:
    """Read a frame for the rules of `lint`, as far as it can be read.

    Args:
        frame: as for `results`; also wide tables, tables with cells such as `0.91 ± 0.02`, and ones with duplicates.
        columns: role to column where the names do not say it.
        metric: what to look at; all that is called like a measure where None.
        better: `higher` or `lower`.
        limits: where the rules draw their lines.

    Raises:
        UsageError: there are no rows, or a name that was given does not exist.
    """
    source = frame if isinstance(frame, ResultsTable) else None
    given = _columns_of_results(frame) if isinstance(frame, Results) else columns_of(frame)
    if not given or not len(next(iter(given.values())).values):
        raise UsageError("The table has no rows; expected a table of results.")
    roles = _roles(given, {**(source.roles if source else {}), **(columns or {})}, metric)
    wide = long_form(given, roles) or _as_it_is(given, roles)
    _check_metric(wide, metric)
    keep = _is_labelled(wide)
    wide = LongForm({n: _rows(c, keep) for n, c in wide.columns.items()}, wide.roles, wide.origin[keep], wide.shape)
    told = better or (source.better if source else "") or (frame.better if isinstance(frame, Results) else "")
    table = LintTable(
        given=given,
        columns=wide.columns,
        roles=wide.roles,
        **{role: _factor(wide, role) for role in ("method", "task", "budget", *RUN_ROLES)},
        measures=_measures(wide, metric),
        origin=wide.origin,
        lines=_lines(frame),
        read=source,
        better=direction(told) if told else None,
        shape=wide.shape,
        why_not=_refusal(frame, columns, metric),
        limits=limits or Limits(),
    )
    return _with_runs(table)


def _as_it_is(given: Mapping[str, Column], roles: dict[str, str]) -> LongForm:
    return LongForm(dict(given), roles, np.arange(len(next(iter(given.values())).values)), "")


def _lines(frame: Frame) -> NDArray[np.intp] | None:
    if isinstance(frame, Results) and frame.source:
        return frame.row
    return np.asarray(frame.lines, dtype=np.intp) if isinstance(frame, ResultsTable) and frame.lines else None


def _columns_of_results(table: Results) -> dict[str, Column]:
    """The columns of results that have their roles already, under the names of the roles."""
    found = {role: factor for role in ("method", "task", *RUN_ROLES) if (factor := getattr(table, role)) is not None}
    columns = {role: _of_factor(role, factor) for role, factor in found.items()}
    columns["value"] = Column("value", table.value)
    if table.budget is not None:
        columns["budget"] = Column("budget", table.budget)
    return columns | {name: c for name, c in table.extra.items() if name not in columns}


def _of_factor(name: str, factor: Factor) -> Column:
    texts = np.empty(factor.codes.size, dtype=object)
    texts[:] = factor.labels()
    return Column(name, texts, factor)


def _roles(given: Mapping[str, Column], told: Mapping[str, str], metric: str | None) -> dict[str, str]:
    """Role to column; where several columns could fill one they do so together, since together they tell rows apart."""
    try:
        return find_roles(given, told, metric)
    except UnknownNameError:
        raise
    except UsageError:
        roles = dict(told)
    if metric is not None and metric in given and "value" not in roles:
        roles["value"] = metric
    for role in COLUMN_NAMES:
        taken = {part for name in roles.values() for part in (name, *name.split(JOINT))}
        found = columns_named(role, [name for name in given if name not in taken])
        if found and role not in roles:
            roles[role] = JOINT.join(found) if role in TOLD_APART else found[0]
    return roles


def _refusal(frame: Frame, columns: Mapping[str, str] | None, metric: str | None) -> str:
    """Why `results` refuses the table; empty where it does not."""
    try:
        results(frame, columns=None if isinstance(frame, Results) else columns, metric=metric)
    except UsageError as error:
        return str(error)
    return ""


def _check_metric(wide: LongForm, metric: str | None) -> None:
    """Refuse a metric that the table has neither as a column nor as a word in its column `metric`."""
    name = wide.roles.get("metric")
    levels = wide.columns[name].as_factor.levels if name is not None else ()
    if metric is not None and metric not in wide.columns and metric not in levels:
        raise UnknownNameError("metric", metric, {*wide.columns, *levels})


def _is_labelled(wide: LongForm) -> NDArray[np.bool_]:
    """(n,) whether a row names its method and its task, and not a mean over tasks; all rows where none does."""
    keep = np.ones(wide.origin.size, dtype=bool)
    for role in ("method", "task"):
        if role in wide.roles:
            factor = role_factor(wide.columns, wide.roles[role])
            is_summary = [role == "task" and words_of(level) <= OVER_TASKS for level in factor.levels]
            keep &= ~np.array([*is_summary, True])[factor.codes]
            if role == "method":
                keep &= ~_is_over_runs(wide, factor)
    return keep if keep.any() else np.ones_like(keep)


def _is_over_runs(wide: LongForm, method: Factor) -> NDArray[np.bool_]:
    """(n,) rows of means below the runs of a method, such as `DEC mean±std`: called so, and without a seed."""
    if "seed" not in wide.roles:
        return np.zeros(method.codes.size, dtype=bool)
    words = [words_of(level) for level in method.levels]
    called = [bool(w & MEAN) and any(other < w for other in words) for w in words]
    without_seed = role_factor(wide.columns, wide.roles["seed"]).codes < 0
    return np.array([*called, False])[method.codes] & without_seed


def _rows(c: Column, keep: NDArray[np.bool_]) -> Column:
    return c if keep.all() else Column(c.name, c.values[keep], None if c.factor is None else c.factor.take(keep))


def _factor(wide: LongForm, role: str) -> Factor | None:
    """The labels of a role; none for a split that names parts of the data, and for rows that name nothing."""
    if role not in wide.roles:
        return None
    factor = role_factor(wide.columns, wide.roles[role])
    is_empty = not factor.levels or (role in ("method", "task") and bool(np.any(factor.codes < 0)))
    return None if is_empty or (role == "split" and _is_partition(factor)) else factor


def _is_partition(split: Factor) -> bool:
    """Whether a split is of the kind train, validation, test."""
    return bool(split.levels) and all(any(words_of(x) & names for names in PARTS.values()) for x in split.levels)


def _measures(wide: LongForm, metric: str | None) -> tuple[Measure, ...]:
    measures = find_measures(wide.columns, wide.roles, metric)
    if "status" in wide.roles:
        failed = is_failed_status(role_factor(wide.columns, wide.roles["status"]))
        measures = tuple(replace(m, numbers=m.numbers.without(failed)) for m in measures)
    if "split" in wide.roles:
        split = role_factor(wide.columns, wide.roles["split"])
        measures = split_by_part(measures, split) if _is_partition(split) else measures
    return measures


def _with_runs(table: LintTable) -> LintTable:
    """The table with a seed where several columns are seeds, and with a repeat where a column numbers the runs."""
    if table.seed is None and table.seed_sources:
        sources = list(table.seed_sources.values())
        codes = joined(*(f.codes for f in sources))
        labels = tuple(str(k) for k in range(int(codes.max()) + 1))
        seed = sources[0] if len(sources) == 1 else Factor(codes, labels)
        table = replace(table, seed=seed, roles={**table.roles, "seed": JOINT.join(table.seed_sources)})
    if table.seed is not None or table.rep is not None:
        return table
    tried = {c.name for c in table.configurations}
    for name, c in table.columns.items():
        is_label = bool(words_of(name) & RUN_LABELS) and len(words_of(name)) <= 2
        is_free = name not in table.roles.values() and name not in tried and not words_of(name) & SOURCES
        if is_free and (is_label or (is_configuration(name) and c.is_numeric)):
            return replace(table, rep=c.as_factor, roles={**table.roles, "rep": name})
    return table
