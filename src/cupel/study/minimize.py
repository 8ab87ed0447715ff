"""Tuning from Python: a function to a result, or a searcher to be asked and told.

    result = cupel.minimize(fn, "lr=log(1e-5,1), width=int(32,512)", searcher="bohb", trials=50)

    tuner = cupel.Tuner("lr=log(1e-5,1)", searcher="asha", max_resource=81)
    while (work := tuner.ask()) is not None:
        tuner.tell(work, loss_of(work.parameters, epochs=work.target))

A function runs inline: one trial after another in this process, without a time limit.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypedDict, Unpack

from cupel.ledger.tuning_log import TrialRecord, best_trial, trials_of
from cupel.methods.find_searcher import find_searcher
from cupel.spec.errors import NothingToRunError, UnknownNameError, UsageError
from cupel.spec.parameter import Parameter
from cupel.spec.read_space import read_space
from cupel.spec.search import Search, Work
from cupel.spec.space import Configuration, Space
from cupel.spec.tuning import Better, Fidelity, TuningEvent, TuningRequest
from cupel.spec.units import parse_duration
from cupel.stats.mean_interval import MeanEstimate, mean_interval
from cupel.study.trial_functions import TrialFunctions
from cupel.study.tuning import MemoryLog, TuningStudy

SpaceLike: TypeAlias = str | Space | Mapping[str, Parameter]


@dataclass(frozen=True)
class TuningResult:
    """What tuning a function found.

    Attributes:
        parameters: the best configuration: of those trained furthest, the one with the best value.
        value: the value that it was selected for; too good by the selection.
        reevaluated: the mean over fresh seeds, with an interval; None where none were asked or gave a value.
        resource: what the best was trained to.
        trials: every trial, by number.
        request: what was asked.
        records: every decision, as a run folder would have it.
    """

    parameters: Configuration
    value: float
    reevaluated: MeanEstimate | None
    resource: float
    trials: Mapping[int, TrialRecord]
    request: TuningRequest
    records: tuple[dict[str, Any], ...]


class TuningOptions(TypedDict, total=False):
    """How to tune; all may be left out.

    Attributes:
        searcher: its name, with options; `asha` where `max_resource` is given and `random_search` else when empty.
        trials: configurations to try (50).
        budget: such as `10min`; no trial is started after that.
        max_resource: what a trial gets at most; the function reads `trial.resource`.
        min_resource: what it gets before it is judged.
        eta: one in so many goes on (3).
        seed: root of all seeds (0).
        better: `lower` (the default), or `higher` to maximise.
        fidelity: `resource`, or `seeds` where one more of the resource is one more seed and values are averaged.
        reevaluations: fresh seeds with which the best is trained again (0).
    """

    searcher: str
    trials: int
    budget: str | None
    max_resource: float | None
    min_resource: float | None
    eta: int
    seed: int
    better: Better
    fidelity: Fidelity
    reevaluations: int


def minimize(
    fn: Callable[..., Any],
    space: SpaceLike,
    *,
    on_event: Callable[[TuningEvent], None] = lambda _: None,
    **options: Unpack[TuningOptions],
) -> TuningResult:
    """Find good arguments of a function.

    Args:
        fn: takes the configuration, and a `Trial` where it has a second argument; returns the value, or reports it.
        space: a text (`cupel.spec.read_space`), a `Space`, or a mapping from names to parameters.
        on_event: is called with what happens.
        **options: see `TuningOptions`.

    Raises:
        UsageError: an argument that is not taken.
        NothingToRunError: no trial reached a value.

    Example:
        >>> found = minimize(lambda p: (p["x"] - 2) ** 2, "x=float(-10,10)", trials=200)
        >>> abs(found.parameters["x"] - 2) < 1
        True
    """
    request = _request(getattr(fn, "__qualname__", repr(fn)), options)
    log = MemoryLog()
    search = _search(space_of(space), request)
    study = TuningStudy(request, find_searcher(request.searcher, search), TrialFunctions(fn), log)
    for event in study.run():
        on_event(event)
    return _result(request, log)


class Tuner:
    """A searcher to be asked and told by a loop of one's own.

    Args:
        space: as `minimize` takes it.
        **options: see `TuningOptions`; a budget and fresh seeds are the loop's own affair.

    Raises:
        UsageError: an option that is not taken.
    """

    def __init__(self, space: SpaceLike, **options: Unpack[TuningOptions]) -> None:
        request = _request("a loop of one's own", options)
        self._sign = 1.0 if request.better == "lower" else -1.0
        self.search = _search(space_of(space), request)
        self._searcher = find_searcher(request.searcher, self.search)

    def ask(self) -> Work | None:
        """What to train next, and up to which resource (`target`); None while all depends on what is not told yet."""
        return self._searcher.ask()

    def tell(self, work: Work | int, value: float, resource: float | None = None) -> bool:
        """Take a value.

        Args:
            work: the work, or the number of its trial.
            value: what it reached; NaN where it could not be trained.
            resource: where it was reached; the work's target when None.

        Returns:
            Whether the work goes on to its next milestone.
        """
        if resource is None and isinstance(work, int):
            raise UsageError("A value was told by the number of a trial alone; give the resource, or the work itself.")
        trial, at = (work, resource) if isinstance(work, int) else (work.trial, work.target)
        at = at if resource is None else resource
        return self._searcher.tell(trial, float(at or 0.0), self._sign * value)

    def drop(self, work: Work) -> None:
        """Nothing more will be told of a work."""
        self._searcher.drop(work.trial)


def space_of(space: SpaceLike) -> Space:
    """A space from whatever describes one."""
    if isinstance(space, str):
        return read_space(space)
    return space if isinstance(space, Space) else Space(space)


def default_searcher(max_resource: float | None) -> str:
    """What is taken where no searcher was named: one that stops early, where there is a resource to stop at."""
    return "random_search" if max_resource is None else "asha"


def check_request(request: TuningRequest) -> None:
    """Refuse what contradicts itself.

    Raises:
        UsageError: says what was asked and what was expected.
    """
    if request.better not in ("lower", "higher"):
        raise UsageError(f"better is {request.better!r}; expected lower or higher.")
    if request.fidelity not in ("resource", "seeds"):
        raise UsageError(f"fidelity is {request.fidelity!r}; expected resource or seeds.")
    most = request.max_resource
    if request.fidelity == "seeds" and (most is None or most != int(most)):
        raise UsageError("With seeds as the fidelity, max_resource is the number of seeds: a whole number is needed.")
    for name in ("trials", "workers"):
        if getattr(request, name) < 1:
            raise UsageError(f"{name} is {getattr(request, name)}; expected 1 or more.")
    for name in ("retries", "reevaluations"):
        if getattr(request, name) < 0:
            raise UsageError(f"{name} is {getattr(request, name)}; expected 0 or more.")


def _request(script: str, options: TuningOptions) -> TuningRequest:
    """The request that options ask for, checked."""
    known = TuningOptions.__annotations__
    for name in options:
        if name not in known:
            raise UnknownNameError("option", name, known)
    given: dict[str, Any] = dict(options)
    budget, searcher = given.pop("budget", None), given.pop("searcher", "")
    request = TuningRequest(
        script=script,
        space={},
        searcher=searcher or default_searcher(given.get("max_resource")),
        budget_s=None if budget is None else parse_duration(budget),
        **{"reevaluations": 0, **given},
    )
    check_request(request)
    return request


def _search(space: Space, request: TuningRequest) -> Search:
    most = 1 if request.max_resource is None else request.max_resource
    return Search(space, request.trials, request.seed, most, request.min_resource, request.eta)


def _result(request: TuningRequest, log: MemoryLog) -> TuningResult:
    trials = trials_of(log.records)
    best = best_trial(trials, request.better)
    if best is None or best.value is None:
        messages = itertools.islice((t.message for t in trials.values() if t.message), 1)
        said = next(messages, "it returned no finite number")
        raise NothingToRunError(f"None of {len(trials)} trials of {request.script} reached a value: {said}.")
    fresh = [row["value"] for row in log.records if row["kind"] == "reevaluated" and row["value"] is not None]
    again = mean_interval(fresh)
    return TuningResult(dict(best.parameters), best.value, again, best.resource, trials, request, tuple(log.records))
