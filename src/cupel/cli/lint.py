"""Pitfalls that a table of results shows: what was found, why it matters, what to do next.

Reads any results file that `cupel analyze` reads, and tables that it refuses. Nothing is run and nothing is changed.
Exit code 3 where an error was found; with --strict also where a warning was.
"""

from __future__ import annotations

import argparse
import sys

from cupel.cli._entries import table
from cupel.cli._table import given_pairs
from cupel.ledger.read_results import read_results
from cupel.report import json
from cupel.report.lint_document import build_lint
from cupel.report.lint_markdown import render_lint
from cupel.report.lint_text import show_lint
from cupel.spec.errors import UsageError
from cupel.stats.lint import LintReport, lint, pitfalls, rule_names
from cupel.stats.lint_table import Limits
from cupel.stats.read_lint_table import read_lint_table

FOUND = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel lint` takes."""
    parser.add_argument("files", nargs="*", metavar="FILE", help="results files, read as one table; - for stdin")
    parser.add_argument(
        "--map", action="append", default=[], metavar="ROLE=COLUMN", help="which column is the method, task, seed, ..."
    )
    parser.add_argument("--metric", help="which measure to look at (default: all that are called like one)")
    parser.add_argument("--better", help="higher or lower: which direction is better")
    parser.add_argument("--reader", help="read the files by this reader")
    parser.add_argument("--select", metavar="RULES", help="only these rules, by id or name: L06,one_task")
    parser.add_argument("--ignore", metavar="RULES", help="all but these rules")
    parser.add_argument(
        "--min-runs", type=int, default=Limits().min_runs, metavar="N",
        help=f"runs per method and task that are asked for (default {Limits().min_runs})",
    )  # fmt: skip
    parser.add_argument("--strict", action="store_true", help="exit with 3 for warnings too")
    parser.add_argument("--rules", action="store_true", help="list the rules, and read nothing")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--format", choices=["text", "json", "markdown"], default="text", help="form of the output")


def main(args: argparse.Namespace) -> int:
    """Look for pitfalls and print them."""
    if args.rules:
        _list_rules()
        return 0
    if not args.files:
        raise UsageError("No results file is named. Expected: cupel lint results.csv. The rules: cupel lint --rules")
    if args.min_runs < 1:
        raise UsageError(f"--min-runs {args.min_runs}; expected a number of runs, 1 or more.")
    report = lint(
        read_lint_table(
            read_results(args.files, args.reader),
            columns=given_pairs(args.map, "--map"),
            metric=args.metric,
            better=args.better,
            limits=Limits(min_runs=args.min_runs),
        ),
        ignore=_left_out(args.select, args.ignore),
    )
    document = build_lint(report, {name: rule.CARD.id for name, rule in pitfalls().items()})
    form = "json" if args.json else args.format
    if form == "text":
        show_lint(document, file=sys.stdout)
    else:
        sys.stdout.write({"json": json.render, "markdown": render_lint}[form](document))
    return _exit_code(report, is_strict=args.strict)


def _exit_code(report: LintReport, *, is_strict: bool) -> int:
    return FOUND if report.num("error") or (is_strict and report.num("warning")) else 0


def _left_out(select: str | None, ignore: str | None) -> list[str]:
    """Names of the rules that are not asked for."""
    chosen = rule_names(_words(select)) if select is not None else list(pitfalls())
    ignored = rule_names(_words(ignore)) if ignore is not None else []
    left_out = [name for name in pitfalls() if name not in chosen or name in ignored]
    if len(left_out) == len(pitfalls()):
        raise UsageError("No rule is left by --select and --ignore. The rules: cupel lint --rules")
    return left_out


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word.strip()]


def _list_rules() -> None:
    rows = [(rule.CARD.id, name, rule.CARD.severity, rule.CARD.title) for name, rule in pitfalls().items()]
    print("\n".join(table(rows, "")))
    print("\nThe severity is the gravest; a finding may be milder. More on how: cupel explain lint")
