"""The words that everything is written in: cards, protocols, jobs, units, seeds, the catalogue, errors."""

from cupel.spec.card import Scalar, Workload
from cupel.spec.errors import CupelError, UnsupportedError, UsageError, WrongWorkError
from cupel.spec.protocols import Done, Sizes, Slot, Step
from cupel.spec.seeds import Seeds

__all__ = [
    "CupelError",
    "Done",
    "Scalar",
    "Seeds",
    "Sizes",
    "Slot",
    "Step",
    "UnsupportedError",
    "UsageError",
    "Workload",
    "WrongWorkError",
]
