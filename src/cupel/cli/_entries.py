"""Entries and suites as plain data and as lines of text, for the verbs that show them."""

from __future__ import annotations

import ast
import dataclasses
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cupel.spec.card import SIZES, Workload
from cupel.spec.claim import Claim
from cupel.spec.entry import ClaimEntry, Entry
from cupel.spec.extras import install_line, missing_extras
from cupel.spec.suite import Suite

WIDTH = 80
INDENT = " " * 11
"""What stands under the name of a line."""


def entry_record(entry: Entry | ClaimEntry) -> dict[str, Any]:
    """An entry as JSON shows it: its card, where it is, and what is missing to run it.

    The statements of a claim are whole, with what their dicts leave to the defaults; so are its pairs and instances.
    """
    card = entry.card.as_dict()
    if isinstance(entry.card, Claim):
        card["statements"] = [dataclasses.asdict(said) for said in entry.card.said]
        card["most_pairs"] = {size: entry.card.pairs(size) for size in SIZES}
        card["instances"] = {size: entry.card.num_instances(size) for size in SIZES}
    missing = missing_extras(entry.card)
    return {
        "name": entry.stem,
        "kind": entry.kind,
        "key": entry.key,
        **{k: v for k, v in card.items() if k not in SIZES},
        "sizes": {size: entry.card.sizes(size) for size in SIZES},
        "missing": list(missing),
        "install": install_line(missing) if missing else None,
        "path": str(entry.path),
        "module": entry.module,
        "digest": entry.digest,
    }


def suite_record(suite: Suite) -> dict[str, Any]:
    """A suite as JSON shows it."""
    return {
        "name": suite.stem,
        "kind": "suite",
        "key": f"suite/{suite.stem}",
        "title": suite.title,
        "about": suite.about,
        "reference": suite.reference,
        "size": suite.size,
        "scores": list(suite.scores),
        "entries": [
            {
                "run": cell.run,
                "weight": cell.weight,
                "set": dict(cell.settings),
                "label": cell.label,
                "nodes": cell.nodes,
                "differs": cell.differs,
            }
            for cell in suite.entries
        ],
        "without": dict(suite.without),
        "path": str(suite.path),
    }


def docstring(path: Path) -> str:
    """The docstring of a file, read without importing it; empty where there is none."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def shown_path(path: Path) -> str:
    """A path relative to the working directory where it is below it, else whole."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def wrapped(text: str, indent: str, first: str | None = None) -> str:
    """Text in lines of at most 80 columns; long words stay whole, so that paths and commands can be copied."""
    return textwrap.fill(
        " ".join(text.split()),
        width=WIDTH,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def reflowed(text: str) -> str:
    """A docstring for a terminal: paragraphs and list items in 80 columns; what is indented or ruled stays as it is."""
    return "\n\n".join(_reflow_block(block) for block in text.strip().split("\n\n"))


def _reflow_block(block: str) -> str:
    lines = block.splitlines()
    if any(line.startswith(("    ", "|", ">>>")) for line in lines):
        return block
    items: list[str] = []
    for line in lines:
        is_item = line.startswith(("- ", "* "))
        if is_item or not items or (items[-1].startswith(("- ", "* ")) and not line.startswith(" ")):
            items.append(line)
        else:
            items[-1] += f" {line.strip()}"
    return "\n".join(wrapped(item, "  " if item.startswith(("- ", "* ")) else "", first="") for item in items)


def table(rows: Iterable[tuple[str, ...]], indent: str = "  ") -> list[str]:
    """Rows as lines with aligned columns."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [(indent + "  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True))).rstrip() for row in cells]


def line(name: str, text: str) -> str:
    """A name and what is to be said of it, wrapped beside the name."""
    return wrapped(text, INDENT, first=f"{name:<{len(INDENT)}}") if text else name


def needs_text(card: Workload | Claim) -> str:
    """The extras that a card needs, and how to install what is missing."""
    missing = missing_extras(card)
    needs = ", ".join(card.needs) or "nothing beyond cupel itself"
    return f"{needs}; not installed: {install_line(missing)}" if missing else needs


def settings_lines(card: Workload | Claim) -> Iterator[str]:
    """Every setting with its values, the default first."""
    settings = card.all_settings
    yield line("settings", "" if settings else "none")
    if settings:
        rows = [(name, " | ".join(map(str, values)), f"(default {values[0]})") for name, values in settings.items()]
        yield from table(rows, INDENT)


def size_rows(card: Workload | Claim) -> Iterator[tuple[str, ...]]:
    """The numbers of each size as rows of a table, memory last."""
    sizes = [card.sizes(size) for size in SIZES]
    yield ("", *SIZES)
    for name in sizes[0]:
        yield (name, *(str(numbers[name]) for numbers in sizes))
    if card.memory_gib:
        yield ("memory, GiB", *(f"{card.memory_gib[size]:g}" if size in card.memory_gib else "-" for size in SIZES))
