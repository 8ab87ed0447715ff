"""Compare two runs: for each entry faster, slower, equivalent or undecided, with the ratio and its interval.

Exit code 3 where B is slower than A in some entry, after correction for looking at many.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cupel.ledger.run_folder import RunFolder
from cupel.report import csv, html, json, markdown, terminal
from cupel.report.comparison import build_comparison, exit_code
from cupel.report.document import build_document
from cupel.spec.units import parse_fraction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel compare` takes."""
    parser.add_argument("a", type=Path, metavar="RUN_A", help="the run to compare with")
    parser.add_argument("b", type=Path, metavar="RUN_B", help="the run that is judged")
    parser.add_argument(
        "--rope", default="1%", help="differences up to this are of no practical importance; may be 0 (default 1%%)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument(
        "--format", choices=["text", "html", "json", "markdown", "csv"], default="text", help="form of the output"
    )


def main(args: argparse.Namespace) -> int:
    """Compare and print."""
    rope = parse_fraction(args.rope, or_zero=True)
    documents = [build_document(RunFolder(path)) for path in (args.a, args.b)]
    comparison = build_comparison(documents[0], documents[1], rope)
    form = "json" if args.json else args.format
    if form == "text":
        terminal.show_comparison(comparison, file=sys.stdout)
    else:
        render = {
            "html": html.render_comparison,
            "json": json.render,
            "markdown": markdown.render_comparison,
            "csv": csv.render_comparison,
        }
        sys.stdout.write(render[form](comparison))
    return exit_code(comparison)
