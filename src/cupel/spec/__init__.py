"""The words that everything is written in: cards, protocols, jobs, units, seeds, the catalogue, errors."""

from cupel.spec.card import Scalar, Workload
from cupel.spec.claim import Claim
from cupel.spec.errors import CupelError, UnsupportedError, UsageError, WrongWorkError
from cupel.spec.outcome import Outcome
from cupel.spec.protocols import Done, Sizes, Slot, Step
from cupel.spec.seeds import Seeds
from cupel.spec.statement import Statement

__all__ = [
    "Claim",
    "CupelError",
    "Done",
    "Outcome",
    "Scalar",
    "Seeds",
    "Sizes",
    "Slot",
    "Statement",
    "Step",
    "UnsupportedError",
    "UsageError",
    "Workload",
    "WrongWorkError",
]
