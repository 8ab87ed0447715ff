"""A pitfall that shows in a table of results: its card, the evidence for it, and the finding that a reader gets.

A rule of `cupel lint` is a file in `stats/pitfalls/` with a `CARD`, with `missing(table)` and with `check(table)`; its
stem is its name. It is found by listing the folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from cupel.stats.lint_table import LintTable

Severity: TypeAlias = Literal["error", "warning", "advice"]
Stage: TypeAlias = Literal["before", "build", "evaluate", "compare", "report"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "advice")
"""Gravest first."""


@dataclass(frozen=True)
class Pitfall:
    """The card of a rule.

    Args:
        id: `L06`; numbers up to L22 are those of the rule table in the design.
        severity: the gravest that it reports; a finding may be milder.
        stage: of Lones' guide: before, build, evaluate, compare, report.
        title: the pitfall in a few words.
        why: why it matters, in one sentence.
        do: what to do next.
        source: where the rule is from.
    """

    id: str
    severity: Severity
    stage: Stage
    title: str
    why: str
    do: str
    source: str


@dataclass(frozen=True)
class Evidence:
    """What a rule saw.

    Args:
        text: what was found, with the numbers.
        rows: (k,) rows of the table as it was handed over that show it, 0 for the first.
        severity: where it is milder than the card's.
        do: what to do next, where the card's own words do not fit.
    """

    text: str
    rows: tuple[int, ...] = ()
    severity: Severity | None = None
    do: str = ""


@dataclass(frozen=True)
class Finding:
    """A pitfall that a table shows.

    Attributes:
        id: of the rule.
        name: stem of the rule's file.
        severity: error, warning or advice.
        stage: of Lones' guide.
        title: the pitfall in a few words.
        found: the evidence, with numbers and rows.
        why: why it matters.
        do: what to do next.
        source: where the rule is from.
        rows: (k,) rows of the table as it was handed over that show it, 0 for the first.
    """

    id: str
    name: str
    severity: Severity
    stage: Stage
    title: str
    found: str
    why: str
    do: str
    source: str
    rows: tuple[int, ...] = ()

    def text(self) -> str:
        """The finding in plain words."""
        return f"{self.severity} {self.id} {self.name}: {self.found} {self.why} Next: {self.do}"


class PitfallModule(Protocol):
    """What a file in `stats/pitfalls/` offers."""

    CARD: Pitfall

    def missing(self, table: LintTable) -> str:
        """Which column would make the rule checkable; empty where it can be checked."""
        ...

    def check(self, table: LintTable) -> Iterator[Evidence]:
        """The evidence, if any; called only where nothing is missing."""
        ...
