"""Verdicts keep their level: no method is called better more often than 5 % of the time where none is, in either scope.

The laws: normal noise, skewed noise (exponential), heavy tails (t with 3 degrees of freedom), and tasks whose noise
differs by a factor of ten. Methods suit tasks differently in the scope of tasks like these; in the scope of these tasks
their true averages over the tasks are equal although they differ on each.
"""

import numpy as np
import pytest
from scipy.special import bdtr, bdtrc

from cupel.stats.method_contrasts import method_contrasts
from cupel.stats.results import results

DRAWS = 600
FITS = 200
"""Draws where each is a fit."""
LAWS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1,
    "t3": lambda rng, shape: rng.standard_t(3, size=shape),
    "unequal": lambda rng, shape: rng.normal(size=shape) * np.geomspace(0.3, 3, shape[1])[None, :, None],
}


def table(values):
    m, t, s = np.indices(values.shape).reshape(3, -1)
    return results({"method": [f"m{k}" for k in m], "task": [f"t{k}" for k in t], "seed": s, "value": values.ravel()})


def false_alarms(law, shape, scope, *, suits, shared=0.0, draws=DRAWS):
    """In how many draws some pair is called different, where no method is better."""
    count = 0
    for draw in range(draws):
        rng = np.random.default_rng([draw, len(law)])
        cell = suits * rng.normal(size=(shape[0], shape[1], 1))
        if scope == "tasks":
            cell -= cell.mean(axis=1, keepdims=True)
        values = cell + LAWS[law](rng, shape) + shared * rng.normal(size=(1, *shape[1:]))
        rows = method_contrasts(table(values), scope=scope).rows
        count += any(row.p <= 0.05 for row in rows)
    return count


@pytest.mark.slow
@pytest.mark.parametrize("law", ["normal", "exponential", "unequal"])
def test_three_methods_on_tasks_like_these(law):
    alarms = false_alarms(law, (3, 8, 4), "population", suits=0.7, shared=0.5, draws=FITS)
    assert bdtrc(alarms - 1, FITS, 0.05) > 0.001


@pytest.mark.parametrize(("law", "level"), [("normal", 0.05), ("t3", 0.05), ("unequal", 0.05)])
def test_three_methods_on_these_tasks(law, level):
    alarms = false_alarms(law, (3, 5, 4), "tasks", suits=1.0)
    assert bdtrc(alarms - 1, DRAWS, level) > 0.001


def test_two_methods_on_one_task_with_skewed_noise():
    """Differences of paired runs are symmetric where both are skewed alike, so that t keeps its level."""
    alarms = false_alarms("exponential", (2, 1, 5), "tasks", suits=0.0)
    assert bdtrc(alarms - 1, DRAWS, 0.05) > 0.001


@pytest.mark.parametrize("scope", ["population", "tasks"])
def test_a_planted_difference_is_found(scope):
    found = 0
    for draw in range(150):
        rng = np.random.default_rng(draw)
        values = rng.normal(size=(3, 8, 5)) + 0.3 * rng.normal(size=(3, 8, 1))
        values[2] += 1.2
        rows = method_contrasts(table(values), scope=scope).rows
        pairs = {(row.a, row.b): row for row in rows}
        found += pairs["m0", "m2"].p <= 0.05 and pairs["m0", "m2"].estimate < 0
    assert bdtr(found, 150, 0.9) > 0.001


@pytest.mark.parametrize("law", ["normal", "unequal"])
def test_intervals_of_these_tasks_hold_together(law):
    """Simultaneous intervals over three pairs hold all true differences in at least 95 % of the draws."""
    held = 0
    for draw in range(DRAWS):
        rng = np.random.default_rng([7, draw])
        truth = rng.normal(size=(3, 4, 1))
        rows = method_contrasts(table(truth + LAWS[law](rng, (3, 4, 6))), scope="tasks").rows
        means = truth.mean(axis=(1, 2))
        held += all(row.interval.contains(means[int(row.a[1])] - means[int(row.b[1])]) for row in rows)
    assert bdtr(held, DRAWS, 0.95) > 0.001
