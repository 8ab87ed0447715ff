import math
import random
import statistics
from collections import Counter, deque
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import bdtr

from cupel.methods.find_searcher import find_searcher
from cupel.spec.errors import UsageError
from cupel.spec.read_space import read_space
from cupel.spec.search import Search, Searcher, Work
from cupel.spec.seeds import Seeds
from cupel.spec.space import Configuration
from cupel.tasks.cluster import Cluster, Curves
from cupel.tasks.cluster_run import ClusterRun
from cupel.tasks.surrogate_curves import SurrogateCurves

SPACE = read_space("x=float(0,1), size=int(1,3)")
SEARCHERS = (
    "asha",
    "asha:skipped=1",
    "asha_stopping:rule=percentile",
    "asha_stopping:rule=rank",
    "successive_halving:size=9,when_idle=wait",
    "successive_halving:size=9",
    "hyperband",
    "hyperband:when_idle=wait",
    "random_search",
    "regularised_evolution:population=4",
)
JobLine = tuple[int, int, float, float, int]


class Plain:
    """Curves whose times are whole numbers: the size of a configuration is its cost. Some cannot be trained."""

    def loss(self, parameters: Configuration, resource: float, seed: int) -> float:
        x = float(parameters["x"])
        return x + random.Random(f"{seed} {resource}").random() / resource if x < 0.9 else math.nan

    def cost(self, parameters: Configuration) -> float:
        return float(parameters["size"])


def made(name: str, *, trials: int = 30, seed: int = 0) -> Searcher:
    return find_searcher(name, Search(SPACE, trials=trials, seed=seed, max_resource=9, eta=3))


def lines(run: ClusterRun) -> list[JobLine]:
    """Worker, trial, begin, end and number of losses of each job."""
    return [(job.worker, job.work.trial, job.begin, job.end, len(job.told)) for job in run.jobs]


class Ticks:
    """The same cluster without a queue of events: every worker does one tick of work, then those that are done tell."""

    def __init__(self, cluster: Cluster, searcher: Searcher, curves: Curves) -> None:
        self.cluster, self.searcher, self.curves = cluster, searcher, curves
        self.now, self.order = 0, 0
        self.idle = deque(range(cluster.workers))
        self.running: dict[int, dict[str, float | Work]] = {}
        self.jobs: list[JobLine] = []

    def run(self) -> list[JobLine]:
        self.hand_out()
        while self.running:
            self.now += 1
            for state in self.running.values():
                state["left"] -= 1
            due = [worker for worker, state in self.running.items() if state["left"] == 0]
            for worker in sorted(due, key=lambda worker: self.running[worker]["order"]):
                self.tell(worker)
        return self.jobs

    def hand_out(self) -> None:
        while self.idle and (work := self.searcher.ask()) is not None:
            worker = self.idle.popleft()
            self.running[worker] = {"work": work, "begin": self.now, "told": 0}
            self.train(worker, work.start if self.cluster.checkpoints else 0)

    def train(self, worker: int, origin: float) -> None:
        state, self.order = self.running[worker], self.order + 1
        target = state["work"].milestones[state["told"]]
        state["left"] = (target - origin) * self.curves.cost(state["work"].parameters)
        state["order"] = self.order

    def tell(self, worker: int) -> None:
        state = self.running[worker]
        work, milestone = state["work"], state["work"].milestones[state["told"]]
        seed = Seeds(self.cluster.seed).seed("trial", work.trial)
        goes_on = self.searcher.tell(work.trial, milestone, self.curves.loss(work.parameters, milestone, seed))
        state["told"] += 1
        if goes_on and state["told"] < len(work.milestones):
            self.train(worker, milestone)
            return
        self.jobs.append((worker, work.trial, state["begin"], self.now, state["told"]))
        del self.running[worker]
        self.idle.append(worker)
        self.hand_out()


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(SEARCHERS),
    workers=st.integers(1, 9),
    trials=st.integers(1, 25),
    seed=st.integers(0, 10**6),
    checkpoints=st.booleans(),
)
def test_every_job_is_that_of_a_simulation_tick_by_tick(name, workers, trials, seed, checkpoints) -> None:
    cluster = Cluster(workers=workers, seed=seed, checkpoints=checkpoints)
    found = cluster.run(made(name, trials=trials, seed=seed), Plain())
    assert lines(found) == Ticks(cluster, made(name, trials=trials, seed=seed), Plain()).run()
    assert found.broken_laws() == []


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(SEARCHERS),
    cluster=st.builds(
        Cluster,
        workers=st.integers(1, 9),
        straggler_sd=st.sampled_from((0.0, 1.3)),
        drop_rate=st.sampled_from((0.0, 0.02, 0.3)),
        retries=st.sampled_from((0, 1, 50)),
        checkpoints=st.booleans(),
        seed=st.integers(0, 10**6),
    ),
    until=st.sampled_from((0.0, 12.5, math.inf)),
)
def test_the_books_balance_whatever_happens(name: str, cluster: Cluster, until: float) -> None:
    found = cluster.run(made(name), Plain(), until=until)
    assert found.broken_laws() == []
    assert found.end <= until
    assert all(a.time <= b.time for a, b in zip(found.told, found.told[1:], strict=False))


