import math
import random
from collections import Counter

import numpy as np
import pytest

import cupel
from cupel.spec.errors import UsageError
from cupel.spec.outcome import Outcome


def task(rng):
    return random.Random(rng.seed("split")).gauss(0, 1)


def arm(name, shift=0.0):
    def method(task, rng):
        return task + shift + random.Random(rng.seed(name)).gauss(0, 0.5)

    return method


def test_a_null_claim_is_decided_wrongly_in_at_most_18_of_200():
    found = Counter(cupel.compare_methods(arm("a"), arm("b"), task, most=20, seed=s).verdict for s in range(200))
    assert found["supported"] + found["contradicted"] <= 18
    assert found["supported"] <= 12


def test_a_planted_effect_is_found():
    """One spread of the differences: 90 % of streams end by 22 pairs (`cupel explain sequential_mean_test`)."""
    planted = [cupel.compare_methods(arm("a", 0.75), arm("b"), task, most=40, seed=s) for s in range(40)]
    assert sum(found.verdict == "supported" for found in planted) >= 36
    assert np.mean([found.n for found in planted]) < 20


def test_a_method_against_itself_is_equivalent():
    found = cupel.compare_methods(arm("a"), arm("a"), task, rope=0.1)
    assert (found.verdict, found.effect, found.interval, found.n) == ("equivalent", 0.0, None, 5)


def test_pairs_share_their_seeds_and_what_does_not_vary_stands_still():
    seen = []

    def method(task, rng):
        seen.append((rng.seed("split"), rng.seed("init")))
        return random.Random(len(seen)).gauss(0, 1)

    cupel.compare_methods(method, method, None, runs=4, varies=("init",))
    assert len(seen) == 8
    splits, inits = zip(*seen, strict=True)
    assert len(set(splits)) == 1
    assert sorted(Counter(inits).values()) == [2, 2, 2, 2]


def test_a_fixed_number_is_kept_to():
    found = cupel.compare_methods(arm("a", 5.0), arm("b"), task, runs=12)
    assert len(found.a) == len(found.b) == found.n == 12
    assert "n fixed" in found.judgement.method
    assert list(found.to_frame()["a"]) == list(found.a)


def test_arms_are_tuned_on_seeds_of_their_own():
    def method(task, rng, hp):
        return Outcome({"loss": (hp["x"] - 3) ** 2 + random.Random(rng.seed("n")).random()}, {"steps": hp["x"]})

    found = cupel.compare_methods(
        method,
        method,
        None,
        runs=6,
        better="lower",
        metric="loss",
        space={"a": {"x": (1, 2, 3, 4)}, "b": {"x": (1, 2)}},
    )
    assert found.tuned["a"] == {"x": 3}
    assert found.costs["a"] == {"steps": 3}
    assert "conditional on one tuning" in found.scope


def test_what_fails_is_told_and_the_rest_goes_on():
    def now_and_then(task, rng):
        if rng.seed("a") % 2 == 0:
            raise RuntimeError("out of luck")
        return arm("a", 2.0)(task, rng)

    found = cupel.compare_methods(now_and_then, arm("b"), task, runs=12)
    assert found.verdict == "undecided"
    assert "out of luck" in found.failures[0]
    assert any(math.isnan(x) for x in found.a)


def test_nothing_but_failures_is_an_error():
    def broken(task, rng):
        raise ValueError("no such layer")

    with pytest.raises(UsageError, match="no such layer"):
        cupel.compare_methods(broken, arm("b"), task)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"runs": 0}, "runs is 0"),
        ({"runs": True}, "runs is True"),
        ({"wheel": 3}, "wheel was asked"),
        ({"sentence": "equivalence"}, "margin is None"),
        ({"better": "more"}, "better is 'more'"),
        ({"space": {"c": {"x": (1, 2)}}}, "grids for c"),
        ({"budget": "soon"}, "no duration"),
        ({"seed": 0.5}, "seed"),
    ],
)
def test_what_cannot_be_is_refused(options, match):
    with pytest.raises(UsageError, match=match):
        cupel.compare_methods(arm("a"), arm("b"), task, **options)


def test_something_that_is_no_number_is_refused():
    def wordy(task, rng):
        return "good"

    with pytest.raises(UsageError, match="returned str; expected an Outcome"):
        cupel.compare_methods(wordy, arm("b"), task)


def test_global_generators_are_left_alone():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002  the global generator is what is watched
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    cupel.compare_methods(arm("a"), arm("b"), task, most=10)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


def test_same_seed_same_bytes():
    one, again, other = (cupel.compare_methods(arm("a"), arm("b"), task, runs=5, seed=s) for s in (3, 3, 4))
    assert (one.a, one.b) == (again.a, again.b)
    assert one.a != other.a
