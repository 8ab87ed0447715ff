import numpy as np
import pytest
from scipy import stats

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.method_contrasts import method_contrasts
from cupel.stats.results import results

rng = np.random.default_rng(8)


def long(values):
    m, t, s = np.indices(values.shape).reshape(3, -1)
    return {
        "method": [f"m{k}" for k in m],
        "task": [f"t{k}" for k in t],
        "seed": s.tolist(),
        "value": values.ravel().tolist(),
    }


def test_two_methods_with_repeats_are_the_paired_test_over_tasks():
    values = rng.normal(size=(2, 8, 5)) + rng.normal(size=(2, 8, 1))
    row = method_contrasts(long(values)).rows[0]
    other = stats.ttest_rel(values[0].mean(axis=1), values[1].mean(axis=1))
    assert row.p == pytest.approx(other.pvalue, rel=1e-5)
    assert row.df == pytest.approx(7, abs=1e-3)


def test_the_scopes_differ_where_methods_suit_tasks_differently():
    values = 0.05 * rng.normal(size=(2, 8, 20)) + rng.normal(size=(2, 8, 1))
    population = method_contrasts(long(values)).rows[0]
    tasks = method_contrasts(long(values), scope="tasks").rows[0]
    assert population.estimate == pytest.approx(tasks.estimate)
    assert population.se > 10 * tasks.se


def test_priorband_by_reml_and_with_pairing(priorband):
    table = results(priorband, columns={"task": "bench_prior"}, metric="normalized_regret", where={"budget": 10})
    found = method_contrasts(table)
    row = next(row for row in found.rows if (row.a, row.b) == ("HB", "PB"))
    # lme4 by ML without (1 | task:seed): estimate .00641, SE .00402, df 48, p .257; REML divides by 23 tasks, not 24
    assert row.estimate == pytest.approx(0.0064144, abs=1e-6)
    assert row.se == pytest.approx(0.00401776 * np.sqrt(24 / 23), rel=1e-3)
    assert row.df == pytest.approx(46, abs=0.01)
    assert row.p == pytest.approx(0.271, abs=1e-3)
    assert found.adjust == "Tukey"
    assert found.fitted.terms == ("task", "task:method", "task:seed")


def test_against_a_baseline_it_is_dunnetts_test():
    found = method_contrasts(long(rng.normal(size=(3, 6, 3))), against="m2")
    assert [(row.a, row.b) for row in found.rows] == [("m0", "m2"), ("m1", "m2")]
    assert found.adjust == "Dunnett"
    assert "Dunnett" in found.method
    with pytest.raises(UnknownNameError, match="No method named 'x'"):
        method_contrasts(long(rng.normal(size=(3, 6, 3))), against="x")


def test_what_cannot_carry_the_question_is_refused():
    with pytest.raises(UsageError, match="at least 5 tasks"):
        method_contrasts(long(rng.normal(size=(2, 3, 3))))
    with pytest.raises(UsageError, match="one method only"):
        method_contrasts(long(rng.normal(size=(1, 6, 3))))


def test_a_scope_that_there_is_not_is_refused() -> None:
    table = {
        "method": ["a", "b"] * 6,
        "task": [t for t in "uvwxyz" for _ in "ab"],
        "value": [float(k) for k in range(12)],
    }
    with pytest.raises(UnknownNameError, match="No scope named 'these tasks'"):
        method_contrasts(table, scope="these tasks")  # type: ignore[arg-type]
