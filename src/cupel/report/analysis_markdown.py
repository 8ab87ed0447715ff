"""An analysis as Markdown, for an issue, a pull request or a paper's repository."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cupel.report.analysis_text import RIGHT
from cupel.report.analysis_words import (
    METHOD_HEADS,
    budget_text,
    further_texts,
    gain_text,
    method_cells,
    metric_text,
    pair_cells,
    pair_heads,
    region_text,
    roles_text,
    separation_text,
    settle_texts,
)
from cupel.report.markdown import escaped, markdown_table
from cupel.report.words import Document, plain, warning_texts


def render_analysis(document: Document) -> str:
    """The analysis as Markdown."""
    return "\n".join(_lines(document)).rstrip("\n") + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield f"**{escaped(document.get('headline'))}**"
    yield ""
    design = escaped((document.get("design") or {}).get("text"))
    parts = [design, budget_text(document), metric_text(document), roles_text(document), region_text(document)]
    yield "; ".join([parts[0], *(escaped(part) for part in parts[1:] if part)])
    yield ""
    methods: Sequence[Document] = document.get("methods") or ()
    yield from _table(METHOD_HEADS, [method_cells(row) for row in methods])
    yield from _table(pair_heads(document), [pair_cells(pair) for pair in document.get("pairs") or ()])
    yield from (escaped(gain_text(document)), "")
    multiplicity = plain(document.get("multiplicity"))
    yield from (f"{escaped(multiplicity[:1].upper() + multiplicity[1:])}.", "")
    separation = separation_text(document)
    if separation:
        yield from (escaped(separation), "")
    for name, lines in further_texts(document):
        yield f"- {escaped(name)}: {escaped('; '.join(lines))}"
    for _, text in settle_texts(document):
        yield f"- {escaped(text)}"
    for text in warning_texts(document):
        yield f"- note: {escaped(text)}"
    yield from ("", f"How: {escaped(document.get('how'))}; {escaped(document.get('scope'))}.")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table; columns in which nothing is known are left out."""
    if not rows:
        return
    kept = [k for k in range(len(heads)) if any(row[k] not in ("", "—") for row in rows)]
    names = [escaped(heads[k]) for k in kept]
    right = frozenset(escaped(head) for head in RIGHT)
    yield from markdown_table(names, [[escaped(row[k]) for k in kept] for row in rows], right)
