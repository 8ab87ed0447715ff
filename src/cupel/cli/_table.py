"""What the verbs that read a results file share: which file, which column is what, which rows."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from cupel.spec.errors import UsageError
from cupel.spec.results_table import ResultsTable


def add_table_arguments(parser: argparse.ArgumentParser) -> None:
    """Files, reader, roles, metric, direction, rows."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="results: files, a folder, or - for standard input")
    parser.add_argument("--metric", metavar="NAME", help="which metric: a column, or a word in the column `metric`")
    parser.add_argument("--better", choices=["higher", "lower"], help="direction, where the file does not declare it")
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="ROLE=COLUMN",
        help="which column is the method, task, seed, value, budget, ...; a:b joins two columns",
    )
    parser.add_argument(
        "--where", action="append", default=[], metavar="COLUMN=VALUE", help="only the rows that have this value"
    )
    parser.add_argument("--reader", metavar="NAME", help="format of the files, where it is not recognised")


def read_table(args: argparse.Namespace) -> ResultsTable:
    """The table in the files.

    Raises:
        UsageError: a file is absent, damaged or of no known format.
    """
    from cupel.ledger.read_results import read_results

    files: Sequence[str] = args.files
    paths = [file if file == "-" else Path(file) for file in files]
    return read_results(paths[0] if len(paths) == 1 else paths, args.reader)


def given_pairs(words: Sequence[str], option: str) -> dict[str, str]:
    """`--map method=params.optimizer` as a mapping.

    Raises:
        UsageError: a word is not `name=value`, or a name stands twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not (sign and name.strip() and value.strip()):
            raise UsageError(
                f"{option} {word!r} is not of the form NAME=VALUE; expected such as {option} method=algorithm."
            )
        if name.strip() in found:
            raise UsageError(f"{option} names {name.strip()!r} twice; expected each name once.")
        found[name.strip()] = value.strip()
    return found
