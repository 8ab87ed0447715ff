import numpy as np
import pytest
from scipy.stats import binomtest

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.dolan_more import dolan_more

INF, NAN = float("inf"), float("nan")
A, B, C = [1.0, 4.0, 3.0, NAN], [2.0, 2.0, 6.0, NAN], [1.0, 20.0, NAN, NAN]
TIMES = {name: np.array([row]) for name, row in zip("ABC", (A, B, C), strict=True)}


def test_ratios_by_hand() -> None:
    found = dolan_more(TIMES)
    assert found.ratio.tolist() == [[1, 2, 1, INF], [2, 1, 2, INF], [1, 10, INF, INF]]
    assert found.n == 4


def test_shares_by_hand_with_a_task_that_nobody_solves() -> None:
    found = dolan_more(TIMES)
    shares = found.share([1.0, 1.99, 2.0, 10.0, INF])
    assert shares.tolist() == [
        [0.5, 0.5, 0.75, 0.75, 0.75],
        [0.25, 0.25, 0.75, 0.75, 0.75],
        [0.25, 0.25, 0.25, 0.5, 0.5],
    ]


def test_of_three_solvers_only_the_leader_can_be_ranked_and_two_can_be_redone() -> None:
    # B is second to A by its profile; without A, C beats it: the example is Gould and Scott's point
    times = {
        "A": np.array([[1.0, 1.0, 1.0, 9.0]]),
        "B": np.array([[2.0, 2.0, 2.0, 9.1]]),
        "C": np.array([[1.9, 1.9, 1.9, 90.0]]),
    }
    found = dolan_more(times)
    assert "two solvers" in {note.code for note in found.warnings}
    of_two = found.pair("B", "C")
    assert of_two.methods == ("B", "C")
    assert "two solvers" not in {note.code for note in of_two.warnings}
    assert found.share(1.0).ravel().tolist() == [1.0, 0.0, 0.0]
    assert of_two.share(1.0).ravel().tolist() == [0.25, 0.75]
    assert of_two.ratio.tolist() == dolan_more(times, ("B", "C")).ratio.tolist()


def test_several_runs_count_by_their_median_and_a_failure_is_infinite() -> None:
    frame = {
        "method": ["A"] * 3 + ["B"] * 3,
        "task": ["t"] * 6,
        "seed": [1, 2, 3] * 2,
        "time": [1.0, 9.0, 2.0, 4.0, NAN, NAN],
    }
    found = dolan_more({**frame, "better": ["lower"] * 6})
    assert found.cost.tolist() == [[2.0], [INF]]
    assert "3" not in found.warnings[0].text
    assert "B 2" in found.warnings[0].text


def test_intervals_are_those_of_the_count_of_tasks() -> None:
    found = dolan_more(TIMES, level=0.9)
    for name, row in zip("ABC", found.share(2.0).ravel(), strict=True):
        expected = binomtest(round(4 * row), 4).proportion_ci(0.9, method="exact")
        interval = found.interval(name, 2.0)
        assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_a_task_without_a_run_of_some_method_is_left_out_and_named() -> None:
    frame = {"method": list("AABB"), "task": list("tutv"), "time": [1.0, 2.0, 3.0, 4.0]}
    found = dolan_more(frame)
    assert found.tasks == ("t",)
    assert "u, v" in next(note.text for note in found.warnings if note.code == "missing cells")
    with pytest.raises(UsageError, match="On no task"):
        dolan_more({"method": list("AB"), "task": list("tu"), "time": [1.0, 2.0]})


def test_scores_and_costs_of_nothing_are_refused() -> None:
    frame = {"method": list("AB"), "task": list("tt"), "time": [1.0, 2.0]}
    with pytest.raises(UsageError, match="performance_profile"):
        dolan_more({**frame, "better": ["higher"] * 2})
    with pytest.raises(UsageError, match=r"time is 0 in row 1"):
        dolan_more({**frame, "time": [1.0, 0.0]})


def test_unknown_methods_are_named() -> None:
    found = dolan_more(TIMES)
    for asked in (
        lambda: found.pair("A", "Z"),
        lambda: found.interval("Z", 1.0),
        lambda: dolan_more(TIMES, ("A", "Z")),
    ):
        with pytest.raises(UnknownNameError, match="'Z'"):
            asked()


def test_it_reads_as_lines_and_as_rows() -> None:
    found = dolan_more(TIMES)
    assert "A: best on 50% (7% to 93%)" in found.text()
    frame = found.to_frame()
    assert sorted(set(frame["tau"])) == [1.0, 2.0, 10.0]
    assert len(frame) == 9
