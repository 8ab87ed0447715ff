"""HTML and SVG elements as text. A plain text becomes an element's content or attribute only escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable

from cupel.report.words import plain, plain_block

VOID = frozenset({"meta", "input", "br"})
SHAPES = frozenset({"line", "path", "circle", "rect"})


class Markup(str):
    """Text that is markup already. Everything else that goes into an element is escaped."""

    __slots__ = ()


def el(name: str, /, *children: object, **attributes: object) -> Markup:
    """An element.

    Args:
        name: its tag.
        children: `Markup` as it is, None not at all, anything else as escaped text.
        attributes: escaped; None and False leave the attribute out, True writes it without a value. A trailing
            underscore is dropped (`class_`), other underscores become hyphens.

    Example:
        >>> el("b", "a < b", class_="x")
        '<b class="x">a &lt; b</b>'
    """
    head = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in SHAPES:
        return Markup(f"<{name}{head}/>")
    if name in VOID:
        return Markup(f"<{name}{head}>")
    return Markup(f"<{name}{head}>{join(children)}</{name}>")


def join(children: Iterable[object]) -> Markup:
    """Children one after the other, texts escaped."""
    return Markup("".join(_escaped(child) for child in children if child is not None))


def preformatted(text: object, **attributes: object) -> Markup:
    """A `pre` element that keeps line ends."""
    body = Markup(html.escape(plain_block(text), quote=False))
    return el("pre", body, **attributes)


def _escaped(child: object) -> str:
    if isinstance(child, Markup):
        return child
    text = str(child)
    lead, trail = (" " if text[:1] == " " else ""), (" " if len(text) > 1 and text[-1:] == " " else "")
    return lead + html.escape(plain(text), quote=False) + trail


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    text = f"{value:.6g}" if isinstance(value, float) else plain(value)
    return f' {name}="{html.escape(text)}"'
