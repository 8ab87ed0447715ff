import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats import stratified_bootstrap
from cupel.stats.holm import holm
from cupel.stats.pair_wins import CrossedWins
from cupel.stats.probability_of_improvement import probability_of_improvement
from cupel.stats.resample import Resample
from cupel.stats.results import results
from cupel.stats.run_strata import score_table, strata
from cupel.stats.stratified_bootstrap import run_draws

NAN = float("nan")
RNG = np.random.default_rng(3)
X = RNG.integers(0, 8, size=(9, 6)).astype(float)
Y = RNG.integers(0, 7, size=(7, 6)).astype(float)


def wins(a: np.ndarray, b: np.ndarray) -> float:
    """Share of pairs that `a` wins, pair by pair."""
    return float(np.mean([(x > y) + 0.5 * (x == y) for x, y in itertools.product(a, b)]))


def crossed(x: np.ndarray, y: np.ndarray) -> CrossedWins:
    table = score_table({"X": x, "Y": y})
    return CrossedWins(strata(table, 0), strata(table, 1))


def seeded(x: np.ndarray, y: np.ndarray) -> dict[str, list]:
    run, task = np.divmod(np.arange(x.size), x.shape[1])
    return {
        "method": ["X"] * x.size + ["Y"] * y.size,
        "task": [f"t{k}" for k in (*task, *task)],
        "seed": [*run.tolist(), *run.tolist()],
        "score": [*x.ravel().tolist(), *y.ravel().tolist()],
    }


def test_numbers_of_rliable_s_own_tests() -> None:
    x, y = np.array([[1, 2], [2, 2], [1, 1], [2, 1]]), np.array([[1, 1], [2, 2], [3, 3]])
    assert probability_of_improvement({"x": x, "y": y}).estimate == pytest.approx(1 / 3)


def test_it_is_the_mean_over_tasks_of_mann_whitney_s_u() -> None:
    expected = np.mean([mannwhitneyu(X[:, t], Y[:, t]).statistic / (9 * 7) for t in range(6)])
    assert probability_of_improvement({"X": X, "Y": Y}).estimate == pytest.approx(expected)


CELL = st.lists(st.integers(0, 4), min_size=1, max_size=5)


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=5))
def test_ragged_runs_give_every_task_the_same_weight(tasks) -> None:
    rows = [
        (m, f"t{k}", float(v)) for k, pair in enumerate(tasks) for m, own in zip("XY", pair, strict=True) for v in own
    ]
    frame = {
        name: list(values) for name, values in zip(("method", "task", "score"), zip(*rows, strict=True), strict=True)
    }
    found = probability_of_improvement(frame, better="higher", resample=Resample(num=100))
    assert found["X", "Y"].estimate == pytest.approx(np.mean([wins(np.array(a), np.array(b)) for a, b in tasks]))


@pytest.mark.parametrize("drop", [0.0, 0.3])
def test_resamples_are_the_share_of_pairs_of_what_was_drawn(drop: float) -> None:
    x, y = (np.where(RNG.random(side.shape) < drop, NAN, side) for side in (X, Y))
    x[:2], y[:2] = X[:2], Y[:2]
    pair = crossed(x, y)
    draws = [
        next(run_draws(side.sizes, 15, np.random.default_rng(k))).copy() for k, side in enumerate((pair.a, pair.b))
    ]
    edges = [np.cumsum(side.sizes - 1)[:-1] for side in (pair.a, pair.b)]
    expected = [
        np.mean(
            [
                wins(a, b)
                for a, b in zip(np.split(pair.a.values[i], edges[0]), np.split(pair.b.values[j], edges[1]), strict=True)
            ]
        )
        for i, j in zip(*draws, strict=True)
    ]
    assert pair._of_runs(*draws) == pytest.approx(expected)


def test_placements_give_the_standard_error_of_delong() -> None:
    pair = crossed(X[:, :1], Y[:, :1])
    a, b = X[:, 0], Y[:, 0]
    over = [wins(np.array([x]), b) for x in a]
    under = [wins(a, np.array([y])) for y in b]
    parts = [float(v.sum()) for v, _ in pair.parts]
    assert parts == pytest.approx([np.var(over, ddof=1) / 9, np.var(under, ddof=1) / 7])


def test_same_seed_same_bytes_however_many_are_held(monkeypatch) -> None:
    pair = crossed(X, Y)
    whole = pair.draws(Resample(num=300))
    monkeypatch.setattr(stratified_bootstrap, "CELLS", 200)
    assert pair.draws(Resample(num=300)).tobytes() == whole.tobytes()
    assert pair.draws(Resample(num=300, seed=1)).tobytes() != whole.tobytes()


def test_lower_is_better_gives_the_complement() -> None:
    up = probability_of_improvement({"X": X, "Y": Y}).rows[0]
    down = probability_of_improvement({"X": X, "Y": Y}, better="lower").rows[0]
    assert up.estimate == pytest.approx(1 - down.estimate)
    turned = probability_of_improvement({"X": -X, "Y": -Y}, better="lower").rows[0]
    assert (turned.estimate, turned.interval, turned.p) == (up.estimate, up.interval, up.p)


def test_a_pair_can_be_asked_for_from_either_side() -> None:
    found = probability_of_improvement({"X": X, "Y": Y})
    there, back = found["X", "Y"], found["Y", "X"]
    assert there.estimate + back.estimate == pytest.approx(1)
    assert back.interval.low == pytest.approx(1 - there.interval.high)
    assert (back.a, back.p) == ("Y", there.p)
    with pytest.raises(UnknownNameError):
        found["X", "Z"]


