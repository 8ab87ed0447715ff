r"""What a table of results supports: which method is better, how sure that is, and what would settle the rest.

Reads CSV, Parquet and the files of other tools, says what design it found, and answers for the tasks at hand or for
tasks like them: differences with intervals that hold together, effect sizes, P(A > B), verdicts, ranks, and how many
more runs or tasks would settle what is undecided. Needs neither torch nor R.

    cupel analyze results.csv --metric accuracy --better higher
    cupel analyze runs.csv --metric metrics.acc --better higher \
        --map method=params.optimizer --figures figures/
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from cupel.cli._output import given_path, write_file
from cupel.cli._table import add_table_arguments, given_pairs, read_table
from cupel.spec.errors import UsageError
from cupel.spec.units import parse_fraction

if TYPE_CHECKING:
    from cupel.stats.analysis.analyze import Analysis, Question
    from cupel.stats.rows import Results

FORMATS = ("text", "json", "markdown", "latex", "csv", "html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel analyze` takes."""
    add_table_arguments(parser)
    parser.add_argument(
        "--scope",
        choices=["population", "tasks"],
        help="speak of tasks like these (5 tasks or more; the default then), or of these tasks alone",
    )
    parser.add_argument("--baseline", metavar="METHOD", help="compare all others with this one, instead of all pairs")
    parser.add_argument("--bar", type=float, default=0.0, metavar="X", help="better means better by more than this")
    parser.add_argument("--rope", type=float, metavar="X", help="differences within this are practically equal")
    parser.add_argument(
        "--scale",
        choices=["linear", "log"],
        default="linear",
        help="log compares ratios (of times, losses); bar and rope are then relative",
    )
    parser.add_argument("--level", default="95%", metavar="P", help="level of the intervals (default 95%%)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstraps (default 0)")
    parser.add_argument("--checks", action="store_true", help="also ask what seeds, tasks and budgets do")
    parser.add_argument("--feature", metavar="COLUMN", help="also ask whether the best two differ with this column")
    parser.add_argument("--figures", type=given_path, metavar="DIR", help="write the figures there, as SVG and PDF")
    parser.add_argument("--format", choices=FORMATS, default="text", help="form of the output (default text)")
    parser.add_argument("--json", action="store_true", help="the same as --format json")
    parser.add_argument("--out", type=given_path, metavar="FILE", help="write there instead of stdout")
    parser.add_argument("--dry-run", action="store_true", help="only the design: runs by method and task")


def main(args: argparse.Namespace) -> int:
    """Read, answer, render."""
    from cupel.report.analysis_document import build_analysis, exit_code
    from cupel.stats.analysis.analyze import analyze
    from cupel.stats.results import results

    table = read_table(args)
    where: dict[str, Any] = given_pairs(args.where, "--where")
    rows = results(table, columns=given_pairs(args.map, "--map"), metric=args.metric, better=args.better, where=where)
    form = "json" if args.json else args.format
    if args.dry_run:
        return _show_design(rows, form, args.out)
    analysis = analyze(rows, question=_question(args))
    document = build_analysis(analysis, table, _checks(rows, analysis, args))
    _write(document, form, args.out)
    if args.figures is not None:
        _write_figures(document, args.figures)
    return exit_code(document)


def _question(args: argparse.Namespace) -> Question:
    from cupel.stats.analysis.analyze import Question

    return Question(
        scope=args.scope,
        against=args.baseline,
        bar=args.bar,
        rope=args.rope,
        scale=args.scale,
        level=parse_fraction(args.level),
        seed=args.seed,
    )


def _checks(rows: Results, analysis: Analysis, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Further questions that were asked for; one that the table cannot carry says why."""
    from cupel.stats.benchmark_check import benchmark_check
    from cupel.stats.budget_check import budget_check
    from cupel.stats.metafeature import metafeature
    from cupel.stats.seed_check import seed_check

    asked: list[tuple[str, Callable[[], Any]]] = []
    if args.checks:
        asked += [
            ("seeds", lambda: seed_check(analysis.table)),
            ("tasks", lambda: benchmark_check(analysis.table)),
        ]
    if args.checks and len(analysis.design.budgets) > 1:
        asked.append(("budget effect", lambda: budget_check(rows)))
    found = []
    for name, ask in asked:
        try:
            text = ask().text()
        except UsageError as error:
            text = f"not asked: {error}"
        found.append({"name": name, "text": text})
    if args.feature is not None:
        pair = (analysis.order[0], analysis.order[1])
        found.append({"name": args.feature, "text": metafeature(analysis.table, pair, feature=args.feature).text()})
    return found


def _show_design(rows: Results, form: str, out: Path | None) -> int:
    """The design alone."""
    from cupel.report import json
    from cupel.report.analysis_document import build_design
    from cupel.report.analysis_text import show_design

    document = build_design(rows)
    if form not in ("text", "json"):
        raise UsageError(f"--dry-run shows the design as text or json; --format {form} was asked for.")
    buffer: TextIO = sys.stdout if out is None else io.StringIO()
    if form == "json":
        buffer.write(json.render(document))
    else:
        show_design(document, file=buffer)
    if isinstance(buffer, io.StringIO) and out is not None:
        write_file(out, buffer.getvalue())
    return 0


def _write(document: dict[str, Any], form: str, out: Path | None) -> None:
    """The document in the form asked for, to stdout or a file."""
    from cupel.report import analysis_markdown, analysis_page, csv, json, latex
    from cupel.report.analysis_text import show_analysis

    renderers: dict[str, Callable[[dict[str, Any]], str]] = {
        "json": json.render,
        "markdown": analysis_markdown.render_analysis,
        "latex": latex.render_analysis,
        "csv": csv.render_analysis,
        "html": analysis_page.render_analysis,
    }
    buffer: TextIO = sys.stdout if out is None else io.StringIO()
    if form == "text":
        show_analysis(document, file=buffer)
    else:
        buffer.write(renderers[form](document))
    if isinstance(buffer, io.StringIO) and out is not None:
        write_file(out, buffer.getvalue())


def _write_figures(document: dict[str, Any], folder: Path) -> None:
    """The figures, and on stderr where they are."""
    from cupel.report.analysis_figures import analysis_figures
    from cupel.report.figure_files import write_figures

    written = write_figures(analysis_figures(document), folder)
    print(f"figures: {len(written.paths)} files in {folder}", file=sys.stderr)
    for note in written.notes:
        print(note, file=sys.stderr)
