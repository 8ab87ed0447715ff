"""The table of all claims tried on a machine: of each claim one run, its verdicts at their own level and after Holm.

Which run speaks for a claim at a size, settings, device and machine: of those that could be tried the newest that is
finished; where none is, the one with the most evidence. What came out has no part in the choice. Runs are never pooled:
with the same seed they are the same evidence, with another seed a repetition; all are named, each with its verdict.

Holm over the rows: every statement with any evidence is a test that was made, an undecided one too, so all count. An
undecided row counts as one that is not significant. An exact statement without a counter-example cannot be
significant either: it keeps its verdict with the bound on the share of failures that holds for the table (alpha / m,
Bonferroni's part). A verdict that came without a p (recorded data; arms identical in every pair) stands at its own
level only and has none after Holm.

schema, kind "verdicts", headline, alpha, level, m (rows that count), machines (labels), num_claims
verdicts        one per statement: what the run's own document says of it (see claims_document), and p_holm,
                verdict_holm (None where it has none), interval_holm (of exact statements), label, size, settings,
                device, machine, seed, digest, run, started, cupel, status (finished | open | failed), minutes (of the
                claim), command, others (further runs of the claim: run, started, seed, status, verdict, n, same_seed,
                same_code)
left_out        folder, reason: what lies among the runs and could not be read
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from cupel.ledger.run_folder import RunFolder
from cupel.report.claim_words import counted
from cupel.report.claims_document import build_claims_document, is_claims
from cupel.report.words import num
from cupel.spec.card import SIZES
from cupel.spec.errors import CupelError, UsageError
from cupel.stats.holm import holm
from cupel.stats.judge import LEVEL

SCHEMA = 1
DRAWN = ("no_effect", "bar_at", "region")
"""What of a verdict only the run's own figures need."""
ORDER = {size: place for place, size in enumerate(SIZES)}


@dataclass(frozen=True)
class TriedClaim:
    """One claim of one run.

    Args:
        document: of the run.
        claim: the claim in it.
        verdicts: those on its statements.
    """

    document: Mapping[str, Any]
    claim: Mapping[str, Any]
    verdicts: Sequence[Mapping[str, Any]]

    @property
    def machine(self) -> str:
        """The machine in a few words."""
        return str(self.document["machine"].get("label") or "an unknown machine")

    @property
    def what(self) -> tuple[str, str, str]:
        """What runs of the same claim have in common: claim with size and settings, device, machine."""
        return str(self.claim["key"]), str(self.claim["device"]), self.machine

    @property
    def status(self) -> str:
        """`failed` where it could not be tried, `open` where more trials could change a verdict, else `finished`."""
        if self.claim["broken"]:
            return "failed"
        return "open" if any(verdict["is_open"] for verdict in self.verdicts) else "finished"

    @property
    def merit(self) -> tuple[bool, bool, int, str]:
        """What decides which run speaks for a claim; nothing of it depends on what came out."""
        is_over = self.status == "finished"
        num_seen = 0 if is_over else sum(verdict["n"] for verdict in self.verdicts)
        return self.status != "failed", is_over, num_seen, str(self.document["started"])


def build_verdicts_document(runs: Path, *, alpha: float = 0.05, sizes: Sequence[str] = ()) -> dict[str, Any]:
    """The table of all claims in a folder of runs.

    Args:
        runs: the folder; runs of workloads and tunings in it are passed over.
        alpha: chance that any verdict of the table after Holm is a false one.
        sizes: only claims at these sizes; all where empty.

    Raises:
        UsageError: there is no such folder, it is itself a run, or alpha is no share.
    """
    if not 0 < alpha < 1:
        raise UsageError(f"alpha is {alpha:g}; expected a chance between 0 and 1, such as 0.05.")
    tried, left_out = read_tried(runs)
    chosen = choose([one for one in tried if not sizes or one.claim["size"] in sizes])
    rows = [row for best, others in chosen for row in _rows(best, others)]
    correct(rows, alpha)
    machines = list(dict.fromkeys(row["machine"] for row in rows))
    document: dict[str, Any] = {
        "schema": SCHEMA, "kind": "verdicts", "alpha": alpha, "level": LEVEL, "m": num_tests(rows),
        "machines": machines, "num_claims": len(chosen), "verdicts": rows, "left_out": left_out,
    }  # fmt: skip
    document["headline"] = headline_of(document)
    return document


def read_tried(runs: Path) -> tuple[list[TriedClaim], list[dict[str, str]]]:
    """Every claim of every run in a folder, and the folders that could not be read, each with the reason.

    Raises:
        UsageError: there is no such folder, or it is itself a run.
    """
    if (runs / "run.json").is_file():
        raise UsageError(f"{runs} is one run; expected a folder of runs. Show it alone with: cupel report {runs}")
    if not runs.is_dir():
        raise UsageError(
            f"{runs} is no folder; expected one with runs, which cupel run makes. Name it with --runs DIR."
        )
    tried: list[TriedClaim] = []
    left_out = []
    for path in sorted(runs.iterdir()):
        if not path.is_dir() or path.name.startswith("."):
            continue
        try:
            folder = RunFolder(path)
            document = build_claims_document(folder) if is_claims(folder) else None
        except CupelError as error:
            left_out.append({"folder": str(path), "reason": str(error)})
            continue
        for claim in document["claims"] if document else ():
            assert document is not None
            mine = [verdict for verdict in document["verdicts"] if verdict["key"] == claim["key"]]
            tried.append(TriedClaim(document, claim, mine))
    return tried, left_out


