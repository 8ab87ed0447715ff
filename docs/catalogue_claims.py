"""The claims of docs/catalogue.md, from their cards alone. The page is written by make_catalogue.py: `make docs`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from cupel.report.statement_words import EVIDENCE, what_counts
from cupel.spec.card import SIZES
from cupel.spec.claim import Claim
from cupel.spec.entry import ClaimEntry
from cupel.spec.statement import PAIRED
from cupel.spec.suite import Suite

DOCS = Path(__file__).parent
VERDICTS = DOCS / "verdicts.md"
AS_PUBLISHED = "As published; not compared with runs here"


def claims_section(claims: Mapping[str, ClaimEntry]) -> Iterator[str]:
    """All claims: a line each, then a block each."""
    kinds = "; ".join(f"{kind}: {words}" for kind, words in EVIDENCE.items())
    verdicts = f" What came out at `small`: [{VERDICTS.name}]({VERDICTS.name})." if VERDICTS.is_file() else ""
    yield f"## Claims ({len(claims)})"
    yield ""
    yield (
        "A paper's sentence made of statements that a run supports or contradicts; the first is the headline. Kinds of "
        f"statements and their evidence: {kinds}. How to read and to write them: [claims.md](claims.md).{verdicts}"
    )
    yield ""
    yield "| claim | says | statements | needs |"
    yield "|---|---|---|---|"
    for stem, claim in claims.items():
        counts = [said.kind for said in claim.card.said]
        words = ", ".join(f"{counts.count(kind)} {kind}" for kind in dict.fromkeys(counts))
        yield f"| [{stem}](#{stem}) | {_cell(claim.card.says)} | {words} | {', '.join(claim.card.needs) or '-'} |"
    for claim in claims.values():
        yield ""
        yield from _block(claim)


def claim_suite(suite: Suite) -> Iterator[str]:
    """A suite of claims."""
    yield f"### {suite.stem}"
    yield ""
    yield " ".join(suite.about.split())
    yield ""
    for cell in suite.entries:
        settings = "".join(f", {name}={value}" for name, value in cell.settings.items())
        yield f"- [{cell.run}](#{cell.run}){settings}"


def _block(entry: ClaimEntry) -> Iterator[str]:
    card = entry.card
    where = entry.path.relative_to(DOCS.parent)
    settings = "; ".join(f"{name}: {', '.join(map(str, values))}" for name, values in card.all_settings.items())
    yield f"### {entry.stem}"
    yield ""
    yield f"{card.says} ({card.source})"
    yield ""
    yield "| statement | kind | says | shown when |"
    yield "|---|---|---|---|"
    for said in card.said:
        yield f"| {said.name} | {said.kind} | {_cell(said.says)} | {_cell(what_counts(said))} |"
    yield ""
    yield from (f"- Arm `{name}`: {words}" for name, words in card.arms.items())
    if card.varies:
        yield f"- Seeds vary: {', '.join(card.varies)}"
    if card.published:
        yield f"- {AS_PUBLISHED}: {card.published}"
    if card.kept:
        yield f"- Kept: {card.kept}"
    if card.smaller:
        yield f"- Smaller: {card.smaller}"
    yield f"- Settings, default first: {settings or 'none'}"
    yield f"- Needs: {', '.join(card.needs) or 'nothing beyond cupel itself'}"
    yield f"- Tags: {', '.join(card.tags) or 'none'}"
    yield f"- Code: [`{where}`](../{where})"
    yield f"- Small: `cupel run {entry.stem}`. Full: `cupel run {entry.stem} --size full`"
    yield ""
    yield from _sizes(card)


def _sizes(card: Claim) -> Iterator[str]:
    yield f"| | {' | '.join(SIZES)} |"
    yield "|---|---|---|---|"
    for name in card.tiny:
        yield f"| {name} | {' | '.join(str(card.sizes(size)[name]) for size in SIZES)} |"
    kinds = {said.kind for said in card.said}
    if kinds & set(PAIRED):
        yield f"| pairs at most | {' | '.join(str(card.pairs(size)) for size in SIZES)} |"
    if "exact" in kinds:
        yield f"| instances | {' | '.join(str(card.num_instances(size)) for size in SIZES)} |"
    if card.memory_gib:
        yield f"| memory, GiB | {' | '.join(str(card.memory_gib.get(size, '-')) for size in SIZES)} |"


def _cell(text: str) -> str:
    """A text that a cell of a table can hold."""
    return " ".join(text.split()).replace("|", "\\|")
