"""How wide a text will be, estimated from classes of letters, and texts shortened to the place there is.

The widths are those of DejaVu Sans, in thousandths of the letter size, rounded up by at most two hundredths. It is
the font of the PDF and wider than the usual system fonts, so that what fits here fits there.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from cupel.report.words import plain

WIDTHS = {
    280: "'ijl",
    300: "IJΙ",
    320: " ,.",
    340: "/:;\\|ι",
    365: "-f",
    405: "!()[]t",
    415: "r",
    460: '"',
    500: "*_`°–▸◂",
    525: "sz",
    550: "?εζ",
    565: "Lcνξ",
    595: "FPTkvxyκςυχγλ",
    620: "YaeoδθοΤΥτΓπΡ",
    640: "$0123456789ESbdghnpqu{}βημρσΕΞΣ",
    665: "KαφψΚ",
    700: "ABCRVXZΑΒΔΖΛΧ",
    770: "DHNUΝ▲▼◇ΗΠΩ",
    790: "&GOQΘΟΦΨ",
    840: "#+<=>^~w±×−≈✓≥≤ω",
    865: "MΜ",
    950: "%□",
    1000: "@Wm—…",
}
OTHER, WIDE = 720, 1000
BOLD = 1.15
ELLIPSIS = "…"


@cache
def _widths() -> dict[str, int]:
    return {letter: width for width, letters in WIDTHS.items() for letter in letters}


def _letter(letter: str) -> int:
    """Width of one letter; accents that stand on others take no place, letters of East Asia a square."""
    known = _widths().get(letter)
    if known is not None:
        return known
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    if unicodedata.east_asian_width(letter) in ("W", "F"):
        return WIDE
    ground = unicodedata.normalize("NFD", letter)[0]
    return _widths().get(ground, OTHER)


def text_width_px(text: str, size_px: float, *, is_bold: bool = False) -> float:
    """Estimated width of a text on one line.

    Args:
        text: any text; as it will be written, without control characters.
        size_px: size of the letters.
        is_bold: bold letters are wider.

    Example:
        >>> round(text_width_px("PriorBand", 12), 1)
        59.1
    """
    return sum(map(_letter, plain(text))) * size_px / 1000 * (BOLD if is_bold else 1.0)


def fitted(text: str, limit_px: float, size_px: float, *, is_bold: bool = False, keeps_end: bool = False) -> str:
    """The text, or parts of it with an ellipsis where it is wider than the limit.

    Args:
        text: any text.
        limit_px: room that there is.
        size_px: size of the letters.
        is_bold: bold letters are wider.
        keeps_end: whether the ellipsis stands in the text, after about two thirds of the room, and not at its end:
            for names, which often differ in their last letters.

    Returns:
        At least the ellipsis, even where that is wider than the limit; an empty text stays empty.

    Example:
        >>> fitted("a very long name of a method", 100, 12), fitted("short", 100, 12)
        ('a very long na…', 'short')
        >>> fitted("a very long name, beta=1", 100, 12, keeps_end=True)
        'a very lon…a=1'
    """
    whole = plain(text)
    if text_width_px(whole, size_px, is_bold=is_bold) <= limit_px:
        return whole
    room = limit_px * 1000 / size_px / (BOLD if is_bold else 1.0) - _letter(ELLIPSIS)
    tail = _num_fitting(whole[::-1], room / 3) if keeps_end else 0
    end = whole[len(whole) - tail :]
    start = whole[: _num_fitting(whole, room - sum(map(_letter, end)))]
    return start.rstrip() + ELLIPSIS + end.lstrip()


def _num_fitting(text: str, room: float) -> int:
    """How many of the first letters have room."""
    used = 0
    for num, letter in enumerate(text):
        used += _letter(letter)
        if used > room:
            return num
    return len(text)
