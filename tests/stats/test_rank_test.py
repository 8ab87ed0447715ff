import json
import os
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupel.stats.post_hoc import conover, groups, nemenyi_distance, pairs_without_group
from cupel.stats.rank_test import rank_test
from cupel.stats.task_table import ranks

PEERS = (
    Path(os.environ.get("CUPEL_REFERENCE_DATA", Path(__file__).parents[2] / "../shared/data"))
    / "priorband/peers_reference_budget10.json"
)
needs_peers = pytest.mark.skipif(not PEERS.is_file(), reason="needs the peers' numbers; set CUPEL_REFERENCE_DATA")

ERRORS = np.array([
    [0.217, 0.103, 0.255, 0.29, 0.181], [0.127, 0.224, 0.19, 0.316, 0.323], [0.151, 0.151, 0.346, 0.275, 0.22],
    [0.077, 0.185, 0.174, 0.331, 0.243], [0.158, 0.26, 0.16, 0.312, 0.212], [0.254, 0.232, 0.121, 0.287, 0.287],
])  # fmt: skip
# scikit-posthocs 0.17.1: posthoc_nemenyi_friedman and posthoc_conover_friedman(p_adjust="holm") on ERRORS
NEMENYI = [
    0.9495099579462872, 0.8535842218217067, 0.01638266714248171, 0.26185819565021906, 0.998769308276963,
    0.12257730028908931, 0.7048094108968719, 0.2201212281123982, 0.8535842218217066, 0.8089976940897431,
]  # fmt: skip
CONOVER = [
    0.8576934155173099, 0.8576934155173099, 0.006743454950709593, 0.11989978275195734, 0.8576934155173099,
    0.054048040195213864, 0.6817911528574621, 0.10593072245466999, 0.8576934155173099, 0.8576934155173099,
]  # fmt: skip


def long(values: np.ndarray) -> dict[str, list[Any]]:
    tasks, methods = values.shape
    return {
        "task": np.repeat(np.arange(tasks), methods).tolist(),
        "method": [f"m{j}" for j in range(methods)] * tasks,
        "value": values.ravel().tolist(),
    }


@pytest.fixture(scope="module")
def peers() -> dict[str, Any]:
    return json.loads(PEERS.read_text())


@pytest.fixture(scope="module")
def priorband(peers: dict[str, Any]) -> list[dict[str, Any]]:
    scores = peers["task_mean_scores"]
    return [
        {"method": m, "task": t, "value": v}
        for m in scores
        for t, v in zip(peers["tasks"], scores[m], strict=True)
    ]  # fmt: skip


@needs_peers
def test_mean_ranks_and_friedman_are_those_of_autorank_and_scipy(priorband: Any, peers: dict[str, Any]) -> None:
    found = rank_test(priorband, better="higher")
    assert found.methods == ("PB", "HB", "RS")
    assert found.mean_ranks.tolist() == pytest.approx([1.2916667, 1.7083333, 3.0])
    assert found.friedman.chi2 == pytest.approx(peers["friedman"]["stat"])
    assert found.friedman.p_chi2 == pytest.approx(peers["friedman"]["p"])
    assert found.friedman.method == "exact"
    assert found.p is not None
    assert found.p < found.friedman.p_chi2


@needs_peers
@pytest.mark.parametrize("posthoc", ["nemenyi", "conover", "holm"])
def test_pairs_are_those_of_scikit_posthocs_and_scipy(posthoc: Any, priorband: Any, peers: dict[str, Any]) -> None:
    found = rank_test(priorband, better="higher", posthoc=posthoc)
    place = [found.methods.index(name) for name in peers["cols"]]
    mine = found.p_pairs[np.ix_(place, place)]
    if posthoc == "conover":  # protected by the omnibus test, which is far less sure than the t of RS against the rest
        scores = np.array([peers["task_mean_scores"][name] for name in peers["cols"]]).T
        assert conover(ranks(scores)) == pytest.approx(np.array(peers["conover_holm"]), rel=1e-6)
        assert mine[0, 1] == pytest.approx(peers["conover_holm"][0][1])
        assert mine[0, 2] == pytest.approx(found.p)
    elif posthoc == "nemenyi":
        assert mine == pytest.approx(np.array(peers["nemenyi"]), rel=1e-4)
    else:
        assert mine[0, 1] == pytest.approx(peers["wilcoxon_holm"][0][1])
        assert mine[1, 2] == pytest.approx(peers["wilcoxon_holm"][1][2])
        # HB and RS tie in size on some tasks: scipy falls back on the normal law (3.6e-5), the exact one is 2^-23
        assert mine[0, 2] == pytest.approx(3 * 2.0**-23)
    assert found.groups == (() if posthoc == "conover" else (("PB", "HB"),))


