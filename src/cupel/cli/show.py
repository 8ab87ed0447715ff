"""One entry or suite: its card, sizes, settings, what it runs and where its code is."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Iterator, Mapping

from cupel.cli._entries import (
    INDENT,
    docstring,
    entry_record,
    line,
    needs_text,
    reflowed,
    settings_lines,
    shown_path,
    size_rows,
    suite_record,
    table,
    wrapped,
)
from cupel.cli._show_claim import claim_lines
from cupel.spec.card import Workload
from cupel.spec.catalog import Catalog, load_catalog
from cupel.spec.entry import ClaimEntry, Entry
from cupel.spec.suite import Suite, SuiteEntry

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel show` takes."""
    parser.add_argument(
        "name", metavar="ENTRY|SUITE", help="a name (matmul), kind/name, or the path of a file (./mine.py)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def main(args: argparse.Namespace) -> int:
    """Show one entry or suite."""
    catalog = load_catalog()
    found = catalog.find(args.name)
    if args.json:
        record = (
            suite_record(found) if isinstance(found, Suite) else {**entry_record(found), "about": docstring(found.path)}
        )
        print(json.dumps({"schema": SCHEMA, **record}, indent=2))
    else:
        asked = shlex.quote(args.name)
        print("\n".join(_lines(found, asked, catalog)))
    return 0


def _lines(found: Entry | ClaimEntry | Suite, asked: str, catalog: Catalog) -> Iterator[str]:
    if isinstance(found, Suite):
        of_claims = isinstance(catalog.find(found.entries[0].run), ClaimEntry)
        return _claim_suite_lines(found, asked, catalog) if of_claims else _suite_lines(found, asked)
    return _entry_lines(found, asked) if isinstance(found, Entry) else claim_lines(found, asked)


def _entry_lines(entry: Entry, asked: str) -> Iterator[str]:
    card = entry.card
    yield f"{entry.stem} ({entry.kind})"
    yield ""
    yield reflowed(docstring(entry.path)) or "(The file says nothing of itself.)"
    yield ""
    units = " and ".join(f"{unit}/s" for unit in (card.unit, *card.also))
    yield line("measures", f"{card.measures}, in {units}; {card.better} is better")
    yield line("source", card.source)
    yield line("optimiser", card.optimizer or "none: nothing is trained")
    yield line("tags", ", ".join(card.tags) or "none")
    yield line("needs", needs_text(card))
    if card.checkpoint:
        yield line("weights", _weights(card))
    yield from settings_lines(card)
    yield "sizes"
    yield from table(size_rows(card), INDENT)
    yield line("code", shown_path(entry.path))
    yield line("run it", f"cupel run {asked}")


def _weights(card: Workload) -> str:
    """Where the published weights are to be had, and whether a run can have them."""
    gated = " (gated: by a token, once their licence is accepted)" if card.gated else ""
    use = "--set weights=pretrained" if "weights" in card.settings else "not loaded, weights are random"
    return f"published as {card.checkpoint}{gated}; {use}"


def _suite_lines(suite: Suite, asked: str) -> Iterator[str]:
    yield from _suite_head(suite)
    rows = [("run", "weight", "set", "label")]
    rows += [(cell.run, f"{cell.weight:g}", _set_text(cell), cell.label) for cell in suite.entries]
    yield "entries"
    yield from table(rows)
    named = {cell.label: cell.differs for cell in suite.entries if cell.differs}
    yield from _told("what differs from what has the name", named)
    yield from _told("left out", suite.without)
    yield line("size", suite.size or "the largest of small and full that fits the device")
    yield line("reference", suite.reference or "none: rates are shown, no score")
    yield line("scores", ", ".join(suite.scores))
    yield line("file", shown_path(suite.path))
    yield line("run it", f"cupel run {asked}")


def _claim_suite_lines(suite: Suite, asked: str, catalog: Catalog) -> Iterator[str]:
    """A suite of claims, which have verdicts and neither weights nor a score."""
    yield from _suite_head(suite)
    yield "claims"
    for cell in suite.entries:
        found = catalog.find(cell.run)
        assert isinstance(found, ClaimEntry)
        yield "  " + " ".join([cell.run, *([_set_text(cell)] if cell.settings else [])])
        yield wrapped(found.card.says, "      ")
    yield from _told("left out", suite.without)
    yield line("file", shown_path(suite.path))
    yield line("run it", f"cupel run {asked} --budget 30min")


def _suite_head(suite: Suite) -> Iterator[str]:
    yield f"{suite.stem} (suite): {suite.title}"
    yield ""
    if suite.about:
        yield wrapped(suite.about, "")
        yield ""


def _set_text(cell: SuiteEntry) -> str:
    return " ".join(f"{k}={v}" for k, v in cell.settings.items()) or "-"


def _told(title: str, texts: Mapping[str, str]) -> Iterator[str]:
    """A name and what is to be said of it, paragraph by paragraph."""
    if texts:
        yield ""
        yield title
    for name, text in texts.items():
        yield wrapped(f"{name}: {text}", INDENT, first="  ")
