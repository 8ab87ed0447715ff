"""What every rendering of an analysis says alike: the tables' cells, and notes in words."""

from __future__ import annotations

from collections.abc import Iterator

from cupel.report.words import (
    DASH,
    Document,
    Sign,
    ends_text,
    finite,
    level_percent,
    number_text,
    p_text,
    plain,
    verdict_sign,
)
from cupel.spec.column_names import COLUMN_NAMES
from cupel.spec.units import format_percent

METHOD_HEADS = ("method", "mean", "interval", "IQM", "interval of IQM", "mean rank", "runs", "failed")
PAIR_HEADS = ("pair", "gain", "interval", "p", "p alone", "in sd", "P(A>B)", "of P(A>B)", "verdict")


def pair_heads(document: Document) -> tuple[str, ...]:
    """Heads of the table of pairs: a ratio has another name than a gain, which is a difference in favour of A."""
    names = ["ratio" if head == "gain" and document.get("scale") == "log" else head for head in PAIR_HEADS]
    adjust = plain(document.get("adjust"))
    level = level_percent(document)
    names[2] = f"{level}{f' ({adjust})' if adjust else ''}"
    names[7] = f"{level} of P(A>B)"
    return tuple(names)


def method_cells(row: Document) -> tuple[str, ...]:
    """One row of the table of methods."""
    rank = finite(row.get("mean_rank"))
    return (
        plain(row.get("name")),
        number_text(row.get("mean")),
        ends_text(row.get("mean_interval")),
        number_text(row.get("iqm")),
        ends_text(row.get("iqm_interval")),
        DASH if rank is None else f"{rank:.2f}",
        plain(row.get("num_runs")),
        plain(row.get("num_failed")),
    )


def pair_cells(pair: Document) -> tuple[str, ...]:
    """One row of the table of pairs; A is the first of the pair."""
    prob = finite(pair.get("prob"))
    sign = verdict_sign(pair.get("verdict"))
    return (
        plain(pair.get("label")),
        number_text(pair.get("estimate")),
        ends_text(pair.get("interval")),
        p_text(pair.get("p")),
        p_text(pair.get("p_alone")),
        effect_text(pair),
        DASH if prob is None else f"{prob:.2f}",
        ends_text(pair.get("prob_interval")),
        f"{sign.mark} {sign.word}",
    )


def effect_text(pair: Document) -> str:
    """The effect in standard deviations between runs; a dash where runs were not repeated."""
    size = finite(pair.get("effect_size"))
    return DASH if size is None else f"{size:.2f}"


def roles_text(document: Document) -> str:
    """Which column is what: `method = algorithm, task = bench_prior`."""
    told = (document.get("design") or {}).get("roles") or {}
    roles = {role: told[role] for role in COLUMN_NAMES if role in told}
    return ", ".join(f"{plain(role)} = {plain(column)}" for role, column in roles.items())


def metric_text(document: Document) -> str:
    """`normalized_regret, lower is better`, with the unit where there is one."""
    unit = plain(document.get("unit"))
    return f"{plain(document.get('metric'))}{f' in {unit}' if unit else ''}, {plain(document.get('better'))} is better"


def budget_text(document: Document) -> str:
    """`budget 24 of 24 budgets`; empty where there is none."""
    design = document.get("design") or {}
    budget = finite(design.get("budget"))
    if budget is None:
        return ""
    number = len(design.get("budgets") or ())
    return f"budget {budget:g}" + (f", one of {number}" if number > 1 else "")


def gain_text(document: Document) -> str:
    """How to read the table of pairs."""
    none, what = ("1", "ratio") if document.get("scale") == "log" else ("0", "gain")
    spread = "in sd: in standard deviations between runs of one method on one task"
    return f"A is the first of a pair; a {what} above {none} is in its favour; {spread}."


def settle_texts(document: Document) -> Iterator[tuple[Sign, str]]:
    """What would settle the undecided pairs."""
    for pair in document.get("pairs") or ():
        text = plain((pair.get("settle") or {}).get("text"))
        if text:
            yield verdict_sign("undecided"), f"{plain(pair.get('label'))}: {text}"


def separation_text(document: Document) -> str:
    """Which neighbours are not separated; empty where only pairs with a baseline were compared."""
    if document.get("baseline"):
        return ""
    groups = [" = ".join(map(plain, group)) for group in document.get("groups") or ()]
    return f"Not separated: {'; '.join(groups)}." if groups else "All neighbours are separated."


def region_text(document: Document) -> str:
    """What bar and region of practical equivalence were declared."""
    bar, rope = finite(document.get("bar")), finite(document.get("rope"))
    is_ratio = document.get("scale") == "log"
    parts = []
    if bar:
        parts.append(f"better means better by more than {format_percent(bar) if is_ratio else f'{bar:g}'}")
    if rope:
        parts.append(f"within {format_percent(rope) if is_ratio else f'{rope:g}'} is practically equal")
    return "; ".join(parts)


def further_texts(document: Document) -> Iterator[tuple[str, list[str]]]:
    """Name and lines of what stands beside the pairs: ranks, budgets, checks."""
    parts = [("ranks", document.get("ranks")), ("budgets", document.get("windows"))]
    parts += [(plain(check.get("name")), check) for check in document.get("checks") or ()]
    for name, part in parts:
        lines = [plain(line) for line in str((part or {}).get("text") or "").splitlines()]
        if lines:
            yield name, lines
