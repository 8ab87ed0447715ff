"""Plans for methods as tables for people, within 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cupel.cli._entries import wrapped
from cupel.cli._power_launches import OVER

MOST_COLUMNS = 5
"""Columns of numbers beside each other."""
CELL = 10
WIDE = 12
UNDECIDED = 0.001
"""Share of undecided streams from which on their mean number of pairs is a lower limit."""
NEVER = "never: a difference that is not beyond the rope is not found to be beyond it."
Row = tuple[str, list[str]]


def show_methods(document: dict[str, Any]) -> None:
    """The tables of a plan for methods."""
    show = {"seeds": _show_seeds, "tasks": _show_tasks, "win-rate": _show_wins, "pilot": _show_pilot}
    show[document["design"]](document)


def _promise(document: dict[str, Any], what: str) -> None:
    """What the numbers are for, in two or three lines."""
    rope = document["rope"]
    unit = document["labels"][0].endswith("%")
    size = "" if rope is None else f"{rope:.2g}" if not unit else f"{100 * rope:.2g} %"
    goal = "the interval then excludes no difference. A verdict beyond what does not matter asks for more: --rope."
    if rope is not None:
        goal = f"the whole interval then lies beyond {size}; to find two equal ones equivalent, it lies within {size}."
    print(wrapped(f"{what} with {document['power']:.0%} power ({document['level']:.0%} intervals): {goal}", ""))


def _show_seeds(document: dict[str, Any]) -> None:
    _promise(document, "Seeds of two methods on one task to find a difference")
    rows = [
        (f"{row['label']}, {name}", _cells(document, row, kind))
        for row in document["rows"]
        for kind, name in (("seeds", "each"), ("pairs", "pairs"))
        if kind in row
    ]
    _blocks(_columns(document), rows, "difference to find")
    _never(rows)
    r = document["correlation"]
    print()
    if "seeds" in document["rows"][0]:
        hint = " On the same seeds, as pairs, it takes fewer: --correlation." if r is None else ""
        print(wrapped(f"Each: runs of each method, on seeds of their own.{hint}", ""))
    if "pairs" in document["rows"][0]:
        alike = "" if r is None else f", results that correlate by {r:g}"
        text = f"Pairs: a run of each method on the same seed{alike}. With a look after every pair the sequential"
        rest = "test takes about as many on average and up to twice as many in one case of ten: cupel explain"
        print(wrapped(f"{text} {rest} sequential_mean_test", ""))


def _show_tasks(document: dict[str, Any]) -> None:
    _promise(document, "Tasks to find a mean difference on tasks like these")
    row = document["rows"][0]
    print(f"\n{row['label']}")
    _show_by_runs(document, row)


def _show_by_runs(document: dict[str, Any], row: dict[str, Any]) -> None:
    """A row per difference, a column per number of runs on a task."""
    runs = list(row["tasks"])
    rows: list[Row] = [
        (label, [_both(document, row, "tasks", (k, label)) for k in runs]) for label in document["labels"]
    ]
    if document["rope"] is not None:
        rows.append(("equivalent", [_both(document, row, "tasks_equivalent", (k,)) for k in runs]))
    heads = [f"{k} run{'s' if k != '1' else ''}" for k in runs]
    _blocks(heads, rows, "tasks, with so many runs of each method on each", first="difference")
    _never(rows)


def _show_wins(document: dict[str, Any]) -> None:
    rope = document["rope"]
    goal = f"Pairs to find which method wins more often, with {document['power']:.0%} power at {document['level']:.0%}."
    print(wrapped(goal, ""))
    heads = ["sign test", "rank test", "mean", f"{document['power']:.0%} by"]
    rows: list[Row] = []
    for row in document["rows"]:
        by = row["sequential_by"]
        cells = [str(row.get("sign_test", "-")), str(row.get("rank_test", "-"))]
        over = "over " if row["sequential_undecided"] > UNDECIDED else ""
        cells += [f"{over}{row['sequential_mean']:.0f}", "over 20000" if by is None else str(by)]
        rows.append((row["label"], cells))
    width = max(len("share of wins"), *(len(label) for label, _ in rows))
    print(f"\n  {'':<{width}}{'one look':>{2 * WIDE}}{'after every pair':>{2 * WIDE}}")
    _block(heads, rows, width, first="share of wins", cell=WIDE)
    print()
    text = (
        "Sign test: pairs. Rank test: runs of each method, not paired, every run against every run. After every pair: "
        "the sequential test, which may stop at any pair (cupel explain sequential_test)."
    )
    if rope is not None:
        text += f" 50 % is for equivalent, within {0.5 - rope:g} to {0.5 + rope:g}."
    print(wrapped(text, ""))


def _show_pilot(document: dict[str, Any]) -> None:
    _promise(document, "Runs to find a difference")
    names = ", ".join(document["methods"])
    failed = f", {document['num_failed']} without a value" if document["num_failed"] else ""
    print()
    print(
        wrapped(
            f"{document['metric']} in {document['pilot']}: {document['num_runs']} runs of {names}{failed}", "  ", ""
        )
    )
    for row in document["rows"]:
        (_show_one_task if row["label"] == "these tasks" else _show_many_tasks)(document, row)
    print()
    text = "First the number for the spread as estimated, then for its 80 % upper limit. The difference to plan for is"
    print(wrapped(f"{text} the one that would matter to you, not the one that the pilot happened to show.", ""))
    for note in document["warnings"]:
        print(wrapped(f"{note['code']}: {note['text']}", "  ", "\n"))


def _show_one_task(document: dict[str, Any], row: dict[str, Any]) -> None:
    print(f"\nOn one task: sd {row['sd']:.3g} between runs of a method (df {row['df']})")
    kinds = ["seeds"]
    if "pairs" in row:
        r = "" if row["correlation"] is None else f", correlation {row['correlation']:.2f}"
        print(f"             sd {row['sd_diff']:.3g} of a difference on one seed (df {row['df_diff']}{r})")
        kinds.append("pairs")
    rows: list[Row] = [
        (label, [_both(document, row, kind, (label,)) for kind in kinds]) for label in document["labels"]
    ]
    if document["rope"] is not None:
        rows.append(("equivalent", [_both(document, row, f"{kind}_equivalent", ()) for kind in kinds]))
    _blocks([{"seeds": "seeds of each", "pairs": "pairs"}[kind] for kind in kinds], rows, "", first="difference")
    _never(rows)


def _show_many_tasks(document: dict[str, Any], row: dict[str, Any]) -> None:
    noise = "unknown" if row["sd_noise"] is None else f"{row['sd_noise']:.3g}"
    print(f"\nOn tasks like these: interaction sd {row['sd_interaction']:.3g} (df {row['df_tasks']}), noise sd {noise}")
    _show_by_runs(document, row)


def _both(document: dict[str, Any], row: dict[str, Any], kind: str, keys: Sequence[str]) -> str:
    """A number, or `estimated .. cautious` where there are both."""
    if keys and keys[-1] in document["not_beyond_rope"]:
        return "never"
    found = []
    for suffix in ("", "_cautious"):
        value = row.get(kind + suffix)
        for key in keys:
            value = None if value is None else value[key]
        if kind + suffix in row:
            found.append(OVER if value is None else str(value))
    return found[0] if len(set(found)) == 1 else " .. ".join(found)


def _columns(document: dict[str, Any]) -> list[str]:
    return [*document["labels"], *(["equivalent"] if document["rope"] is not None else [])]


def _cells(document: dict[str, Any], row: dict[str, Any], kind: str) -> list[str]:
    numbers = [_both(document, row, kind, (label,)) for label in document["labels"]]
    return [*numbers, _both(document, row, f"{kind}_equivalent", ())] if document["rope"] is not None else numbers


def _blocks(heads: Sequence[str], rows: Sequence[Row], title: str, first: str = "") -> None:
    """Tables of at most as many columns as fit beside each other."""
    width = max(len(first), *(len(label) for label, _ in rows))
    cell = max(CELL, 2 + max(len(text) for text in [*heads, *(c for _, cells in rows for c in cells)]))
    fit = max(1, min(MOST_COLUMNS, (78 - width) // cell))
    for k in range(0, len(heads), fit):
        print(f"\n  {'':<{width}}    {title}" if title else "")
        _block(heads[k : k + fit], [(label, cells[k : k + fit]) for label, cells in rows], width, first, cell)


def _block(heads: Sequence[str], rows: Iterable[Row], width: int, first: str = "", cell: int = CELL) -> None:
    print(f"  {first:<{width}}" + "".join(f"{head:>{cell}}" for head in heads))
    for label, cells in rows:
        print(f"  {label:<{width}}" + "".join(f"{text:>{cell}}" for text in cells))


def _never(rows: Iterable[Row]) -> None:
    if any("never" in text for _, cells in rows for text in cells):
        print(f"\n  {NEVER}")
