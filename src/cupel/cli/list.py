"""What there is to run: workloads and suites.

An entry whose extra is not installed is listed with the line that installs it. Nothing is imported: cards are read by
parsing their files. A file that cannot be read is named on stderr and leaves the rest usable.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from cupel.cli._entries import entry_record, suite_record, wrapped
from cupel.spec.catalog import KINDS, Catalog, load_catalog
from cupel.spec.errors import UnknownNameError, UsageError
from cupel.spec.suite import load_suite

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cupel list` takes."""
    parser.add_argument("--kind", choices=KINDS, help="only this kind; there are no claims and methods yet")
    parser.add_argument(
        "--tag", action="append", default=[], help="only entries with this tag; repeat for any of several"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def main(args: argparse.Namespace) -> int:
    """List the catalogue."""
    catalog = load_catalog()
    records, broken = _records(catalog)
    _check_tags(args.tag, records)
    chosen = [
        r
        for r in records
        if args.kind in (None, r["kind"]) and (not args.tag or set(args.tag) & set(r.get("tags", ())))
    ]
    if args.json:
        print(json.dumps({"schema": SCHEMA, "entries": chosen, "broken": broken}, indent=2))
    else:
        _print_text(chosen)
    for item in broken:
        print(f"cupel list: broken: {item['error']}", file=sys.stderr)
    return 0


def _records(catalog: Catalog) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Everything that can be read, and everything that cannot."""
    records = [entry_record(entry) for entry in catalog.entries.values()]
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


def _print_text(records: Sequence[dict[str, Any]]) -> None:
    if not records:
        print("Nothing of that kind.")
        return
    width = max(len(record["name"]) for record in records)
    for kind in KINDS:
        group = [record for record in records if record["kind"] == kind]
        if group:
            print(f"{kind}s")
        for record in group:
            what = record["title"] if kind == "suite" else f"{record['measures']}, {record['unit']}/s"
            if kind == "suite":
                what += f": {', '.join(cell['label'] for cell in record['entries'])}"
            indent = " " * (width + 4)
            print(wrapped(what, indent, first=f"  {record['name']:<{width}}  "))
            if record.get("install"):
                print(f"{indent}not installed: {record['install']}")
    print("\nMore on one: cupel show NAME")
