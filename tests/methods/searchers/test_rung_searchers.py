"""Searchers that work in rungs against their papers' formulas and naive transcriptions."""

import math
import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupel.methods.bracket import rung_sizes
from cupel.methods.searchers.asha import Asha
from cupel.methods.searchers.asha_stopping import AshaStopping
from cupel.methods.searchers.hyperband import Hyperband
from cupel.methods.searchers.successive_halving import SuccessiveHalving
from cupel.spec.read_space import read_space
from cupel.spec.search import Search, Work

SPACE = read_space("x=float(0,1)")


class NaiveAsha:
    """Algorithm 2 of Li et al. 2020 as it is printed, with the bottom rung limited to a number of configurations."""

    def __init__(self, *, eta: int, num_rungs: int, trials: int) -> None:
        self.eta, self.trials = eta, trials
        self.rungs: list[list[tuple[float, int, int]]] = [[] for _ in range(num_rungs)]
        self.promoted: list[set[int]] = [set() for _ in range(num_rungs)]
        self.num = 0

    def get_job(self) -> tuple[int, int] | None:
        for k in range(len(self.rungs) - 2, -1, -1):
            candidates = sorted(self.rungs[k])[: len(self.rungs[k]) // self.eta]
            promotable = [t for loss, _, t in candidates if t not in self.promoted[k] and loss < math.inf]
            if promotable:
                self.promoted[k].add(promotable[0])
                return promotable[0], k + 1
        if self.num >= self.trials:
            return None
        self.num += 1
        return self.num - 1, 0

    def update(self, trial: int, k: int, loss: float) -> None:
        self.rungs[k].append((loss, len(self.rungs[k]), trial))


@given(
    seed=st.integers(0, 10**6),
    workers=st.integers(1, 12),
    eta=st.integers(2, 4),
    skipped=st.integers(0, 1),
    ties=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_asha_decides_as_the_printed_algorithm_does(
    seed: int, workers: int, eta: int, skipped: int, ties: bool
) -> None:
    search = Search(SPACE, trials=120, max_resource=eta**4, eta=eta)
    asha = Asha(search, skipped=skipped)
    naive = NaiveAsha(eta=eta, num_rungs=len(asha.resources), trials=120)
    rng = random.Random(seed)
    flight: list[tuple[Work, int]] = []
    while True:
        if len(flight) < workers:
            work, job = asha.ask(), naive.get_job()
            assert (work is None) == (job is None)
            if work is not None and job is not None:
                assert (work.trial, work.target) == (job[0], asha.resources[job[1]])
                assert work.target == eta ** (skipped + job[1])
                flight.append((work, job[1]))
                continue
            if not flight:
                break
        work, level = flight.pop(rng.randrange(len(flight)))
        loss = rng.choice([0.1, 0.2, 0.3]) if ties else rng.random()
        loss = math.inf if rng.random() < 0.1 else loss
        asha.tell(work.trial, work.target, loss)
        naive.update(work.trial, level, loss)


def works_of(searcher: Any, rng: random.Random, workers: int = 1) -> list[Work]:
    works: list[Work] = []
    flight: list[Work] = []
    while True:
        work = searcher.ask() if len(flight) < workers else None
        if work is not None:
            works.append(work)
            flight.append(work)
        elif flight:
            ended = flight.pop(rng.randrange(len(flight)))
            searcher.tell(ended.trial, ended.target, float(ended.parameters["x"]))
        else:
            return works


@pytest.mark.parametrize("workers", [1, 7])
@pytest.mark.parametrize("when_idle", ["open", "wait"])
def test_successive_halving_spends_what_its_formula_says(workers: int, when_idle: str) -> None:
    search = Search(SPACE, trials=81, max_resource=81)
    works = works_of(SuccessiveHalving(search, when_idle=when_idle), random.Random(0), workers)
    assert Counter(work.target for work in works) == {3**i: 81 // 3**i for i in range(5)}
    assert (
        sum(work.target - work.start for work in works)
        == sum((81 // 3**i) * (3**i - 3 ** (i - 1)) for i in range(1, 5)) + 81
    )
    by_rung = {r: {w.trial: float(w.parameters["x"]) for w in works if w.target == r} for r in (1, 3, 9, 27, 81)}
    for low, high in ((1, 3), (3, 9), (9, 27), (27, 81)):
        best = sorted(by_rung[low], key=lambda t, low=low: by_rung[low][t])[: len(by_rung[high])]
        assert set(best) == set(by_rung[high])


@pytest.mark.parametrize(("eta", "most"), [(3, 81), (4, 256), (3, 27), (2, 16)])
def test_hyperband_opens_the_brackets_of_its_paper(eta: int, most: int) -> None:
    s_max = round(math.log(most, eta))
    sizes = {s: math.ceil((s_max + 1) * eta**s / (s + 1)) for s in range(s_max, -1, -1)}
    search = Search(SPACE, trials=2 * sum(sizes.values()), max_resource=most, eta=eta)
    works = works_of(Hyperband(search), random.Random(0))
    for bracket in range(2 * (s_max + 1)):
        s = s_max - bracket % (s_max + 1)
        counts = Counter(work.target for work in works if work.bracket == bracket)
        expected = {most / eta ** (s - i): sizes[s] // eta**i for i in range(s + 1)}
        assert counts == {int(resource): num for resource, num in expected.items()}


def test_a_bracket_that_is_too_small_for_every_rung_still_trains_its_best_in_full() -> None:
    works = works_of(SuccessiveHalving(Search(SPACE, trials=5, max_resource=81)), random.Random(0))
    assert Counter(work.target for work in works) == {27: 5, 81: 1}
    assert rung_sizes(5, eta=3, num_rungs=5) == [5, 1]


def test_a_worker_that_waits_idles_and_one_that_opens_does_not() -> None:
    search = Search(SPACE, trials=18, max_resource=9)
    waiting, opening = (SuccessiveHalving(search, size=9, when_idle=how) for how in ("wait", "open"))
    for searcher in (waiting, opening):
        assert [work.bracket for work in (searcher.ask() for _ in range(9)) if work is not None] == [0] * 9
    assert waiting.ask() is None
    further = opening.ask()
    assert further is not None
    assert (further.trial, further.bracket) == (9, 1)


@given(
    losses=st.lists(st.floats(0, 1) | st.just(math.inf) | st.just(0.5), min_size=1, max_size=60), eta=st.integers(2, 5)
)
@settings(max_examples=200, deadline=None)
def test_the_stopping_rules_are_those_of_the_tools_they_are_named_after(losses: list[float], eta: int) -> None:
    search = Search(SPACE, trials=len(losses), max_resource=eta, eta=eta)
    percentile, rank = AshaStopping(search), AshaStopping(search, rule="rank")
    earlier: list[float] = []
    for loss in losses:
        for searcher in (percentile, rank):
            assert searcher.ask() is not None
        trial = len(earlier)
        # Ray Tune: scores are negated losses; stopped below their (1 - 1/eta) percentile over the earlier ones
        cutoff = -np.inf
        if earlier:
            with np.errstate(invalid="ignore"):
                cutoff = np.nanpercentile(-np.array(earlier), (1 - 1 / eta) * 100)
        expected = loss < math.inf and not (-loss < cutoff - 1e-12)
        if not (math.isfinite(cutoff) and abs(-loss - cutoff) < 1e-9):
            assert percentile.tell(trial, 1, loss) == expected or not math.isfinite(cutoff)
        else:
            percentile.tell(trial, 1, loss)
        # Optuna: goes on where the value is at most the k-th best, its own counted, k = max(1, n // eta)
        competing = sorted([*earlier, loss])
        place = max(len(competing) // eta - 1, 0)
        assert rank.tell(trial, 1, loss) == (loss < math.inf and loss <= competing[place])
        earlier.append(loss)
