"""What is run next: by turns among open claims, within a budget, and never what is known already."""

import random
from collections import Counter

import pytest

from cupel.ledger.claim_log import CellRecords
from cupel.run.claim_plan import ClaimCell, ClaimPlan, ClaimRequest
from cupel.run.stop import Stop
from cupel.spec.claim import Claim
from cupel.spec.events import Decided, JobEnded, Looked
from cupel.spec.job import Job
from cupel.spec.outcome import Outcome
from cupel.spec.trial import TrialEnded
from cupel.study.claims import SLICE_S, BackEnds, ClaimsStudy

QUALITY = {"name": "q", "kind": "quality", "says": "a is larger", "metric": "v", "better": "higher"}
EXACT = {"name": "e", "kind": "exact", "says": "it holds", "metric": "v", "better": "higher"}
SPEED = {"name": "r", "kind": "speed", "says": "a is faster", "metric": "rate", "better": "higher", "scale": "log"}


class World:
    """Trials and launches with a clock of their own; arms have an effect and a price."""

    def __init__(self, effect=0.0, seconds=1.0, space=None):
        self.now = 0.0
        self.effect, self.seconds, self.space = effect, seconds, space or {}
        self.done = []
        self.fails = lambda _: False

    def affinity(self):
        return 1

    def run(self, jobs):
        for job in jobs:
            self.now += self.seconds if job.kind != "space" else 0.0
            self.done.append(job)
            yield self.launch(job) if job.kind == "launch" else self.trial(job)

    def trial(self, job):
        if job.kind == "space":
            return TrialEnded(job, "ok", Outcome({}), 0.0, space=self.space.get(job.stem, {}))
        if self.fails(job):
            return TrialEnded(job, "failed", None, self.seconds, "crashed", "out of luck")
        rng = random.Random(f"{job.stem}{job.arm}{job.launch}{job.stream}")
        value = rng.gauss(self.effect if job.arm == "method" else 0.0, 1.0) - 100 * abs(job.hp.get("x", 3) - 3)
        return TrialEnded(job, "ok", Outcome({"v": abs(value) if job.kind == "instance" else value}), self.seconds)

    def launch(self, job):
        rate = (2.0 if job.arm == "method" else 1.0) * random.Random(f"{job.arm}{job.launch}").uniform(0.99, 1.01)
        return JobEnded(job, "ok", "", "", rate, self.seconds)


class Log:
    def __init__(self):
        self.kinds = Counter()

    def trial(self, ended):
        self.kinds[ended.job.kind] += 1

    def write(self, kind, **_):
        self.kinds[kind] += 1


def cell(stem="a_vs_b", statements=(QUALITY,), **card):
    fixed = {"says": "x", "source": "x", "varies": ("init",), "arms": {"method": "a", "baseline": "b"}}
    made = Claim(**{**fixed, "tiny": {}, "small": {}, "full": {}, "statements": statements, **card})
    job = Job(entry=f"claim/{stem}", source=stem, digest="", kind="trial", size="small")
    return ClaimCell(job=job, card=made, label=stem)


def study(world, *cells, records=None, **request):
    plan = ClaimPlan(name="x", request=ClaimRequest(names=("x",), **request), cells=cells)
    known = records or {c.key: CellRecords() for c in cells}
    made = ClaimsStudy(plan, known, Log(), Stop(), now_s=lambda: world.now)
    return list(made.run(BackEnds(world, world))), known


def trials(world, stem=None):
    return [job for job in world.done if job.kind == "trial" and stem in (None, job.stem)]


def test_pairs_are_added_until_the_verdict_is_in():
    world = World(effect=3.0)
    events, _ = study(world, cell())
    last = [event for event in events if isinstance(event, Looked)][-1]
    assert last.verdict == "supported"
    assert last.is_over
    assert 10 <= len(trials(world)) < 40


def test_an_open_verdict_ends_at_the_most_pairs():
    world = World()
    study(world, cell(most_pairs={"small": 17}))
    assert Counter(job.arm for job in trials(world)) == {"method": 17, "baseline": 17}


def test_a_fixed_number_is_run_whatever_is_found():
    world = World(effect=30.0)
    study(world, cell(), pairs=12)
    assert len(trials(world)) == 24


def test_only_arms_of_open_statements_are_run_after_the_first_pairs():
    world = World()
    study(world, cell(arms={"method": "a", "baseline": "b", "third": "c"}, most_pairs={"small": 11}))
    assert Counter(job.arm for job in trials(world)) == {"method": 11, "baseline": 11, "third": 5}