def test_recorded_values_of_scikit_posthocs_with_ties() -> None:
    found = rank_test(long(ERRORS), better="lower")
    place = np.argsort(found.methods)
    mine = found.p_pairs[np.ix_(place, place)][np.triu_indices(5, 1)]
    assert mine == pytest.approx(NEMENYI, rel=1e-5)
    raw = conover(ranks(-ERRORS))[np.triu_indices(5, 1)]
    assert raw == pytest.approx(CONOVER, rel=1e-9)


@pytest.mark.parametrize(
    ("k", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (10, 3.164)]
)
def test_critical_values_are_those_of_demsars_table(k: int, q: float) -> None:
    # Demsar (2006), table 5(a); scikit-learn users know CD = 1.25 for k = 4, N = 14
    assert nemenyi_distance(k, 10, 0.95) == pytest.approx(q * np.sqrt(k * (k + 1) / 60), abs=1e-3)
    assert nemenyi_distance(4, 14, 0.95) == pytest.approx(1.25, abs=0.005)


def naive_groups(p: np.ndarray, level: float) -> set[tuple[int, ...]]:
    """Every stretch of the ranking, tried; those in which no pair is separated and that no longer one holds."""
    k = len(p)
    fine = [
        range(i, j + 1)
        for i in range(k)
        for j in range(i + 1, k)
        if all(p[a, b] > 1 - level for a in range(i, j + 1) for b in range(a + 1, j + 1))
    ]
    return {tuple(s) for s in fine if not any(set(s) < set(other) for other in fine)}


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 9))
def test_groups_are_all_largest_stretches_without_a_separated_pair(seed: int, k: int) -> None:
    p = np.random.default_rng(seed).random((k, k)) * 0.12
    p = np.minimum(p, p.T)
    np.fill_diagonal(p, 1.0)
    names = [f"m{j}" for j in range(k)]
    found = groups(names, p, 0.95)
    assert set(found) == {tuple(names[j] for j in group) for group in naive_groups(p, 0.95)}
    assert len(found) == len(set(found))
    held = {f"{a} = {b}" for group in found for i, a in enumerate(group) for b in group[i + 1 :]}
    alike = {f"m{i} = m{j}" for i in range(k) for j in range(i + 1, k) if p[i, j] > 0.05}
    assert set(pairs_without_group(names, p, 0.95)) == alike - held


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_groups_of_nemenyi_are_methods_within_one_critical_difference(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(10, 6)) + np.arange(6) * 0.4
    found = rank_test(long(values), better="higher")
    assert found.critical_difference is not None
    rank = dict(zip(found.methods, found.mean_ranks, strict=True))
    for group in found.groups:
        assert rank[group[-1]] - rank[group[0]] < found.critical_difference
    together = {frozenset((a, b)) for group in found.groups for a in group for b in group if a != b}
    for a, b in combinations(found.methods, 2):
        if rank[b] - rank[a] < found.critical_difference - 1e-9:
            assert frozenset((a, b)) in together


def test_a_pair_that_no_group_can_hold_is_said() -> None:
    # a is often above c and sometimes far below; b is a little above c on every task: a = c, but b and c are separated
    c = np.arange(10.0)
    a = c + np.array([5, 5, 5, 5, 5, 5, 5, -9, -9, -9.0])
    values = np.stack([a, c + 0.01, c], axis=1)
    found = rank_test(long(values), better="higher", posthoc="holm")
    assert ("m0", "m1") in found.groups
    assert any("m0 = m2" in note.text for note in found.warnings if note.code == "approximate")


