"""A claim as `cupel show` prints it."""

from __future__ import annotations

from collections.abc import Iterator

from cupel.cli._entries import (
    INDENT,
    docstring,
    line,
    needs_text,
    reflowed,
    settings_lines,
    shown_path,
    size_rows,
    table,
    wrapped,
)
from cupel.report.statement_words import EVIDENCE, what_counts
from cupel.spec.card import SIZES
from cupel.spec.claim import Claim
from cupel.spec.entry import ClaimEntry
from cupel.spec.statement import PAIRED

FURTHER = 4
"""Columns by which what belongs to a line above stands further in."""


def claim_lines(entry: ClaimEntry, asked: str) -> Iterator[str]:
    """A claim, line by line.

    Args:
        entry: the claim.
        asked: the words to run it by.
    """
    card = entry.card
    yield f"{entry.stem} (claim)"
    yield ""
    yield reflowed(docstring(entry.path)) or "(The file says nothing of itself.)"
    yield ""
    yield line("says", card.says)
    yield line("source", card.source)
    yield "statements"
    yield from _statement_lines(card)
    kinds = dict.fromkeys(said.kind for said in card.said)
    yield line("evidence", "; ".join(f"{kind}: {EVIDENCE[kind]}" for kind in kinds))
    if card.arms:
        yield "arms"
        for name, words in card.arms.items():
            yield wrapped(f"{name}: {words}", " " * (2 + FURTHER), first="  ")
    if card.varies:
        yield line("varies", f"{', '.join(card.varies)}; all else stands still from trial to trial")
    if card.published:
        yield line("published", f"{card.published} (As published; not compared with runs here.)")
    for name in ("kept", "smaller"):
        if getattr(card, name):
            yield line(name, getattr(card, name))
    yield line("tags", ", ".join(card.tags) or "none")
    yield line("needs", needs_text(card))
    yield from settings_lines(card)
    yield "sizes"
    yield from table([*size_rows(card), *_most_rows(card)], INDENT)
    yield line("code", shown_path(entry.path))
    yield line("run it", f"cupel run {asked}")
    yield line("in full", f"cupel run {asked} --size full")


def _statement_lines(card: Claim) -> Iterator[str]:
    """Each statement: its name and kind, what it says, when it counts."""
    for index, said in enumerate(card.said):
        yield f"  {said.name} ({said.kind}{', the headline' if index == 0 else ''})"
        yield wrapped(said.says, " " * (2 + FURTHER))
        yield wrapped(what_counts(said), " " * (2 + FURTHER))


def _most_rows(card: Claim) -> Iterator[tuple[str, ...]]:
    """How much is tried at most at each size."""
    kinds = {said.kind for said in card.said}
    if kinds & set(PAIRED):
        yield ("pairs at most", *(str(card.pairs(size)) for size in SIZES))
    if "exact" in kinds:
        yield ("instances", *(str(card.num_instances(size)) for size in SIZES))
