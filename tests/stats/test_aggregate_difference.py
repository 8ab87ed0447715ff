import numpy as np
import pytest

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.aggregate import aggregate
from cupel.stats.aggregate_difference import aggregate_difference
from cupel.stats.aggregators import OptimalityGap
from cupel.stats.resample import Resample
from cupel.stats.results import results

RNG = np.random.default_rng(11)
SEEDS, TASKS = 8, 6
LUCK = RNG.normal(size=(SEEDS, TASKS))
A = 1.0 + LUCK + 0.1 * RNG.normal(size=(SEEDS, TASKS))
B = LUCK + 0.1 * RNG.normal(size=(SEEDS, TASKS))
NAN = float("nan")


def frame(*, a: np.ndarray = A, b: np.ndarray = B, seeds: bool = True) -> dict[str, list]:
    run, task = np.divmod(np.arange(a.size), a.shape[1])
    columns = {
        "method": ["A"] * a.size + ["B"] * b.size,
        "task": [f"t{k}" for k in (*task, *task)],
        "score": [*a.ravel().tolist(), *b.ravel().tolist()],
    }
    return columns | ({"seed": [*run.tolist(), *run.tolist()]} if seeds else {})


@pytest.mark.parametrize("how", ["mean", "median", "iqm", OptimalityGap(0.5)])
@pytest.mark.parametrize("unit", ["runs", "tasks"])
def test_the_estimate_is_the_difference_of_the_aggregates(how, unit) -> None:
    table = results(frame(), better="higher")
    found = aggregate_difference(table, ("A", "B"), how=how, resample=unit)
    both = aggregate(table, how)
    assert found.estimate == pytest.approx(both["A"].estimate - both["B"].estimate)
    assert found.num_tasks == TASKS


def test_paired_means_are_those_of_the_differences_of_pairs() -> None:
    found = aggregate_difference(frame(), ("A", "B"), how="mean")
    alone = aggregate(A - B, "mean")
    assert found.is_paired
    assert found.n == A.size
    assert (found.interval.low, found.interval.high) == pytest.approx(
        (alone.interval.low, alone.interval.high), abs=0.01
    )


@pytest.mark.parametrize("how", ["mean", "median", "iqm"])
def test_luck_that_is_shared_cancels(how) -> None:
    paired = aggregate_difference(frame(), ("A", "B"), how=how)
    apart = aggregate_difference(frame(), ("A", "B"), how=how, resample=Resample(is_paired=False))
    width = [found.interval.high - found.interval.low for found in (paired, apart)]
    assert width[0] < width[1] / 2
    assert not apart.is_paired
    assert apart.n == 2 * A.size


def test_runs_without_seeds_are_apart_and_it_is_said() -> None:
    found = aggregate_difference(frame(seeds=False), ("A", "B"))
    assert not found.is_paired
    assert "unpaired" in {note.code for note in found.warnings}
    with pytest.raises(UsageError, match="seed"):
        aggregate_difference(frame(seeds=False), ("A", "B"), resample=Resample(is_paired=True))


@pytest.mark.parametrize("how", ["mean", "median", "iqm"])
def test_the_other_way_round_is_the_mirror(how) -> None:
    there = aggregate_difference(frame(), ("A", "B"), how=how)
    back = aggregate_difference(frame(), ("B", "A"), how=how)
    assert there.estimate == pytest.approx(-back.estimate)
    assert (there.interval.low, there.interval.high) == pytest.approx((-back.interval.high, -back.interval.low))
    assert there.p == pytest.approx(back.p)


def test_p_is_never_zero_and_belongs_to_the_interval() -> None:
    clear = aggregate_difference(frame(), ("A", "B"), resample=Resample(num=999))
    assert 0 < clear.p < 0.01
    assert clear.interval.low > 0
    none = aggregate_difference(frame(a=B[::-1]), ("A", "B"), how="mean")
    assert none.p > 0.05
    assert none.interval.contains(0)


def test_a_failure_takes_its_partner_along_unless_it_has_a_worth() -> None:
    a = A.copy()
    a[0, 0] = NAN
    left_out = aggregate_difference(frame(a=a), ("A", "B"), how="mean")
    assert left_out.n == A.size - 1
    kept = np.ones_like(A, dtype=bool)
    kept[0, 0] = False
    by_task = [(A - B)[kept[:, k], k].mean() for k in range(TASKS)]
    assert left_out.estimate == pytest.approx(np.mean(by_task))
    assert {"failures", "missing cells"} <= {note.code for note in left_out.warnings}
    worth = aggregate_difference(frame(a=a), ("A", "B"), how="mean", failure_value=-3.0)
    assert worth.n == A.size
    assert worth.estimate == pytest.approx(np.where(np.isnan(a), -3.0, a).mean() - B.mean())


def test_same_seed_same_bytes() -> None:
    plans = [Resample(num=500, seed=s) for s in (4, 4, 5)]
    first, again, other = (aggregate_difference(frame(), ("A", "B"), resample=plan) for plan in plans)
    assert first == again
    assert first.interval != other.interval


def test_unequal_numbers_of_runs_are_taken_when_apart() -> None:
    found = aggregate_difference({"A": A, "B": B[:3]}, ("A", "B"), how="mean")
    assert found.estimate == pytest.approx(A.mean() - B[:3].mean())
    assert "few runs" in {note.code for note in found.warnings}


@pytest.mark.parametrize(
    ("a", "b", "unit", "code"),
    [(A[:1], B[:1], "runs", "no repeats"), (A[:, :4], B[:, :4], "tasks", "few tasks"), (B, B, "runs", "no spread")],
)
def test_what_is_unknown_is_none_and_says_why(a, b, unit, code: str) -> None:
    found = aggregate_difference(frame(a=a, b=b), ("A", "B"), resample=unit)
    assert (found.interval, found.p) == (None, None)
    assert code in {note.code for note in found.warnings}
    assert "no interval" in found.text()


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(UnknownNameError, match="method named 'C'"):
        aggregate_difference(frame(), ("A", "C"))


def test_it_reads_as_a_line_and_as_a_row() -> None:
    found = aggregate_difference(frame(), ("A", "B"), resample="tasks")
    assert "A - B, tasks like these" in found.text()
    assert found.to_frame().iloc[0]["p"] == found.p
