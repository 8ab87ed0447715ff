"""Write docs/catalogue.md: `make docs`.

From the cards, and for claims from nothing else (catalogue_claims.py); from docs/catalogue_words.toml (domain, model
and data of each workload in few words); from docs/full_operations.json (operations at full, counted by hand:
docs/count_full.py); and from a recorded run, the reference that the suite `catalogue` names. What one of these does not
know of a workload is a dash. The run is recorded anew on a quiet machine by

    cupel run catalogue --size small --launches 5
    cupel report runs/<the run> --format reference --out src/cupel/suites/references/epyc-vm-cpu-catalogue.json
"""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalogue_claims import claim_suite, claims_section

from cupel.report.reference import shipped_references
from cupel.report.words import DASH, seconds_text, spread
from cupel.spec.card import SIZES
from cupel.spec.catalog import Catalog, load_catalog
from cupel.spec.entry import ClaimEntry, Entry
from cupel.spec.suite import Suite
from cupel.spec.units import format_rate

PAGE = Path(__file__).with_name("catalogue.md")
WORDS = Path(__file__).with_name("catalogue_words.toml")
OPERATIONS = Path(__file__).with_name("full_operations.json")
ROOT = PAGE.parent.parent
SUITE = "catalogue"
HEAD = ("entry", "domain", "model", "parameters", "FLOP per item, full", "unit", "data", "FLOP per item, small")
TIMES = ("rate, small", "± 95 %", "a launch")
UNSTABLE = "*"


@dataclass(frozen=True)
class Told:
    """What is said of an entry beside its card.

    Args:
        domain: where it belongs.
        model: the model of `full`.
        data: the data of the default settings.
        full_flop: operations per item at full; None where they are not known.
        cell: the entry in the recorded run; empty where it is not there.
    """

    domain: str
    model: str
    data: str
    full_flop: float | None
    cell: Mapping[str, Any]


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(load_catalog()), encoding="utf-8")


def render(catalog: Catalog) -> str:
    """The page, of the workloads, claims and suites that are Cupel's own.

    Raises:
        LookupError: catalogue_words.toml lacks an entry, or has one that is not there.
    """
    own = {e.stem: e for e in catalog.entries.values() if e.path.is_relative_to(ROOT)}
    suites = [catalog.find(stem) for stem, path in catalog.suites.items() if path.is_relative_to(ROOT)]
    recorded = _recorded(catalog)
    told = _told(recorded)
    if set(own) != set(told):
        lacking, gone = sorted(set(own) - set(told)), sorted(set(told) - set(own))
        raise LookupError(
            f"{WORDS.name} lacks {lacking} and has {gone}, which are no entries; say domain, model and data of each."
        )
    lines = ["# Catalogue", "", "Written by `make docs`; do not edit it by hand.", ""]
    lines += [f"## Workloads ({len(own)})", "", _origin(recorded), ""]
    lines += [f"| {' | '.join((*HEAD, *TIMES))} |", f"|{'---|' * len((*HEAD, *TIMES))}"]
    lines += [_row(own[stem], about) for stem, about in told.items()]
    for stem, about in told.items():
        lines += ["", *_section(own[stem], about)]
    claims = {stem: claim for stem, claim in catalog.claims.items() if claim.path.is_relative_to(ROOT)}
    lines += ["", *claims_section(claims)]
    lines += ["", f"## Suites ({len(suites)})"]
    for suite in suites:
        assert isinstance(suite, Suite)
        of_claims = isinstance(catalog.find(suite.entries[0].run), ClaimEntry)
        lines += ["", *(claim_suite(suite) if of_claims else _suite_section(suite))]
    return "\n".join(lines) + "\n"


def _recorded(catalog: Catalog) -> Mapping[str, Any]:
    """The recorded run; without cells where there is none yet."""
    suite = catalog.find(SUITE)
    assert isinstance(suite, Suite)
    path = shipped_references().get(suite.reference)
    return {"cells": {}} if path is None else json.loads(path.read_text(encoding="utf-8"))


def _told(recorded: Mapping[str, Any]) -> dict[str, Told]:
    """What is said of each entry, by its stem, in the order of the words."""
    domains = tomllib.loads(WORDS.read_text(encoding="utf-8"))
    operations = json.loads(OPERATIONS.read_text(encoding="utf-8"))
    return {
        stem: Told(
            domain=domain,
            model=words["model"],
            data=words["data"],
            full_flop=operations.get(stem, {}).get("flop_per_item"),
            cell=recorded["cells"].get(f"workload/{stem} small", {}),
        )
        for domain, entries in domains.items()
        for stem, words in entries.items()
    }


