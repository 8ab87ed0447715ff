import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cupel.stats.signed_rank_rope import NUM_DRAWS, Variant, signed_rank_rope

PEERS = (
    Path(os.environ.get("CUPEL_REFERENCE_DATA", Path(__file__).parents[2] / "../shared/data"))
    / "priorband/peers_reference_budget10.json"
)
needs_peers = pytest.mark.skipif(not PEERS.is_file(), reason="needs the peers' numbers; set CUPEL_REFERENCE_DATA")
X = np.array([0.91, 0.83, 0.72, 0.95, 0.88, 0.61, 0.79])
Y = np.array([0.90, 0.80, 0.74, 0.91, 0.87, 0.62, 0.74])


@pytest.fixture(scope="module")
def peers() -> dict[str, Any]:
    return json.loads(PEERS.read_text())


@needs_peers
@pytest.mark.parametrize(("variant", "name"), [("signed-rank", "signrank"), ("sign", "sign")])
@pytest.mark.parametrize("rope", [0, 0.01])
def test_baycomp_agrees_within_both_monte_carlo_errors(
    variant: Variant, name: str, rope: float, peers: dict[str, Any]
) -> None:
    scores = {m: np.array(peers["task_mean_scores"][m]) for m in ("PB", "HB")}
    found = signed_rank_rope(scores["PB"], scores["HB"], rope=rope, variant=variant)
    theirs = peers[f"baycomp_{name}_PB_HB_rope{rope}"]
    mine = (found.p_x_larger, found.p_rope, found.p_y_larger)
    if rope == 0:
        assert found.p_rope == 0
        mine = (found.p_x_larger, found.p_y_larger)
    # baycomp's sign test leaves draws out in which its made-up tie wins (0.9826); here a tie counts half (0.9805)
    slack = 0.0025 if (variant, rope) == ("sign", 0) else 4 * np.sqrt(2 * 0.25 / NUM_DRAWS)
    assert mine == pytest.approx(theirs, abs=slack)


def naive(difference: np.ndarray, rope: float, draws: int) -> np.ndarray:
    """The sum over all pairs of tasks, as the paper writes it, one draw after the other."""
    z = np.append(difference, 0.0)
    rng = np.random.default_rng(5)
    wins = np.zeros(3)
    total = z[:, None] + z[None, :]
    for _ in range(draws):
        w = rng.dirichlet([*np.ones(difference.size), 0.5])
        square = np.outer(w, w)
        right = float((square * ((total > 2 * rope) + 0.5 * (total == 2 * rope))).sum())
        left = float((square * ((total < -2 * rope) + 0.5 * (total == -2 * rope))).sum())
        middle = 1 - left - right if rope > 0 else -1
        wins[np.argmax([right, middle, left])] += 1
    return wins / draws


@pytest.mark.parametrize("rope", [0.0, 0.01, 0.03])
def test_the_sum_over_all_pairs_agrees(rope: float) -> None:
    draws = 4000
    found = signed_rank_rope(X, Y, rope=rope)
    mine = [found.p_x_larger, found.p_rope, found.p_y_larger]
    assert mine == pytest.approx(naive(X - Y, rope, draws), abs=4 * np.sqrt(0.25 / draws))


def test_the_sign_test_without_region_is_a_beta_law() -> None:
    found = signed_rank_rope(X, Y, rope=0, variant="sign")
    assert found.p_x_larger == pytest.approx(stats.beta.sf(0.5, 5.5, 2.5), abs=1e-5)
    assert found.se == 0


def test_the_sign_test_is_the_dirichlet_law_that_is_drawn() -> None:
    found = signed_rank_rope(X, Y, rope=0.015, variant="sign")  # 3 above, 3 inside and the prior, 1 below
    shares = np.random.default_rng(0).dirichlet([3, 4, 1], 200_000)
    drawn = np.bincount(shares.argmax(axis=1), minlength=3) / 200_000
    assert [found.p_x_larger, found.p_rope, found.p_y_larger] == pytest.approx(drawn, abs=0.005)


def test_same_seed_same_bytes_and_the_global_generator_is_left_alone() -> None:
    before = np.random.get_state()  # noqa: NPY002 - the global generator is what must not move
    one, two, other = (signed_rank_rope(X, Y, rope=0.01, seed=seed) for seed in (1, 1, 2))
    assert one == two
    assert one.p_rope != other.p_rope
    assert abs(one.p_rope - other.p_rope) < 6 * one.se
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("variant", ["signed-rank", "sign"])
def test_swapping_the_methods_swaps_the_statements(variant: Variant) -> None:
    one, two = signed_rank_rope(X, Y, rope=0.01, variant=variant), signed_rank_rope(Y, X, rope=0.01, variant=variant)
    assert one.p_x_larger == pytest.approx(two.p_y_larger, abs=6 * max(one.se, 1e-9))
    assert one.p_x_larger + one.p_rope + one.p_y_larger == pytest.approx(1)


@pytest.mark.parametrize("variant", ["signed-rank", "sign"])
def test_equal_results_are_practically_equal(variant: Variant) -> None:
    assert signed_rank_rope(X, X, rope=0.01, variant=variant).p_rope == pytest.approx(1)
    none = signed_rank_rope(X, X, rope=0, variant=variant)
    assert none.p_x_larger == pytest.approx(0.5)


def test_a_task_without_a_value_is_left_out_and_said() -> None:
    found = signed_rank_rope(np.append(X, np.nan), np.append(Y, 0.5), rope=0.01)
    assert (found.n, found.num_failed) == (7, 1)
    assert [note.code for note in found.warnings] == ["failures"]


def test_few_tasks_are_said_to_lean_on_the_prior() -> None:
    found = signed_rank_rope(X[:3], Y[:3], rope=0.01)
    assert [note.code for note in found.warnings] == ["few tasks"]
    assert "x larger" in found.text()
    assert len(found.to_frame()) == 3


@pytest.mark.parametrize(
    ("x", "y", "options", "match"),
    [
        (X, Y[:3], {"rope": 0}, "same tasks"),
        (X, Y, {"rope": -1}, "rope at least 0"),
        (X, Y, {"rope": 0, "variant": "t"}, "'signed-rank' or 'sign'"),
        ([np.nan], [1.0], {"rope": 0}, "at least one"),
    ],
)
def test_what_cannot_be_compared_is_refused(x: Any, y: Any, options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        signed_rank_rope(x, y, **options)
