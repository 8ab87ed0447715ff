import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupel.stats.bradley_terry import covariance, reachable, strengths
from cupel.stats.pairwise_outcomes import pairwise_outcomes
from cupel.stats.ratings import ratings

PEERS = (
    Path(os.environ.get("CUPEL_REFERENCE_DATA", Path(__file__).parents[2] / "../shared/data"))
    / "priorband/peers_reference_budget10.json"
)
ERRORS = np.array([
    [0.217, 0.103, 0.255, 0.29, 0.181], [0.127, 0.224, 0.19, 0.316, 0.323], [0.151, 0.151, 0.346, 0.275, 0.22],
    [0.077, 0.185, 0.174, 0.331, 0.243], [0.158, 0.26, 0.16, 0.312, 0.212], [0.254, 0.232, 0.121, 0.287, 0.287],
])  # fmt: skip


def long(values: np.ndarray) -> dict[str, list[Any]]:
    tasks, methods = values.shape
    return {
        "task": np.repeat(np.arange(tasks), methods).tolist(),
        "method": [f"m{j}" for j in range(methods)] * tasks,
        "value": values.ravel().tolist(),
    }


def seeded(rows: list[tuple[str, str, int, float | None]]) -> dict[str, list[Any]]:
    return dict(zip(("task", "method", "seed", "value"), map(list, zip(*rows, strict=True)), strict=True))


def naive_strengths(wins: np.ndarray) -> np.ndarray:
    """Hunter's (2004) MM steps, one method after the other, until nothing moves."""
    k = len(wins)
    p = np.ones(k)
    for _ in range(20_000):
        new = p.copy()
        for i in range(k):
            met = sum((wins[i, j] + wins[j, i]) / (new[i] + new[j]) for j in range(k) if j != i)
            new[i] = wins[i].sum() / met
        new /= np.exp(np.log(new).mean())
        if np.abs(new - p).max() < 1e-13:
            break
        p = new
    return np.log(p)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_mm_steps_reach_the_same_strengths(seed: int, k: int) -> None:
    wins = np.random.default_rng(seed).integers(1, 20, size=(k, k)) * (1.0 - np.eye(k))
    found, needs_prior = strengths(wins[None])
    assert not needs_prior[0]
    assert found[0] == pytest.approx(naive_strengths(wins), abs=1e-7)


def test_two_methods_have_their_log_odds() -> None:
    found, _ = strengths(np.array([[[0, 30.0], [10, 0]], [[0, 1e4], [1, 0]]]))
    assert (found[:, 0] - found[:, 1]).tolist() == pytest.approx([math.log(3), math.log(1e4)])


def test_recorded_ratings_of_bencheval_and_evalica() -> None:
    # bencheval 0.1.0, BenchmarkEvaluator().leaderboard; evalica 0.4.2, bradley_terry with draws as half wins
    found = ratings(long(ERRORS), better="lower")
    assert found.methods == ("m0", "m1", "m2", "m4", "m3")
    assert found.ratings == pytest.approx(
        [1242.5858647062068, 1113.1074406958526, 1068.3261744027582, 901.8198182840194, 674.1607019111627], abs=1e-4
    )
    assert found.mean_ranks == pytest.approx([1.75, 2.416667, 2.666667, 3.583333, 4.583333], abs=1e-6)
    assert found.win_rates == pytest.approx([0.8125, 0.645833, 0.583333, 0.354167, 0.104167], abs=1e-6)
    assert found.improvability_percent == pytest.approx([17.4828, 31.4596, 34.3535, 47.7938, 58.8866], abs=1e-4)


def test_an_anchor_has_1000_points_and_no_interval() -> None:
    mean, anchored = ratings(long(ERRORS), better="lower"), ratings(long(ERRORS), better="lower", anchor="m1")
    place = anchored.methods.index("m1")
    assert mean.ratings.mean() == pytest.approx(1000)
    assert anchored.ratings[place] == 1000
    assert anchored.intervals[place] is None
    assert anchored.bootstrap[place] is None
    assert np.diff(anchored.ratings) == pytest.approx(np.diff(mean.ratings))


