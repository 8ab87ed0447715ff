"""Tuning from Python: functions, ask and tell."""

import math
import random
from typing import Any

import pytest

import cupel
from cupel.methods.find_searcher import searcher_names
from cupel.spec.errors import MissingExtraError, NothingToRunError, UnknownNameError, UsageError
from cupel.spec.parameter import Float
from cupel.spec.tuning import NewIncumbent, TuningFinished
from cupel.study.minimize import Tuner, minimize
from cupel.study.trial_functions import Trial, TrialFunctions

SPACE = "x=float(-10,10)~1, act=cat(a,b)"


def bowl(parameters: dict[str, Any]) -> float:
    return (parameters["x"] - 2) ** 2 + (parameters["act"] != "b")


@pytest.mark.parametrize("searcher", searcher_names())
def test_one_word_switches_the_algorithm(searcher: str) -> None:
    try:
        found = minimize(bowl, SPACE, searcher=searcher, trials=40, seed=1)
    except MissingExtraError as error:
        pytest.skip(str(error))
    assert found.value == bowl(found.parameters) == min(t.value for t in found.trials.values() if t.value is not None)
    assert found.value < 10
    assert len(found.trials) <= 40


def test_the_names_of_the_package_are_these() -> None:
    assert cupel.minimize is minimize
    assert cupel.Tuner is Tuner
    assert cupel.Space({"x": Float(0, 1)}).parameters == {"x": Float(0, 1)}
    with pytest.raises(AttributeError, match="no attribute 'maximise'"):
        _ = cupel.maximise  # type: ignore[attr-defined]


def test_a_function_may_report_on_the_way_and_keep_a_state_between_rungs() -> None:
    seen: list[tuple[int, float, float | None, Any]] = []

    def train(parameters: dict[str, Any], trial: Trial) -> None:
        seen.append((trial.number, trial.start, trial.resource, trial.state))
        assert trial.resource is not None
        for step in range(int(trial.start) + 1, int(trial.resource) + 1):
            trial.report(bowl(parameters) + 1 / step, step)
        trial.state = f"at {trial.resource}"

    found = minimize(train, SPACE, max_resource=9, trials=20)
    assert found.request.searcher == "asha"
    assert found.resource == 9
    assert all(state == (f"at {start:g}" if start else None) for _, start, _, state in seen)
    assert {(start, resource) for _, start, resource, _ in seen} == {(0, 1), (1, 3), (3, 9)}


def test_a_function_that_goes_on_past_its_rung_is_stopped_there() -> None:
    calls = []

    def endless(parameters: dict[str, Any], trial: Trial) -> None:
        for step in range(1, 1000):
            calls.append(step)
            trial.report(bowl(parameters), step)

    found = minimize(endless, SPACE, max_resource=3, trials=6)
    assert max(calls) == 4
    assert {t.status for t in found.trials.values()} == {"stopped"}


def test_higher_is_better_where_it_is_said() -> None:
    found = minimize(lambda p: -bowl(p), SPACE, trials=200, better="higher")
    assert abs(found.parameters["x"] - 2) < 0.5  # type: ignore[operator]
    assert found.value == max(t.value for t in found.trials.values() if t.value is not None)


def test_the_best_is_trained_again_with_fresh_seeds() -> None:
    def noisy(parameters: dict[str, Any], trial: Trial) -> float:
        return float(parameters["x"] ** 2 + random.Random(trial.seed).gauss(0, 1))

    found = minimize(noisy, SPACE, trials=200, reevaluations=20)
    assert found.reevaluated is not None
    assert found.reevaluated.n == 20
    assert found.reevaluated.interval is not None
    assert found.reevaluated.interval.contains(float(found.parameters["x"]) ** 2)
    assert found.value < found.reevaluated.mean  # selected for being good


def test_what_a_function_raises_ends_one_trial() -> None:
    def fails(parameters: dict[str, Any]) -> float | None:
        if parameters["x"] < -5:
            raise ZeroDivisionError("no such x")
        if parameters["x"] < 0:
            return math.nan
        return None if parameters["x"] < 2 else 1.0

    found = minimize(fails, SPACE, trials=40)
    messages = {t.message for t in found.trials.values() if t.has_failed}
    assert messages == {
        "ZeroDivisionError: no such x",
        "its last value of value is no finite number",
        "the function returned None and reported nothing; expected a number",
    }


def test_a_search_without_any_value_says_why() -> None:
    def broken(parameters: dict[str, Any]) -> float:
        raise KeyError("lr")

    with pytest.raises(NothingToRunError, match=r"None of 5 trials .* reached a value: KeyError: 'lr'"):
        minimize(broken, SPACE, trials=5)


def test_events_are_handed_on_and_a_budget_ends_the_search() -> None:
    events: list[Any] = []
    found = minimize(bowl, SPACE, trials=10**6, budget="0.2s", on_event=events.append)
    assert 0 < len(found.trials) < 10**6
    last = events[-1]
    assert isinstance(last, TuningFinished)
    assert last.reason == "budget"
    assert any(isinstance(event, NewIncumbent) for event in events)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "trials is 0"),
        ({"better": "less"}, "better is 'less'"),
        ({"fidelity": "seeds"}, "a whole number is needed"),
        ({"reevaluations": -1}, "reevaluations is -1"),
        ({"budget": "soon"}, "is no duration"),
        ({"searcher": "adam"}, "No searcher named 'adam'"),
        ({"max_resource": 9, "min_resource": 10}, "min_resource is 10"),
        ({"eta": 1}, "eta is 1"),
    ],
)
def test_options_that_contradict_themselves_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        minimize(bowl, SPACE, **options)
    with pytest.raises(UnknownNameError, match="Close: trials"):
        minimize(bowl, SPACE, trails=3)  # type: ignore[call-arg]


def test_a_function_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(UsageError, match="takes 3 arguments"):
        TrialFunctions(lambda a, b, c: a + b + c)
    with pytest.raises(UsageError, match="takes 0 arguments"):
        TrialFunctions(lambda: 1)
    assert minimize(lambda *rest: rest[0]["x"], SPACE, trials=2).value < 10


def test_asking_and_telling_finds_what_minimize_finds() -> None:
    tuner = Tuner(SPACE, searcher="asha", max_resource=9, trials=30, better="higher")
    best: dict[float, float] = {}
    while (work := tuner.ask()) is not None:
        value = -bowl(work.parameters)
        best[work.target] = max(best.get(work.target, -math.inf), value)
        tuner.tell(work, value)
    assert set(best) == {1, 3, 9}
    assert best[9] == best[1]
    with pytest.raises(UsageError, match="give the resource"):
        tuner.tell(3, 0.1)
    tuner = Tuner(SPACE, trials=2)
    work = tuner.ask()
    assert work is not None
    tuner.drop(work)
    assert not tuner.tell(work, 1.0)
