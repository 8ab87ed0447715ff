"""What `cupel lint` found as a result document: plain data that every rendering is made of."""

from __future__ import annotations

from typing import Any

from cupel.stats.lint import LintReport
from cupel.stats.pitfall import Finding

SCHEMA = 1
MOST_ROWS = 20
"""Rows of a finding that the document lists."""
STAGES = {
    "before": "before building models",
    "build": "building models",
    "evaluate": "evaluating models",
    "compare": "comparing models",
    "report": "reporting results",
}
"""The stages of Lones' guide."""


def build_lint(report: LintReport, ids: dict[str, str]) -> dict[str, Any]:
    """The document.

    Args:
        report: what `lint` returned.
        ids: name of each rule to its id.
    """
    return {
        "schema": SCHEMA,
        "kind": "lint",
        "headline": report.headline(),
        "source": report.source,
        "num_rows": report.n,
        "methods": list(report.methods),
        "tasks": list(report.tasks),
        "measures": list(report.measures),
        "num_errors": report.num("error"),
        "num_warnings": report.num("warning"),
        "num_advice": report.num("advice"),
        "findings": [_finding(finding) for finding in report.findings],
        "checked": [{"id": ids[name], "name": name} for name in report.checked],
        "not_checkable": [
            {"id": ids[name], "name": name, "needs": needs} for name, needs in report.not_checkable.items()
        ],
        "ignored": [{"id": ids[name], "name": name} for name in report.ignored],
        "checklist": list(report.checklist),
        "warnings": [{"code": note.code, "text": note.text} for note in report.warnings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "name": finding.name,
        "severity": finding.severity,
        "stage": finding.stage,
        "title": finding.title,
        "found": finding.found,
        "why": finding.why,
        "do": finding.do,
        "source": finding.source,
        "rows": list(finding.rows[:MOST_ROWS]),
        "num_rows": len(finding.rows),
    }
