"""`cupel tune --repeats`: whole tunings again and again, of one searcher or several in turn."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cupel.cli._output import write_file
from cupel.cli._tuning import INTERRUPTED, NOTHING_RAN, one_line, tune_in
from cupel.ledger.records import write_json
from cupel.ledger.run_folder import RunFolder
from cupel.report import json as strict_json
from cupel.report.repeats_document import build_repeats_document, is_complete, parts_of, show_repeats
from cupel.run.stop import Stop
from cupel.spec.errors import UsageError
from cupel.spec.seeds import Seeds
from cupel.spec.tuning import TuningRequest
from cupel.study.fresh_seeds import SEED_RANGE


def carry_out_repeats(folder: RunFolder, *, as_json: bool) -> int:
    """Do the tunings that the folder lacks, in turn, and report.

    Returns:
        The exit code: 130 where the user stopped it, 4 where no tuning reached a value, else 0.
    """
    stop = Stop()
    with folder.locked(), stop.listening():
        parts = parts_of(folder)
        for place, (searcher, k, path) in enumerate(parts):
            if stop.is_asked:
                break
            if not is_complete(path):
                print(f"tuning {place + 1} of {len(parts)}: {searcher}, repeat {k + 1}", file=sys.stderr)
                tune_in(_part(folder, searcher, k, path), stop)
    return conclude_repeats(folder, as_json=as_json, is_interrupted=stop.is_asked)


def conclude_repeats(folder: RunFolder, *, as_json: bool, is_interrupted: bool) -> int:
    """Report a repeated tuning: text or one line of JSON on stdout, the table in its folder."""
    document = build_repeats_document(folder)
    table = folder.path / "repeats.csv"
    write_file(table, table_of(document["rows"]))
    if as_json:
        print(one_line({**document, "best": None}))
    else:
        show_repeats(document, file=sys.stdout)
        better = document["asked"]["better"]
        print(f"\ntable: {table}\n(cupel analyze {table} --metric value --better {better})")
    if document["status"] == "partial":
        print(f"Not finished. Go on with: cupel resume {folder.path}", file=sys.stderr)
    if is_interrupted:
        return INTERRUPTED
    return NOTHING_RAN if all(spread["mean"] is None for spread in document["spreads"]) else 0


def report_repeats(folders: Sequence[RunFolder], args: argparse.Namespace) -> int:
    """Show one repeated tuning again, as text, JSON or its table.

    Raises:
        UsageError: several runs, or another form.
    """
    if len(folders) > 1 or args.format not in ("text", "json", "csv"):
        raise UsageError(
            f"{len(folders)} run(s) as {args.format} asked, among them a repeated tuning; those are shown one at a "
            "time, as text, json or csv. Its tunings are in its folder parts/, each a run of its own."
        )
    document = build_repeats_document(folders[0])
    out = io.StringIO()
    if args.format == "text":
        show_repeats(document, file=out)
    else:
        out.write(strict_json.render(document) if args.format == "json" else table_of(document["rows"]))
    if args.out is not None:
        write_file(args.out, out.getvalue())
    else:
        sys.stdout.write(out.getvalue())
    return 0 if document["rows"] else NOTHING_RAN


def table_of(rows: list[Mapping[str, Any]]) -> str:
    """One row per retraining as CSV; a value that is missing is left empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, ["method", "task", "hpo_run", "seed", "value"])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _part(folder: RunFolder, searcher: str, k: int, path: Path) -> RunFolder:
    """The folder of one tuning, made where it is absent: its seed is that of its repeat, for every searcher alike."""
    if not (path / "run.json").is_file():
        base = TuningRequest.from_dict(folder.asked["tuning"])
        seed = Seeds(base.seed).seed("repeat", k) % SEED_RANGE
        request = dataclasses.replace(base, searcher=searcher, seed=seed)
        path.mkdir(parents=True, exist_ok=True)
        kept = {key: folder.asked[key] for key in ("schema", "started", "cupel", "code", "directory", "machine")}
        content = {**kept, "kind": "tuning", "name": path.name, "tuning": request.as_dict()}
        write_json(path / "run.json", {**content, "script_digest": folder.asked["script_digest"]})
    return RunFolder(path)
