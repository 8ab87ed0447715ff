"""What `cupel report` does with runs of claims."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from cupel.cli._entries import wrapped
from cupel.cli._output import write_file
from cupel.cli._page import write_page
from cupel.ledger.run_folder import RunFolder
from cupel.report import csv, json
from cupel.report.claims_document import build_claims_document, exit_code, is_claims
from cupel.report.claims_markdown import render_claims as claims_markdown
from cupel.report.claims_page import render_claims
from cupel.report.claims_text import show_claims
from cupel.spec.errors import UsageError

FORMATS: dict[str, Callable[[Any], str]] = {
    "html": render_claims,
    "json": json.render,
    "markdown": claims_markdown,
    "csv": csv.render_claims,
}


def report_claims(folders: Sequence[RunFolder], args: argparse.Namespace) -> int:
    """Show runs of claims.

    Returns:
        The exit code: 3 where a headline is contradicted, 1 where a claim could not be tried.

    Raises:
        UsageError: another run is among them, or something was asked that such runs do not have.
    """
    _check(folders, args)
    documents = [build_claims_document(folder) for folder in folders]
    out: TextIO = sys.stdout if args.out is None else io.StringIO()
    if args.format == "text":
        _show(documents, out, with_evidence=args.why)
    elif args.format == "json" and len(documents) > 1:
        out.write(json.render({"schema": 1, "kind": "runs", "runs": documents}))
    else:
        texts = [FORMATS[args.format](document) for document in documents]
        # one table: its head stands once
        out.writelines(text.partition("\n")[2] if k and args.format == "csv" else text for k, text in enumerate(texts))
    if isinstance(out, io.StringIO) and args.out is not None:
        write_file(args.out, out.getvalue())
    elif args.format == "text" and len(documents) == 1:
        page = write_page(documents[0], folders[0].path / "report.html")
        print(f"\nreport: {page or folders[0].path}")
    return _worst(exit_code(document) for document in documents)


def _worst(codes: Any) -> int:
    """What could not be tried says more than what is contradicted."""
    found = set(codes)
    return 1 if 1 in found else max(found)


def _check(folders: Sequence[RunFolder], args: argparse.Namespace) -> None:
    first = next(folder.path for folder in folders if is_claims(folder))
    others = [str(folder.path) for folder in folders if not is_claims(folder)]
    if others:
        raise UsageError(
            f"{first} is a run of claims, {', '.join(others)} are not; report the two kinds one after the other."
        )
    if args.reference:
        raise UsageError(f"{first} is a run of claims, which has verdicts and no score; leave --reference out.")
    if args.format not in ("text", *FORMATS):
        raise UsageError(
            f"{first} is a run of claims, from which no {args.format} can be made; expected text or "
            f"{', '.join(FORMATS)}. A reference is made of a run of workloads."
        )
    if args.why and args.format != "text":
        raise UsageError(f"--why is for text; {args.format} has all the evidence anyway. Leave --why out.")


def _show(documents: Sequence[dict[str, Any]], out: TextIO, *, with_evidence: bool) -> None:
    """Runs as text; of several, each under a line that says which it is."""
    for k, document in enumerate(documents):
        if len(documents) > 1:
            machine, started = document["machine"].get("label") or "an unknown machine", document["started"]
            gap = "\n\n" if k else ""
            out.write(f"{gap}{document['run']}\n{wrapped(f'on {machine}, started {started}', '  ')}\n\n")
        show_claims(document, file=out, with_evidence=with_evidence)
