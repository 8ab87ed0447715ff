"""One budget of a table: budgets of one run are measurements of the same run, and count once.

Rule
    Of the budgets of a task the largest that all of its methods have is
    taken (the largest of all where they share none), and that is said.
    Where no run stands at two budgets, budgets tell nothing apart: all rows
    stay, and the budget is forgotten.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.mixed.random_terms import joint_codes
from cupel.stats.note import Note
from cupel.stats.rows import Results

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROLES = ("method", "task", "seed", "rep", "split", "hpo_run")
MOST_NAMED = 4


def at_one_budget(table: Results) -> Results:
    """The rows that count, with a note where others were left out.

    Args:
        table: results, at one budget or at several.
    """
    if table.budget is None:
        return table
    budgets = np.unique(table.budget[np.isfinite(table.budget)])
    if budgets.size <= 1:
        return table
    if not _has_repeated_runs(table):
        text = f"every run has one budget ({budgets[0]:g} to {budgets[-1]:g}); budgets are not looked at"
        per_method = {tuple(np.unique(table.budget[table.method.codes == m])) for m in range(len(table.methods))}
        if len(per_method) > 1:
            text += ", and methods do not have the same ones: what looks like a method may be its budget"
        return replace(table, budget=None, warnings=(*table.warnings, Note("one budget of several", text)))
    keep = np.zeros(table.n, dtype=bool)
    taken = []
    for task in range(len(table.tasks)):
        own = table.task.codes == task
        budget = _largest_shared(table, own)
        taken.append(budget)
        keep |= own & (table.budget == budget)
    if keep.all():
        return table
    some = ", ".join(f"{b:g}" for b in budgets[:MOST_NAMED]) + (", ..." if budgets.size > MOST_NAMED else "")
    largest = f"{taken[0]:g}"
    if min(taken) < max(taken):
        largest = f"{min(taken):g} to {max(taken):g}, the largest of each task"
    text = f"runs have {budgets.size} budgets ({some}); the answer is for budget {largest}"
    cut = table.select(keep)
    return replace(cut, warnings=(*cut.warnings, Note("one budget of several", text)))


def has_several_budgets(table: Results) -> bool:
    """Whether a task has rows at more than one budget."""
    if table.budget is None:
        return False
    known = np.isfinite(table.budget)
    codes = np.unique(table.budget[known], return_inverse=True)[1]
    pairs = np.unique(codes * len(table.tasks) + table.task.codes[known])
    return bool(np.any(np.bincount(pairs % len(table.tasks)) > 1))


def _has_repeated_runs(table: Results) -> bool:
    """Whether some run stands at several budgets; rows that nothing tells apart may be of one run."""
    factors = [factor for role in ROLES if (factor := getattr(table, role)) is not None]
    if table.seed is None and table.rep is None:
        return True
    shifted = [replace(factor, codes=factor.codes + 1, levels=("", *factor.levels)) for factor in factors]
    return joint_codes(shifted)[1] < table.n


def _largest_shared(table: Results, own: NDArray[np.bool_]) -> float:
    """The largest budget of a task that all of its methods have, or the largest of all."""
    assert table.budget is not None
    known = own & np.isfinite(table.budget)
    budgets, codes = np.unique(table.budget[known], return_inverse=True)
    if not budgets.size:
        return float("nan")
    methods = table.method.codes[known]
    pairs = np.unique(codes * len(table.methods) + methods) // len(table.methods)
    shared = np.flatnonzero(np.bincount(pairs, minlength=budgets.size) == np.unique(methods).size)
    return float(budgets[shared[-1]] if shared.size else budgets[-1])