def _origin(recorded: Mapping[str, Any]) -> str:
    """Where the numbers of the table are from."""
    full = (
        "Model, parameters and data are those of `full`. FLOP per item are multiplications and additions of matrix "
        "products, convolutions and attention as executed with the default settings, backward passes and all that is "
        "computed twice included."
    )
    if not recorded["cells"]:
        return f"{full} No run has been recorded."
    threads = ", ".join(map(str, recorded["threads"]))
    versions = ", ".join(f"{k} {v}" for k, v in recorded["software"].items() if k != "os")
    return (
        f"{full} Rates, with 95 % intervals between launches, and the middle wall time of a launch, set-up and all: "
        f"one run at `small` on {recorded['machine']}, threads: {threads}, {recorded['started'][:10]}, {versions}; "
        f"entries marked {UNSTABLE} were unstable in it."
    )


def _row(entry: Entry, told: Told) -> str:
    card, cell = entry.card, told.cell
    cells = (
        f"[{entry.stem}](#{entry.stem})",
        told.domain,
        told.model,
        _number(card.parameters or None),
        _number(told.full_flop),
        card.unit,
        told.data,
        _number(cell.get("flop_per_item")),
        f"{_number(cell.get('rate'))} {card.unit}/s{UNSTABLE if cell['status'] != 'ok' else ''}" if cell else DASH,
        spread(cell),
        seconds_text(cell.get("launch_s")),
    )
    return f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    """`25.6M`; a dash where it is not known."""
    return DASH if value is None else format_rate(value)


def _section(entry: Entry, told: Told) -> Iterator[str]:
    card = entry.card
    about = ast.get_docstring(ast.parse(entry.path.read_text(encoding="utf-8"))) or ""
    settings = "; ".join(f"{name}: {', '.join(map(str, values))}" for name, values in card.all_settings.items())
    units = " and ".join(f"{unit}/s" for unit in (card.unit, *card.also))
    yield f"### {entry.stem}"
    yield ""
    yield " ".join(about.partition("\n\n")[0].split())
    yield ""
    yield f"- Domain: {told.domain}. Model: {told.model}. Data: {told.data}"
    yield f"- Measures: {card.measures}, in {units}; {card.better} is better"
    yield f"- Source: {card.source}"
    yield f"- Optimiser: {card.optimizer or 'none, nothing is trained'}"
    if card.parameters:
        yield f"- Parameters at full: {card.parameters:,}"
    if told.full_flop:
        yield f"- FLOP per item at full: {told.full_flop:,.0f}"
    if card.checkpoint:
        yield f"- Published weights: {card.checkpoint}{' (gated)' if card.gated else ''}"
    yield f"- Settings, default first: {settings or 'none'}"
    yield f"- Needs: {', '.join(card.needs) or 'nothing beyond cupel itself'}"
    yield f"- Tags: {', '.join(card.tags) or 'none'}"
    yield f"- Code: [`{entry.path.relative_to(ROOT)}`](../{entry.path.relative_to(ROOT)})"
    yield ""
    yield f"| | {' | '.join(SIZES)} |"
    yield "|---|---|---|---|"
    for name in card.tiny:
        yield f"| {name} | {' | '.join(str(card.sizes(size)[name]) for size in SIZES)} |"
    if card.memory_gib:
        yield f"| memory, GiB | {' | '.join(str(card.memory_gib.get(size, '-')) for size in SIZES)} |"


def _suite_section(suite: Suite) -> Iterator[str]:
    yield f"### {suite.stem}"
    yield ""
    yield " ".join(suite.about.split())
    yield ""
    yield f"Reference: {suite.reference or 'none'}. Scores: {', '.join(suite.scores)}."
    yield ""
    yield "| name | entry | weight | set | differs |"
    yield "|---|---|---|---|---|"
    for cell in suite.entries:
        settings = ", ".join(f"{name}={value}" for name, value in cell.settings.items())
        nodes = f", {cell.nodes} nodes" if cell.nodes > 1 else ""
        yield f"| {cell.label} | {cell.run} | {cell.weight:g} | {settings or '-'}{nodes} | {cell.differs or '-'} |"
    if suite.without:
        yield ""
        yield "Left out:"
        yield ""
        yield from (f"- {name}: {why}" for name, why in suite.without.items())


if __name__ == "__main__":
    main()
