"""What is launched next, and when it stops, on a back end that makes rates up."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cupel.ledger.records import RecordWriter
from cupel.ledger.run_folder import RunFolder
from cupel.run.plan import Cell, Plan, Request
from cupel.run.stop import Stop
from cupel.spec.card import Workload
from cupel.spec.events import Decided, Event, Finished, JobEnded, JobStarted
from cupel.spec.job import Job
from cupel.study.launches import LaunchStudy

SIZES = {"n": 1}
CARD = Workload(measures="x", unit="calls", better="higher", source="a test", tiny=SIZES, small=SIZES, full=SIZES)


def plan(*names: str, **request: object) -> Plan:
    cells = tuple(
        Cell(job=Job(entry=f"workload/{name}", source=f"/{name}.py", digest="0", sizes=SIZES), card=CARD, label=name)
        for name in names
    )
    return Plan(name="test", request=Request(names=names, **request), cells=cells)  # type: ignore[arg-type]


class Bench:
    """A back end whose jobs take no time; `behave` says how each ends."""

    def __init__(self, behave: Callable[[Job], tuple[str, str, float | None]], folder: RunFolder | None = None) -> None:
        self.behave = behave
        self.folder = folder
        self.jobs: list[Job] = []
        self.now = 0.0

    def run(self, jobs: Iterator[Job]) -> Iterator[Event]:
        for job in jobs:
            self.jobs.append(job)
            self.now += 10.0
            yield JobStarted(job, None)
            status, reason, rate = self.behave(job)
            if self.folder is not None and status == "ok":
                writer = RecordWriter(self.folder.job(job).rank_path / "events.jsonl")
                for index in range(50):
                    writer.write("step", i=index, s=1 / (rate or 1.0), n=1, end_s=float(index))
                writer.write("result")
            yield JobEnded(job, status, reason, "", rate, 10.0)  # type: ignore[arg-type]

    @property
    def launches(self) -> list[str]:
        return [job.stem for job in self.jobs if job.kind == "launch"]


def fine(job: Job) -> tuple[str, str, float | None]:
    return "ok", "", None if job.kind == "sane" else 100.0


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "test", {})


def test_work_is_checked_first_and_launches_take_turns(folder):
    bench = Bench(fine)
    events = list(LaunchStudy(plan("a", "b", "c"), folder, Stop()).run(bench))
    assert [job.kind for job in bench.jobs[:3]] == ["sane"] * 3
    rounds = [bench.launches[k : k + 3] for k in (0, 3, 6)]
    assert all(sorted(r) == ["a", "b", "c"] for r in rounds)
    assert isinstance(events[-1], Finished)
    assert (events[-1].num_ok, events[-1].num_failed) == (9, 0)


def test_the_order_is_drawn_from_the_seed(folder):
    def order(seed: int) -> list[str]:
        bench = Bench(fine)
        list(LaunchStudy(plan(*"abcdefgh", seed=seed), folder, Stop()).run(bench))
        return bench.launches

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert order(1)[:8] != order(1)[8:16], "each round is shuffled anew"


def test_launches_differ_in_seed_and_are_the_same_in_another_run(folder):
    benches = [Bench(fine), Bench(fine)]
    for bench in benches:
        list(LaunchStudy(plan("a"), folder, Stop()).run(bench))
    seeds = [job.seed for job in benches[0].jobs if job.kind == "launch"]
    assert len(set(seeds)) == 3
    assert [job.id for job in benches[0].jobs] == [job.id for job in benches[1].jobs]


def test_work_that_is_wrong_is_not_launched(folder):
    bench = Bench(lambda job: ("failed", "wrong work", None) if job.stem == "a" else fine(job))
    events = list(LaunchStudy(plan("a", "b"), folder, Stop()).run(bench))
    assert Counter(bench.launches) == {"b": 3}
    assert events[-1].num_failed == 1


def test_auto_goes_on_where_the_pilot_spreads_and_stops_where_it_does_not(folder):
    noise = random.Random(5)

    def behave(job: Job) -> tuple[str, str, float | None]:
        spread = 0.02 if job.stem == "noisy" else 0.0005
        return "ok", "", None if job.kind == "sane" else 100 * (1 + noise.gauss(0, spread))

    bench = Bench(behave)
    events = list(LaunchStudy(plan("noisy", "quiet", launches=None, width=0.04), folder, Stop()).run(bench))
    counts = Counter(bench.launches)
    assert counts["quiet"] == 5
    assert 5 < counts["noisy"] <= 60
    assert any(isinstance(e, Decided) and "noisy" in e.text for e in events)


def test_a_budget_starts_no_launch_that_would_not_end_in_it(folder):
    bench = Bench(fine)
    study = LaunchStudy(plan("a", "b", launches=100, budget_s=100.0), folder, Stop(), now_s=lambda: bench.now)
    events = list(study.run(bench))
    assert bench.now <= 100
    assert len(bench.jobs) == 10
    assert any(isinstance(e, Decided) and "budget" in e.text for e in events)


def test_a_stop_ends_after_the_running_launch(folder):
    stop, bench = Stop(), Bench(fine)
    for event in LaunchStudy(plan("a", "b"), folder, stop).run(bench):
        if isinstance(event, JobEnded) and event.job.kind == "launch":
            stop.requests = 1
            bench.run = lambda _: iter(())  # type: ignore[method-assign,assignment]  the real back end starts no more
    assert len(bench.launches) < 6
    assert event.interrupted


def test_what_is_done_is_not_done_again(folder):
    first = Bench(
        lambda job: (
            ("failed", "crashed", None) if (job.stem, job.launch) == ("b", 1) and job.kind == "launch" else fine(job)
        ),
        folder,
    )
    list(LaunchStudy(plan("a", "b"), folder, Stop()).run(first))
    second = Bench(fine, folder)
    list(LaunchStudy(plan("a", "b"), folder, Stop()).run(second))
    assert [(job.stem, job.launch) for job in second.jobs] == [("b", 1)]
    third = Bench(fine, folder)
    events = list(LaunchStudy(plan("a", "b"), folder, Stop()).run(third))
    assert third.jobs == []
    assert isinstance(events[-1], Finished)


@pytest.mark.parametrize(
    ("settings", "timeout_s"), [({}, 120.0), ({"compile": False}, 120.0), ({"compile": True}, 900.0)]
)
def test_the_check_of_compiled_work_has_the_time_of_a_launch(settings, timeout_s):
    """Compiling takes as long for the tiny model of a check as for a large one."""
    job = Job(entry="workload/a", source="/a.py", digest="0", sizes=SIZES, settings=settings, timeout_s=900.0)
    assert Cell(job=job, card=CARD, label="a").sane(0).timeout_s == timeout_s
