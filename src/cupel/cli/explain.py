"""What a statistic means: the formula in words, and its source.

`cupel explain` alone lists the topics. The text is the docstring of the file that computes the number, so it cannot
tell another story than the code.
"""

from __future__ import annotations

import argparse
import ast
from pathlib import Path

from cupel.cli._entries import docstring, reflowed, shown_path, wrapped
from cupel.spec.errors import UnknownNameError

STATS = Path(__file__).parents[1] / "stats"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel explain` takes."""
    parser.add_argument(
        "topic", nargs="?", metavar="TOPIC", help="score, throughput, verdict, ...; none lists them all"
    )


def main(args: argparse.Namespace) -> int:
    """Print a topic's text, or the list of topics."""
    topics = _topics()
    if args.topic is None:
        width = max(map(len, topics), default=0)
        for topic, path in topics.items():
            print(wrapped(docstring(path).partition("\n")[0], " " * (width + 2), first=f"{topic:<{width}}  "))
        return 0
    if args.topic not in topics:
        raise UnknownNameError("topic", args.topic, topics, see="See them all: cupel explain")
    path = topics[args.topic]
    print(reflowed(docstring(path)))
    print(f"\nComputed in {shown_path(path)}")
    return 0


def _topics() -> dict[str, Path]:
    """The files that the statistics room offers names of, by stem; the others are its private machinery."""
    tree = ast.parse((STATS / "__init__.py").read_text(encoding="utf-8"))
    modules = [node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.module is not None]
    paths = [STATS.joinpath(*module.split(".")[2:]).with_suffix(".py") for module in modules]
    return {path.stem: path for path in sorted(paths, key=lambda path: path.stem)}
