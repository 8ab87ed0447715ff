"""Pitfalls that can be seen in a table of results, each with its evidence and what to do next.

Rules
    Each rule is a file in `stats/pitfalls/`, found by listing the folder: an
    id, a severity (error, warning, advice), the stage of Lones' guide, what
    was found with its rows, why it matters, what to do next, and a source.
    A rule speaks only of what the table shows. One that would need a column
    that is not there is listed as not checkable, with that column.
    An error is a defect that makes a comparison of these numbers invalid as
    it stands; a warning weakens it; advice is a hint that rests on names.
    The table need not be in order: wide tables, cells such as
    `0.91 ± 0.02`, several measures, duplicates and a single method are read
    as far as they can be. What no table can show is a checklist for people.

Source: Lones (2024), Patterns 5, 101046 (arXiv 2108.02497v5); each rule names its own.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from cupel.spec.errors import UnknownNameError
from cupel.stats.frame import Frame, frame_of
from cupel.stats.lint_table import LintTable
from cupel.stats.note import Note
from cupel.stats.pitfall import SEVERITIES, Finding, PitfallModule
from cupel.stats.read_lint_table import read_lint_table

FOLDER = Path(__file__).parent / "pitfalls"
CHECKLIST = (
    "Training, validation and test data share no example, no near copy, no person or machine, and no later time.",
    "Scaling, imputation, feature selection and augmentation were fitted after the split, on training data alone.",
    "No feature gives the answer away, and a model trained on shuffled labels scores at chance.",
    "All runs that were made are in the table, also those that failed or were stopped early.",
    "The baselines are the strongest there are, and were tuned by someone who wanted them to win.",
    "Code, data version, settings and machine are kept, so that the runs can be made again.",
    "The measure is what its users care about, also for the groups that are small in the data.",
    "Somebody who knows the domain has looked at the data, and at single predictions.",
)
"""What no table of results can show."""


@dataclass(frozen=True)
class LintReport:
    """What `lint` found.

    Attributes:
        findings: gravest first, then by id.
        checked: names of the rules that could be checked.
        not_checkable: name of a rule to the column that would make it checkable.
        ignored: names of the rules that were not asked for.
        checklist: what no table can show, for people.
        n: rows of the table, in long form.
        methods: names of the methods.
        tasks: names of the tasks.
        measures: names of the measures that were looked at.
        source: the file, or empty.
        warnings: how the table was read, where it was not plain.
    """

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    not_checkable: Mapping[str, str]
    ignored: tuple[str, ...] = ()
    checklist: tuple[str, ...] = CHECKLIST
    n: int = 0
    methods: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    source: str = ""
    warnings: tuple[Note, ...] = ()

    def num(self, severity: str) -> int:
        """How many findings have that severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def headline(self) -> str:
        """How many findings of each severity, of how many rules."""
        counts = [(self.num("error"), "error"), (self.num("warning"), "warning")]
        parts = [f"{k} {word}{'' if k == 1 else 's'}" for k, word in counts if k]
        parts += [f"{k} advice" for k in (self.num("advice"),) if k]
        found = ", ".join(parts) or "Nothing found"
        return f"{found}: {len(self.checked)} rules checked, {len(self.not_checkable)} need columns that are not there"

    def text(self) -> str:
        """The findings in plain words, one a line, under the headline."""
        return "\n".join([f"{self.headline()}.", *(finding.text() for finding in self.findings)])

    def to_frame(self) -> Any:
        """A frame with a row per finding: id, name, severity, stage, title, found, why, do, source, rows."""
        names = ("id", "name", "severity", "stage", "title", "found", "why", "do", "source", "rows")
        return frame_of({name: [getattr(finding, name) for finding in self.findings] for name in names})