def choose(tried: Sequence[TriedClaim]) -> list[tuple[TriedClaim, list[TriedClaim]]]:
    """The run that speaks for each claim, size, settings, device and machine, with the further ones, newest first."""
    groups: dict[tuple[str, str, str], list[TriedClaim]] = {}
    for one in tried:
        groups.setdefault(one.what, []).append(one)
    found = []
    for same in groups.values():
        best = max(same, key=lambda one: one.merit)
        others = [one for one in same if one is not best]
        found.append((best, sorted(others, key=lambda one: str(one.document["started"]), reverse=True)))
    return sorted(found, key=lambda pair: _place(pair[0]))


def _place(one: TriedClaim) -> tuple[Any, ...]:
    claim = one.claim
    return claim["claim"], ORDER.get(claim["size"], len(ORDER)), claim["key"], one.machine, claim["device"]


def num_tests(rows: Sequence[Mapping[str, Any]]) -> int:
    """How many rows are tests that were made."""
    return sum(map(_is_test, rows))


def correct(rows: Sequence[dict[str, Any]], alpha: float) -> None:
    """Give every row its p and its verdict after Holm, and exact ones the bound that holds for the table.

    Args:
        rows: with `verdict`, `kind`, `p` and `n`; they get `p_holm`, `verdict_holm` and `interval_holm`.
        alpha: chance that any verdict of the table is a false one.
    """
    tests = [row for row in rows if _is_test(row)]
    adjusted = holm([1.0 if row["p"] is None or _is_bounded(row) else row["p"] for row in tests])
    for row in rows:
        row |= {"p_holm": None, "verdict_holm": row["verdict"], "interval_holm": None}
    for row, p in zip(tests, adjusted.tolist(), strict=True):
        if _is_bounded(row):
            row["interval_holm"] = [0.0, 1.0 - (alpha / len(tests)) ** (1 / row["n"])]
        elif row["p"] is not None:
            row["p_holm"] = p
            row["verdict_holm"] = row["verdict"] if p <= alpha else "undecided"
        elif row["verdict"] != "undecided":
            row["verdict_holm"] = None


def _is_test(row: Mapping[str, Any]) -> bool:
    """Whether there was anything to decide by; a verdict that is open counts as well as one that is in."""
    return bool(row["n"] and row["verdict"] != "not testable")


def _is_bounded(row: Mapping[str, Any]) -> bool:
    """Whether a row is an exact statement without a counter-example."""
    return bool(row["kind"] == "exact" and row["verdict"] == "supported")


def _rows(best: TriedClaim, others: Sequence[TriedClaim]) -> list[dict[str, Any]]:
    """The rows of one claim, its headline first."""
    claim, document = best.claim, best.document
    about = {
        "label": claim["label"], "size": claim["size"], "settings": dict(claim["settings"]), "device": claim["device"],
        "machine": best.machine, "seed": claim["seed"], "digest": claim["digest"], "source": claim["source"],
        "run": PurePath(document["run"]).name, "started": document["started"], "cupel": document["cupel"],
        "status": best.status, "minutes": claim["spent_s"] / 60, "command": command_of(claim, document["asked"]),
    }  # fmt: skip
    found = []
    for verdict in best.verdicts:
        kept = {key: value for key, value in verdict.items() if key not in DRAWN}
        others_of = [told for other in others for told in _other(other, best, verdict["statement"])]
        found.append({**kept, **about, "others": others_of})
    return found


def _other(other: TriedClaim, best: TriedClaim, statement: str) -> list[dict[str, Any]]:
    """What a further run says of a statement; nothing where it does not have it."""
    return [
        {
            "run": PurePath(other.document["run"]).name, "started": other.document["started"],
            "seed": other.claim["seed"], "status": other.status, "verdict": verdict["verdict"], "n": verdict["n"],
            "same_seed": other.claim["seed"] == best.claim["seed"],
            "same_code": other.claim["digest"] == best.claim["digest"],
        }
        for verdict in other.verdicts
        if verdict["statement"] == statement
    ]  # fmt: skip


def command_of(claim: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """The command that makes the verdicts on a claim again.

    Args:
        claim: of a run's document.
        asked: the run's request.
    """
    own = f"./{PurePath(claim['path']).name}"
    given = (name for name in asked.get("names", ()) if PurePath(name).name == PurePath(claim["path"]).name)
    words = ["cupel", "run", claim["claim"] if claim["module"] else next(given, own), "--size", claim["size"]]
    for key, value in claim["settings"].items():
        words += ["--set", f"{key}={value}"]
    for option, value, usual in (
        ("--pairs", asked.get("pairs"), None),
        ("--seed", claim["seed"], 0),
        ("--device", claim["device"], "cpu"),
        ("--threads", asked.get("threads", 1), 1),
    ):
        if value != usual:
            words += [option, str(value)]
    return shlex.join(words)


def headline_of(document: Mapping[str, Any]) -> str:
    """How many statements have which verdict, alone and after Holm."""
    rows = document["verdicts"]
    if not rows:
        return "No claim has been tried."
    claims = f"{num(len(rows), 'statement')} of {num(document['num_claims'], 'claim')}"
    kept = counted(rows, "verdict_holm") or "none"
    return f"{claims}: {counted(rows)}; after Holm over {num(document['m'], 'row')}: {kept}."
