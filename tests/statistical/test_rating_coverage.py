"""Intervals of ratings over fresh tasks: the sandwich holds the truth, the bootstrap of leaderboards does not.

The truth is the rating over very many tasks of the same law. Laws: normal results, results whose spread and skew grow
with the method, results that often tie, and three kinds of tasks that favour different methods.
"""

import sys
from typing import Any

import numpy as np
import pytest
from scipy.special import bdtr

from cupel.stats.bradley_terry import strengths
from cupel.stats.ratings import POINTS, ratings
from cupel.stats.results import results
from cupel.stats.rows import Results

METHODS = 5
MEANS = np.linspace(0, 1, METHODS)
KINDS = np.stack([np.roll(np.linspace(-0.7, 0.7, METHODS), k) for k in (0, 2, 3)])


def drawn(rng: np.random.Generator, tasks: int, law: str) -> np.ndarray:
    """(tasks, methods) results, larger is better."""
    shape = (tasks, METHODS)
    if law == "skewed":
        return MEANS + rng.exponential(size=shape) * np.linspace(0.5, 1.5, METHODS)
    values = MEANS + rng.normal(size=shape)
    if law == "tied":
        return np.round(values)
    return values + KINDS[rng.integers(0, 3, size=tasks)] if law == "kinds" else values


def truth(law: str) -> np.ndarray:
    """(methods,) ratings over 200,000 tasks."""
    wins = np.zeros((METHODS, METHODS))
    rng = np.random.default_rng(99)
    for _ in range(10):
        v = drawn(rng, 20_000, law)
        wins += ((v[:, :, None] > v[:, None, :]) + (v[:, :, None] == v[:, None, :]) / 2).sum(axis=0)
    np.fill_diagonal(wins, 0)
    return 1000 + POINTS * strengths(wins[None])[0][0]


def table_of(tasks: int) -> Results:
    names = [f"m{j}" for j in range(METHODS)]
    columns: dict[str, Any] = {"task": np.repeat(np.arange(tasks), METHODS), "method": names * tasks}
    return results({**columns, "value": np.zeros(tasks * METHODS)}, better="higher")


@pytest.mark.parametrize("law", ["normal", "skewed", "tied", "kinds"])
@pytest.mark.parametrize("tasks", [6, 30])
def test_the_sandwich_holds_the_rating_of_many_tasks(law: str, tasks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["cupel.stats.ratings"], "NUM_RESAMPLES", 200)  # enough to see how narrow it is
    rng, table, expected = np.random.default_rng(tasks), table_of(tasks), truth(law)
    draws = 60
    held = bootstrap = num = 0
    for _ in range(draws):
        table.value[:] = drawn(rng, tasks, law).ravel()
        found = ratings(table)
        for name, interval, other in zip(found.methods, found.intervals, found.bootstrap, strict=True):
            if interval is not None and other is not None:
                num += 1
                held += interval.contains(expected[int(name[1])])
                bootstrap += other.contains(expected[int(name[1])])
    print(f"{law}, {tasks} tasks: {num / draws / METHODS:.0%}, {held / num:.3f}, {bootstrap / num:.3f}")  # noqa: T201
    assert num > 0.7 * draws * METHODS, "the others have a group that never lost"
    # The ratings of one table move together and sum to a constant: its five count as two.
    tables = 2 * num / METHODS
    assert bdtr(round(held / num * tables), round(tables), 0.95) > 0.001
    assert bootstrap < held
    assert tasks > 6 or bootstrap / num < 0.9, "too narrow for few tasks"