def test_direction_turns_the_ranking() -> None:
    up, down = rank_test(long(ERRORS), better="higher"), rank_test(long(-ERRORS), better="lower")
    assert up.methods == down.methods
    assert rank_test(long(ERRORS), better="lower").methods == up.methods[::-1]
    assert up.p == pytest.approx(down.p)


def test_two_methods_get_the_signed_ranks_and_are_told_why() -> None:
    values = ERRORS[:, :2]
    found = rank_test(long(values), better="lower")
    assert found.method == "exact"
    assert found.p == pytest.approx(found.p_pairs[0, 1])
    assert found.posthoc == "holm"
    assert found.critical_difference is None
    assert any("sign test" in note.text for note in found.warnings)
    assert "signed ranks" in found.text()


@pytest.mark.parametrize(("tasks", "is_told"), [(4, True), (5, True), (6, False)])
def test_five_tasks_cannot_separate_two_methods_and_are_told(tasks: int, *, is_told: bool) -> None:
    values = np.stack([np.arange(tasks) + 1.0, np.zeros(tasks)], axis=1)
    found = rank_test(long(values), better="higher")
    assert found.p == pytest.approx(2.0 ** (1 - tasks))
    assert any(note.code == "few tasks" and "cannot go below" in note.text for note in found.warnings) == is_told


def test_holm_over_many_pairs_needs_more_tasks_and_says_so() -> None:
    found = rank_test(long(ERRORS), better="lower", posthoc="holm")
    texts = [note.text for note in found.warnings if note.code == "few tasks"]
    assert len(texts) == 1
    assert "6 tasks" in texts[0]
    assert "10 pairs: 0.31" in texts[0]


@pytest.mark.parametrize("tasks", [0, 1])
def test_without_two_tasks_there_is_no_test(tasks: int) -> None:
    table = long(ERRORS[:1, :2])
    if tasks == 0:
        table["task"] = ["p", "q"]  # each method has a task of its own
    found = rank_test(table, better="lower")
    assert found.n == tasks
    assert found.p is None
    assert found.groups == ()
    assert any(note.code == "few tasks" for note in found.warnings)
    assert found.text()


def test_methods_that_are_all_equal_are_no_test() -> None:
    found = rank_test(long(np.ones((6, 3))), better="lower")
    assert found.p is None
    assert [note.code for note in found.warnings] == ["ties"]


def test_a_failure_costs_the_place_or_the_task() -> None:
    values = ERRORS.copy()
    values[0, 0] = np.nan
    worst = rank_test(long(values), better="lower", posthoc="holm")
    assert worst.n == 6
    assert worst.ranks[0, worst.methods.index("m0")] == 5
    assert {note.code for note in worst.warnings} >= {"failures"}
    assert rank_test(long(values), better="lower", failures="leave out").left_out == ("0",)


def test_conover_is_marked_as_the_one_that_does_not_keep_its_level() -> None:
    found = rank_test(long(ERRORS), better="lower", posthoc="conover")
    assert any(note.code == "approximate" and "Conover" in note.text for note in found.warnings)
    assert found.p is not None
    assert np.all(found.p_pairs[np.triu_indices(5, 1)] >= found.p)


def test_its_frame_has_a_row_for_each_pair() -> None:
    frame = rank_test(long(ERRORS), better="lower").to_frame()
    assert len(frame) == 10
    assert all(a <= b for a, b in zip(frame["rank_better"], frame["rank_worse"], strict=True))


def test_mean_ranks_are_sorted_and_sum_to_what_they_must() -> None:
    found = rank_test(long(ERRORS), better="lower")
    assert all(a <= b for a, b in pairwise(found.mean_ranks))
    assert found.mean_ranks.sum() == pytest.approx(15)


@pytest.mark.parametrize(("options", "match"), [({"posthoc": "tukey"}, "posthoc"), ({"level": 1.5}, "level")])
def test_unknown_options_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        rank_test(long(ERRORS), better="lower", **options)


def test_one_method_is_refused() -> None:
    with pytest.raises(ValueError, match="Only one method"):
        rank_test(long(ERRORS[:, :1]), better="lower")