def test_failures_lose_and_tie_with_each_other() -> None:
    x, y = np.array([[1.0], [NAN]]), np.array([[NAN], [0.0], [2.0]])
    # 1 beats the failure and 0; the failure ties with the failure
    expected = (1 + 1 + 0 + 0.5 + 0 + 0) / 6
    for better, sign in (("higher", 1), ("lower", -1)):
        found = probability_of_improvement({"x": sign * x, "y": sign * y}, better=better)
        assert found.estimate == pytest.approx(expected)
        assert "failures" in {note.code for note in found.warnings}


def test_pairs_of_the_same_seed_alone_meet() -> None:
    x, y = X[:7], Y.copy()
    found = probability_of_improvement(seeded(x, y), better="higher", paired=True)
    expected = np.mean((x > y) + 0.5 * (x == y))
    assert found.estimate == pytest.approx(expected)
    assert (found.n, found.is_paired) == (42, True)
    with pytest.raises(UsageError, match="column `seed`"):
        probability_of_improvement({"X": X, "Y": Y}, paired=True)


def test_shared_luck_shortens_the_paired_interval_alone() -> None:
    luck = RNG.normal(size=(10, 8))
    frame = seeded(luck + 0.4, luck)
    paired = probability_of_improvement(frame, better="higher", paired=True)
    apart = probability_of_improvement(frame, better="higher")
    assert paired.estimate == 1.0
    assert 0.5 < apart.estimate < 0.8
    assert paired.interval.low > apart.interval.high


def test_a_clean_sweep_has_an_interval_and_a_p_value() -> None:
    found = probability_of_improvement({"X": X + 100, "Y": Y}, resample=Resample(level=0.9))
    assert found.interval.high == 1.0
    assert found.interval.low == pytest.approx(0.05 ** (1 / 42))  # 7 pairs in each of 6 tasks
    assert found.p == pytest.approx(2 * 0.5**42)
    tasks = probability_of_improvement({"X": X + 100, "Y": Y}, resample="tasks")
    assert tasks.interval.low == pytest.approx(0.025 ** (1 / 6))
    other = probability_of_improvement({"X": X, "Y": Y + 100})
    assert (other.interval.low, other.estimate) == (0.0, 0.0)


def test_tasks_that_contradict_each_other_cleanly_leave_the_rest_unknown() -> None:
    shift = np.array([100.0, -100, 100, -100, 100, 100])
    found = probability_of_improvement({"X": X + shift, "Y": Y})
    assert (found.interval, found.p) == (None, None)
    assert "no spread" in {note.code for note in found.warnings}
    assert probability_of_improvement({"X": X + shift, "Y": Y}, resample="tasks").interval is not None


@pytest.mark.parametrize(("num", "how"), [(5, "t on the log odds"), (9, "bootstrap")])
def test_few_pairs_go_by_the_log_odds(num: int, how: str) -> None:
    x, y = RNG.normal(size=(num, 4)), RNG.normal(size=(num, 4))
    found = probability_of_improvement({"X": x, "Y": y})
    assert how in found.method
    assert 0 <= found.interval.low < found.estimate < found.interval.high <= 1


def test_both_intervals_agree_where_both_are_good() -> None:
    x, y = RNG.normal(size=(40, 5)), RNG.normal(0.3, 1, size=(40, 5))
    boot = probability_of_improvement({"X": x, "Y": y}).rows[0]
    pair = crossed(x, y)
    se = sum(float(v.sum()) for v, _ in pair.parts) ** 0.5
    assert (boot.interval.high - boot.interval.low) / (2 * 1.96 * se) == pytest.approx(1, abs=0.06)


def test_all_pairs_are_corrected_together() -> None:
    z = RNG.normal(4, 2, size=(9, 6))
    found = probability_of_improvement({"X": X, "Y": Y, "Z": z})
    assert [(row.a, row.b) for row in found.rows] == [("X", "Y"), ("X", "Z"), ("Y", "Z")]
    assert [row.p_adjusted for row in found.rows] == pytest.approx(holm([row.p for row in found.rows]).tolist())
    assert found.warnings[-1].code == "many comparisons"
    assert set(found.estimate) == {("X", "Y"), ("X", "Z"), ("Y", "Z")}
    some = probability_of_improvement({"X": X, "Y": Y, "Z": z}, ("Z", "X"))
    assert some.estimate == pytest.approx(1 - found["X", "Z"].estimate)


@pytest.mark.parametrize(
    ("x", "y", "unit", "code"),
    [(X[:1], Y[:1], "runs", "no repeats"), (X[:, :4], Y[:, :4], "tasks", "few tasks")],
)
def test_what_is_unknown_is_none_and_says_why(x, y, unit, code: str) -> None:
    found = probability_of_improvement({"X": x, "Y": y}, resample=unit)
    assert (found.interval, found.p) == (None, None)
    assert code in {note.code for note in found.warnings}
    assert "no interval" in found.text()


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(UsageError, match="2 different names or more"):
        probability_of_improvement({"X": X, "Y": Y}, ("X", "X"))
    with pytest.raises(UsageError, match="2 different names or more"):
        probability_of_improvement(X)
    with pytest.raises(UsageError, match="not guessed"):
        probability_of_improvement(results(seeded(X[:7], Y)))


def test_tasks_of_only_one_method_are_left_out_and_named() -> None:
    frame = {"method": list("XXYYY"), "task": list("tuttv"), "score": [1.0, 2.0, 0.0, 3.0, 5.0]}
    found = probability_of_improvement(frame, better="higher")
    assert (found.estimate, found.rows[0].num_tasks) == (0.5, 1)
    assert "missing cells" in {note.code for note in found.warnings}


def test_it_reads_as_lines_and_as_rows() -> None:
    found = probability_of_improvement({"X": X, "Y": Y})
    assert "X > Y: " in found.text()
    assert found.to_frame()["p"].tolist() == [found.p]