def test_a_budget_is_kept_and_said():
    world = World(seconds=2.0)
    events, _ = study(world, cell(), budget_s=31.0)
    assert world.now <= 31.0
    assert any(isinstance(e, Decided) and "budget of 31 s is spent" in e.text for e in events)


def test_a_budget_is_shared_out_though_one_claim_has_much_to_tune():
    """A round gives way after a while, within its tuning too."""
    space = {"a_vs_b": {"method": {"x": tuple(range(1, 60))}, "baseline": {"x": tuple(range(1, 60))}}}
    world = World(seconds=5.0, space=space)
    study(world, cell(), cell("c_vs_d"), budget_s=10 * SLICE_S)
    spent = Counter(job.stem for job in trials(world))
    assert min(spent.values()) > 0.35 * sum(spent.values())
    assert spent["c_vs_d"] > 20


def test_tuning_goes_on_where_a_slice_ended_it():
    space = {"a_vs_b": {arm: {"x": (1, 2, 3, 4, 5)} for arm in ("method", "baseline")}}
    world = World(seconds=20.0, space=space)
    _, records = study(world, cell(most_pairs={"small": 6}), cell("c_vs_d", most_pairs={"small": 6}))
    keys = Counter((job.stem, job.arm, job.stream, job.launch, str(job.hp)) for job in trials(world))
    assert set(keys.values()) == {1}  # nothing was done twice
    tuned = records[cell().key].tuned
    assert {arm: tuning.hp for (arm, _), tuning in tuned.items()} == {"method": {"x": 3}, "baseline": {"x": 3}}
    assert all(job.hp == {"x": 3} for job in trials(world, "a_vs_b") if not job.stream)


def test_tuning_may_vary_from_trial_to_trial():
    space = {"a_vs_b": {arm: {"x": (2, 3, 4)} for arm in ("method", "baseline")}}
    world = World(space=space)
    _, records = study(world, cell(varies=("init", "hpo"), most_pairs={"small": 6}))
    assert {index for _, index in records[cell().key].tuned} == set(range(6))
    assert {job.stream for job in trials(world) if job.stream} == {f"tuning {k}" for k in range(6)}


def test_what_is_known_is_not_run_again():
    world = World()
    _, records = study(world, cell(most_pairs={"small": 6}))
    again = World()
    study(again, cell(most_pairs={"small": 9}), records=records)
    assert sorted(job.launch for job in trials(again)) == [6, 6, 7, 7, 8, 8]


def test_kinds_take_turns_and_each_ends_by_its_own_rule():
    world = World(effect=3.0)
    _, records = study(world, cell(statements=(QUALITY, EXACT, SPEED), instances={"small": 30}))
    found = records[cell().key]
    assert len(found.instances("v")) == 30
    assert len(found.rates) == 10
    launches = [job for job in world.done if job.kind == "launch"]
    assert [job.launch for job in launches] == [k for k in range(5) for _ in range(2)]
    assert all({a.arm, b.arm} == {"method", "baseline"} for a, b in zip(launches[::2], launches[1::2], strict=True))
    assert len({a.arm for a in launches[::2]}) == 2  # the order within a block is one of chance


def test_an_arm_of_which_all_first_trials_fail_is_given_up():
    world = World()
    world.fails = lambda job: job.arm == "method"
    events, _ = study(world, cell())
    assert any(
        isinstance(e, Decided) and "is not gone on with: all 5 trials of method failed" in e.text for e in events
    )
    assert len(trials(world)) == 10


def test_one_failure_leaves_the_rest_going_on():
    world = World(effect=3.0)
    world.fails = lambda job: job.arm == "baseline" and job.launch == 1
    _, records = study(world, cell(), pairs=10)
    assert len(trials(world)) == 20
    assert len(records[cell().key].failed) == 1


@pytest.mark.parametrize("varies", [("init", "split"), ("init", "hpo")])
def test_shares_of_sources_are_asked_for_last(varies):
    world = World(effect=3.0)
    study(world, cell(varies=varies), variance=True)
    alone = Counter(job.stream for job in trials(world) if job.stream.startswith("only"))
    assert alone == {f"only {name}": 10 for name in varies if name != "hpo"}
    assert all(job.varies == (job.stream.removeprefix("only "),) for job in trials(world) if "only" in job.stream)
