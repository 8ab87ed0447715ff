"""What every claim owes: arms that give what statements name, of the same task, repeatable, fair whichever comes first.

Each claim is tried at tiny through what a run does in its processes (`do_trial`). Trials are kept, so that all tests of
a claim share them.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="most claims need torch, and their generators are watched")

from cupel.ledger.claim_log import CellRecords, Tuned
from cupel.run.claim_plan import ClaimCell, ClaimRequest, make_claim_plan
from cupel.run.trial_worker import claim_space, do_trial, trial_seeds
from cupel.run.worker import load_entry, make_slot
from cupel.spec.catalog import load_catalog
from cupel.spec.extras import missing_extras
from cupel.spec.job import Job
from cupel.spec.outcome import Outcome
from cupel.spec.protocols import Done
from cupel.spec.seeds import Seeds
from cupel.spec.statement import PAIRED, WITH_ARMS, Statement
from cupel.spec.trial import TrialEnded
from cupel.stats.judge import judge_instances
from cupel.stats.judge_claim import judge_claim
from cupel.study.equal_tuning import EqualTuning

Print: TypeAlias = Callable[[Any], str]
CLAIMS = load_catalog().claims
PAIRS, INSTANCES = 2, 3


class Watched(Mapping[str, Any]):
    """Hyperparameters that know which of them were read."""

    def __init__(self, hp: Mapping[str, Any]) -> None:
        self._hp, self.read = dict(hp), set[str]()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return self._hp[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._hp)

    def __len__(self) -> int:
        return len(self._hp)


@dataclasses.dataclass
class Again:
    """A trial done once more by hand: what it gave, its task, the hyperparameters read, the generators moved."""

    outcome: Outcome
    task: Any
    read: set[str]
    moved: set[str]


class Tried:
    """A claim at tiny, and its trials so far.

    Args:
        cell: the claim as a run of it has it.
    """

    def __init__(self, cell: ClaimCell) -> None:
        self.cell, self.card = cell, cell.card
        self.entry, self.module = load_entry(cell.job)
        self.space = claim_space(cell.job)
        self._trials: dict[str, Outcome] = {}
        self._again: dict[str, Again] = {}

    @property
    def paired(self) -> list[Statement]:
        return [said for said in self.card.said if said.kind in PAIRED]

    @property
    def arms(self) -> list[str]:
        """Arms that trials have."""
        return list(self.card.arms) if self.paired else []

    def hp(self, arm: str) -> dict[str, Any]:
        """The middle of an arm's grid."""
        return {name: values[len(values) // 2] for name, values in self.space.get(arm, {}).items()}

    def job(self, arm: str, index: int = 0) -> Job:
        return self.cell.trial(arm, index, hp=self.hp(arm))

    def trial(self, arm: str, index: int = 0) -> Outcome:
        return self.done(self.job(arm, index))

    def done(self, job: Job) -> Outcome:
        """A job's outcome, found once."""
        if job.id not in self._trials:
            self._trials[job.id] = do_trial(job)
        return self._trials[job.id]

    def slot(self, job: Job) -> Any:
        """What a worker would hand over; torch's generator is seeded by it."""
        return make_slot(job, self.entry, device=job.device, seeds=trial_seeds(job, self.card.varies))

    def task(self, job: Job) -> Any:
        """The task of a job."""
        return self.module.task(SimpleNamespace(**job.sizes), self.slot(job), trial_seeds(job, self.card.varies))

    def again(self, arm: str) -> Again:
        """The first trial of an arm by hand, the generators watched; not the first of the process, which imports."""
        if arm not in self._again:
            self.trial(arm)
            hp, job = Watched(self.hp(arm)), self.job(arm)
            seeds = trial_seeds(job, self.card.varies)
            slot = self.slot(job)
            before = global_states()
            task = self.module.task(SimpleNamespace(**job.sizes), slot, seeds)
            outcome = getattr(self.module, arm)(task, slot, seeds, hp)
            self._again[arm] = Again(outcome, task, hp.read, changed_since(before))
        return self._again[arm]

    def records(self) -> CellRecords:
        """The first pairs of all arms as a run keeps them."""
        records = CellRecords(tuned={(arm, None): Tuned(self.hp(arm)) for arm in self.space})
        for arm, index in itertools.product(self.arms, range(PAIRS)):
            records.take(TrialEnded(self.job(arm, index), "ok", self.trial(arm, index), 0.1))
        return records


def global_states() -> dict[str, object]:
    """What the global generators stand at."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 (the one that must not be used)
    return {
        "random": random.getstate(),
        "numpy": (name, np.asarray(keys).tobytes(), *rest),
        "torch": torch.get_rng_state().numpy().tobytes(),
    }


def changed_since(before: Mapping[str, object]) -> set[str]:
    """Global generators that moved."""
    return {name for name, state in global_states().items() if state != before[name]}


@pytest.fixture(autouse=True, scope="module")
def as_it_was() -> Iterator[None]:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    yield
    torch.set_num_threads(threads)
    torch.set_rng_state(state)


@functools.cache
def tried(stem: str) -> Tried:
    """A claim with the trials that other tests had of it."""
    (cell,) = make_claim_plan(ClaimRequest(names=(stem,), size="tiny"), load_catalog()).cells
    return Tried(cell)


@pytest.fixture(scope="module")
def claim(request: pytest.FixtureRequest) -> Tried:
    """A claim, all tests of which come one after another."""
    missing = missing_extras(CLAIMS[request.param].card)
    if missing:
        pytest.skip(f"{request.param} needs {', '.join(missing)}, not installed")
    return tried(request.param)


def every_claim_with(*kinds: str) -> pytest.MarkDecorator:
    """Every claim that has a statement of one of the kinds."""
    stems = [stem for stem in sorted(CLAIMS) if {said.kind for said in CLAIMS[stem].card.said} & set(kinds)]
    return pytest.mark.parametrize("claim", stems, indirect=True, scope="module")


with_pairs = every_claim_with(*PAIRED)
with_instances = every_claim_with("exact")
with_arms = every_claim_with(*WITH_ARMS)


def test_there_are_claims() -> None:
    assert {"asha_vs_successive_halving", "lottery_ticket_vs_random_ticket"} <= set(CLAIMS)


@with_pairs
def test_every_arm_gives_every_number_that_its_statements_name(claim: Tried) -> None:
    for arm in claim.arms:
        outcome = claim.trial(arm)
        assert outcome.is_testable, f"{arm}: {outcome.note}; a tiny trial must be possible anywhere"
        assert outcome.values, f"{arm} gives nothing"
        assert all(map(math.isfinite, (*outcome.values.values(), *outcome.costs.values())))
        for said in claim.paired:
            if arm in said.arms:
                value = outcome.metric(said.metric)
                assert math.isfinite(value), said.name
                assert value > 0 or said.scale == "linear", f"{said.name}: a ratio is of numbers above 0"
                low, high = said.bounds or (-math.inf, math.inf)
                assert low <= value <= high, said.name


@with_pairs
def test_the_same_job_gives_the_same_bytes(claim: Tried) -> None:
    for arm in claim.arms:
        again = claim.again(arm)
        first, second = (json.dumps(o.as_dict(), sort_keys=True) for o in (claim.trial(arm), again.outcome))
        assert first == second, arm


@with_pairs
def test_another_trial_gives_other_numbers(claim: Tried) -> None:
    for arm in dict.fromkeys(said.arms[0] for said in claim.paired):
        metrics = {said.metric for said in claim.paired if arm in said.arms}
        first, second = (claim.trial(arm, index) for index in range(2))
        differ = [metric for metric in metrics if first.metric(metric) != second.metric(metric)]
        assert differ, f"{arm}: nothing varies between trials in {', '.join(sorted(metrics))}"


@with_arms
def test_both_arms_get_the_same_task(claim: Tried, fingerprint: Print) -> None:
    job = claim.job(next(iter(claim.card.arms)))
    first = fingerprint(claim.task(job))
    for arm in claim.arms:
        claim.trial(arm)
    random.random()
    np.random.random()  # noqa: NPY002 (what a task must not depend on)
    assert fingerprint(claim.task(job)) == first, "the task depends on what was done before it"
    by_place: dict[str, set[str]] = {}
    for arm in claim.arms:
        for place, made in made_on_demand(claim.again(arm).task):
            by_place.setdefault(place, set()).add(fingerprint(made))
    assert [place for place, prints in by_place.items() if len(prints) > 1] == [], "arms were given different things"


@with_pairs
def test_swapping_the_arms_turns_every_effect(claim: Tried) -> None:
    swapped = [
        said | {"arms": tuple(reversed(said.get("arms", ("method", "baseline"))))} for said in claim.card.statements
    ]
    other_way = dataclasses.replace(claim.card, statements=tuple(swapped))
    found, turned = (
        judge_claim(card, claim.records(), size="tiny", most_pairs=PAIRS) for card in (claim.card, other_way)
    )
    for said in claim.paired:
        effect, other = found[said.name].effect, turned[said.name].effect
        assert found[said.name].n == turned[said.name].n == PAIRS, said.name
        assert effect is not None
        assert other == pytest.approx(1 / effect if said.scale == "log" else -effect), said.name


@with_pairs
def test_no_global_generator_is_touched(claim: Tried) -> None:
    assert {arm: claim.again(arm).moved for arm in claim.arms if claim.again(arm).moved} == {}


@with_instances
def test_instances_differ_and_reach_every_bar(claim: Tried, fingerprint: Print) -> None:
    exact = [said for said in claim.card.said if said.kind == "exact"]
    jobs = [claim.cell.instance(index) for index in range(INSTANCES)]
    outcomes = [claim.done(job) for job in jobs]
    for said in exact:
        values = [outcome.metric(said.metric) for outcome in outcomes]
        assert all(map(math.isfinite, values)), said.name
        assert judge_instances(said, values, planned=INSTANCES).verdict == "supported", (said.name, values)
    before = global_states()
    posed = [claim.module.instance(SimpleNamespace(**job.sizes), trial_seeds(job, ())) for job in (*jobs, jobs[0])]
    prints = [fingerprint(instance) for instance in posed]
    assert len(set(prints)) == INSTANCES
    assert prints[0] == prints[-1]
    again = claim.module.check(posed[-1])
    assert changed_since(before) == set()
    assert json.dumps(again.as_dict(), sort_keys=True) == json.dumps(outcomes[0].as_dict(), sort_keys=True)


@with_pairs
def test_grids_ascend_and_every_hyperparameter_is_read(claim: Tried) -> None:
    assert bool(claim.space) == hasattr(claim.module, "space"), "space() is empty; leave it out"
    assert set(claim.space) <= set(claim.arms)
    assert not claim.space or EqualTuning(claim.space).first(), "something to try"
    for arm, grid in claim.space.items():
        for name, values in grid.items():
            is_scale = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
            assert len(set(values)) == len(values)
            assert not is_scale or list(values) == sorted(values), f"{arm}.{name} does not ascend: {values}"
        assert set(grid) <= claim.again(arm).read, f"{arm} is tuned over what it does not read"


@every_claim_with("speed")
def test_steps_of_speed_statements_do_work(claim: Tried) -> None:
    arms = sorted({arm for said in claim.card.said if said.kind == "speed" for arm in said.arms})
    for arm in arms:
        job = claim.cell.launch(arm, 0, 0)
        slot, make = claim.slot(job), getattr(claim.module, f"{arm}_step", None) or getattr(claim.module, arm)
        step = make(claim.task(job), slot, Seeds(job.seed), {})
        for _ in range(2):
            done = step()
            assert isinstance(done, Done)
            assert 0 < done.items < math.inf


@every_claim_with("published")
def test_what_is_published_is_recomputed(claim: Tried) -> None:
    published = [said for said in claim.card.said if said.kind == "published"]
    outcome = claim.done(claim.cell.recompute())
    assert all(math.isfinite(outcome.metric(said.metric)) for said in published)


def made_on_demand(thing: Any, place: str = "task") -> Iterator[tuple[str, Any]]:
    """What an object of ours and its parts made when they were asked for it (cached properties), by place."""
    if not type(thing).__module__.startswith("cupel.") or not hasattr(thing, "__dict__"):
        return
    for name, value in vars(thing).items():
        if isinstance(getattr(type(thing), name, None), functools.cached_property):
            yield f"{place}.{name}", value
        elif place.count(".") < 3:
            yield from made_on_demand(value, f"{place}.{name}")


def test_a_fingerprint_sees_what_is_deep_inside_and_nothing_else(fingerprint: Print) -> None:
    def made(number: float, seed: int = 0) -> SimpleNamespace:
        model = torch.nn.utils.skip_init(torch.nn.Linear, 2, 1)
        torch.nn.init.constant_(model.weight, number)
        torch.nn.init.zeros_(model.bias)
        held = {"model": model, "order": torch.Generator().manual_seed(seed), "loss": lambda x: x * number}
        return SimpleNamespace(parts=[held, np.arange(3), functools.partial(max, 1)], itself=held)

    assert fingerprint(made(1.0)) == fingerprint(made(1.0))
    assert len({fingerprint(x) for x in (made(1.0), made(2.0), made(1.0, seed=1))}) == 3
    with pytest.raises(TypeError, match="teach PARTS"):
        fingerprint([iter([1])])
