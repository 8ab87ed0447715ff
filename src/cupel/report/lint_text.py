"""What `cupel lint` found, on the terminal: findings with why and what next, what could not be checked, a checklist."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TextIO

from cupel.report.console import hanging, open_console, styled
from cupel.report.lint_document import STAGES
from cupel.report.words import Document, Sign, num, plain

SEVERITY = {
    "error": Sign("✗", "error", "x", "bad"),
    "warning": Sign("!", "warning", "!", "warn"),
    "advice": Sign("·", "advice", "-", "calm"),
}
NOTE = Sign("·", "note", "-", "calm")
BOX = Sign("–", "to check", "-", "calm")
MOST_NAMED = 4


def show_lint(document: Document, *, file: TextIO, width: int | None = None) -> None:
    """Print the findings.

    Args:
        document: a result document of kind `lint`.
        file: where to; colours only if it is a terminal.
        width: columns, the terminal's own (80 where there is none) unless given.
    """
    console = open_console(file, width)
    console.print(styled(plain(document.get("headline")) + ".", "bold"))
    console.print(styled(about(document), "dim"))
    notes = [(NOTE, plain(warning.get("text"))) for warning in document.get("warnings") or ()]
    if notes:
        console.print(hanging(notes))
    for finding in document.get("findings") or ():
        sign = SEVERITY[finding["severity"]]
        console.print()
        head = f"{sign.word}  {finding['id']} {finding['name']}: {plain(finding['title'])}"
        console.print(hanging([(sign, head), *((Sign(" ", "", " ", ""), text) for text in parts(finding))]))
    lacking = list(lacks(document))
    if lacking:
        console.print()
        console.print(styled("Could not be checked, and what would make it possible:", "bold"))
        console.print(hanging((NOTE, text) for text in lacking))
    console.print()
    console.print(styled("What no table can show, for you to check:", "bold"))
    console.print(hanging((BOX, plain(text)) for text in document.get("checklist") or ()))


def about(document: Document) -> str:
    """The table in one sentence."""
    source = plain(document.get("source")) or "The table"
    methods, tasks = document.get("methods") or (), document.get("tasks") or ()
    measures = [plain(name) for name in document.get("measures") or ()]
    what = f"; measured: {', '.join(measures[:MOST_NAMED])}" if measures else "; no measure was recognised"
    more = f" and {len(measures) - MOST_NAMED} more" if len(measures) > MOST_NAMED else ""
    counts = [
        num(int(document.get("num_rows") or 0), "row"),
        num(len(methods), "method"),
        num(len(tasks), "task"),
    ]
    return f"{source}: {', '.join(counts)}{what}{more}."


def parts(finding: Document) -> Iterator[str]:
    """The lines of a finding below its head."""
    yield plain(finding["found"])
    yield f"Why: {plain(finding['why'])}"
    yield f"Next: {plain(finding['do'])}"
    yield f"Source: {plain(finding['source'])}; stage: {STAGES.get(finding['stage'], plain(finding['stage']))}."


def lacks(document: Document) -> Iterator[str]:
    """What is lacking, each with the rules that it would make checkable."""
    by_need: dict[str, list[str]] = {}
    for rule in document.get("not_checkable") or ():
        by_need.setdefault(plain(rule["needs"]), []).append(f"{rule['id']} {rule['name']}")
    rows: Sequence[tuple[str, list[str]]] = sorted(by_need.items(), key=lambda item: (-len(item[1]), item[0]))
    for need, rules in rows:
        yield f"{need}: {', '.join(rules)}"