def naive_covariance(strength: np.ndarray, wins: np.ndarray) -> np.ndarray:
    """The sandwich with derivatives by finite differences, on strengths whose last is minus the sum of the others."""
    k, t = strength.size, wins.shape[0]
    full = np.vstack([np.eye(k - 1), -np.ones(k - 1)])

    def log_likelihood(free: np.ndarray, of: np.ndarray) -> float:
        s = full @ free
        return float(-(of * np.log1p(np.exp(s[None, :] - s[:, None]))).sum())

    def gradient(free: np.ndarray, of: np.ndarray) -> np.ndarray:
        steps = np.eye(k - 1) * 1e-5
        return np.array([(log_likelihood(free + e, of) - log_likelihood(free - e, of)) / 2e-5 for e in steps])

    free = strength[:-1]
    total = wins.sum(axis=0)
    steps = np.eye(k - 1) * 1e-4
    hessian = np.array([(gradient(free + e, total) - gradient(free - e, total)) / 2e-4 for e in steps])
    scores = np.array([gradient(free, w) for w in wins])
    inverse = np.linalg.inv(hessian)
    return full @ inverse @ (scores.T @ scores) @ inverse @ full.T * t / (t - 1)


def test_the_sandwich_agrees_with_derivatives_by_differences() -> None:
    outcomes = pairwise_outcomes(long(ERRORS), "lower")
    fit, _ = strengths(outcomes.wins.sum(axis=0)[None])
    assert covariance(fit[0], outcomes.wins) == pytest.approx(naive_covariance(fit[0], outcomes.wins), rel=1e-3)


def test_intervals_shrink_with_tasks_and_the_two_kinds_are_alike() -> None:
    rng = np.random.default_rng(3)
    few, many = (ratings(long(rng.normal(size=(n, 4)) + np.arange(4) * 0.3), better="higher") for n in (12, 192))
    widths = []
    for found in (few, many):
        pairs = zip(found.intervals, found.bootstrap, strict=True)
        both = [(a.high - a.low, b.high - b.low) for a, b in pairs if a and b]
        assert len(both) == 4
        widths.append(np.mean(both, axis=0))
    assert widths[0][0] / widths[1][0] == pytest.approx(4, rel=0.4)
    assert widths[1][0] == pytest.approx(widths[1][1], rel=0.1)


def test_runs_meet_by_their_seed() -> None:
    # by seed a wins 2 of 2; all runs against all runs would be 3 of 4
    table = seeded([("p", "a", 0, 2), ("p", "b", 0, 1), ("p", "a", 1, 5), ("p", "b", 1, 4)])
    outcomes = pairwise_outcomes(table, "higher")
    assert outcomes.is_paired
    assert outcomes.wins[0, 0, 1] == 1.0
    table["seed"] = [0, 2, 1, 3]
    outcomes = pairwise_outcomes(table, "higher")
    assert not outcomes.is_paired
    assert outcomes.wins[0].tolist() == [[0, 0.75], [0.25, 0]]
    assert [note.code for note in outcomes.warnings] == ["unpaired"]
    table.pop("seed")
    assert pairwise_outcomes(table, "higher").wins.tolist() == outcomes.wins.tolist()
    one_run_each = pairwise_outcomes(long(ERRORS), "lower")
    assert not one_run_each.is_paired
    assert one_run_each.warnings == ()


def test_each_task_weighs_the_same_however_many_runs_it_has() -> None:
    rows = [("p", m, s, float(v)) for s in range(9) for m, v in (("a", 1), ("b", 0))]
    found = ratings(seeded([*rows, ("q", "a", 0, 0.0), ("q", "b", 0, 1.0)]), better="higher")
    assert found.win_rates == pytest.approx([0.5, 0.5])


def test_a_failure_loses_and_two_of_them_draw() -> None:
    table = seeded([("p", "a", 0, None), ("p", "b", 0, 0.1), ("p", "c", 0, None)])
    outcomes = pairwise_outcomes(table, "lower")
    assert outcomes.wins[0].tolist() == [[0, 0, 0.5], [1, 0, 1], [0.5, 0, 0]]
    assert any(note.code == "failures" and "loss" in note.text for note in outcomes.warnings)


def test_methods_that_never_lost_are_said_and_have_no_interval() -> None:
    values = np.array([[3.0, 2, 1], [2, 3, 1], [3, 2, 1], [2.5, 2, 1]])
    found = ratings(long(values), better="higher")
    assert found.is_separated
    assert found.intervals == (None,) * 3
    texts = [note.text for note in found.warnings if note.code == "boundary"]
    assert len(texts) == 1
    assert texts[0].startswith("m0, m1 never lost to the others")
    # one drawn task between every pair: with two methods 4 wins of 4 become 4.5 of 5
    two = ratings(long(values[:, [0, 2]]), better="higher", anchor="m1")
    assert two.ratings[0] - 1000 == pytest.approx(400 * math.log10(4.5 / 0.5))


