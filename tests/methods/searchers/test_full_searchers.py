"""Searchers that train every configuration in full."""

import itertools
import random
from collections import deque

import numpy as np
import pytest
from scipy.stats import qmc

from cupel.methods.searchers.grid import Grid
from cupel.methods.searchers.random_search import RandomSearch
from cupel.methods.searchers.regularised_evolution import RegularisedEvolution
from cupel.methods.searchers.sobol import Sobol
from cupel.spec.errors import UsageError
from cupel.spec.read_space import read_space
from cupel.spec.search import Search
from cupel.spec.seeds import Seeds

SPACE = read_space("x=float(0,1), y=log(1e-4,1)")


def test_random_search_covers_the_scales_evenly() -> None:
    searcher = RandomSearch(Search(SPACE, trials=4000, seed=1))
    places = np.array([[SPACE.places_of(w.parameters)[n] for n in "xy"] for w in iter(searcher.ask, None)])
    for column in places.T:
        counts, _ = np.histogram(column, bins=10, range=(0, 1))
        assert counts.sum() == 4000
        assert abs(counts - 400).max() < 4.5 * np.sqrt(4000 * 0.1 * 0.9)


def test_a_grid_is_every_combination_of_as_many_values_as_fit() -> None:
    space = read_space("x=float(0,1), n=int(1,3), act=cat(a,b)")
    searcher = Grid(Search(space, trials=30))
    assert searcher.values == 5  # 5 x 3 x 2 = 30
    found = [tuple(work.parameters.values()) for work in iter(searcher.ask, None)]
    assert found == list(itertools.product([0, 0.25, 0.5, 0.75, 1], [1, 2, 3], ["a", "b"]))
    assert len(list(iter(Grid(Search(space, trials=7), values=2).ask, None))) == 7
    with pytest.raises(UsageError, match="values is 0"):
        Grid(Search(space), values=0)


def test_a_grid_skips_what_conditions_make_equal() -> None:
    space = read_space("opt=cat(sgd,adam), m=float(0,1) if opt=sgd")
    found = [work.parameters for work in iter(Grid(Search(space, trials=9), values=3).ask, None)]
    assert found == [{"opt": "sgd", "m": m} for m in (0, 0.5, 1)] + [{"opt": "adam"}]


def test_sobol_points_are_scipys_and_fill_the_square_more_evenly_than_chance() -> None:
    searcher = Sobol(Search(SPACE, trials=256, seed=5))
    places = [tuple(SPACE.places_of(w.parameters)[n] for n in "xy") for w in iter(searcher.ask, None)]
    rng = np.random.default_rng(Seeds(5).seed("hpo"))
    points = qmc.Sobol(2, scramble=True, rng=rng).random_base2(8)
    assert np.allclose(places, points)
    assert qmc.discrepancy(np.array(places)) < 0.2 * qmc.discrepancy(np.random.default_rng(0).random((256, 2)))


def naive_evolution(search: Search, population: int, sample: int) -> list[dict[str, object]]:
    """Algorithm 1 of Real et al. 2019 as printed, with this house's draws and changes."""
    rng = random.Random(Seeds(search.seed).seed("hpo"))
    members: deque[tuple[float, int, dict[str, object]]] = deque()
    history = []
    for cycle in range(search.trials):
        if len(members) < population:
            child = search.space.draw(rng)
        else:
            chosen = [members[rng.randrange(len(members))] for _ in range(sample)]
            parent = min(chosen, key=lambda m: m[:2])[2]
            names = list(parent)
            rng.shuffle(names)
            found = search.space.changed(parent, names[0], rng)  # type: ignore[arg-type]
            assert found is not None
            child = found
        members.append((loss_of(child), cycle, child))  # type: ignore[arg-type]
        if len(members) > population:
            members.popleft()
        history.append(child)
    return history  # type: ignore[return-value]


def loss_of(parameters: dict[str, object]) -> float:
    return sum(ord(str(value)[0]) for value in parameters.values())


def test_regularised_evolution_is_the_printed_algorithm_with_one_worker() -> None:
    search = Search(read_space("net=cell(3,conv,pool,skip)"), trials=80, seed=2)
    searcher = RegularisedEvolution(search, population=10, sample=4)
    history = []
    while (work := searcher.ask()) is not None:
        history.append(work.parameters)
        searcher.tell(work.trial, work.target, loss_of(work.parameters))
    assert history == naive_evolution(search, 10, 4)


def test_a_child_differs_in_one_choice_and_evolution_improves() -> None:
    space = read_space("net=cell(4,conv,pool,skip)")
    searcher = RegularisedEvolution(Search(space, trials=200, seed=0), population=20, sample=5)
    losses, seen = [], []
    while (work := searcher.ask()) is not None:
        if work.trial >= 20:
            assert min(sum(work.parameters[n] != other[n] for n in space) for other in seen) <= 1
        seen.append(work.parameters)
        losses.append(sum(value == "conv" for value in work.parameters.values()))
        searcher.tell(work.trial, work.target, losses[-1])
    assert np.mean(losses[-20:]) < np.mean(losses[:20]) - 1
    with pytest.raises(UsageError, match="expected 1 or more"):
        RegularisedEvolution(Search(space), population=0)
