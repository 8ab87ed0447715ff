"""A trial that is over, as data: what back ends yield and studies learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cupel.spec.job import Job
from cupel.spec.outcome import Outcome


@dataclass(frozen=True)
class TrialEnded:
    """A trial, instance or recomputation is over.

    Args:
        job: what was asked.
        status: `ok` or `failed`.
        outcome: what it found; None where it failed.
        elapsed_s: wall seconds of the trial itself, in its process; of the whole job where it failed.
        reason: `crashed`, `timed out`, ... where it failed.
        message: what happened, in one line.
        log_tail: the last lines of its log, where it failed.
        space: of a `space` job, grids by arm and hyperparameter.
    """

    job: Job
    status: Literal["ok", "failed"]
    outcome: Outcome | None
    elapsed_s: float
    reason: str = ""
    message: str = ""
    log_tail: tuple[str, ...] = ()
    space: Mapping[str, Any] | None = None
