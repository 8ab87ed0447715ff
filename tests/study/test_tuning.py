"""Tuning by a trainer that is told what each configuration does, so that nothing depends on a clock."""

import json
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupel.ledger.records import plain
from cupel.ledger.tuning_log import best_trial, trials_of
from cupel.methods.find_searcher import find_searcher
from cupel.run.stop import Stop
from cupel.spec.errors import RunFolderError
from cupel.spec.read_space import read_space
from cupel.spec.tuning import (
    Attempt,
    AttemptEnded,
    NewIncumbent,
    OnReport,
    Reevaluated,
    Report,
    TrialEnded,
    TuningFinished,
    TuningRequest,
)
from cupel.study.fresh_seeds import Surroundings
from cupel.study.tuning import MemoryLog, TuningStudy

SPACE = read_space("x=float(-1,1), kind=cat(a,b)")
ASHA = TuningRequest(
    script="s", space=SPACE.as_dict(), searcher="asha", trials=12, max_resource=9, workers=3, reevaluations=2
)


def loss(x: float, step: float) -> float:
    return x**2 + 1 / step


class Scripted:
    """Runs attempts to their end in a random order; what happens to one is drawn or given.

    Attributes:
        fates: by (trial, number of the start): `fail`, `lose`, `nan`, `silent`; else it ends well.
    """

    def __init__(self, seed: int = 0, fates: dict[tuple[int, int], str] | None = None) -> None:
        self.rng = random.Random(seed)
        self.fates = fates or {}
        self.waiting: list[Attempt] = []
        self.stopped: set[str] = set()
        self.started: list[Attempt] = []

    def start(self, attempt: Attempt) -> None:
        self.waiting.append(attempt)
        self.started.append(attempt)

    def stop(self, key: str) -> None:
        self.stopped.add(key)

    def collect(self, on_report: OnReport, timeout_s: float) -> Iterator[AttemptEnded]:
        del timeout_s
        attempt = self.waiting.pop(self.rng.randrange(len(self.waiting)))
        fate = self.fates.get((attempt.trial, int(attempt.key.partition(".")[2]))) if attempt.key[0] != "f" else None
        if attempt.key in self.stopped:
            yield AttemptEnded(attempt.key, "stopped", 1.0)
        elif fate == "fail":
            yield AttemptEnded(attempt.key, "failed", 1.0, "crashed", "it exited with 1")
        elif fate == "lose":
            yield AttemptEnded(attempt.key, "lost", 1.0, "crashed", "it was ended by SIGKILL")
        else:
            yield self._trained(attempt, on_report, is_nan=fate == "nan")

    def _trained(self, attempt: Attempt, on_report: OnReport, *, is_nan: bool) -> AttemptEnded:
        for step in range(int(attempt.start) + 1, int(attempt.resource or 1) + 1):
            value = math.nan if is_nan else loss(float(attempt.parameters["x"]), step)
            if not on_report(Report(attempt.key, value, step)):
                return AttemptEnded(attempt.key, "stopped", 1.0)
        return AttemptEnded(attempt.key, "ok", 1.0)


def study(request: TuningRequest, trainer: Any, log: MemoryLog, past: Iterable[dict[str, Any]] = ()) -> TuningStudy:
    searcher = find_searcher(request.searcher, request.search)
    return TuningStudy(request, searcher, trainer, log, Surroundings(past=past, now_s=lambda: 0.0))