@pytest.mark.parametrize("name", ["asha", "asha_stopping:rule=rank", "hyperband", "random_search"])
def test_one_worker_is_the_plain_loop(name: str) -> None:
    run, searcher, now, told = Cluster(seed=4).run(made(name), Plain()), made(name), 0.0, []
    while (work := searcher.ask()) is not None:
        resource = work.start
        for milestone in work.milestones:
            now += (milestone - resource) * Plain().cost(work.parameters)
            resource = milestone
            loss = Plain().loss(work.parameters, milestone, Seeds(4).seed("trial", work.trial))
            told.append((now, work.trial, milestone))
            if not searcher.tell(work.trial, milestone, loss):
                break
    assert [one[:3] for one in run.told] == told
    assert (run.idle, run.end) == (0, now)
    assert run.num_configurations == 30


def test_the_same_seed_gives_the_same_bytes_and_the_global_generator_is_left_alone() -> None:
    before = random.getstate()
    cluster = Cluster(workers=7, straggler_sd=0.5, drop_rate=0.01, retries=1, seed=1)
    first, again = (repr(cluster.run(made("asha"), Plain())) for _ in range(2))
    assert first == again
    assert repr(replace(cluster, seed=2).run(made("asha"), Plain())) != first
    assert random.getstate() == before


def test_idle_workers_wait_and_are_woken_by_the_next_event() -> None:
    # nine configurations of one unit each on four workers; then the best three, three units each, two of them at once
    space = read_space("x=float(0,1), size=cat(1)")
    search = Search(space, trials=9, max_resource=4, eta=4, min_resource=1)
    run = Cluster(workers=4).run(find_searcher("successive_halving:size=9,when_idle=wait", search), Plain())
    assert [(job.begin, job.end) for job in run.jobs] == [(0, 1)] * 4 + [(1, 2)] * 4 + [(2, 3)] + [(3, 6)] * 2
    assert (run.end, run.busy, run.idle) == (6, 15, 9)
    assert run.num_trained(4) == 2
    assert run.first_trained(4) == 6
    assert run.first_trained(5) == math.inf


def test_a_work_is_stopped_at_a_milestone_and_only_its_time_is_charged() -> None:
    run = Cluster(workers=3).run(made("asha_stopping"), Plain())
    stopped = [job for job in run.jobs if job.outcome == "stopped"]
    done = [job for job in run.jobs if job.outcome == "done"]
    assert {len(job.told) for job in stopped} == {1, 2}
    assert {len(job.told) for job in done} == {3}
    for job in run.jobs:
        assert job.end - job.begin == run.told[job.told[-1]].resource * Plain().cost(job.work.parameters)


def test_without_checkpoints_a_promotion_trains_from_the_beginning() -> None:
    for checkpoints in (True, False):
        run = Cluster(workers=3, checkpoints=checkpoints).run(made("asha"), Plain())
        assert any(job.work.start > 0 for job in run.jobs)
        for job in run.jobs:
            assert job.origin == (job.work.start if checkpoints else 0)
            assert job.end - job.begin == (job.work.target - job.origin) * Plain().cost(job.work.parameters)


def test_stragglers_take_as_much_longer_as_the_half_normal_law_says() -> None:
    sd = 0.56
    run = Cluster(workers=20, straggler_sd=sd).run(made("random_search", trials=4000), Plain())
    slow = [(job.end - job.begin) / (9 * Plain().cost(job.work.parameters)) - 1 for job in run.jobs]
    assert min(slow) >= -1e-9
    assert statistics.fmean(slow) == pytest.approx(sd * math.sqrt(2 / math.pi), abs=4 * sd * 0.603 / math.sqrt(4000))


def test_works_are_lost_as_often_as_their_length_says() -> None:
    rate, num = 0.02, 4000
    run = Cluster(workers=20, drop_rate=rate).run(made("random_search", trials=num), Plain())
    for size in (1, 2, 3):
        mine = [job for job in run.jobs if job.work.parameters["size"] == size]
        lost = sum(job.outcome == "dropped" for job in mine)
        assert 0.0005 < bdtr(lost, len(mine), 1 - (1 - rate) ** (9 * size)) < 0.9995
    assert all(job.end - job.begin < 9 * job.work.parameters["size"] for job in run.jobs if job.outcome == "dropped")


