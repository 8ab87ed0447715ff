"""Plans for methods with the spreads of a file of results."""

from __future__ import annotations

import argparse
import math
from typing import Any

from cupel.cli._power_methods import RUNS, Plan, split, tasks_by_runs, whole_numbers
from cupel.cli._table import given_pairs
from cupel.ledger.read_results import read_results
from cupel.spec.errors import NothingToRunError
from cupel.stats.cv_limit import cv_limit
from cupel.stats.pairs_for_effect import pairs_for_effect
from cupel.stats.pairs_for_equivalence import pairs_for_equivalence
from cupel.stats.pilot_spread import PilotSpread, pilot_spread
from cupel.stats.results import results
from cupel.stats.seeds_for_effect import seeds_for_effect
from cupel.stats.seeds_for_equivalence import seeds_for_equivalence


def pilot_document(args: argparse.Namespace, power: float, level: float) -> dict[str, Any]:
    """The numbers of seeds, pairs and tasks, as JSON shows them."""
    table = results(
        read_results(args.pilot, args.reader),
        columns=given_pairs(args.map or (), "--map"),
        metric=args.metric,
        better=args.better,
        where=given_pairs(args.where or (), "--where") or None,
    )
    pilot = pilot_spread(table, methods=split(args.methods) if args.methods else None)
    plan = Plan(args, (power, level))
    spreads = [pilot.task_spread(runs) for runs in whole_numbers(args.runs or RUNS)]
    known = [s for s in spreads if s is not None and s.sd > 0]
    base = pilot.sd or (known[0].sd if known else 0.0)
    if not base:
        raise NothingToRunError(f"The runs in {args.pilot} are all alike: a spread of 0 is no spread to plan with.")
    plan.effects_from(base)
    rows = [row for row in (_one_task(pilot, plan), _many_tasks(pilot, plan, known)) if row]
    return plan.head() | {
        "pilot": str(args.pilot),
        "metric": pilot.metric,
        "methods": list(pilot.methods),
        "num_runs": pilot.n,
        "num_failed": pilot.num_failed,
        "num_tasks": pilot.num_tasks,
        "rows": rows,
        "warnings": [{"code": note.code, "text": note.text} for note in pilot.warnings],
    }


def _one_task(pilot: PilotSpread, plan: Plan) -> dict[str, Any]:
    """Seeds of each method and, where the pilot has shared seeds, pairs; empty without a spread between runs."""
    if not pilot.sd:
        return {}
    row: dict[str, Any] = {
        "label": "these tasks",
        "sd": pilot.sd,
        "sd_limit": cv_limit(pilot.sd, pilot.df + 1),
        "df": pilot.df,
        "sd_diff": pilot.sd_pair,
        "df_diff": pilot.df_pair,
        "correlation": pilot.correlation,
    }
    for suffix, spread in (("", pilot.sd), ("_cautious", row["sd_limit"])):
        row[f"seeds{suffix}"] = plan.numbers(seeds_for_effect, spread)
        row[f"seeds_equivalent{suffix}"] = plan.equivalent(seeds_for_equivalence, spread)
    if pilot.sd_pair:
        row["sd_diff_limit"] = cv_limit(pilot.sd_pair, pilot.df_pair + 1)
        for suffix, spread in (("", pilot.sd_pair), ("_cautious", row["sd_diff_limit"])):
            row[f"pairs{suffix}"] = plan.numbers(pairs_for_effect, spread)
            row[f"pairs_equivalent{suffix}"] = plan.equivalent(pairs_for_equivalence, spread)
    return row


def _many_tasks(pilot: PilotSpread, plan: Plan, known: list[Any]) -> dict[str, Any]:
    """Tasks for each number of runs on one; empty where the pilot has not two methods on two tasks."""
    if not known:
        return {}
    cautious = [pilot.task_spread(spread.runs, is_cautious=True) for spread in known]
    row: dict[str, Any] = {
        "label": "tasks like these",
        "sd_interaction": pilot.interaction,
        "sd_noise": pilot.noise,
        "df_tasks": pilot.df_tasks,
        "runs": None if math.isnan(pilot.runs) else pilot.runs,
    }
    for suffix, spreads in (("", known), ("_cautious", [s for s in cautious if s is not None])):
        row[f"tasks{suffix}"] = tasks_by_runs(plan, spreads)
        row[f"tasks_equivalent{suffix}"] = {str(s.runs): plan.equivalent(pairs_for_equivalence, s.sd) for s in spreads}
    return row
