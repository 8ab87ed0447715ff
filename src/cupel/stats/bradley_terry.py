"""The Bradley-Terry model: strengths of methods from who beat whom, with their covariance over tasks.

Formula
    P(i beats j) = 1 / (1 + exp(s_j - s_i)); a draw is half a win for each.
    The likelihood has a largest value exactly when the methods cannot be
    divided into two groups of which one never lost a meeting to the other
    (Ford): this is checked. Where they can, one drawn task is added
    between every pair of methods: the declared prior.
    Newton's steps are shortened so that no difference of strengths moves by
    more than 1; then each raises the likelihood, whatever the start.
    The covariance is the sandwich H^-1 B H^-1 over tasks, with B the
    products of each task's score.

Source: Bradley & Terry (1952), Biometrika 39, 324-345; Ford (1957), American Mathematical Monthly 64(8), 28-33; White
(1982), Econometrica 50, 1-25.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.checked import Floats

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRIOR_TASKS = 1.0
"""Drawn tasks that are added between every pair of methods where the likelihood has no largest value."""
MOST_STEPS = 500
TOLERANCE = 1e-10


def strengths(wins: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Most likely strengths, for many tables at once.

    Args:
        wins: (tables, methods, methods) wins of row over column, draws half to each; 0 on the diagonal. All methods
            must be joined by meetings, directly or through others.

    Returns:
        (tables, methods) strengths with mean 0, and (tables,) whether the prior was needed.

    Cost: about 8 steps of one solve each for every table.
    """
    k = wins.shape[-1]
    needs_prior: NDArray[np.bool_] = np.asarray(~reachable(wins > 0).all(axis=(1, 2)))
    wins = wins + needs_prior[:, None, None] * PRIOR_TASKS / 2 * (1 - np.eye(k))
    total = wins + wins.transpose(0, 2, 1)
    strength = np.zeros(wins.shape[:2])
    open_tables = np.arange(wins.shape[0])
    for _ in range(MOST_STEPS):
        w, n = wins[open_tables], total[open_tables]
        gradient, information = _derivatives(strength[open_tables], w, n)
        # All strengths may rise together: a table of ones fixes their sum and leaves the rest alone.
        step = np.linalg.solve(information + 1.0, gradient[:, :, None])[:, :, 0]
        reach = np.ptp(step, axis=1)
        strength[open_tables] += step / np.maximum(1.0, reach)[:, None]
        open_tables = open_tables[reach > TOLERANCE]
        if not open_tables.size:
            break
    return strength - strength.mean(axis=1, keepdims=True), needs_prior


def covariance(strength: Floats, wins: Floats) -> Floats:
    """Sandwich covariance of the strengths, tasks being what is sampled.

    Args:
        strength: (methods,) most likely strengths, mean 0.
        wins: (tasks, methods, methods) outcomes of each task.

    Returns:
        (methods, methods) covariance under a mean of 0, with the factor T / (T - 1) for T tasks.
    """
    num_tasks, k, _ = wins.shape
    total = wins + wins.transpose(0, 2, 1)
    score = (wins - total * _chances(strength[None])).sum(axis=2)
    whole = wins.sum(axis=0)
    information = _derivatives(strength[None], whole[None], (whole + whole.T)[None])[1][0]
    inverse = np.linalg.inv(information + 1.0)
    centred = score - score.mean(axis=0)
    middle = centred.T @ centred * num_tasks / max(1, num_tasks - 1)
    level = np.eye(k) - 1 / k
    spread: Floats = level @ inverse @ middle @ inverse @ level
    return spread


def _chances(strength: Floats) -> Floats:
    """(tables, methods, methods) probability that row beats column."""
    from scipy.special import expit

    chances: Floats = expit(strength[:, :, None] - strength[:, None, :])
    return chances


def _derivatives(strength: Floats, wins: Floats, total: Floats) -> tuple[Floats, Floats]:
    """First derivative and negative second derivative of the log likelihood."""
    chance = _chances(strength)
    gradient = (wins - total * chance).sum(axis=2)
    weight = total * chance * (1 - chance)
    information = -weight
    diagonal = np.arange(wins.shape[1])
    information[:, diagonal, diagonal] += weight.sum(axis=2)
    return gradient, information


def reachable(edges: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(tables, methods, methods) whether a chain of edges leads from row to column; every method reaches itself."""
    k = edges.shape[-1]
    reach = edges | np.eye(k, dtype=bool)
    length = 1
    while length < k - 1:
        reach = (reach.astype(np.float32) @ reach.astype(np.float32)) > 0
        length *= 2
    return reach
