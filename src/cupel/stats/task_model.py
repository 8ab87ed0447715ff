"""The mixed model that a table of methods, tasks and seeds calls for.

Rule
    value ~ method
      + (1 | task)               tasks differ
      + (1 | task:method)        scope "population": every method suits every
                                 task differently; its spread is what a claim
                                 about tasks like these is measured against
      + (1 | task:hpo_run)       tuning runs that methods share, or
      + (1 | task:method:hpo_run)  tuning runs of their own: seeds below one
                                 tuning run are no replication of tuning
      + (1 | task:split)         splits that methods share
      + (1 | task:seed)          seeds that methods share (pairing)
    A term is left out where the table cannot tell it from the residual (one
    run per method and task), and that is said. Without (1 | task:method) a
    population claim would take runs for tasks: with the spreads of a
    published study its false-alarm rate is 41 % instead of 5 %.

Source: Geburek et al. (2024), arXiv 2408.02533, for models of benchmark
data; the term (1 | task:method) and the rate by Cupel's own simulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.frame import Codes, Factor, Frame
from cupel.stats.mixed.mixed_model import mixed_model
from cupel.stats.mixed.model import MixedModel
from cupel.stats.mixed.random_terms import joint_codes
from cupel.stats.note import Note
from cupel.stats.one_budget import has_several_budgets
from cupel.stats.results import results
from cupel.stats.rows import Results

Scope: TypeAlias = Literal["population", "tasks"]
FEWEST_TASKS = 5
EMPTY = 1e-4
"""Share of the residual standard deviation below which a grouping counts as without variance."""
SCOPES = {"population": "tasks like these", "tasks": "these tasks"}


@dataclass(frozen=True)
class TaskModel:
    """A fitted model of a table of results.

    Attributes:
        model: the fit.
        table: the rows it was fitted to.
        scope: `tasks like these` or `these tasks`.
        terms: the random terms taken.
        warnings: what was left out, and why; and what the fit warns of.
    """

    model: MixedModel
    table: Results
    scope: str
    terms: tuple[str, ...]
    warnings: tuple[Note, ...]


def task_model(frame: Frame, *, scope: Scope = "population", reml: bool = True) -> TaskModel:
    """Fit the model that the table calls for.

    Args:
        frame: any frame, or `Results`; at one budget. Failures are left out and said.
        scope: `population` for claims about tasks like these (at least 5 tasks), `tasks` for these tasks alone.
        reml: restricted likelihood, or likelihood.

    Returns:
        The fit, with the terms that were taken.

    Raises:
        UsageError: fewer than 5 tasks for the scope `population`; one method only; several budgets.
        UnknownNameError: there is no such scope.
    """
    table = results(frame)
    table = table.select(table.ok)
    refuse_few(table, scope)
    terms, notes = random_terms(table, scope)
    formula = " + ".join(["value ~ method", *(f"(1 | {term})" for term in terms)])
    model = mixed_model(formula, table, reml=reml)
    own = [note for note in model.warnings if note.code != "singular fit"]
    return TaskModel(model, table, SCOPES[scope], terms, tuple(dict.fromkeys((*notes, *_empty(model), *own))))


def _empty(model: MixedModel) -> list[Note]:
    """What it means that a grouping has no variance."""
    notes = []
    for row in model.variance_components.rows:
        if row.group == "Residual" or row.sd > EMPTY * model.sigma:
            continue
        role = row.group.rpartition(":")[2]
        if role in ("seed", "split"):
            notes.append(Note("unpaired", f"runs of one {role} share nothing here: pairing by {role} gains nothing"))
        elif row.group == "task:method":
            text = (
                "methods are not found to suit tasks differently, so tasks like these are judged by the spread of runs"
            )
            notes.append(Note("singular fit", f"{text}; with few tasks such a difference may go unseen"))
        else:
            notes.append(Note("singular fit", f"no variance is found for {row.group}"))
    return notes


def refuse_few(table: Results, scope: Scope) -> None:
    """Refuse a table that cannot carry the question.

    Raises:
        UsageError: one method only, several budgets, or fewer than 5 tasks for claims about tasks like these.
        UnknownNameError: there is no such scope.
    """
    if scope not in get_args(Scope):
        raise UnknownNameError("scope", str(scope), get_args(Scope))
    if len(table.methods) < 2:
        name = f"{table.methods[0]!r} in {table.wherever(range(table.n))}" if table.methods else "none"
        raise UsageError(
            f"The table has one method only ({name}); a comparison needs at least 2. If another column names the "
            "methods: --map method=COLUMN (in Python: columns={'method': 'COLUMN'})."
        )
    if has_several_budgets(table):
        raise UsageError(
            "The table has several budgets per task; those of a run are no independent measurements. Take one: "
            "where={'budget': 10}, or ask for budget_windows."
        )
    if scope == "population" and len(table.tasks) < FEWEST_TASKS:
        raise UsageError(
            f"A claim about tasks like these needs at least {FEWEST_TASKS} tasks; the table has "
            f"{len(table.tasks)}. The spread between tasks cannot be known from so few. Ask about these tasks alone: "
            "--scope tasks (in Python: scope='tasks')."
        )


def random_terms(table: Results, scope: Scope) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """The groupings that the table has and can tell apart, and what must be said of those left out."""
    terms: list[str] = []
    notes: list[Note] = []
    if len(table.tasks) > 1:
        terms.append("task")
    if scope == "population":
        if _can_have(table, (table.task, table.method)):
            terms.append("task:method")
        else:
            text = "one run per method and task: how methods suit tasks and how runs vary cannot be told apart"
            notes.append(
                Note("no repeats", f"{text}; both are in the residual, and claims about tasks like these hold")
            )
    prefix = "task:" if len(table.tasks) > 1 else ""
    if table.hpo_run is not None:
        tunings = (table.task, table.method, table.hpo_run)
        if _can_have(table, tunings) and _num_levels(tunings) > len(table.tasks) * len(table.methods):
            terms.append(f"{prefix}method:hpo_run")
    for role, factor in (("split", table.split), ("seed", table.seed)):
        if factor is None or not is_shared(table, factor):
            continue
        factors = (table.task, factor)
        if _can_have(table, factors) and _num_levels(factors) > len(table.tasks):
            terms.append(f"{prefix}{role}")
    return tuple(terms), tuple(notes)


def is_shared(table: Results, factor: Factor) -> bool:
    """Whether levels of a factor (seeds, splits) occur with several methods on the same task: then runs are paired."""
    cells, number = joint_codes((table.task, factor))
    both = cells * len(table.methods) + table.method.codes
    per_cell = np.bincount(np.unique(both) // len(table.methods), minlength=number)
    return bool(np.mean(per_cell > 1) > 0.5)


def _num_levels(factors: tuple[Factor, ...]) -> int:
    return joint_codes(factors)[1]


def _can_have(table: Results, factors: tuple[Factor, ...]) -> bool:
    """Whether a grouping has several levels, and fewer than there are rows."""
    return 1 < _num_levels(factors) < table.n


def cell_codes(table: Results) -> Codes:
    """(n,) method and task of each row as one code, method * tasks + task."""
    return np.asarray(table.method.codes * len(table.tasks) + table.task.codes)
