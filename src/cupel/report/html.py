"""A run or a comparison as one HTML file that needs nothing else: offline, light and dark, on paper and on a phone."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from cupel.report.comparison_page import comparison_sections
from cupel.report.csv import render_comparison as comparison_csv
from cupel.report.csv import render_run as run_csv
from cupel.report.entry_details import details_section
from cupel.report.page import Page, render_page
from cupel.report.provenance import machine_section
from cupel.report.run_summary import results_section, score_section, summary
from cupel.report.words import Document, plain

HEAVY = ("series", "telemetry")
"""What the download inside a page leaves out: it is drawn there, and whole in the run folder."""


def render_run(document: Document) -> str:
    """The page of a run.

    Args:
        document: a result document of kind `run`; keys that are absent are shown as unknown.

    Returns:
        The text of an HTML file that loads nothing.
    """
    links = [("results", "Results"), ("score", "Score"), ("details", "Details"), ("machine", "Machine")]
    main = [
        *summary(document),
        results_section(document),
        score_section(document),
        details_section(document),
        machine_section(document),
    ]
    data = {
        "name": PurePath(plain(document.get("run") or document.get("name"))).name,
        "csv": run_csv(document),
        "json": _light(document),
    }
    return render_page(Page("cupel report", _subtitle(document), links, main, data))


def render_comparison(document: Document) -> str:
    """The page of a comparison of two runs.

    Args:
        document: a result document of kind `comparison`.

    Returns:
        The text of an HTML file that loads nothing.
    """
    names = [plain((document.get(side) or {}).get("name")) or side.upper() for side in ("a", "b")]
    links = [("forest", "Ratios"), ("results", "Table"), ("runs", "Runs")]
    data = {"name": "comparison", "csv": comparison_csv(document), "json": document}
    subtitle = f"{names[0]} (A) against {names[1]} (B)"
    return render_page(Page("cupel comparison", subtitle, links, comparison_sections(document), data))


def _subtitle(document: Document) -> str:
    """`smoke · 8 × H100 · 2026-11-20T12:00:00Z`."""
    machine = document.get("machine") or {}
    parts = (document.get("name"), machine.get("label"), document.get("started"))
    return " · ".join(plain(part) for part in parts if part)


def _light(document: Document) -> dict[str, Any]:
    """The document without its long lists."""
    entries = [
        {
            **entry,
            "launches": [{k: v for k, v in launch.items() if k not in HEAVY} for launch in entry.get("launches") or ()],
        }
        for entry in document.get("entries") or ()
    ]
    return {**document, "entries": entries}
