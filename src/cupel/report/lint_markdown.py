"""What `cupel lint` found as Markdown, for an issue or a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from cupel.report.lint_text import about, lacks, parts
from cupel.report.markdown import escaped
from cupel.report.words import Document


def render_lint(document: Document) -> str:
    """The findings as Markdown: a section each, then what could not be checked, and a checklist to tick."""
    return "\n".join(_lines(document)).rstrip("\n") + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield f"**{escaped(document.get('headline'))}.**"
    yield ""
    yield escaped(about(document))
    yield ""
    for warning in document.get("warnings") or ():
        yield f"- {escaped(warning.get('text'))}"
    for finding in document.get("findings") or ():
        yield ""
        yield f"### {finding['severity']}: {finding['id']} {escaped(finding['name'])}: {escaped(finding['title'])}"
        for text in parts(finding):
            yield ""
            yield escaped(text)
    lacking = list(lacks(document))
    if lacking:
        yield ""
        yield "### Could not be checked, and what would make it possible"
        yield ""
        for text in lacking:
            yield f"- {escaped(text)}"
    yield ""
    yield "### What no table can show"
    yield ""
    for text in document.get("checklist") or ():
        yield f"- [ ] {escaped(text)}"
