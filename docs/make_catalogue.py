"""Write docs/catalogue.md from the cards: `make docs`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from cupel.spec.card import SIZES
from cupel.spec.catalog import Catalog, Entry, load_catalog
from cupel.spec.suite import Suite

PAGE = Path(__file__).with_name("catalogue.md")
ROOT = PAGE.parent.parent


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(load_catalog()), encoding="utf-8")


def render(catalog: Catalog) -> str:
    """The page, of the entries and suites that are Cupel's own."""
    entries = [entry for entry in catalog.entries.values() if entry.path.is_relative_to(ROOT)]
    suites = [catalog.find(stem) for stem, path in catalog.suites.items() if path.is_relative_to(ROOT)]
    lines = ["# Catalogue", "", "Written by `make docs` from the cards; do not edit it by hand.", ""]
    lines += [f"## Workloads ({len(entries)})", "", "| name | measures | unit | settings (default first) | needs |"]
    lines += ["|---|---|---|---|---|", *map(_row, entries)]
    for entry in entries:
        lines += ["", *_section(entry)]
    lines += ["", f"## Suites ({len(suites)})"]
    for suite in suites:
        assert isinstance(suite, Suite)
        lines += ["", *_suite_section(suite)]
    return "\n".join(lines) + "\n"


def _row(entry: Entry) -> str:
    card = entry.card
    settings = "; ".join(f"{name}: {', '.join(map(str, values))}" for name, values in card.all_settings.items())
    units = ", ".join(f"{unit}/s" for unit in (card.unit, *card.also))
    cells = (f"[{entry.stem}](#{entry.stem})", card.measures, units, settings or "-", ", ".join(card.needs) or "-")
    return f"| {' | '.join(cells)} |"


def _section(entry: Entry) -> Iterator[str]:
    card = entry.card
    about = ast.get_docstring(ast.parse(entry.path.read_text(encoding="utf-8"))) or ""
    yield f"### {entry.stem}"
    yield ""
    yield " ".join(about.partition("\n\n")[0].split())
    yield ""
    yield f"- Source: {card.source}"
    yield f"- Optimiser: {card.optimizer or 'none, nothing is trained'}"
    if card.parameters:
        yield f"- Parameters at full: {card.parameters:,}"
    if card.checkpoint:
        yield f"- Published weights: {card.checkpoint}{' (gated)' if card.gated else ''}"
    yield f"- Direction: {card.better} is better"
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
