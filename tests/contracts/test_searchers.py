"""What every searcher keeps to, whatever order, losses and losses of work it meets."""

import math
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupel.methods.find_searcher import find_searcher, searcher_names, split_options
from cupel.spec.errors import MissingExtraError, UnknownNameError, UsageError
from cupel.spec.read_space import read_space
from cupel.spec.search import Search, Searcher, Work

SPACE = read_space(
    "lr=log(1e-5,1)~1e-3, width=int(4,64), act=cat(relu,gelu,tanh), opt=cat(sgd,adam), m=float(0,1) if opt=sgd",
    ["width < 60 or act == 'relu'"],
).with_initial([{"lr": 0.01, "width": 8, "act": "gelu", "opt": "adam"}, {"lr": 0.1}])
SEARCH = Search(SPACE, trials=30, seed=3, max_resource=9)
NAMES = [*searcher_names(), "asha_stopping:rule=rank", "successive_halving:when_idle=wait", "hyperband:when_idle=wait"]


def build(name: str, search: Search = SEARCH) -> Searcher:
    try:
        return find_searcher(name, search)
    except MissingExtraError as error:
        pytest.skip(str(error))


def loss_of(work: Work, resource: float) -> float:
    parameters = work.parameters
    return abs(math.log10(float(parameters["lr"])) + 3) + float(parameters["width"]) / 100 + 1 / resource


def drive(
    searcher: Searcher, rng: random.Random, *, loss: Callable[[Work, float], float] = loss_of, workers: int = 4
) -> list[Work]:
    """All the work of a searcher, done by several workers that end in a random order."""
    done: list[Work] = []
    flight: list[Work] = []
    while True:
        work = searcher.ask() if len(flight) < workers else None
        if work is not None:
            flight.append(work)
            done.append(work)
            continue
        if not flight:
            return done
        ended = flight.pop(rng.randrange(len(flight)))
        for milestone in ended.milestones:
            if not searcher.tell(ended.trial, milestone, loss(ended, milestone)):
                break


@pytest.mark.parametrize("name", NAMES)
def test_trials_are_numbered_limited_and_allowed(name: str) -> None:
    works = drive(build(name), random.Random(0))
    first = {work.trial: work for work in reversed(works)}
    assert set(first) == set(range(len(first)))
    assert 0 < len(first) <= SEARCH.trials
    for work in works:
        assert SPACE.check(work.parameters) == work.parameters == first[work.trial].parameters
        assert list(work.milestones) == sorted(set(work.milestones))
        assert work.start < work.milestones[0]
        assert work.target <= SEARCH.max_resource
    assert first[0].parameters == SPACE.initial[0]
    assert first[1].parameters["lr"] == 0.1


@pytest.mark.parametrize("name", NAMES)
def test_each_further_work_of_a_trial_begins_where_the_last_one_ended(name: str) -> None:
    reached: dict[int, float] = {}
    for work in drive(build(name), random.Random(1)):
        assert work.start == reached.get(work.trial, 0)
        reached[work.trial] = work.target
    assert max(reached.values()) == SEARCH.max_resource


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_and_order_give_the_same_decisions_and_another_seed_others(name: str) -> None:
    works = [drive(build(name), random.Random(2)) for _ in range(2)]
    assert works[0] == works[1]
    if not name.startswith("grid"):
        other = Search(SPACE, trials=30, seed=4, max_resource=9)
        assert drive(build(name, other), random.Random(2)) != works[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_global_generators_are_left_alone(name: str) -> None:
    before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    drive(build(name), random.Random(0))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # type: ignore[index]  # noqa: NPY002


@pytest.mark.parametrize("name", NAMES)
def test_what_is_told_twice_late_or_unasked_changes_nothing(name: str) -> None:
    def noisy(searcher: Searcher) -> list[Work]:
        real = searcher.tell

        def tell(trial: int, resource: float, loss: float) -> bool:
            goes_on = real(trial, resource, loss)
            assert real(trial, resource, -1e9) in (goes_on, False)
            real(trial, resource / 7, -1e9)
            real(trial, 1e6, -1e9)
            return goes_on

        searcher.tell = tell  # type: ignore[method-assign]
        return drive(searcher, random.Random(5))

    assert noisy(build(name)) == drive(build(name), random.Random(5))
    with pytest.raises(UsageError, match="A loss of trial 7 was told"):
        build(name).tell(7, 1, 0.0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("loss", [math.inf, math.nan])
def test_a_search_in_which_nothing_can_be_trained_ends_and_promotes_nothing(name: str, loss: float) -> None:
    works = drive(build(name), random.Random(0), loss=lambda *_: loss)
    assert len(works) == len({work.trial for work in works})


@given(seed=st.integers(0, 10_000), name=st.sampled_from([n for n in NAMES if n not in ("tpe", "cma_es", "sobol")]))
@settings(max_examples=80, deadline=None)
def test_lost_and_failed_work_leaves_a_search_that_ends(seed: int, name: str) -> None:
    rng = random.Random(seed)
    searcher = build(name)
    flight: list[Work] = []
    asked: set[tuple[int, float]] = set()
    for _ in range(2000):
        work = searcher.ask() if len(flight) < 3 else None
        if work is not None:
            assert (work.trial, work.target) not in asked
            asked.add((work.trial, work.target))
            flight.append(work)
        elif not flight:
            break
        else:
            ended = flight.pop(rng.randrange(len(flight)))
            fate = rng.random()
            if fate < 0.2:
                searcher.drop(ended.trial)
                searcher.drop(ended.trial)
            elif fate < 0.4:
                assert not searcher.tell(ended.trial, ended.milestones[0], math.inf)
            else:
                for milestone in ended.milestones:
                    if not searcher.tell(ended.trial, milestone, rng.choice([0.5, rng.random()])):
                        break
    assert searcher.ask() is None
    assert not flight
    assert len({trial for trial, _ in asked}) <= SEARCH.trials


def test_names_and_options_that_are_not_there_are_answered_with_the_close_ones() -> None:
    with pytest.raises(UnknownNameError, match="Close: hyperband"):
        find_searcher("hiperband", SEARCH)
    with pytest.raises(UnknownNameError, match="Close: skipped"):
        find_searcher("asha:skiped=1", SEARCH)
    with pytest.raises(UsageError, match="expected NAME=VALUE"):
        split_options("asha:skipped")
    with pytest.raises(UsageError, match="expected fewer than there are"):
        find_searcher("asha:skipped=3", SEARCH)
    with pytest.raises(UsageError, match="does not take its options"):
        find_searcher("asha:skipped=few", SEARCH)