def test_ratings_of_methods_that_never_meet_are_refused() -> None:
    table = {"task": ["p", "p", "q", "q"], "method": ["a", "b", "c", "d"], "value": [1, 2, 3, 4]}
    with pytest.raises(ValueError, match="No chain of tasks joins a, b with c, d"):
        ratings(table, better="higher")


def test_a_chain_of_meetings_is_enough() -> None:
    rows = {"task": list("ppqqrrss"), "method": list("abbcabbc"), "value": [2, 1, 2, 1, 1, 2, 1, 2]}
    found = ratings(rows, better="higher")
    assert found.ratings == pytest.approx([1000] * 3)
    assert np.isnan(found.win_matrix[found.methods.index("a"), found.methods.index("c")])
    assert {note.code for note in found.warnings} >= {"missing cells"}
    assert np.all(np.isnan(found.mean_ranks))


def test_tasks_that_are_all_alike_have_no_spread_and_no_interval() -> None:
    table = seeded([(t, m, s, v) for t in "pq" for s, (x, y) in enumerate([(1, 0), (0, 1), (1, 0)]) for m, v in (("a", float(x)), ("b", float(y)))])  # fmt: skip  # noqa: E501
    found = ratings(table, better="higher")
    assert found.ratings[0] > found.ratings[1]
    assert found.intervals == (None, None)
    assert {note.code for note in found.warnings} >= {"no spread"}


def test_one_task_has_no_interval() -> None:
    table = seeded([("p", m, s, v) for s, (x, y) in enumerate([(1, 0), (0, 1), (1, 0)]) for m, v in (("a", float(x)), ("b", float(y)))])  # fmt: skip  # noqa: E501
    found = ratings(table, better="higher")
    assert found.intervals == (None, None)
    assert {note.code for note in found.warnings} >= {"few tasks"}


def test_improvability_is_of_errors_only() -> None:
    assert ratings(long(ERRORS), better="higher").improvability_percent is None
    negative = ratings(long(ERRORS - 0.2), better="lower")
    assert negative.improvability_percent is None
    assert any("negative" in note.text for note in negative.warnings)
    assert "improvability" not in negative.text().partition("\n")[2].partition("No improvability")[0]


def test_an_error_of_zero_cannot_be_improved_and_a_failure_wholly() -> None:
    table = {"task": list("ppqqrr"), "method": list("ababab"), "value": [0.0, 0.0, 0.0, 0.4, 0.3, None]}
    found = ratings(table, better="lower")
    gain = dict(zip(found.methods, found.improvability_percent, strict=True))  # type: ignore[arg-type]
    assert gain == pytest.approx({"a": 0.0, "b": 200 / 3})


def test_same_seed_same_bytes_and_the_global_generator_is_left_alone() -> None:
    before = np.random.get_state()  # noqa: NPY002 - the global generator is what must not move
    one, two, other = (ratings(long(ERRORS), better="lower", seed=seed) for seed in (1, 1, 2))
    assert one.bootstrap == two.bootstrap
    assert one.bootstrap != other.bootstrap
    assert one.intervals == other.intervals
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 7))
def test_reachable_is_the_closure(seed: int, k: int) -> None:
    edges = np.random.default_rng(seed).random((3, k, k)) < 0.3
    for table, mine in zip(edges, reachable(edges), strict=True):
        slow = table | np.eye(k, dtype=bool)
        for middle in range(k):
            slow |= slow[:, [middle]] & slow[[middle], :]
        assert np.array_equal(mine, slow)


@pytest.mark.skipif(not PEERS.is_file(), reason="needs the peers' numbers; set CUPEL_REFERENCE_DATA")
def test_priorband_means_are_separated_and_ranks_are_those_of_autorank() -> None:
    peers = json.loads(PEERS.read_text())
    scores = np.array([peers["task_mean_scores"][name] for name in peers["cols"]]).T
    table = long(scores)
    table["method"] = peers["cols"] * len(scores)
    found = ratings(table, better="higher", anchor="PB")
    assert found.methods == ("PB", "HB", "RS")
    assert found.mean_ranks == pytest.approx([1.2916667, 1.7083333, 3.0])
    assert found.is_separated  # random search never wins
    assert any("HB, PB never lost" in note.text for note in found.warnings)
    assert len(found.to_frame()) == 3


@pytest.mark.parametrize(
    ("options", "match"), [({}, "higher or lower"), ({"better": "lower", "anchor": "m7"}, "No method named 'm7'")]
)
def test_what_cannot_be_rated_is_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ratings(long(ERRORS), **options)
    with pytest.raises(ValueError, match="Only one method"):
        ratings(long(ERRORS[:, :1]), better="lower")
