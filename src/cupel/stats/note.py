"""A note: something that a reader of a number must know, with a code for programs and a text for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NoteCode = Literal[
    "unstable",
    "no steady state",
    "slowdown",
    "too few steps",
    "few steps",
    "late steady state",
    "effective n too small",
    "drift",
    "ramp",
    "spike",
    "stalls",
    "not finite",
    "impossible rate",
    "devices differ",
    # about a table of results
    "reader",
    "failures",
    "unequal failures",
    "mixed scales",
    "missing cells",
    "unpaired",
    "one budget of several",
    "no repeats",
    "few runs",
    "few tasks",
    "one hpo run",
    "overlapping splits",
    "ties",
    "shared runs",
    "same methods",
    "names",
    "no spread",
    # about a statement
    "singular fit",
    "not converged",
    "rank deficient",
    "scope",
    "many comparisons",
    "published variant",
    "approximate",
    "not nested",
    "boundary",
    "outside support",
    "two solvers",
]


@dataclass(frozen=True)
class Note:
    """One warning.

    Attributes:
        code: one of a closed list, for programs.
        text: one or two sentences in plain words, with the numbers.
    """

    code: NoteCode
    text: str