def lint(
    frame: Frame | LintTable,
    *,
    columns: Mapping[str, str] | None = None,
    metric: str | None = None,
    better: str | None = None,
    ignore: Iterable[str] = (),
) -> LintReport:
    """Look for the pitfalls that a table of results shows.

    Args:
        frame: as for `results`, also tables that `results` refuses; or what `read_lint_table` returned, for other
            limits than the usual (then `columns`, `metric` and `better` are its own).
        columns: role to column where the names do not say it, such as `{"method": "algo"}`.
        metric: which measure to look at; all that are called like one where None.
        better: `higher` or `lower`; rules that need a direction say less without.
        ignore: rules to leave out, by id or name (`L14`, `one_task`).

    Returns:
        The findings, the rules that were checked, and for the others the column that they lack. Failures (NaN, or a
        status) are no measurements here, and are counted as runs.

    Raises:
        UsageError: the table has no rows.
        UnknownNameError: a column, metric or rule that does not exist.

    Source: Lones (2024); each finding names its own.

    Example:
        >>> report = lint({"method": ["a", "b"], "task": ["x", "x"], "accuracy": [0.91, 0.93]})
        >>> [(finding.id, finding.name, finding.severity) for finding in report.findings]
        [('L06', 'few_repeats', 'error'), ('L14', 'one_task', 'warning'), ('L09', 'no_trivial_baseline', 'advice')]
    """
    rules = pitfalls()
    left_out = rule_names(ignore)
    asked = {name: rule for name, rule in rules.items() if name not in left_out}
    table = frame if isinstance(frame, LintTable) else read_lint_table(
        frame, columns=columns, metric=metric, better=better
    )  # fmt: skip
    lacks = {name: rule.missing(table) for name, rule in asked.items()}
    with np.errstate(over="ignore", invalid="ignore"):  # of values near the end of floats
        findings = [f for name, rule in asked.items() if not lacks[name] for f in _findings(table, name, rule)]
    return LintReport(
        findings=tuple(sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), f.id))),
        checked=tuple(name for name in asked if not lacks[name]),
        not_checkable={name: lack for name, lack in lacks.items() if lack},
        ignored=tuple(left_out),
        n=table.n,
        methods=table.methods,
        tasks=table.tasks,
        measures=tuple(m.name for m in table.main),
        source=table.read.source if table.read is not None else "",
        warnings=_notes(table),
    )


@cache
def pitfalls() -> dict[str, PitfallModule]:
    """The rules by name, in the order of their ids."""
    names = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
    found = {name: cast("PitfallModule", importlib.import_module(f"cupel.stats.pitfalls.{name}")) for name in names}
    return dict(sorted(found.items(), key=lambda item: item[1].CARD.id))


def rule_names(words: Iterable[str]) -> list[str]:
    """Names of the rules that ids or names mean.

    Raises:
        UnknownNameError: one means no rule.

    Example:
        >>> rule_names(["l14", "best_of_n"])
        ['one_task', 'best_of_n']
    """
    rules = pitfalls()
    by_word = {rule.CARD.id.lower(): name for name, rule in rules.items()} | {name: name for name in rules}
    names = []
    for word in words:
        if word.strip().lower() not in by_word:
            known = [*rules, *(rule.CARD.id for rule in rules.values())]
            raise UnknownNameError("rule of lint", word, known, see="See them all: cupel lint --rules")
        names.append(by_word[word.strip().lower()])
    return names


def _findings(table: LintTable, name: str, rule: PitfallModule) -> list[Finding]:
    card = rule.CARD
    return [
        Finding(
            id=card.id,
            name=name,
            severity=seen.severity or card.severity,
            stage=card.stage,
            title=card.title,
            found=f"{seen.text} ({table.wherever(seen.rows)})" if seen.rows else seen.text,
            why=card.why,
            do=seen.do or card.do,
            source=card.source,
            rows=seen.rows,
        )
        for seen in rule.check(table)
    ]


def _notes(table: LintTable) -> tuple[Note, ...]:
    lost = []
    if table.method is None:
        names = ", ".join(list(table.given)[:12]) + (", ..." if len(table.given) > 12 else "")
        text = f"No column was read as the method, so most rules could not be checked. Columns: {names}."
        lost = [Note("reader", f"{text} Say which: --map method=COLUMN.")]
    shape = [Note("reader", f"Read as a wide table: {table.shape}.")] if table.shape else []
    refused = [Note("reader", f"cupel analyze would refuse this table: {table.why_not}")] if table.why_not else []
    told = [Note("reader", text) for text in (table.read.notes if table.read is not None else ())]
    return (*told, *lost, *shape, *refused)
