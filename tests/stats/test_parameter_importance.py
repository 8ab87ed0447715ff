"""Main effects of hyperparameters against functions whose effects are known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import pytest

from cupel.spec.errors import UsageError
from cupel.spec.read_space import read_space
from cupel.stats.parameter_importance import ParameterImportance, parameter_importance

SPACE = read_space("lr=log(1e-4,1), width=int(1,64), act=cat(a,b,c), idle=float(0,1)")
BENT, STRAIGHT = 0.5, 0.2
CHOSEN = 0.15
"""Shares of lr, width and act; the rest is noise."""


def tried(n: int, seed: int, space=SPACE) -> list[dict[str, object]]:
    rng = random.Random(seed)
    return [space.draw(rng) for _ in range(n)]


def additive(configurations: list[dict[str, object]], seed: int) -> list[float]:
    """Variance 1, of which lr (bent in its logarithm), width (straight) and act have the shares above."""
    rng = random.Random(f"noise {seed}")
    found = []
    for c in configurations:
        place, step = SPACE.parameters["lr"].place_of(c["lr"]), SPACE.parameters["width"].place_of(c["width"])
        bent = ((2 * place - 1) ** 2 - 1 / 3) * math.sqrt(45 / 4)
        chosen = {"a": -1.0, "b": 0.0, "c": 1.0}[c["act"]] * math.sqrt(3 / 2)
        effects = math.sqrt(BENT) * bent + math.sqrt(STRAIGHT) * (step - 0.5) * math.sqrt(12)
        rest = 1 - BENT - STRAIGHT - CHOSEN
        found.append(effects + math.sqrt(CHOSEN) * chosen + rng.gauss(0, math.sqrt(rest)))
    return found


def test_known_shares_are_found_and_their_intervals_hold_them() -> None:
    truths = {"lr": BENT, "width": STRAIGHT, "act": CHOSEN, "idle": 0.0}
    draws, n = 80, 64
    estimates: dict[str, list[float]] = {name: [] for name in truths}
    held = dict.fromkeys(truths, 0)
    for seed in range(draws):
        configurations = tried(n, seed)
        for found in parameter_importance(configurations, additive(configurations, seed), space=SPACE).shares:
            assert found.estimate is not None
            assert found.interval is not None
            estimates[found.name].append(found.estimate)
            held[found.name] += found.interval.contains(truths[found.name])
    for name, truth in truths.items():
        assert np.mean(estimates[name]) == pytest.approx(truth, abs=0.03), name
        # three standard deviations of a share of 80 draws below 0.95
        assert held[name] >= 0.88 * draws, name
    # without the correction a parameter that does nothing would be at (q - 1) / (n - 1) = 0.13
    assert abs(np.mean(estimates["idle"])) < 0.02
    assert held["idle"] >= 0.97 * draws


def test_the_same_seed_gives_the_same_bytes_and_leaves_the_global_generator_alone() -> None:
    configurations = tried(40, 1)
    values = additive(configurations, 1)
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    found = [parameter_importance(configurations, values, space=SPACE, seed=seed) for seed in (0, 0, 1)]
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    assert found[0] == found[1]
    assert found[0] != found[2]
    assert [s.estimate for s in found[0].shares] == [s.estimate for s in found[2].shares]


def test_a_share_is_that_of_a_regression_with_its_usual_correction() -> None:
    space = read_space("act=cat(a,b,c)")
    configurations = tried(30, 3, space)
    rng = random.Random(4)
    values = [{"a": 0.0, "b": 1.0, "c": 1.5}[c["act"]] + rng.gauss(0, 1) for c in configurations]
    groups = [[v for c, v in zip(configurations, values, strict=True) if c["act"] == word] for word in "abc"]
    within = sum(np.var(group) * len(group) for group in groups)
    corrected = 1 - (within / 27) / (np.var(values, ddof=1))
    (found,) = parameter_importance(configurations, values, space=space).shares
    assert found.estimate == pytest.approx(corrected, rel=1e-6)


def test_a_parameter_with_a_condition_is_judged_where_it_has_a_part() -> None:
    space = read_space("opt=cat(sgd,adam), momentum=float(0,1) if opt=sgd")
    configurations = tried(200, 5, space)
    rng = random.Random(6)
    values = [10.0 * (c["opt"] == "adam") + c.get("momentum", 0.0) + rng.gauss(0, 0.1) for c in configurations]
    opt, momentum = parameter_importance(configurations, values, space=space).shares
    assert opt.n == 200
    assert momentum.n == sum(c["opt"] == "sgd" for c in configurations)
    assert opt.share > 0.95
    # among sgd alone: 1/12 of 1/12 + 0.01
    assert momentum.share == pytest.approx(1 / 12 / (1 / 12 + 0.01), abs=0.05)


@pytest.mark.parametrize(
    ("curve", "scale"),
    [(lambda x: x, "values"), (lambda x: math.exp(6 * x), "log"), (lambda x: -math.exp(12 * x), "ranks")],
)
def test_the_scale_is_chosen_by_the_skewness_and_said(curve: Callable[[float], float], scale: str) -> None:
    space = read_space("x=float(0,1), idle=float(0,1)")
    configurations = tried(80, 7, space)
    rng = random.Random(8)
    values = [curve(c["x"] + rng.gauss(0, 0.05)) for c in configurations]
    found = parameter_importance(configurations, values, space=space)
    assert found.scale == scale
    assert found.shares[0].share > 0.9
    assert found.shares[1].interval.low == 0
    names = {"values": "the values", "log": "logarithms of the values", "ranks": "ranks of the values"}
    assert names[scale] in found.text()


def test_what_failed_is_left_out_and_counted() -> None:
    configurations = tried(50, 9)
    values = additive(configurations, 9)
    whole = parameter_importance(configurations[:40], values[:40], space=SPACE)
    some = parameter_importance(configurations, [*values[:40], math.nan, math.inf, *[math.nan] * 8], space=SPACE)
    assert (some.n, some.num_left_out) == (40, 10)
    assert some.shares == whole.shares


def reasons(found: ParameterImportance) -> list[str]:
    assert all(share.share is None and share.interval is None for share in found.shares)
    return [share.reason for share in found.shares]


def test_unknown_is_said_and_never_zero() -> None:
    configurations = tried(9, 10)
    assert reasons(parameter_importance([], [], space=SPACE)) == ["0 trials with a value; 10 are needed"] * 4
    nine = parameter_importance(configurations, additive(configurations, 10), space=SPACE)
    assert reasons(nine) == ["9 trials with a value; 10 are needed"] * 4
    assert "lr: not known (9 trials" in nine.text()
    alike = parameter_importance(tried(20, 1), [1.0] * 20, space=SPACE)
    assert reasons(alike) == ["all values are equal"] * 4
    many = read_space(f"c=cat({','.join('abcdefgh')})")
    configurations = [{"c": "abcdefgh"[k % 8]} for k in range(24)]
    assert reasons(parameter_importance(configurations, list(range(24)), space=many)) == [
        "24 trials with a value for 8 coefficients; 32 are needed"
    ]
    same = parameter_importance([{"c": "a"}] * 24, list(range(24)), space=many)
    assert reasons(same) == ["it has one value in all of them"]


def test_values_that_follow_a_parameter_exactly_have_no_interval() -> None:
    space = read_space("x=int(1,3)")
    configurations = [{"x": 1 + k % 3} for k in range(30)]
    (found,) = parameter_importance(configurations, [c["x"] * 2.0 for c in configurations], space=space).shares
    assert found.share == pytest.approx(1.0)
    assert found.interval is None
    assert "without any spread" in found.text()


def test_as_many_values_as_configurations_are_expected() -> None:
    with pytest.raises(UsageError, match="2 configurations and 1 values"):
        parameter_importance(tried(2, 0), [1.0], space=SPACE)
