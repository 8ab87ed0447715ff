"""Is A better than B? Two functions compared inline, by the rules of claims.

    found = cupel.compare_methods(mine, adam, task, better="higher", rope=0.005)
    print(found.text())

Functions run one after another in this process: no isolation, no time limit, and whatever they leave behind stays.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

from cupel.ledger.claim_log import CellRecords
from cupel.run.claim_plan import ClaimCell, ClaimPlan, ClaimRequest
from cupel.run.stop import Stop
from cupel.run.trial_worker import checked_outcome
from cupel.spec.claim import SOURCES_OF_VARIATION, Claim
from cupel.spec.errors import UsageError
from cupel.spec.events import Event
from cupel.spec.job import Job
from cupel.spec.outcome import Outcome
from cupel.spec.seeds import Seeds, TrialSeeds
from cupel.spec.statement import Sentence, read_statement
from cupel.spec.trial import TrialEnded
from cupel.spec.units import parse_duration
from cupel.stats.checked import whole
from cupel.stats.frame import frame_of
from cupel.stats.judge import Judgement, Word
from cupel.stats.judge_claim import judge_claim
from cupel.study.claims import BackEnds, ClaimsStudy
from cupel.study.equal_tuning import Grid

Method: TypeAlias = Callable[..., Outcome | float]
INLINE = "inline: no isolation, no time limit"


class ComparisonOptions(TypedDict, total=False):
    """What is said and how far to go; all may be left out.

    Keys:
        better: `higher` (default) or `lower`.
        metric: which of an outcome's numbers; needed where it has several.
        sentence: `superiority` (default), `equivalence` or `non-inferiority`.
        bar: how much better than B is promised; a share where `scale` is `log`. Default 0.
        margin: of equivalence and non-inferiority.
        rope: half width of the region in which the two are equal in practice.
        scale: `linear` (default) for a difference, `log` for a ratio.
        bounds: lowest and highest possible value of the metric, where no law is to be assumed.
        varies: streams of seeds that differ from trial to trial; all of them where left out.
        space: grids to tune by, `{"a": {"lr": (1e-3, 1e-2, 1e-1)}, "b": {...}}`; the functions are then given the
            choice as a third argument.
        most: pairs at most with `runs="auto"`; 200 where left out.
        budget: time after which no pair is begun, such as `10min`.
        seed: root of all seeds.
    """

    better: Literal["higher", "lower"]
    metric: str
    sentence: Sentence
    bar: float
    margin: float
    rope: float
    scale: Literal["linear", "log"]
    bounds: tuple[float, float]
    varies: Sequence[str]
    space: Mapping[str, Grid]
    most: int
    budget: str
    seed: int


@dataclass(frozen=True)
class MethodComparison:
    """What the pairs of two functions say.

    Attributes:
        verdict: `supported`, `contradicted`, `equivalent` or `undecided`.
        effect: mean difference of pairs, larger is better for A; a ratio on the log scale; None without any.
        interval: its 95 % interval; None where there is none yet.
        n: pairs that count.
        p: of the verdict; NaN while undecided.
        reason: why, in a sentence.
        a, b: (n,) the metric of each, pair by pair; NaN where it failed.
        costs: mean costs by function and name.
        tuned: hyperparameters chosen, by function.
        failures: what failed, in words.
        scope: what it speaks of.
        judgement: all that was found.
    """

    verdict: Word
    effect: float | None
    interval: tuple[float, float] | None
    n: int
    p: float
    reason: str
    a: tuple[float, ...]
    b: tuple[float, ...]
    costs: Mapping[str, Mapping[str, float]]
    tuned: Mapping[str, Mapping[str, Any]]
    failures: tuple[str, ...]
    scope: str
    judgement: Judgement = field(repr=False, compare=False)

    def to_frame(self) -> Any:
        """A row per pair: a, b."""
        return frame_of({"pair": list(range(len(self.a))), "a": list(self.a), "b": list(self.b)})

    def text(self) -> str:
        """The verdict in a few lines."""
        effect = "no effect yet" if self.effect is None else f"effect {self.effect:.4g}"
        span = "" if self.interval is None else f" (95 % {self.interval[0]:.4g} to {self.interval[1]:.4g})"
        lines = [f"{self.verdict}: {effect}{span}, n = {self.n} pairs", f"why: {self.reason}", f"scope: {self.scope}"]
        return "\n".join([*lines, *self.failures[:3], *(note.text for note in self.judgement.warnings)])


def compare_methods(
    a: Method, b: Method, task: Any, runs: int | Literal["auto"] = "auto", **options: Unpack[ComparisonOptions]
) -> MethodComparison:
    """Compare two methods on a task by pairs of runs that share their seeds.

    Args:
        a: `a(task, rng)` -> a number or an `Outcome`; what is defended. `rng.seed("init")` gives a seed by name.
        b: the baseline, likewise.
        task: `task(rng)` builds what both are given, anew for each run; anything that is no function is given as it is.
        runs: pairs, fixed beforehand; `auto` adds pairs until the verdict is in.
        options: see `ComparisonOptions`.

    Returns:
        The verdict with effect, interval, n and scope.

    Raises:
        UsageError: an option that cannot be, or functions of which no run ended well.

    Cost: the runs, and under 5 ms for each.

    Source: architecture of Cupel, "Verdicts"; `cupel explain judge`.

    Example:
        >>> import random
        >>> def better(task, rng): return task + 1 + random.Random(rng.seed("a")).gauss(0, 0.5)
        >>> def plain(task, rng): return task + random.Random(rng.seed("b")).gauss(0, 0.5)
        >>> compare_methods(better, plain, lambda rng: random.Random(rng.seed("split")).gauss(0, 1)).verdict
        'supported'
    """
    unknown = set(options) - set(ComparisonOptions.__annotations__)
    if unknown:
        raise UsageError(
            f"{', '.join(sorted(unknown))} was asked; expected {', '.join(ComparisonOptions.__annotations__)}."
        )
    if runs != "auto" and (isinstance(runs, bool) or not isinstance(runs, int) or runs < 1):
        raise UsageError(f"runs is {runs!r}; expected a number of pairs from 1, or 'auto'.")
    card = _card(options)
    seed = whole("seed", options.get("seed", 0))
    job = Job(entry="claim/inline", source="inline", digest="", kind="trial", seed=seed)
    cell = ClaimCell(job=job, card=card, label="inline")
    budget = options.get("budget")
    request = ClaimRequest(
        names=("inline",), pairs=None if runs == "auto" else runs, seed=seed,
        budget_s=None if budget is None else parse_duration(budget),
    )  # fmt: skip
    varies = options.get("varies")
    trials = InlineTrials(
        {"method": a, "baseline": b}, task, None if varies is None else tuple(varies), dict(options.get("space", {}))
    )
    records = {cell.key: CellRecords()}
    study = ClaimsStudy(ClaimPlan(name="inline", request=request, cells=(cell,)), records, _NoLog(), Stop())
    for _ in study.run(BackEnds(trials, trials.launches)):
        pass
    return _comparison(card, records[cell.key], request)


def _card(options: ComparisonOptions) -> Claim:
    keys = ("sentence", "bar", "margin", "rope", "scale", "bounds")
    said: dict[str, Any] = {key: options[key] for key in keys if key in options}  # type: ignore[literal-required]
    said |= {"name": "pairs", "kind": "quality", "says": "a is better than b", "metric": options.get("metric", "value")}
    said["better"] = options.get("better", "higher")
    read_statement(said)
    return Claim(
        says="a is better than b", source="inline", statements=(said,), arms={"method": "a", "baseline": "b"},
        varies=SOURCES_OF_VARIATION[:1], tiny={}, small={}, full={}, most_pairs={"small": options.get("most", 200)},
    )  # fmt: skip


class _NoLog:
    """Keeps nothing on disk."""

    def trial(self, ended: TrialEnded) -> None:
        """Nothing is kept."""

    def write(self, kind: str, **fields: Any) -> None:
        """Nothing is kept."""


class InlineTrials:
    """Runs functions as trials, one after another in this process.

    Args:
        arms: functions by arm.
        task: builds what the arms are given, or is it.
        varies: streams that differ from trial to trial; all where None.
        space: grids by `a` and `b`.
    """

    def __init__(
        self, arms: Mapping[str, Method], task: Any, varies: tuple[str, ...] | None, space: Mapping[str, Grid]
    ) -> None:
        self._arms = arms
        self._task = task
        self._varies = varies
        names = {"a": "method", "b": "baseline"}
        strange = sorted(set(space) - set(names))
        if strange:
            raise UsageError(f"space has grids for {', '.join(strange)}; expected 'a' and 'b'.")
        self._space = {names[name]: grid for name, grid in space.items()}
        self.launches = _NoLaunches()

    def affinity(self) -> int:
        """One at a time."""
        return 1

    def run(self, jobs: Iterable[Job]) -> Iterator[TrialEnded]:
        """Do trials in order."""
        for job in jobs:
            if job.kind == "space":
                yield TrialEnded(job, "ok", Outcome({}), 0.0, space=self._space)
            else:
                yield self._one(job)

    def _one(self, job: Job) -> TrialEnded:
        started = time.perf_counter()
        try:
            rng = self._seeds(job)
            task = self._task(rng) if callable(self._task) else self._task
            given = (task, rng, dict(job.hp)) if self._space else (task, rng)
            outcome = checked_outcome(job, self._arms[job.arm](*given))
        except Exception as error:  # noqa: BLE001  whatever a method raises is its failure
            message = f"{type(error).__name__}: {error}".splitlines()[0][:400]
            return TrialEnded(job, "failed", None, time.perf_counter() - started, "crashed", message)
        return TrialEnded(job, "ok", outcome, time.perf_counter() - started)

    def _seeds(self, job: Job) -> Seeds:
        name = f"{job.stream}/{job.launch}" if job.stream else job.launch
        if self._varies is None:
            return Seeds(job.seed).child("trial", name)
        return TrialSeeds(job.seed, name, self._varies)


class _NoLaunches:
    """Inline comparisons have no speed statements."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
        """Nothing is launched."""
        del jobs
        return iter(())


