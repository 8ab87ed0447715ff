"""Which methods differ: tests of every pair of methods over tasks, and the groups that are not separated.

Nemenyi compares mean ranks with one critical difference; Holm's correction of Wilcoxon's signed ranks looks at each
pair alone; Conover's t on rank sums is protected by Friedman's test. `cupel explain rank_test` says what each keeps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.critical_difference import unseparated_groups
from cupel.stats.holm import holm
from cupel.stats.signed_ranks import signed_ranks
from cupel.stats.studentized_range import studentized_range_ppf, studentized_range_sf


def nemenyi_distance(num_methods: int, num_tasks: int, level: float) -> float:
    """Nemenyi's critical difference of mean ranks.

    Formula: q / sqrt(2) x sqrt(k (k + 1) / (6 N)), q the quantile of the studentized range of k normal values.
    """
    return studentized_range_ppf(level, num_methods, math.inf) / math.sqrt(2) * _rank_error(num_methods, num_tasks)


def nemenyi(mean_ranks: Floats, num_tasks: int) -> Floats:
    """(methods, methods) p-values of all pairs, for the family, by the studentized range of mean ranks."""
    k = mean_ranks.size
    i, j = np.triu_indices(k, 1)
    q = np.abs(mean_ranks[i] - mean_ranks[j]) / _rank_error(k, num_tasks) * math.sqrt(2)
    return square(studentized_range_sf(q, k, math.inf), k)


def _rank_error(num_methods: int, num_tasks: int) -> float:
    """Standard error of a difference of two mean ranks when all methods are alike and nothing ties."""
    return math.sqrt(num_methods * (num_methods + 1) / (6 * num_tasks))


def conover(ranks: Floats) -> Floats:
    """(methods, methods) Conover's p-values of all pairs, Holm-adjusted.

    Args:
        ranks: (tasks, methods) ranks within each row.
    """
    from scipy.special import stdtr

    num_tasks, k = ranks.shape
    centred = ranks - (k + 1) / 2
    sums = centred.sum(axis=0)
    df = (num_tasks - 1) * (k - 1)
    within = num_tasks * float((centred**2).sum()) - float((sums**2).sum())
    i, j = np.triu_indices(k, 1)
    gap = np.abs(sums[i] - sums[j])
    if within <= 0 or df == 0:  # every task has the same order: nothing is left to tell chance by
        p = np.where((gap > 0) & (df > 0), 0.0, 1.0)
    else:
        p = 2 * stdtr(df, -gap / math.sqrt(2 * within / df))
    return square(holm(p), k)


def signed_rank_pairs(values: Floats) -> Floats:
    """(methods, methods) signed-rank p-values of all pairs, Holm-adjusted.

    Args:
        values: (tasks, methods) numbers.
    """
    k = values.shape[1]
    i, j = np.triu_indices(k, 1)
    raw = [signed_ranks(values[:, a], values[:, b]).p for a, b in zip(i, j, strict=True)]
    return square(holm(raw), k)


def square(p: Floats, k: int) -> Floats:
    """P-values of pairs, in the order of the upper triangle, as a symmetric table with 1 on its diagonal."""
    table = np.ones((k, k))
    table[np.triu_indices(k, 1)] = np.minimum(p, 1.0)
    return np.minimum(table, table.T)


def groups(names: Sequence[str], p: Floats, level: float) -> tuple[tuple[str, ...], ...]:
    """Largest stretches of the ranking within which no pair is separated.

    Args:
        names: methods from best to worst.
        p: (methods, methods) adjusted p-values, in that order.
        level: pairs with p above 1 - level are not separated.

    Returns:
        Stretches of two or more methods, best first; none is part of another. With p-values that do not follow the
        ranks, a pair may be not separated although no stretch holds it: see `pairs_without_group`.
    """
    return unseparated_groups(names, _alike(names, p, level))


def pairs_without_group(names: Sequence[str], p: Floats, level: float) -> list[str]:
    """Pairs that are not separated although no stretch of the ranking holds both, as `a = b`."""
    held = {frozenset(pair) for group in groups(names, p, level) for pair in combinations(group, 2)}
    return [" = ".join(sorted(pair, key=names.index)) for pair in _alike(names, p, level) - held]


def _alike(names: Sequence[str], p: Floats, level: float) -> set[frozenset[str]]:
    i, j = np.nonzero(np.triu(p > 1 - level, 1))
    return {frozenset((names[a], names[b])) for a, b in zip(i.tolist(), j.tolist(), strict=True)}