class Listening:
    """A searcher that notes what it is told to drop."""

    def __init__(self, inner: Searcher) -> None:
        self.inner, self.dropped = inner, []
        self.ask, self.tell = inner.ask, inner.tell

    def drop(self, trial: int) -> None:
        self.dropped.append(trial)
        self.inner.drop(trial)


def test_a_lost_work_is_done_again_from_the_last_milestone_and_dropped_once() -> None:
    for checkpoints in (True, False):
        listening = Listening(made("asha_stopping", trials=300))
        run = Cluster(workers=5, drop_rate=0.05, retries=2, checkpoints=checkpoints).run(listening, Plain())
        outcomes = Counter(job.outcome for job in run.jobs)
        assert min(outcomes[kind] for kind in ("done", "stopped", "dropped", "retried")) > 5
        assert sorted(listening.dropped) == sorted(job.work.trial for job in run.jobs if job.outcome == "dropped")
        assert all(job.attempt == 2 for job in run.jobs if job.outcome == "dropped")
        late = [job for job in run.jobs if job.attempt and job.origin > 0]
        assert bool(late) == checkpoints
        assert all(job.origin in job.work.milestones for job in late)


def test_with_retries_enough_everything_comes_to_its_end() -> None:
    run = Cluster(workers=5, drop_rate=0.05, retries=1000).run(made("random_search"), Plain())
    assert Counter(job.outcome for job in run.jobs)["dropped"] == 0
    assert run.num_trained(9) == 30
    assert len(run.jobs) > 30


def test_a_closed_cluster_cuts_what_is_in_work() -> None:
    run = Cluster(workers=4).run(made("asha"), Plain(), until=7.5)
    whole = Cluster(workers=4).run(made("asha"), Plain())
    cut = [job for job in run.jobs if job.outcome == "cut"]
    assert len(cut) == 4
    assert all(job.end == 7.5 for job in cut)
    assert run.told == tuple(told for told in whole.told if told.time <= 7.5)


def test_incumbents_are_the_falling_losses() -> None:
    run = Cluster(workers=3).run(made("asha"), Plain())
    all_levels, top = run.incumbents(), run.incumbents(9)
    assert [one.loss for one in all_levels] == sorted((one.loss for one in all_levels), reverse=True)
    assert all_levels[-1].loss == min(told.loss for told in run.told if not math.isnan(told.loss))
    assert all(one.resource == 9 for one in top)
    assert run.incumbent_at(top[0].time, 9) == top[0]
    assert run.incumbent_at(top[0].time - 0.01, 9) is None


def test_books_that_were_tampered_with_do_not_balance() -> None:
    run = Cluster(workers=3, drop_rate=0.02, retries=1).run(made("asha"), Plain())
    first, second = run.jobs[0], next(job for job in run.jobs[1:] if job.worker != run.jobs[0].worker)
    swapped = tuple(job._replace(worker=first.worker) if job is second else job for job in run.jobs)
    for wrong, word in (
        (replace(run, idle=run.idle + 0.01), "busy"),
        (replace(run, jobs=swapped), "two jobs at once"),
        (replace(run, jobs=run.jobs[1:]), "asked for"),
        (replace(run, jobs=(first._replace(told=()), *run.jobs[1:])), "each once"),
        (replace(run, told=(run.told[0]._replace(time=run.end + 1), *run.told[1:])), "did not run"),
        (replace(run, told=(run.told[1], *run.told[1:])), "told twice"),
        (replace(run, num_works=run.num_works + 1), "asked for"),
    ):
        assert any(word in text for text in wrong.broken_laws()), word


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"workers": 0}, "workers"),
        ({"workers": 501}, "workers"),
        ({"straggler_sd": -1}, "straggler_sd"),
        ({"straggler_sd": math.nan}, "straggler_sd"),
        ({"drop_rate": 1}, "drop_rate"),
        ({"retries": -1}, "retries"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments: dict[str, float], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        Cluster(**arguments)


def test_a_cost_that_is_no_time_is_refused() -> None:
    class Free(Plain):
        def cost(self, parameters: Configuration) -> float:
            return 0 * super().cost(parameters)

    with pytest.raises(UsageError, match="above 0"):
        Cluster().run(made("asha"), Free())


def test_asha_trains_one_in_full_sooner_than_halving_that_waits_and_sooner_with_more_workers() -> None:
    curves = SurrogateCurves(3)

    def first_full(name: str, workers: int) -> float:
        search = Search(curves.space, trials=5000, max_resource=64, eta=4)
        found = Cluster(workers=workers, straggler_sd=0.2).run(find_searcher(name, search), curves, until=300)
        assert found.broken_laws() == []
        return found.first_trained(64)

    assert first_full("asha", 64) < first_full("successive_halving:size=256,when_idle=wait", 64)
    assert first_full("asha", 64) < first_full("asha", 4)
