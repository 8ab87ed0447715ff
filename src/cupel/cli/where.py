"""Where a word is in Cupel's own code: file, line, and what stands there.

Searched are file names, public names with the first line of their docstrings, and the fields of cards. Nothing is
imported.
"""

from __future__ import annotations

import argparse
import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cupel.cli._entries import shown_path
from cupel.spec.errors import UnknownNameError

PACKAGE = Path(__file__).parents[1]
WIDTH = 80
MOST = 40
CLOSE = 0.6
"""How alike a name must be to be offered; among so many names, something is like any word."""


@dataclass(frozen=True)
class Place:
    """A named thing in the code and its one-line summary."""

    path: Path
    line: int
    name: str
    summary: str

    def rank(self, word: str) -> int | None:
        """How well a word in lower case fits: 0 is the name itself, None is not at all."""
        name = self.name.lower()
        last = name.rpartition(".")[2]
        checks = (word in (name, last), last.startswith(word), word in name, word in self.summary.lower())
        return next((rank for rank, fits in enumerate(checks) if fits), None)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel where` takes."""
    parser.add_argument("word", metavar="WORD", help="part of a name or of a summary; case does not matter")


def main(args: argparse.Namespace) -> int:
    """Print every place that has the word, the best fits first."""
    word = args.word.strip().lower()
    places = list(_all_places(PACKAGE))
    ranked = [(rank, place) for place in places if word and (rank := place.rank(word)) is not None]
    if not ranked:
        names = {place.name.rpartition(".")[2] for place in places}
        close = difflib.get_close_matches(args.word, names, n=4, cutoff=CLOSE)
        raise UnknownNameError("place", args.word, close, see="Or search the text: grep -rn WORD src")
    ranked.sort(key=lambda pair: (pair[0], str(pair[1].path), pair[1].line))
    for _, place in ranked[:MOST]:
        print(f"{shown_path(place.path)}:{place.line}  {place.name}")
        if place.summary:
            print(f"    {_shorten(place.summary)}")
    if len(ranked) > MOST:
        print(f"and {len(ranked) - MOST} more; a longer word finds fewer.")
    return 0


def _all_places(package: Path) -> Iterator[Place]:
    for path in sorted(package.rglob("*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (OSError, SyntaxError):
            continue
        stem = path.parent.name if path.name == "__init__.py" else path.stem
        yield Place(path, 1, stem, _first_line(tree))
        yield from _places(path, tree, "")
    for path in sorted(package.rglob("*.toml")):
        yield Place(path, 1, path.stem, "suite")


def _places(path: Path, scope: ast.Module | ast.ClassDef, prefix: str) -> Iterator[Place]:
    """Public functions, classes, methods, constants and card fields."""
    for node in scope.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if node.name.startswith("_"):
                continue
            yield Place(path, node.lineno, prefix + node.name, _first_line(node))
            if isinstance(node, ast.ClassDef):
                yield from _places(path, node, f"{node.name}.")
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and not prefix:
            yield from _constant(path, node, node.targets[0].id)


def _constant(path: Path, node: ast.Assign, name: str) -> Iterator[Place]:
    """A public constant; of a card, each of its fields."""
    if name == "CARD" and isinstance(node.value, ast.Call):
        for keyword in node.value.keywords:
            yield Place(path, keyword.value.lineno, f"CARD.{keyword.arg}", ast.unparse(keyword.value))
    elif not name.startswith("_"):
        yield Place(path, node.lineno, name, "")


def _first_line(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]


def _shorten(text: str) -> str:
    return text if len(text) <= WIDTH - 4 else text[: WIDTH - 7] + "..."