def stored(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records as a file gives them back."""
    return [json.loads(json.dumps(plain(record))) for record in records]


def test_a_run_tells_each_value_once_and_ends_with_the_best_and_fresh_seeds() -> None:
    log = MemoryLog()
    events = list(study(ASHA, Scripted(), log).run())
    told = Counter((r["trial"], r["resource"]) for r in log.records if r["kind"] == "told")
    assert set(told.values()) == {1}
    assert {trial for trial, _ in told} == set(range(12))
    trials = trials_of(log.records)
    best = best_trial(trials, "lower")
    assert best is not None
    assert best.resource == 9
    top = [t for t in trials.values() if t.resource == 9]
    assert best.value == min(t.value for t in top if t.value is not None)
    assert [e.trial for e in events if isinstance(e, Reevaluated)] == [best.trial] * 2
    assert [e for e in events if isinstance(e, NewIncumbent)][-1].trial == best.trial
    last = events[-1]
    assert isinstance(last, TuningFinished)
    assert (last.num_trials, last.num_failed, last.interrupted) == (12, 0, False)


def test_attempts_of_one_trial_share_its_seed_and_home_and_fresh_seeds_are_others() -> None:
    trainer = Scripted()
    list(study(ASHA, trainer, MemoryLog()).run())
    own = {(a.trial, a.seed, a.home) for a in trainer.started if not a.key.startswith("fresh")}
    assert len(own) == len({trial for trial, _, _ in own}) == 12
    fresh = [a for a in trainer.started if a.key.startswith("fresh")]
    assert len({a.home for a in fresh} | {home for _, _, home in own}) == 14
    assert len({a.seed for a in trainer.started}) == 14
    assert all(a.start == 0 and a.resource == 9 for a in fresh)


def test_higher_values_are_better_where_the_request_says_so() -> None:
    log = MemoryLog()
    list(study(replace(ASHA, better="higher", searcher="random_search"), Scripted(), log).run())
    trials = trials_of(log.records)
    best = best_trial(trials, "higher")
    assert best is not None
    assert best.value == max(t.value for t in trials.values() if t.value is not None)


@pytest.mark.parametrize("searcher", ["asha", "hyperband", "random_search"])
def test_a_trial_that_fails_is_counted_and_the_rest_goes_on(searcher: str) -> None:
    log = MemoryLog()
    fates = {(1, 0): "fail", (2, 0): "nan"}
    events = list(study(replace(ASHA, searcher=searcher), Scripted(fates=fates), log).run())
    trials = trials_of(log.records)
    assert {t.trial for t in trials.values() if t.has_failed} == {1, 2}
    failed = {e.trial: e.message for e in events if isinstance(e, TrialEnded) and e.status == "failed"}
    assert failed == {1: "it exited with 1", 2: "its last value of value is no finite number"}
    last = events[-1]
    assert isinstance(last, TuningFinished)
    assert (last.num_trials, last.num_failed) == (10, 2)


def test_a_trial_that_a_signal_ended_is_begun_again_as_often_as_asked() -> None:
    log = MemoryLog()
    fates = {(0, 0): "lose", (1, 0): "lose", (1, 1): "lose"}
    request = replace(ASHA, searcher="random_search", trials=3, retries=1)
    list(study(request, Scripted(fates=fates), log).run())
    trials = trials_of(log.records)
    assert (trials[0].attempts, trials[0].has_failed) == (2, False)
    assert (trials[1].attempts, trials[1].has_failed) == (2, True)
    assert (trials[2].attempts, trials[2].has_failed) == (1, False)


def test_a_script_that_ignores_its_resource_is_stopped_at_its_rung() -> None:
    class Endless(Scripted):
        def _trained(self, attempt: Attempt, on_report: OnReport, *, is_nan: bool) -> AttemptEnded:
            del is_nan
            step = 0
            while step < 1000:
                step += 1
                if not on_report(Report(attempt.key, loss(float(attempt.parameters["x"]), step))):
                    return AttemptEnded(attempt.key, "stopped", float(step))
            return AttemptEnded(attempt.key, "ok", float(step))

    log = MemoryLog()
    list(study(replace(ASHA, reevaluations=0), Endless(), log).run())
    for trial in trials_of(log.records).values():
        assert set(trial.told) <= {1.0, 3.0, 9.0}
        assert all(value == loss(float(trial.parameters["x"]), at) for at, value in trial.told.items())
    ended = [r["elapsed_s"] for r in log.records if r["kind"] == "ended"]
    assert set(ended) <= {2.0, 4.0, 10.0}  # one report more than the rung


def test_stopping_variants_end_a_trial_at_the_milestone_it_fails() -> None:
    log = MemoryLog()
    list(study(replace(ASHA, searcher="asha_stopping", trials=30, reevaluations=0), Scripted(), log).run())
    trials = trials_of(log.records)
    assert Counter(t.attempts for t in trials.values()) == {1: 30}
    assert not any(t.is_open for t in trials.values())
    stopped = [t for t in trials.values() if t.resource < 9]
    assert stopped
    assert all(t.curve[-1][0] == t.resource for t in stopped)


def test_without_a_resource_the_last_value_counts_however_many_are_reported() -> None:
    class Chatty(Scripted):
        def _trained(self, attempt: Attempt, on_report: OnReport, *, is_nan: bool) -> AttemptEnded:
            del is_nan
            assert attempt.resource is None
            assert all(on_report(Report(attempt.key, 10.0 - k, k)) for k in range(10))
            return AttemptEnded(attempt.key, "ok", 1.0)

    log = MemoryLog()
    list(study(replace(ASHA, searcher="random_search", max_resource=None, trials=2), Chatty(), log).run())
    assert [r["value"] for r in log.records if r["kind"] == "told"] == [1.0, 1.0]


def test_seeds_as_the_fidelity_average_over_the_same_seeds_for_every_trial() -> None:
    class Noisy(Scripted):
        def _trained(self, attempt: Attempt, on_report: OnReport, *, is_nan: bool) -> AttemptEnded:
            del is_nan
            noise = random.Random(attempt.seed).gauss(0, 1)
            on_report(Report(attempt.key, float(attempt.parameters["x"]) + noise))
            return AttemptEnded(attempt.key, "ok", 1.0)

    trainer, log = Noisy(), MemoryLog()
    list(study(replace(ASHA, fidelity="seeds", reevaluations=1), trainer, log).run())
    seeds: dict[int, list[int]] = {}
    for attempt in trainer.started:
        if not attempt.key.startswith("fresh"):
            seeds.setdefault(attempt.trial, []).append(attempt.seed)
    longest = max(seeds.values(), key=len)
    assert len(longest) == len(set(longest)) == 9
    assert all(own == longest[: len(own)] for own in seeds.values())
    for trial in trials_of(log.records).values():
        for at, value in trial.told.items():
            noise = [random.Random(seed).gauss(0, 1) for seed in longest[: int(at)]]
            assert value == pytest.approx(float(trial.parameters["x"]) + sum(noise) / at)


@given(
    cut=st.integers(0, 120), seed=st.integers(0, 5), searcher=st.sampled_from(["asha", "hyperband", "asha_stopping"])
)
@settings(max_examples=60, deadline=None)
def test_a_run_cut_anywhere_goes_on_with_every_trial_counted_once(cut: int, seed: int, searcher: str) -> None:
    request = replace(ASHA, searcher=searcher, reevaluations=0)
    whole = MemoryLog()
    list(study(request, Scripted(seed), whole).run())
    past = stored(whole.records[:cut])
    rest = MemoryLog()
    list(study(request, Scripted(seed + 1), rest, past).run())
    records = [*past, *rest.records]
    told = Counter((r["trial"], r["resource"]) for r in records if r["kind"] == "told")
    assert set(told.values()) <= {1}
    trials = trials_of(records)
    assert len(trials) == 12
    assert not any(t.is_open for t in trials.values())


def test_replay_of_the_records_reproduces_every_decision() -> None:
    whole = MemoryLog()
    list(study(ASHA, Scripted(3, fates={(2, 0): "fail", (4, 1): "lose"}), whole).run())
    searcher = find_searcher(ASHA.searcher, ASHA.search)
    for record in stored(whole.records):
        if record["kind"] == "asked":
            work = searcher.ask()
            assert work is not None
            assert (work.trial, work.parameters, work.start, list(work.milestones)) == tuple(
                record[key] for key in ("trial", "parameters", "start", "milestones")
            )
        elif record["kind"] == "told":
            value = math.inf if record["value"] is None else record["value"]
            assert searcher.tell(record["trial"], record["resource"], value) == record["goes_on"]


def test_a_run_resumed_with_another_searcher_is_refused() -> None:
    whole = MemoryLog()
    list(study(ASHA, Scripted(), whole).run())
    with pytest.raises(RunFolderError, match="cannot be gone on with"):
        study(replace(ASHA, seed=1), Scripted(), MemoryLog(), stored(whole.records))


def test_fresh_seeds_that_were_done_are_not_done_again() -> None:
    whole = MemoryLog()
    list(study(ASHA, Scripted(), whole).run())
    cut = next(k for k, r in enumerate(whole.records) if r["kind"] == "reevaluated") + 1
    rest, trainer = MemoryLog(), Scripted()
    list(study(ASHA, trainer, rest, stored(whole.records[:cut])).run())
    assert [r["number"] for r in rest.records if r["kind"] == "reevaluated"] == [1]
    assert [a.key for a in trainer.started] == ["fresh.1"]


def test_a_budget_stops_what_runs_and_leaves_it_to_a_resume() -> None:
    clock = iter(range(10_000))
    request = replace(ASHA, budget_s=40.0, reevaluations=0, trials=500)
    log, trainer = MemoryLog(), Scripted()
    searcher = find_searcher(request.searcher, request.search)
    events = list(TuningStudy(request, searcher, trainer, log, Surroundings(now_s=lambda: float(next(clock)))).run())
    last = events[-1]
    assert isinstance(last, TuningFinished)
    assert (last.reason, last.interrupted) == ("budget", False)
    assert trainer.stopped
    opened = [t for t in trials_of(log.records).values() if t.is_open]
    assert {t.trial for t in opened} == {int(key.partition(".")[0]) for key in trainer.stopped}


def test_a_wish_to_stop_starts_nothing_more_and_a_second_stops_what_runs() -> None:
    stop = Stop()

    class Asked(Scripted):
        def collect(self, on_report: OnReport, timeout_s: float) -> Iterator[AttemptEnded]:
            stop.requests = min(2, len(self.started) // 5)
            yield from super().collect(on_report, timeout_s)

    log, trainer = MemoryLog(), Asked()
    searcher = find_searcher(ASHA.searcher, ASHA.search)
    events = list(TuningStudy(ASHA, searcher, trainer, log, Surroundings(stop=stop)).run())
    last = events[-1]
    assert isinstance(last, TuningFinished)
    assert last.interrupted
    assert len(trainer.started) < 8
    assert not any(isinstance(e, Reevaluated) for e in events)
