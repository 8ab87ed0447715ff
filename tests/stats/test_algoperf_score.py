import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.algoperf_score import algoperf_score
from cupel.stats.dolan_more import dolan_more
from cupel.stats.resample import Resample
from cupel.stats.results import results

INF, NAN = float("inf"), float("nan")
TIME = st.one_of(st.floats(0.5, 40.0), st.just(NAN))
RNG = np.random.default_rng(4)
POOL = {name: np.exp(RNG.normal(0, 0.5, size=(1, 8))) for name in "ABC"}


def integral(ratio: np.ndarray, most: float) -> float:
    """Area under the steps of the profile from 1 to `most`, over the width, step by step."""
    edges = np.unique(np.clip(np.append(ratio[np.isfinite(ratio)], [1.0, most]), 1.0, most))
    heights = [np.mean(ratio <= left) for left in edges[:-1]]
    return float(np.sum(np.diff(edges) * heights) / (most - 1))


def by_the_rules(times: dict[str, dict[str, float]], variants: dict[str, str], most: float) -> dict[str, float]:
    """The rules of the competition, submission by submission and workload by workload."""
    t = {name: dict(row) for name, row in times.items()}
    workloads = list(next(iter(t.values())))
    for row in t.values():
        for base, variant in variants.items():
            row[variant] = INF if row[base] == INF else row[variant]
    fastest = {w: min(row[w] for row in t.values()) for w in workloads}
    for row in t.values():
        for w in workloads:
            row[w] = INF if row[w] > most * fastest[w] else row[w]
        for base, variant in variants.items():
            row[base] = INF if row[variant] == INF else row[base]
    bases = [w for w in workloads if w not in variants.values()]
    fastest = {w: min(row[w] for row in t.values()) for w in bases}
    ratios = {name: np.array([row[w] / fastest[w] if row[w] < INF else INF for w in bases]) for name, row in t.items()}
    return {name: integral(ratio, most) for name, ratio in ratios.items()}


@given(st.lists(st.tuples(TIME, TIME, TIME), min_size=1, max_size=6), st.floats(1.5, 6.0))
def test_the_closed_form_is_the_area_under_the_profile(rows, most: float) -> None:
    times = {name: np.array([[row[k] for row in rows]]) for k, name in enumerate("ABC")}
    found = algoperf_score(times, max_ratio=most).estimate
    ratio = dolan_more(times).ratio
    for k, name in enumerate("ABC"):
        assert found[name] == pytest.approx(integral(ratio[k], most), abs=1e-12)


@given(st.lists(st.tuples(TIME, TIME, TIME), min_size=4, max_size=4))
def test_held_out_variants_follow_the_rules(rows) -> None:
    names = ["w0", "w1", "w2", "w1_variant"]
    frame = {
        "submission": [m for m in "ABC" for _ in names],
        "workload": names * 3,
        "time": [row[k] for k in range(3) for row in rows],
    }
    table = {
        m: {w: INF if np.isnan(row[k]) else row[k] for w, row in zip(names, rows, strict=True)}
        for k, m in enumerate("ABC")
    }
    ready = results(frame, columns={"method": "submission"}, better="lower")
    found = algoperf_score(ready, held_out={"w1": "w1_variant"})
    assert found.estimate == pytest.approx(by_the_rules(table, {"w1": "w1_variant"}, 4.0), abs=1e-12)
    assert found.workloads == ("w0", "w1", "w2")


def test_a_fast_variant_of_a_submission_that_misses_the_base_is_no_yardstick() -> None:
    frame = {"method": list("AABB"), "task": ["w", "v"] * 2, "time": [NAN, 1.0, 10.0, 10.0]}
    assert algoperf_score(frame, held_out={"w": "v"}).estimate == {"A": 0.0, "B": 1.0}


def test_studies_count_by_their_median_and_trials_by_their_fastest() -> None:
    trials = [[9.0, 3.0], [NAN, 5.0], [NAN, NAN]]  # three studies of two trials: 3, 5, not reached
    frame = {
        "method": ["A"] * 6 + ["B"],
        "task": ["w"] * 7,
        "hpo_run": [0, 0, 1, 1, 2, 2, 0],
        "seed": [0, 1, 0, 1, 0, 1, 0],
        "time": [t for study in trials for t in study] + [2.0],
    }
    found = algoperf_score(frame)
    assert found.estimate == {"A": pytest.approx((4 - 5 / 2) / 3), "B": 1.0}


def test_scores_depend_on_the_pool_and_say_so() -> None:
    with_fast = POOL | {"D": np.full((1, 8), 0.2)}
    before, after = algoperf_score(POOL), algoperf_score(with_fast)
    assert after.estimate["A"] < before.estimate["A"]
    assert before.warnings[-1].code == "scope"


def test_the_interval_is_over_workloads_like_these() -> None:
    found = algoperf_score(POOL)
    for row in found.rows:
        half = 2.3646243 * row.parts.std(ddof=1) / np.sqrt(8)  # t with 7 degrees of freedom
        assert row.interval.low == pytest.approx(max(0, row.estimate - half), abs=0.02)
        assert row.interval.high == pytest.approx(min(1, row.estimate + half), abs=0.02)
        assert 0 <= row.interval.low < row.estimate < row.interval.high <= 1
    assert found.scope == "tasks like these"
    again, other = (algoperf_score(POOL, resample=Resample("tasks", seed=s)) for s in (0, 1))
    assert again.interval == found.interval
    assert other.interval != found.interval


def test_few_workloads_have_no_interval() -> None:
    found = algoperf_score({name: x[:, :3] for name, x in POOL.items()})
    assert set(found.interval.values()) == {None}
    assert "few tasks" in {note.code for note in found.warnings}
    assert "no interval" in found.text()


def test_a_gap_is_not_a_failure() -> None:
    frame = {"method": list("AAB"), "task": list("wvw"), "time": [1.0, 2.0, 3.0]}
    with pytest.raises(UsageError, match="B has no row on v"):
        algoperf_score(frame)


def test_what_is_out_of_range_is_refused() -> None:
    with pytest.raises(UsageError, match="above 1"):
        algoperf_score(POOL, max_ratio=1.0)
    with pytest.raises(UsageError, match="over workloads"):
        algoperf_score(POOL, resample=Resample("runs"))
    with pytest.raises(UnknownNameError, match="'x'"):
        algoperf_score(POOL, held_out={"0": "x"})
    with pytest.raises(UnknownNameError, match="submission named 'Z'"):
        algoperf_score(POOL)["Z"]


def test_it_reads_as_lines_and_as_rows() -> None:
    found = algoperf_score(POOL)
    assert f"{found.rows[0].num_reached} of 8 targets reached" in found.text()
    assert found.to_frame()["estimate"].tolist() == list(found.estimate.values())
