"""Batch Bayesian optimisation: what it believes, where it sends workers, and that it finds the floor of a bowl."""

import math
import random

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from cupel.methods.searchers.batch_bayesian import BatchBayesian, log_expected_improvement, scores_of
from cupel.methods.searchers.random_search import RandomSearch
from cupel.spec.errors import UsageError
from cupel.spec.read_space import read_space
from cupel.spec.search import Search, Searcher

SPACE = read_space("x=float(0,1), y=float(0,1), z=log(1e-4,1)")


def bowl(parameters) -> float:
    z = (math.log10(parameters["z"]) + 4) / 4
    return (parameters["x"] - 0.3) ** 2 + (parameters["y"] - 0.6) ** 2 + (z - 0.5) ** 2


def best_of(searcher: Searcher, workers: int) -> float:
    """The best loss found by workers that all ask before any of them tells."""
    best = math.inf
    while batch := [work for work in (searcher.ask() for _ in range(workers)) if work is not None]:
        for work in batch:
            loss = bowl(work.parameters)
            best = min(best, loss)
            searcher.tell(work.trial, 1, loss)
    return best


def told(searcher: BatchBayesian, num: int, loss=bowl) -> None:
    for _ in range(num):
        work = searcher.ask()
        searcher.tell(work.trial, 1, loss(work.parameters))


@pytest.mark.parametrize("u", [-30.0, -12.1, -11.9, -6.0, -1.0, 0.0, 3.0])
def test_expected_improvement_is_the_integral(u: float) -> None:
    mean, sd, best = 0.7, 0.4, 0.7 + 0.4 * u
    found = float(log_expected_improvement(np.array([mean]), np.array([sd]), best)[0])
    scale = norm.logpdf(u)  # taken out, so that what is far below one can be integrated
    value, _ = quad(lambda t: t * math.exp(norm.logpdf(u - t) - scale), 0, 60, limit=200)
    assert found == pytest.approx(math.log(sd) + scale + math.log(value), rel=1e-3)


@pytest.mark.parametrize("workers", [1, 8])
def test_it_finds_the_floor_of_a_bowl_long_before_chance_does(workers: int) -> None:
    search = [Search(SPACE, trials=40, seed=seed) for seed in range(2)]
    model = [best_of(BatchBayesian(one), workers) for one in search]
    chance = [best_of(RandomSearch(one), workers) for one in search]
    assert max(model) < 0.1 * min(chance)


def test_workers_that_ask_at_once_are_sent_to_different_places() -> None:
    searcher = BatchBayesian(Search(SPACE, trials=60, seed=1))
    told(searcher, 12, lambda parameters: sum(math.sin(9 * place) for place in SPACE.places_of(parameters).values()))
    batch = np.array([list(SPACE.places_of(searcher.ask().parameters).values()) for _ in range(10)])
    distances = np.linalg.norm(batch[:, None] - batch, axis=2)[np.triu_indices(10, 1)]
    assert distances.min() > 0.05


def test_what_is_believed_changes_no_expectation() -> None:
    searcher = BatchBayesian(Search(SPACE, trials=60, seed=2))
    told(searcher, 15)
    searcher.ask()
    at = np.random.default_rng(0).random((6, 3))
    process = searcher._process
    before, sd_before = process.predict(searcher._values(), at)
    for _ in range(5):
        searcher.ask()
    after, sd_after = process.predict(searcher._values(), at)
    np.testing.assert_allclose(after, before, atol=1e-6)
    assert (sd_after <= sd_before + 1e-9).all()
    assert sd_after.sum() < sd_before.sum()


def test_neither_unit_nor_zero_of_losses_counts_nor_how_bad_the_bad_ones_are() -> None:
    def run(change) -> list[object]:
        searcher = BatchBayesian(Search(SPACE, trials=18, seed=3))
        works = []
        for work in iter(searcher.ask, None):
            works.append(work)
            searcher.tell(work.trial, 1, change(bowl(work.parameters)))
        return works

    assert run(lambda loss: loss) == run(lambda loss: 1024 * loss)
    losses = np.random.default_rng(0).random(9)
    worst = losses.copy()
    worst[losses.argmax()] = math.inf
    np.testing.assert_allclose(scores_of(losses), scores_of(5 * losses - 7), rtol=1e-9, atol=1e-12)
    assert scores_of(losses).tolist() == scores_of(worst).tolist()
    assert scores_of(np.full(3, math.inf)).tolist() == [0.0] * 3
    assert scores_of(np.full(3, 2.0)).tolist() == [0.0] * 3


def test_what_cannot_be_trained_is_kept_away_from() -> None:
    searcher = BatchBayesian(Search(SPACE, trials=60, seed=4))
    places = []
    for work in iter(searcher.ask, None):
        places.append(work.parameters["x"])
        searcher.tell(work.trial, 1, math.inf if work.parameters["x"] > 0.5 else bowl(work.parameters))
    assert np.mean(np.array(places[20:]) > 0.5) < 0.2


def test_lost_work_is_believed_no_more() -> None:
    searcher = BatchBayesian(Search(SPACE, trials=60, seed=5))
    told(searcher, 12)
    works = [searcher.ask() for _ in range(3)]
    kernel = searcher._kernel
    searcher.drop(works[1].trial)
    searcher.ask()
    assert works[1].trial not in searcher._order
    assert {works[0].trial, works[2].trial} < set(searcher._order)
    assert searcher._kernel is kernel  # what was seen is the same


def test_choices_conditions_and_constraints_are_kept_to() -> None:
    space = read_space("opt=cat(sgd,adam), m=float(0,1) if opt=sgd, width=int(1,9)", ["width < 8 or opt == 'adam'"])
    searcher = BatchBayesian(Search(space, trials=40, seed=0))
    for work in iter(searcher.ask, None):
        assert space.check(work.parameters) == work.parameters
        searcher.tell(work.trial, 1, work.parameters["width"] + 3 * (work.parameters["opt"] == "adam"))
    state = random.Random(0)
    assert searcher._encoded(space.draw(state))[:2] in ([math.sqrt(0.5), 0.0], [0.0, math.sqrt(0.5)])


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="startup is 1"):
        BatchBayesian(Search(SPACE), startup=1)
