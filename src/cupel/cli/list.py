"""What there is to run: workloads, claims and suites.

An entry whose extra is not installed is listed with the line that installs it. Nothing is imported: cards are read by
parsing their files. A file that cannot be read is named on stderr and leaves the rest usable.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from cupel.cli._entries import entry_record, suite_record, wrapped
from cupel.spec.catalog import KINDS, Catalog, load_catalog
from cupel.spec.errors import UnknownNameError, UsageError
from cupel.spec.extras import EXTRAS
from cupel.spec.suite import load_suite

SCHEMA = 1
OF_GATED = "token"
"""What an entry needs whose published weights are gated, beside the extras of its card."""
GATED = """\
Their published weights, named below each, are gated: the Hugging Face hub gives them only to who has accepted the \
licence, by a token. Nothing here needs them: weights are random, unless the setting weights=pretrained of an entry \
asks for them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel list` takes."""
    parser.add_argument(
        "--kind", choices=KINDS, help="only this kind; methods are parts, have no card and are not listed"
    )
    parser.add_argument(
        "--tag", action="append", default=[], help="only entries with this tag; repeat for any of several"
    )
    parser.add_argument(
        "--needs",
        action="append",
        default=[],
        metavar="X",
        help="only entries that need this extra, or whose published weights need a token; repeat for any of several",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def main(args: argparse.Namespace) -> int:
    """List the catalogue."""
    catalog = load_catalog()
    records, broken = _records(catalog)
    _check_tags(args.tag, records)
    _check_needs(args.needs)
    chosen = [
        r
        for r in records
        if args.kind in (None, r["kind"])
        and (not args.tag or set(args.tag) & set(r.get("tags", ())))
        and (not args.needs or set(args.needs) & set(_needs(r)))
    ]
    if args.json:
        print(json.dumps({"schema": SCHEMA, "entries": chosen, "broken": broken}, indent=2))
    else:
        _print_text(chosen, with_weights=OF_GATED in args.needs)
    for item in broken:
        print(f"cupel list: broken: {item['error']}", file=sys.stderr)
    return 0


def _records(catalog: Catalog) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Everything that can be read, and everything that cannot."""
    records = [entry_record(entry) for entry in catalog.entries.values()]
    records += [entry_record(claim) for claim in catalog.claims.values()]
    broken = {name: str(error) for name, error in catalog.broken.items()}
    for stem, path in catalog.suites.items():
        try:
            records.append(suite_record(load_suite(path)))
        except UsageError as error:
            broken[stem] = str(error)
    return records, [{"name": name, "error": text} for name, text in broken.items()]


def _check_tags(asked: Sequence[str], records: Sequence[dict[str, Any]]) -> None:
    known = {tag for record in records for tag in record.get("tags", ())}
    for tag in asked:
        if tag not in known:
            raise UnknownNameError("tag", tag, known)


def _check_needs(asked: Sequence[str]) -> None:
    known = (*EXTRAS, OF_GATED)
    for need in asked:
        if need not in known:
            raise UsageError(f"--needs {need} was asked; expected one of: {', '.join(known)}.")


def _needs(record: dict[str, Any]) -> list[str]:
    """The extras of a card, and a token where its weights are gated."""
    return [*record.get("needs", ()), *([OF_GATED] if record.get("gated") else [])]


def _print_text(records: Sequence[dict[str, Any]], *, with_weights: bool) -> None:
    if not records:
        print("Nothing of that kind.")
        return
    for kind in KINDS:
        group = [record for record in records if record["kind"] == kind]
        if group:
            print(f"{kind}s")
        # names of claims are long: what they say stands below them
        width = 0 if kind == "claim" else max((len(record["name"]) for record in group), default=0)
        indent = " " * (width + 4)
        for record in group:
            print("\n".join(_lines(record, indent)))
            if record.get("install"):
                print(f"{indent}not installed: {record['install']}")
            if with_weights and record.get("gated"):
                print(f"{indent}{record['checkpoint']}")
    if with_weights:
        print("\n" + wrapped(GATED, ""))
    print("\nMore on one: cupel show NAME")


def _lines(record: dict[str, Any], indent: str) -> Iterator[str]:
    """A name and what it is of."""
    if record["kind"] == "claim":
        yield f"  {record['name']}"
        yield wrapped(record["statements"][0]["says"], indent)
        if record["arms"]:
            yield wrapped(f"arms: {', '.join(record['arms'])}", indent)
        return
    what = f"{record.get('measures')}, {record.get('unit')}/s"
    if record["kind"] == "suite":
        what = f"{record['title']}: {', '.join(cell['label'] for cell in record['entries'])}"
    yield wrapped(what, indent, first=f"  {record['name']:<{len(indent) - 4}}  ")
