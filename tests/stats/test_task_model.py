import numpy as np
import pytest

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.results import results
from cupel.stats.task_model import random_terms, task_model

rng = np.random.default_rng(5)


def frame(num_tasks=6, num_seeds=4, methods=("a", "b", "c"), **more):
    cells = [(m, t, s) for m in methods for t in range(num_tasks) for s in range(num_seeds)]
    base = {
        "method": [c[0] for c in cells],
        "task": [f"t{c[1]}" for c in cells],
        "seed": [c[2] for c in cells],
        "value": (rng.normal(size=len(cells)) + np.array([c[1] for c in cells])).tolist(),
    }
    return {**base, **{name: [f(c) for c in cells] for name, f in more.items()}}


def test_shared_seeds_and_repeats_call_for_three_terms():
    fitted = task_model(frame())
    assert fitted.terms == ("task", "task:method", "task:seed")
    assert fitted.scope == "tasks like these"


def test_seeds_of_their_own_do_not_pair():
    own = frame()
    own["seed"] = list(range(len(own["seed"])))
    assert task_model(own).terms == ("task", "task:method")


def test_one_run_per_cell_is_said():
    single = frame(num_seeds=1)
    fitted = task_model(single)
    assert fitted.terms == ("task",)
    assert "no repeats" in {note.code for note in fitted.warnings}


def test_tuning_runs_are_a_level_of_their_own():
    tuned = frame(hpo_run=lambda c: f"{c[0]}{c[2] // 2}")
    assert task_model(tuned).terms == ("task", "task:method", "task:method:hpo_run", "task:seed")
    assert random_terms(results(tuned), "tasks")[0] == ("task", "task:method:hpo_run", "task:seed")


def test_too_few_tasks_for_tasks_like_these_are_refused_with_the_reason():
    with pytest.raises(UsageError, match=r"needs at least 5 tasks; the table has 4\. .*--scope tasks"):
        task_model(frame(num_tasks=4))
    assert task_model(frame(num_tasks=4), scope="tasks").terms == ("task", "task:seed")
    assert task_model(frame(num_tasks=1), scope="tasks").terms == ("seed",)


def test_one_method_is_refused_with_its_rows():
    with pytest.raises(UsageError, match=r"one method only \('a' in rows 0, 1, 2 and 21 more\)"):
        task_model(frame(methods=("a",)))


def test_several_budgets_are_refused():
    with pytest.raises(UsageError, match="several budgets per task"):
        task_model(frame(budget=lambda c: c[2]))


def test_an_unknown_scope_is_refused():
    with pytest.raises(UnknownNameError, match="No scope named 'populations'"):
        task_model(frame(), scope="populations")


def test_failures_are_left_out():
    broken = frame()
    broken["value"][3] = None
    assert task_model(broken).model.n == 71
