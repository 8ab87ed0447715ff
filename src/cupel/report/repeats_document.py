"""The document of a tuning that was repeated: what tunings and seeds add to the variance, and which searcher is better.

    schema, kind "tuning repeats", run, name, started, status, asked, searchers, repeats
    spreads     per searcher: n tunings and runs, mean of the tunings with its interval,
                sd between tunings and between seeds with their intervals, as a sentence
    statement   what the repeats support about the searchers; None with one of them
    rows        method, task, hpo_run, seed, value: one per retraining, for `cupel analyze`

The unit of replication of a searcher is the tuning: a mean over fresh seeds stands for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, TextIO

import numpy as np

from cupel.ledger.run_folder import RunFolder
from cupel.ledger.tuning_log import read_decisions
from cupel.report.console import open_console, styled
from cupel.report.tuning_document import build_tuning_document
from cupel.report.tuning_words import number
from cupel.report.words import plain
from cupel.spec.errors import UsageError
from cupel.stats.mean_interval import mean_interval
from cupel.stats.tuning_spread import tuning_spread

SCHEMA = 1
KIND = "tuning repeats"
LEAST_REPEATS = 3


def is_repeats(folder: RunFolder) -> bool:
    """Whether a run folder is one of a repeated tuning."""
    return folder.asked.get("kind") == KIND


def parts_of(folder: RunFolder) -> list[tuple[str, int, Path]]:
    """Searcher, number of the repeat and folder of every tuning, in the order in which they are done."""
    searchers, repeats = folder.asked["searchers"], folder.asked["repeats"]
    return [
        (searcher, k, folder.path / "parts" / f"{place}-{searcher.partition(':')[0]}-{k:03d}")
        for k in range(repeats)
        for place, searcher in enumerate(searchers)
    ]


def is_complete(path: Path) -> bool:
    """Whether a tuning is there and went to its end."""
    reasons = [record["reason"] for record in read_decisions(path) if record["kind"] == "finished"]
    return bool(reasons) and reasons[-1] != "interrupted"


def build_repeats_document(folder: RunFolder) -> dict[str, Any]:
    """The document of a repeated tuning."""
    asked = folder.asked
    task = Path(asked["tuning"]["script"]).stem
    rows: list[dict[str, Any]] = []
    num_done = 0
    for searcher, k, path in parts_of(folder):
        if not (path / "run.json").is_file() or not is_complete(path):
            continue
        num_done += 1
        best = build_tuning_document(RunFolder(path))["best"]
        values = [] if best is None or best["reevaluated"] is None else best["reevaluated"]["values"]
        about = {"method": searcher, "task": task, "hpo_run": k}
        rows += [{**about, "seed": seed, "value": value} for seed, value in enumerate(values or [None])]
    searchers = asked["searchers"]
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "run": str(folder.path),
        "name": asked.get("name", ""),
        "started": asked.get("started", ""),
        "machine": asked.get("machine", {}),
        "status": "complete" if num_done == len(searchers) * asked["repeats"] else "partial",
        "asked": asked["tuning"],
        "searchers": searchers,
        "repeats": asked["repeats"],
        "tunings": num_done,
        "spreads": [_spread(searcher, rows) for searcher in searchers],
        "statement": _statement(rows, asked["tuning"]["better"]) if len(searchers) > 1 else None,
        "rows": rows,
    }


def show_repeats(document: Mapping[str, Any], *, file: TextIO) -> None:
    """Print the document of a repeated tuning."""
    console = open_console(file)
    script, metric = plain(document["asked"]["script"]), plain(document["asked"]["metric"])
    of = len(document["searchers"]) * document["repeats"]
    console.print(styled(f"{script} tuned {document['tunings']} times of {of}, the best of each trained again", "bold"))
    console.print()
    for spread in document["spreads"]:
        searcher = plain(spread["searcher"])
        if spread["mean"] is None:
            console.print(styled(f"{searcher}: no tuning has a value yet"))
            continue
        ends = "" if spread["low"] is None else f", 95 % interval {number(spread['low'])} to {number(spread['high'])}"
        tunings = f"over {spread['hpo_runs']} tunings"
        console.print(styled(f"{searcher}: mean {metric} {number(spread['mean'])} {tunings}{ends}"))
        console.print(styled(f"  {plain(spread['text'])}"))
    if document["statement"] is not None:
        console.print()
        console.print(styled(plain(document["statement"])))


def _by_tuning(searcher: str, rows: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    found: dict[int, list[float]] = {}
    for row in rows:
        if row["method"] == searcher:
            found.setdefault(row["hpo_run"], []).append(math.nan if row["value"] is None else row["value"])
    return list(found.values())


def _spread(searcher: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    tunings = _by_tuning(searcher, rows)
    means = [fmean(known) for known in ([v for v in t if math.isfinite(v)] for t in tunings) if known]
    mean = mean_interval(means)
    if mean is None:
        return {"searcher": searcher, "mean": None, "low": None, "high": None, "hpo_runs": 0, "text": ""}
    spread = tuning_spread(searcher, [np.array(tuning) for tuning in tunings])
    return {
        "searcher": searcher,
        "mean": mean.mean,
        "low": None if mean.interval is None else mean.interval.low,
        "high": None if mean.interval is None else mean.interval.high,
        "hpo_runs": spread.hpo_runs,
        "n": spread.n,
        "between": spread.between,
        "within": spread.within,
        "share": spread.share,
        "text": spread.text(),
    }


def _statement(rows: Sequence[Mapping[str, Any]], better: str) -> str:
    """What the repeats support about the searchers: one value per tuning, repeats with the same number paired."""
    from cupel.stats.analysis.analyze import analyze

    means: dict[tuple[str, str, int], list[float]] = {}
    for row in rows:
        value = math.nan if row["value"] is None else float(row["value"])
        means.setdefault((row["method"], row["task"], row["hpo_run"]), []).append(value)
    if len({key[2] for key in means}) < LEAST_REPEATS:
        return f"Fewer than {LEAST_REPEATS} repeats: nothing is said about which searcher is better."
    keys = list(means)
    table = {
        "method": [method for method, _, _ in keys],
        "task": [task for _, task, _ in keys],
        "seed": [k for _, _, k in keys],
        "value": [fmean(means[key]) for key in keys],
    }
    try:
        return analyze(table, metric="value", better=better).headline
    except UsageError as error:
        return f"Nothing is said about which searcher is better: {error}"
