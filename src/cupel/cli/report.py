"""Show runs again: as text, HTML, JSON, Markdown, CSV, or as a reference for scores.

Needs the run folder only, not torch and not the machine that it was measured on.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from cupel.cli._claims_report import report_claims
from cupel.cli._entries import wrapped
from cupel.cli._output import given_path, write_file
from cupel.cli._page import write_page
from cupel.cli._tuning import NOTHING_RAN
from cupel.cli._tuning_repeats import report_repeats
from cupel.ledger.run_folder import RunFolder
from cupel.report import csv, html, json, markdown, reference, terminal, tuning_markdown
from cupel.report.claims_document import is_claims
from cupel.report.document import build_document, exit_code
from cupel.report.repeats_document import is_repeats
from cupel.report.tuning_document import build_tuning_document, is_tuning
from cupel.report.tuning_page import render_tuning
from cupel.report.tuning_text import show_tuning
from cupel.report.words import num
from cupel.spec.errors import UsageError

FORMATS: dict[str, Callable[[Any], str]] = {
    "html": html.render_run,
    "json": json.render,
    "markdown": markdown.render_run,
    "csv": csv.render_run,
    "reference": reference.render,
}
TUNING_FORMATS: dict[str, Callable[[Any], str]] = {
    "html": render_tuning,
    "json": json.render,
    "markdown": tuning_markdown.render_tuning,
    "csv": csv.render_tuning,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel report` takes."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    parser.add_argument(
        "--format", choices=["text", *FORMATS], default="text", help="form of the output on stdout (default text)"
    )
    parser.add_argument(
        "--reference", default="", metavar="RUN|NAME", help="what the score is relative to, instead of the run's own"
    )
    parser.add_argument("--why", action="store_true", help="of claims: the evidence, too")
    parser.add_argument("--out", type=given_path, metavar="FILE", help="write there instead of stdout")


def main(args: argparse.Namespace) -> int:
    """Build each run's document again and render it."""
    if len(args.runs) > 1 and args.format in ("html", "reference"):
        raise UsageError(f"--format {args.format} takes one run; {len(args.runs)} were given.")
    folders = [RunFolder(run) for run in args.runs]
    if any(map(is_repeats, folders)):
        return report_repeats(folders, args)
    if any(map(is_claims, folders)):
        return report_claims(folders, args)
    if args.why:
        raise UsageError(f"--why shows the evidence of claims; {folders[0].path} is no run of claims.")
    if any(map(is_tuning, folders)):
        return _report_tuning(folders, args)
    documents = [build_document(folder, args.reference) for folder in folders]
    out: TextIO = sys.stdout if args.out is None else io.StringIO()
    if args.format == "json" and len(documents) > 1:
        out.write(json.render({"schema": 1, "kind": "runs", "runs": documents}))
    elif args.format == "text":
        _show(documents, out)
    else:
        out.writelines(FORMATS[args.format](document) for document in documents)
    if isinstance(out, io.StringIO) and args.out is not None:
        write_file(args.out, out.getvalue())
    elif args.format == "text" and len(documents) == 1 and not args.reference:
        _refresh_page(documents[0], args.runs[0])
    return max(exit_code(document) for document in documents)


def _report_tuning(folders: Sequence[RunFolder], args: argparse.Namespace) -> int:
    """Show one tuning run."""
    if len(folders) > 1 or args.format not in ("text", *TUNING_FORMATS):
        raise UsageError(
            f"{num(len(folders), 'run')} as {args.format} asked, among them a tuning run; those are shown one at a "
            f"time, as text, {', '.join(TUNING_FORMATS)}."
        )
    if args.reference:
        raise UsageError(f"{folders[0].path} is a tuning run, which has no score; leave --reference out.")
    document = build_tuning_document(folders[0])
    out: TextIO = sys.stdout if args.out is None else io.StringIO()
    if args.format == "text":
        show_tuning(document, file=out)
    else:
        out.write(TUNING_FORMATS[args.format](document))
    if isinstance(out, io.StringIO) and args.out is not None:
        write_file(args.out, out.getvalue())
    elif args.format == "text":
        _refresh_page(document, args.runs[0])
    return 0 if document["best"] is not None else NOTHING_RAN


def _show(documents: Sequence[dict[str, Any]], out: TextIO) -> None:
    """Runs as text; of several, each under a line that says which it is."""
    for k, document in enumerate(documents):
        if len(documents) > 1:
            machine, started = document["machine"].get("label") or "an unknown machine", document["started"]
            gap = "\n\n" if k else ""
            out.write(f"{gap}{document['run']}\n{wrapped(f'on {machine}, started {started}', '  ')}\n\n")
        terminal.show_run(document, file=out)


def _refresh_page(document: dict[str, Any], run: Path) -> None:
    """Write the page beside the records again."""
    page = write_page(document, run / "report.html")
    if page is not None:
        print(f"\nreport: {page}")
