"""All claims tried on this machine, in one table: each verdict at its own level, and what of it holds for the table.

Reads a folder of runs (./runs). One run speaks for each claim at a size, with its settings, on a device: the newest
that is finished, whatever came out of it; further runs of it are named and never pooled. The table applies Holm's
correction over its rows (cupel explain holm): with many claims, some come out by chance. The exit code does not depend
on the verdicts; cupel report RUN has the evidence of one run.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from cupel.cli._output import given_path, write_file
from cupel.report import csv, json
from cupel.report.verdicts_document import build_verdicts_document
from cupel.report.verdicts_markdown import render_verdicts as verdicts_markdown
from cupel.report.verdicts_page import render_verdicts
from cupel.report.verdicts_text import show_verdicts
from cupel.report.verdicts_words import left_out_texts
from cupel.spec.card import SIZES
from cupel.spec.errors import UsageError

FORMATS: dict[str, Callable[[Any], str]] = {
    "html": render_verdicts,
    "json": json.render,
    "markdown": verdicts_markdown,
    "csv": csv.render_verdicts,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel verdicts` takes."""
    parser.add_argument(
        "--runs", type=given_path, default=Path("runs"), metavar="DIR", help="folder of the runs (default ./runs)"
    )
    parser.add_argument("--size", action="append", default=[], choices=SIZES, help="only claims at this size")
    parser.add_argument(
        "--alpha", type=float, default=0.05, metavar="A",
        help="chance that any verdict after Holm is a false one (default 0.05)",
    )  # fmt: skip
    parser.add_argument("--format", choices=["text", *FORMATS], help="form of the output on stdout (default text)")
    parser.add_argument("--json", action="store_true", help="the same as --format json")
    parser.add_argument("--out", type=given_path, metavar="FILE", help="write there instead of stdout")


def main(args: argparse.Namespace) -> int:
    """Read the runs, show the table."""
    if args.json and args.format not in (None, "json"):
        raise UsageError(f"--json and --format {args.format} were given; expected one of them.")
    form = "json" if args.json else args.format or "text"
    document = build_verdicts_document(args.runs, alpha=args.alpha, sizes=args.size)
    for text in left_out_texts(document):
        print(f"note: {text}", file=sys.stderr)
    if not document["verdicts"]:
        where = f"{args.runs} has no run of a claim" + (f" at {', '.join(args.size)}" if args.size else "")
        print(f"note: {where}. Try one: cupel list --kind claim, then cupel run CLAIM", file=sys.stderr)
    out: TextIO = sys.stdout if args.out is None else io.StringIO()
    if form == "text":
        show_verdicts(document, file=out)
    else:
        out.write(FORMATS[form](document))
    if isinstance(out, io.StringIO) and args.out is not None:
        write_file(args.out, out.getvalue())
    return 0
