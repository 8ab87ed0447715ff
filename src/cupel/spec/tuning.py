"""What happens while hyperparameters are tuned, as data: what is asked, what is started, what comes back.

`study` decides, a trainer trains (a script, a Python function), `report` shows; these are the words between them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from cupel.spec.events import Decided
from cupel.spec.search import Search
from cupel.spec.space import Configuration, Space

Better: TypeAlias = Literal["lower", "higher"]
Fidelity: TypeAlias = Literal["resource", "seeds"]
AttemptStatus: TypeAlias = Literal["ok", "stopped", "failed", "lost"]


@dataclass(frozen=True, kw_only=True)
class TuningRequest:
    """What was asked of a tuning run.

    Args:
        script: what is tuned: a path, or the name of a Python function.
        space: the space, as `Space.as_dict` writes it.
        metric: the key of the value in the script's reports.
        better: whether `lower` or `higher` values are better.
        searcher: name of the searcher, with its options.
        trials: configurations to try.
        budget_s: seconds after which no work is started and what runs is stopped; None without an end.
        max_resource: what a trial gets at most; None where trials are trained as the script itself sees fit.
        min_resource: what it gets before it is judged.
        eta: one in so many goes on.
        workers: trials trained at once.
        seed: root of all seeds.
        timeout_s: seconds after which one start of a trial is ended; None without an end.
        retries: further starts of a trial that a signal ended.
        fidelity: what one more of the resource is: `resource` for the script to interpret, or one more of `seeds`.
        reevaluations: fresh seeds with which the best configuration is trained again.
    """

    script: str
    space: Mapping[str, Any]
    metric: str = "value"
    better: Better = "lower"
    searcher: str = "random_search"
    trials: int = 50
    budget_s: float | None = None
    max_resource: float | None = None
    min_resource: float | None = None
    eta: int = 3
    workers: int = 1
    seed: int = 0
    timeout_s: float | None = None
    retries: int = 1
    fidelity: Fidelity = "resource"
    reevaluations: int = 5

    @property
    def search(self) -> Search:
        """The search that this asks for."""
        return Search(
            Space.from_dict(self.space),
            trials=self.trials,
            seed=self.seed,
            max_resource=1 if self.max_resource is None else self.max_resource,
            min_resource=self.min_resource,
            eta=self.eta,
        )

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TuningRequest:
        """What `as_dict` wrote."""
        return cls(**data)


@dataclass(frozen=True)
class Attempt:
    """One start of a configuration.

    Args:
        key: its name, unlike any other's of the run; also that of its log.
        trial: number of the trial.
        parameters: the configuration.
        start: resource that the trial has had.
        resource: resource to train up to; None where the script decides.
        seed: for the script.
        home: name of the folder that its checkpoint and logs are in; further attempts of a trial share it.
        milestones: resources at which a value is awaited.
    """

    key: str
    trial: int
    parameters: Configuration
    start: float
    resource: float | None
    seed: int
    home: str
    milestones: tuple[float, ...] = ()


@dataclass(frozen=True)
class Report:
    """A value that an attempt reported; `step` is None where it named none."""

    key: str
    value: float
    step: float | None = None


@dataclass(frozen=True)
class AttemptEnded:
    """An attempt is over.

    Args:
        key: the attempt's name.
        status: `ok` by itself, `stopped` as it was told, `failed`, or `lost` (a signal from elsewhere ended it).
        reason: in a word or two, where it is neither ok nor stopped.
        message: what happened, in one line.
        elapsed_s: wall seconds.
        log_tail: last lines of its log, where it failed.
    """

    key: str
    status: AttemptStatus
    elapsed_s: float
    reason: str = ""
    message: str = ""
    log_tail: tuple[str, ...] = ()


def arguments(parameters: Mapping[str, Any]) -> list[str]:
    """What a script is given on its command line: `--name=value` in the order of the space.

    Example:
        >>> arguments({"lr": 0.001, "nesterov": True})
        ['--lr=0.001', '--nesterov=true']
    """
    return [
        f"--{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in parameters.items()
    ]


OnReport: TypeAlias = Callable[[Report], bool]
"""Takes a report; returns whether the attempt may go on."""


class Trainer(Protocol):
    """What trains configurations: processes that run a script, or a function in this process."""

    def start(self, attempt: Attempt) -> None:
        """Begin an attempt."""

    def collect(self, on_report: OnReport, timeout_s: float) -> Iterable[AttemptEnded]:
        """Hand on what was reported since the last call; returns what ended, after at most so many seconds."""

    def stop(self, key: str) -> None:
        """End an attempt; it is handed over as ended by a later `collect`."""


@dataclass(frozen=True)
class TrialStarted:
    """A trial is trained further."""

    trial: int
    parameters: Configuration
    start: float
    resource: float | None
    attempt: int


@dataclass(frozen=True)
class TrialReported:
    """A trial reported a value."""

    trial: int
    step: float
    value: float


@dataclass(frozen=True)
class TrialEnded:
    """A piece of work on a trial is over; `value` is what it reached, None where it failed."""

    trial: int
    status: AttemptStatus
    resource: float
    value: float | None
    elapsed_s: float
    message: str = ""
    log_tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class NewIncumbent:
    """Another configuration is the best now: of those trained furthest, the one with the best value."""

    trial: int
    parameters: Configuration
    value: float
    resource: float


@dataclass(frozen=True)
class Reevaluated:
    """The best configuration was trained again with a fresh seed."""

    trial: int
    seed: int
    value: float | None


@dataclass(frozen=True)
class TuningFinished:
    """No more work.

    Args:
        interrupted: the user asked to stop.
        num_trials: configurations that a value came of.
        num_failed: configurations that could not be trained.
        elapsed_s: wall seconds since this start of the run.
        reason: why it ended: `trials`, `budget`, `interrupted`.
    """

    interrupted: bool
    num_trials: int
    num_failed: int
    elapsed_s: float
    reason: str = "trials"
    notes: tuple[str, ...] = field(default=())


TuningEvent: TypeAlias = (
    TrialStarted | TrialReported | TrialEnded | NewIncumbent | Reevaluated | Decided | TuningFinished
)
