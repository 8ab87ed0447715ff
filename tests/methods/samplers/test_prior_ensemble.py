"""PriorBand's ensemble against its formulas."""

import math
import random
from dataclasses import replace

import pytest

from cupel.methods.samplers.prior_ensemble import PriorEnsemble
from cupel.methods.searchers.hyperband import Hyperband
from cupel.methods.searchers.priorband import Priorband
from cupel.spec.errors import UsageError
from cupel.spec.parameter import prior_density
from cupel.spec.read_space import read_space
from cupel.spec.search import Search, Searcher
from cupel.spec.space import Configuration

SPACE = read_space("x=float(0,1)~0.2, y=float(0,1)~0.7, act=cat(a,b,c)~b")
SEARCH = Search(SPACE, trials=500, max_resource=27)


def test_before_an_incumbent_counts_the_prior_shares_with_chance_by_rung() -> None:
    ensemble = PriorEnsemble(SEARCH)
    for rung, resource in enumerate((1, 3, 9, 27)):
        uniform = 1 / (1 + 3**rung)
        assert ensemble.weights(resource) == pytest.approx((uniform, 1 - uniform, 0))


def test_the_incumbent_comes_in_after_a_bracket_of_resource_and_a_full_training() -> None:
    ensemble = PriorEnsemble(SEARCH)
    near = {"x": 0.2, "y": 0.7, "act": "b"}
    bracket = 27 * 1 + 9 * 2 + 3 * 6 + 1 * 18
    spent = 0
    while spent + 2 < bracket - 18:
        ensemble.learn(near, 3, 1.0)
        spent += 2
    assert ensemble.weights(1)[2] == 0  # nothing was trained in full
    ensemble.learn(near, 27, 0.5)
    assert ensemble.weights(1)[2] == 0  # 80 of 81 are spent
    ensemble.learn(near, 1, 1.0)
    assert ensemble.weights(1)[2] > 0


def ready(configurations: list[tuple[Configuration, float]]) -> PriorEnsemble:
    """An ensemble past its first bracket, with these in full."""
    ensemble = PriorEnsemble(SEARCH)
    for _ in range(100):
        ensemble.learn(configurations[-1][0], 1, 10.0)
    for parameters, loss in configurations:
        ensemble.learn(parameters, 27, loss)
    return ensemble


def test_prior_and_incumbent_share_by_how_likely_they_make_the_best() -> None:
    rng = random.Random(0)
    seen = [(SPACE.draw(rng), rng.random()) for _ in range(7)]
    ensemble = ready(seen)
    ranked = sorted(seen, key=lambda row: row[1])
    top, incumbent = [p for p, _ in ranked[:2]], ranked[0][0]

    def density(parameters: Configuration, centre: Configuration | None) -> float:
        kinds = {n: p if centre is None else replace(p, prior=centre[n]) for n, p in SPACE.parameters.items()}  # type: ignore[arg-type]
        return math.prod(prior_density(kinds[n], value) for n, value in parameters.items())

    by_prior = 2 * density(top[0], None) + density(top[1], None)
    by_incumbent = 2 * density(top[0], incumbent) + density(top[1], incumbent)
    share = by_incumbent / (by_incumbent + by_prior)
    uniform = 1 / (1 + 3)
    expected = (uniform, (1 - uniform) * (1 - share), (1 - uniform) * share)
    assert ensemble.weights(3) == pytest.approx(expected)


def test_a_prior_that_proves_wrong_loses_its_share() -> None:
    far = [({"x": 0.95, "y": 0.05, "act": "c"}, 0.1), ({"x": 0.9, "y": 0.1, "act": "c"}, 0.2)]
    wrong = ready([*far, ({"x": 0.2, "y": 0.7, "act": "b"}, 5.0)])
    right = ready(
        [({"x": 0.2, "y": 0.7, "act": "b"}, 0.1), ({"x": 0.21, "y": 0.69, "act": "b"}, 0.2), (far[0][0], 5.0)]
    )
    assert wrong.weights(1)[1] < 0.05
    assert right.weights(1)[1] == pytest.approx(right.weights(1)[2], rel=0.01)


def test_changes_of_the_incumbent_change_about_half_of_it_nearby() -> None:
    ensemble = ready([({"x": 0.5, "y": 0.5, "act": "a"}, 0.1)] * 3)
    found = [ensemble._changed({"x": 0.5, "y": 0.5, "act": "a"}) for _ in range(2000)]
    for name, value in (("x", 0.5), ("y", 0.5), ("act", "a")):
        share = sum(p[name] != value for p in found) / 2000
        assert share == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(2000))
    moved = [float(p["x"]) - 0.5 for p in found if p["x"] != 0.5]
    assert math.sqrt(sum(m * m for m in moved) / len(moved)) == pytest.approx(0.22, abs=0.02)  # 0.25, cut at 0 and 1


def test_the_experts_own_suggestion_is_tried_first() -> None:
    first = Priorband(SEARCH).ask()
    assert first is not None
    assert first.parameters == {"x": 0.2, "y": 0.7, "act": "b"}


def test_without_an_expert_it_says_what_to_write() -> None:
    with pytest.raises(UsageError, match="lr=log"):
        Priorband(Search(read_space("x=float(0,1)")))


def least(searcher: Searcher, optimum: Configuration) -> float:
    best = math.inf
    while (work := searcher.ask()) is not None:
        p = work.parameters
        gap = (float(p["x"]) - float(optimum["x"])) ** 2 + (float(p["y"]) - float(optimum["y"])) ** 2
        loss = gap + 0.2 * (p["act"] != optimum["act"])
        best = min(best, loss) if work.target == 27 else best
        searcher.tell(work.trial, work.target, loss)
    return best


def test_a_good_expert_helps_and_a_bad_one_is_overcome() -> None:
    good, bad = {"x": 0.25, "y": 0.65, "act": "b"}, {"x": 0.9, "y": 0.05, "act": "c"}
    gains = {}
    for name, optimum in (("good", good), ("bad", bad)):
        logs = []
        for seed in range(12):
            search = Search(SPACE, trials=150, seed=seed, max_resource=27)
            logs.append(math.log(least(Priorband(search), optimum) / least(Hyperband(search), optimum)))
        gains[name] = sum(logs) / len(logs)
    assert gains["good"] < -1
    assert gains["bad"] < 2
