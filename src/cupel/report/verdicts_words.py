"""The table of all claims in words: what holds after Holm, and what further runs of a claim say."""

from __future__ import annotations

from collections.abc import Iterator

from cupel.report.claim_words import interval_cell, sign_of
from cupel.report.words import DASH, Document, num, plain, settings_text

HOLM_WORDS = (
    "After Holm: the verdict that holds for the table as a whole; undecided rows are tests, too, and count. A dash: "
    "the verdict came without a p and stands at its own level only."
)


def has_several(document: Document, key: str) -> bool:
    """Whether rows of a table differ in what a column would say."""
    return len({str(row[key]) for row in document["verdicts"]}) > 1


def holm_text(row: Document) -> str:
    """The verdict after Holm: `✓ supported`, with its bound for an exact statement; a dash where it has none."""
    if row["verdict_holm"] is None:
        return DASH
    sign = sign_of(row["verdict_holm"])
    bound = f", {interval_cell(row, row['interval_holm'])}" if row["interval_holm"] else ""
    return f"{sign.mark} {sign.word}{bound}"


STATES = {"open": "some of its verdicts may change", "failed": "it could not be tried"}
"""What the state of a run that is not finished means."""


def holm_sign(row: Document) -> str:
    """Its sign alone."""
    return DASH if row["verdict_holm"] is None else sign_of(row["verdict_holm"]).mark


def where_text(row: Document) -> str:
    """`small on cpu`, with the settings that are not the usual ones."""
    settings = settings_text(row["settings"])
    return f"{plain(row['size'])} on {plain(row['device'])}" + (f", {settings}" if settings else "")


def minutes_text(row: Document) -> str:
    """Minutes of all trials of the claim.

    Example:
        >>> minutes_text({"minutes": 3.21}), minutes_text({"minutes": 0.004}), minutes_text({"minutes": 75.2})
        ('3.2', '<0.1', '75')
    """
    minutes = row["minutes"]
    return "<0.1" if minutes < 0.05 else f"{minutes:.1f}" if minutes < 10 else f"{minutes:.0f}"


def others_texts(rows: list[Document]) -> Iterator[str]:
    """What further runs of one claim say, a sentence each; those that say otherwise say so.

    Args:
        rows: those of the claim; each has what every further run says of it.
    """
    for run in dict.fromkeys(other["run"] for row in rows for other in row["others"]):
        said = [(row, other) for row in rows for other in row["others"] if other["run"] == run]
        other = said[0][1]
        kind = "the same evidence" if other["same_seed"] else f"a repetition with seed {other['seed']}"
        code = "" if other["same_code"] else ", of another version of the claim's file"
        differ = [
            f"{plain(row['statement'])} is {o['verdict']} (n = {o['n']})"
            for row, o in said
            if o["verdict"] != row["verdict"]
        ]
        says = f"there {', '.join(differ)}" if differ else "its verdicts are the same"
        yield f"{plain(run)} ({plain(other['status'])}) is {kind}{code}: {says}; not pooled"


def cells_of(document: Document) -> list[list[Document]]:
    """The rows of each claim at its size, settings, device and machine, in the order of the table."""
    found: dict[tuple[str, ...], list[Document]] = {}
    for row in document["verdicts"]:
        found.setdefault((row["key"], row["device"], row["machine"]), []).append(row)
    return list(found.values())


def left_out_texts(document: Document) -> Iterator[str]:
    """Folders that could not be read."""
    for item in document["left_out"]:
        yield f"{plain(item['folder'])} is left out: {plain(item['reason'])}"


def count_words(document: Document) -> str:
    """`12 statements of 4 claims on AMD EPYC, 2 cores`."""
    machines = document["machines"]
    where = machines[0] if len(machines) == 1 else num(len(machines), "machine")
    return f"{num(len(document['verdicts']), 'statement')} of {num(document['num_claims'], 'claim')} on {plain(where)}"
