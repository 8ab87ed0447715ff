"""The HTML page beside the records."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from cupel.report import html
from cupel.report.claims_page import render_claims
from cupel.report.tuning_page import render_tuning

RENDERERS = {"tuning": render_tuning, "claims": render_claims}
"""Pages by kind of document, where it is not a run of workloads."""


def write_page(document: dict[str, Any], path: Path) -> Path | None:
    """Write the HTML page; a folder that cannot be written costs the page, not the result."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        render = RENDERERS.get(document["kind"], html.render_run)
        beside.write_text(render(document), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        print(f"The page {path} could not be written: {error.strerror}.", file=sys.stderr)
        return None
    return path
