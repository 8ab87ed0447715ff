"""The shell of a report page: one file that loads nothing, its own style and script allowed by their hashes alone."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from cupel.report.json import plain_data
from cupel.report.markup import Markup, el, join
from cupel.report.words import CALM_CODES, STATUS, Document, Sign, warning_texts


@dataclass(frozen=True)
class Page:
    """What goes into the shell.

    Args:
        title: of the window, and first in the header.
        subtitle: machine and time, beside it.
        links: id of a section and its name in the header.
        main: the sections.
        data: what the download buttons write: `csv`, `json` (texts or plain data) and `name` of the files.
    """

    title: str
    subtitle: str
    links: Sequence[tuple[str, str]]
    main: Sequence[object]
    data: dict[str, Any]


def render_page(page: Page) -> str:
    """The whole file."""
    style, script = _asset("page.css"), _asset("page.js")
    allowed = ("default-src 'none'", f"style-src '{_hash(style)}'", f"script-src '{_hash(script)}'")
    policy = "; ".join((*allowed, "base-uri 'none'", "form-action 'none'"))
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{page.title} · {page.subtitle}"),
        el("style", Markup(style)),
    )
    body = el(
        "body",
        _header(page),
        el("main", *page.main),
        el("div", id="tip", role="tooltip", hidden=True),
        el("script", Markup(_embedded(page.data)), type="application/octet-stream", id="data"),
        el("script", Markup(script)),
    )
    return f"<!doctype html>\n{el('html', head, body, lang='en')}\n"


def _header(page: Page) -> Markup:
    there = join(page.main)
    links = [el("a", name, href=f"#{anchor}") for anchor, name in page.links if f'id="{anchor}"' in there]
    toggle = el(
        "button", "◐", id="theme", type="button", title="light or dark", aria_label="light or dark", class_="js"
    )
    return el(
        "header",
        el("h1", "cupel report", " ", el("small", page.subtitle)),
        el("nav", join(links), toggle),
    )


def _asset(name: str) -> str:
    """Text of a file that lies beside this one; without what would end the element that it goes into."""
    text = resources.files("cupel.report").joinpath(name).read_text(encoding="utf-8")
    assert "</" not in text, name
    return text


def _hash(text: str) -> str:
    """The text's mark in a content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _embedded(data: dict[str, Any]) -> str:
    """JSON, compressed, in letters and digits: nothing in it can end the element that it stands in."""
    text = json.dumps(plain_data(data), allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def pill(sign: Sign, word: str = "") -> Markup:
    """A sign with its word in a rounded frame."""
    return el("span", f"{sign.mark} {word or sign.word}", class_=f"pill {sign.tone}")


def tile(title: str, value: object, *lines: object, tone: str = "") -> Markup:
    """A box with a large value, a title above it and words below it."""
    notes = [el("p", line) for line in lines if line]
    return el("div", el("h3", title), el("p", value, class_=f"value {tone}".strip()), join(notes), class_="tile")


def notes_list(notes: Sequence[Markup], most: int) -> Markup | None:
    """Notes in words, at most so many of them; how many more there are is said."""
    if not notes:
        return None
    shown = [el("li", note) for note in notes[:most]]
    if len(notes) > most:
        shown.append(el("li", f"and {len(notes) - most} more: see the table", class_="quiet"))
    return el("ul", join(shown), class_="notes")


def document_notes(document: Document) -> Iterator[Markup]:
    """The document's own warnings, those that hold for every run of their kind marked as mere notes."""
    for warning in document.get("warnings") or ():
        sign, word = (STATUS["skipped"], "note") if warning.get("code") in CALM_CODES else (STATUS["unstable"], "check")
        yield join((pill(sign, word), *(f" {text}" for text in warning_texts({"warnings": [warning]}))))


def table_tools(
    num_rows: int,
    hint: str,
    *,
    csv_has: str = "one row per launch or entry",
    json_has: str = "the document; series of steps and telemetry are left out",
) -> Markup:
    """Filter and downloads; they show only where the script runs.

    Args:
        num_rows: of the table.
        hint: what stands in the empty filter.
        csv_has: what is in the first download.
        json_has: what is in the second.
    """
    return el(
        "div",
        el("input", id="filter", type="search", placeholder=hint, aria_label="filter the table"),
        el("span", f"{num_rows} of {num_rows}", id="count"),
        el("button", "CSV", type="button", data_save="csv", title=csv_has),
        el("button", "JSON", type="button", data_save="json", title=json_has),
        class_="tools js",
    )


def facts(rows: Sequence[tuple[str, object]]) -> Markup:
    """A table of names and values; rows without a value are left out."""
    body = [el("tr", el("th", name, scope="row"), el("td", value)) for name, value in rows if value not in (None, "")]
    return el("table", el("tbody", join(body)), class_="facts")


def numeric(text: object, **attributes: object) -> Markup:
    """A cell whose text stands at the right."""
    return el("td", text, class_="n", **attributes)