def _comparison(card: Claim, records: CellRecords, request: ClaimRequest) -> MethodComparison:
    found = judge_claim(card, records, size="small", most_pairs=request.pairs)["pairs"]
    said = card.said[0]
    first, second = records.pairs(said)
    failures = tuple(f"{_name(e)} {e.job.launch} failed: {e.message}" for e in records.failed)
    if found.n == 0 and failures:
        raise UsageError(f"No pair has a result. {failures[0]}.")
    costs = {_word(arm): _mean_costs(records, arm) for arm in card.arms}
    tuned = {_word(arm): tuning.hp for (arm, _), tuning in records.tuned.items()}
    parts = ["this task", INLINE, *(["conditional on one tuning of each"] if tuned else [])]
    return MethodComparison(
        verdict=found.verdict, effect=found.effect,
        interval=None if found.interval is None else (found.interval.low, found.interval.high),
        n=found.n, p=found.p, reason=found.reason, a=tuple(first), b=tuple(second), costs=costs, tuned=tuned,
        failures=failures, scope="; ".join(parts), judgement=found,
    )  # fmt: skip


def _word(arm: str) -> str:
    return {"method": "a", "baseline": "b"}[arm]


def _name(ended: TrialEnded) -> str:
    return _word(ended.job.arm)


def _mean_costs(records: CellRecords, arm: str) -> dict[str, float]:
    outcomes = [e.outcome for e in records.trials.values() if e.job.arm == arm and not e.job.stream and e.outcome]
    names = dict.fromkeys(name for outcome in outcomes for name in outcome.costs)
    each = {name: [o.costs[name] for o in outcomes if name in o.costs] for name in names}
    return {name: math.fsum(values) / len(values) for name, values in each.items()}
