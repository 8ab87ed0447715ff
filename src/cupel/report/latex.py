r"""An analysis as LaTeX: two tables with booktabs rules and captions that say how the numbers were made.

The text needs `\usepackage{booktabs}` and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cupel.report.analysis_text import RIGHT
from cupel.report.analysis_words import METHOD_HEADS, gain_text, method_cells, metric_text, pair_cells, pair_heads
from cupel.report.words import Document, plain, verdict_sign

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$", "—": "--", "×": r"$\times$",
    "−": "--", "±": r"$\pm$", "τ": r"$\tau$", "α": r"$\alpha$", "β": r"$\beta$", "λ": r"$\lambda$", "σ": r"$\sigma$",
    "µ": r"$\mu$", "≈": r"$\approx$", "▲": r"$\blacktriangle$", "…": r"\ldots{}", "·": r"$\cdot$",
    "[": "{[}", "]": "{]}", "*": "{*}",  # behind the end of a row, [ and * would be read as its options
}  # fmt: skip
VERDICTS = {"supported": "better", "contradicted": "not better", "equivalent": "equivalent", "undecided": "undecided"}


def escaped(value: object) -> str:
    r"""A text in which LaTeX finds nothing to read.

    Example:
        >>> escaped("50 % of a_b & {c}")
        '50 \\% of a\\_b \\& \\{c\\}'
    """
    return "".join(SPECIAL.get(char, char) for char in plain(value))


def render_analysis(document: Document) -> str:
    """The tables of methods and of pairs."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield f"% {plain(document.get('headline'))}"
    yield r"% needs \usepackage{booktabs}"
    design = plain((document.get("design") or {}).get("text"))
    caption = f"{metric_text(document)}: {design}; means for {plain(document.get('scope'))}"
    methods = [method_cells(row) for row in document.get("methods") or ()]
    yield from _table(METHOD_HEADS, methods, (caption, "methods"))
    pairs = [_pair_cells(pair) for pair in document.get("pairs") or ()]
    how = f"{plain(document.get('how'))}; {plain(document.get('multiplicity'))}; for {plain(document.get('scope'))}"
    yield from _table(
        pair_heads(document), pairs, (f"Differences between methods. {gain_text(document)} {how}", "pairs")
    )


def _pair_cells(pair: Document) -> tuple[str, ...]:
    """Verdicts by their word: not every font has their signs."""
    sign = verdict_sign(pair.get("verdict"))
    return (*pair_cells(pair)[:-1], VERDICTS.get(str(pair.get("verdict")), sign.word))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], named: tuple[str, str]) -> Iterator[str]:
    """One table; columns in which nothing is known are left out."""
    if not rows:
        return
    caption, label = named
    kept = [k for k in range(len(heads)) if any(row[k] not in ("", "—") for row in rows)]
    places = "".join("r" if heads[k] in RIGHT else "l" for k in kept)
    yield from (r"\begin{table}", r"  \centering")
    yield f"  \\caption{{{escaped(caption)}.}}"
    yield f"  \\label{{tab:{label}}}"
    yield f"  \\begin{{tabular}}{{{places}}}"
    yield r"    \toprule"
    yield "    " + " & ".join(escaped(heads[k]) for k in kept) + r" \\"
    yield r"    \midrule"
    for row in rows:
        yield "    " + " & ".join(escaped(row[k]) for k in kept) + r" \\"
    yield r"    \bottomrule"
    yield from (r"  \end{tabular}", r"\end{table}", "")
