"""One entry or suite: its card, sizes, settings, what it runs and where its code is."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Iterator, Mapping

from cupel.cli._entries import docstring, entry_record, reflowed, shown_path, suite_record, table, wrapped
from cupel.spec.card import SIZES, Workload
from cupel.spec.catalog import load_catalog
from cupel.spec.entry import Entry
from cupel.spec.extras import install_line, missing_extras
from cupel.spec.suite import Suite

INDENT = " " * 11
SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel show` takes."""
    parser.add_argument(
        "name", metavar="ENTRY|SUITE", help="a name (matmul), kind/name, or the path of a file (./mine.py)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def main(args: argparse.Namespace) -> int:
    """Show one entry or suite."""
    found = load_catalog().find(args.name)
    if args.json:
        record = (
            suite_record(found) if isinstance(found, Suite) else {**entry_record(found), "about": docstring(found.path)}
        )
        print(json.dumps({"schema": SCHEMA, **record}, indent=2))
    else:
        asked = shlex.quote(args.name)
        lines = _suite_lines(found, asked) if isinstance(found, Suite) else _entry_lines(found, asked)
        print("\n".join(lines))
    return 0


def _entry_lines(entry: Entry, asked: str) -> Iterator[str]:
    card = entry.card
    yield f"{entry.stem} ({entry.kind})"
    yield ""
    yield reflowed(docstring(entry.path)) or "(The file says nothing of itself.)"
    yield ""
    units = " and ".join(f"{unit}/s" for unit in (card.unit, *card.also))
    yield _line("measures", f"{card.measures}, in {units}; {card.better} is better")
    yield _line("source", card.source)
    yield _line("optimiser", card.optimizer or "none: nothing is trained")
    yield _line("tags", ", ".join(card.tags) or "none")
    missing = missing_extras(card)
    needs = ", ".join(card.needs) or "nothing beyond cupel itself"
    yield _line("needs", f"{needs}; not installed: {install_line(missing)}" if missing else needs)
    if card.checkpoint:
        yield _line("weights", _weights(card))
    yield _line("settings", "" if card.all_settings else "none")
    if card.all_settings:
        rows = [
            (name, " | ".join(map(str, values)), f"(default {values[0]})") for name, values in card.all_settings.items()
        ]
        yield from table(rows, INDENT)
    yield "sizes"
    yield from table(_size_rows(entry), INDENT)
    yield _line("code", shown_path(entry.path))
    yield _line("run it", f"cupel run {asked}")


def _weights(card: Workload) -> str:
    """Where the published weights are to be had, and whether a run can have them."""
    gated = " (gated: by a token, once their licence is accepted)" if card.gated else ""
    use = "--set weights=pretrained" if "weights" in card.settings else "not loaded, weights are random"
    return f"published as {card.checkpoint}{gated}; {use}"


def _size_rows(entry: Entry) -> Iterator[tuple[str, ...]]:
    card = entry.card
    sizes = [card.sizes(size) for size in SIZES]
    yield ("", *SIZES)
    for name in sizes[0]:
        yield (name, *(str(numbers[name]) for numbers in sizes))
    if card.memory_gib:
        yield ("memory, GiB", *(f"{card.memory_gib[size]:g}" if size in card.memory_gib else "-" for size in SIZES))


def _suite_lines(suite: Suite, asked: str) -> Iterator[str]:
    yield f"{suite.stem} (suite): {suite.title}"
    yield ""
    if suite.about:
        yield wrapped(suite.about, "")
        yield ""
    rows = [("run", "weight", "set", "label")]
    for cell in suite.entries:
        words = " ".join(f"{k}={v}" for k, v in cell.settings.items())
        rows.append((cell.run, f"{cell.weight:g}", words or "-", cell.label))
    yield "entries"
    yield from table(rows)
    named = {cell.label: cell.differs for cell in suite.entries if cell.differs}
    yield from _told("what differs from what has the name", named)
    yield from _told("left out", suite.without)
    yield _line("size", suite.size or "the largest of small and full that fits the device")
    yield _line("reference", suite.reference or "none: rates are shown, no score")
    yield _line("scores", ", ".join(suite.scores))
    yield _line("file", shown_path(suite.path))
    yield _line("run it", f"cupel run {asked}")


def _told(title: str, texts: Mapping[str, str]) -> Iterator[str]:
    """A name and what is to be said of it, paragraph by paragraph."""
    if texts:
        yield ""
        yield title
    for name, text in texts.items():
        yield wrapped(f"{name}: {text}", INDENT, first="  ")


def _line(name: str, text: str) -> str:
    return wrapped(text, INDENT, first=f"{name:<{len(INDENT)}}") if text else name
