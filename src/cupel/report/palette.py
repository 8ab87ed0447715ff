"""The colours of the roles, read from the page's style sheet: one list of colours for page, file and print."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Literal

from cupel.report.drawing import Role

VARIABLES: dict[Role, str] = {
    "ink": "fg", "quiet": "quiet", "grid": "soft", "shade": "shade", "paper": "bg", "good": "good", "warn": "warn",
    "bad": "bad", "calm": "calm", "c0": "c0", "c1": "c1", "c2": "c2", "c3": "c3", "c4": "c4", "c5": "c5", "c6": "c6",
    "c7": "c7", "v0": "v0", "v1": "v1", "v2": "v2", "v3": "v3", "v4": "v4", "v5": "v5",
}  # fmt: skip
BLOCKS = {"light": ":root {", "dark": ':root[data-theme="dark"] {'}


@cache
def palette(theme: Literal["light", "dark"] = "light") -> dict[Role, str]:
    """Colour of each role, as six hexadecimal digits after a hash.

    Example:
        >>> palette()["c0"]
        '#0072b2'
    """
    sheet = resources.files("cupel.report").joinpath("page.css").read_text(encoding="utf-8")
    block = sheet.partition(BLOCKS[theme])[2].partition("}")[0]
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", block))
    return {role: _six_digits(found[name]) for role, name in VARIABLES.items()}


def _six_digits(colour: str) -> str:
    return colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:])
