"""The document of an analysis: what a table of results supports, as plain data that every renderer reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cupel import __version__
from cupel.report.words import p_text, plain
from cupel.spec.results_table import ResultsTable
from cupel.stats.analysis.analyze import Analysis
from cupel.stats.analysis.design import Design, budgets_of, counted, describe, design_notes
from cupel.stats.analysis.pairs import PairStatement
from cupel.stats.checked import exponential
from cupel.stats.critical_difference import unseparated_groups
from cupel.stats.interval import Interval
from cupel.stats.one_budget import at_one_budget
from cupel.stats.rank_test import RankTest
from cupel.stats.rows import Results

SCHEMA = 1
MOST_RUNS_DRAWN = 20_000


def build_analysis(
    analysis: Analysis, source: ResultsTable | None = None, checks: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The document.

    Args:
        analysis: the answer.
        source: the file that the table was read from.
        checks: further questions with their answers: `name`, `text`, `rows`.
    """
    asked = analysis.question
    return {
        "schema": SCHEMA,
        "kind": "analysis",
        "headline": analysis.headline,
        "cupel": __version__,
        "source": source.source if source else "",
        "reader": source.reader if source else "",
        "metric": analysis.design.metric,
        "unit": analysis.design.unit,
        "better": analysis.design.better,
        "scope": analysis.scope,
        "level": asked.level,
        "scale": asked.scale,
        "bar": asked.bar,
        "rope": asked.rope,
        "baseline": asked.against,
        "seed": asked.seed,
        "design": _design(analysis.design),
        "methods": _methods(analysis),
        "pairs": [_pair(pair, asked.level) for pair in analysis.pairs],
        "adjust": analysis.contrasts.adjust,
        "how": analysis.contrasts.method,
        "multiplicity": _multiplicity(analysis),
        "groups": _groups(analysis),
        "ranks": _ranks(analysis),
        "profile": _profile(analysis),
        "variance": _variance(analysis),
        "windows": _windows(analysis),
        "runs": _runs(analysis),
        "checks": list(checks),
        "warnings": [{"code": note.code, "text": note.text} for note in analysis.warnings],
    }


def build_design(table: Results) -> dict[str, Any]:
    """The design of a table without an answer: what there is before anything is asked.

    Args:
        table: the rows.
    """
    rows = at_one_budget(table)
    design = describe(rows, budgets_of(table), table.better or "not declared which")
    told = [note for note in rows.warnings if note.code != "failures"]
    return {
        "schema": SCHEMA,
        "kind": "design",
        "metric": table.metric,
        "unit": table.unit,
        "better": design.better,
        "design": _design(design),
        "warnings": [{"code": note.code, "text": note.text} for note in (*design_notes(rows, design), *told)],
    }


def exit_code(document: Mapping[str, Any]) -> int:
    """3 where a method is contradicted against the baseline, else 0."""
    return 3 if document["baseline"] and any(p["verdict"] == "contradicted" for p in document["pairs"]) else 0


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _design(design: Design) -> dict[str, Any]:
    return {
        "text": design.text(),
        "num_rows": design.num_rows,
        "methods": list(design.methods),
        "tasks": list(design.tasks),
        "counts": [list(row) for row in design.counts],
        "failed": dict(design.failed),
        "missing": [list(cell) for cell in design.missing],
        "num_seeds": design.num_seeds,
        "is_paired": design.is_paired,
        "shares_splits": design.shares_splits,
        "hpo_runs": design.hpo_runs,
        "splits": design.splits,
        "budgets": list(design.budgets),
        "budget": design.budget,
        "roles": dict(design.roles),
    }


def _methods(analysis: Analysis) -> list[dict[str, Any]]:
    """One row per method, best mean first."""
    is_log = analysis.question.scale == "log"
    ranks = analysis.ranks
    mean_ranks = dict(zip(ranks.methods, ranks.mean_ranks.tolist(), strict=True)) if ranks else {}
    totals = dict(zip(analysis.design.methods, map(sum, analysis.design.counts), strict=True))
    rest = [name for name in analysis.design.methods if name not in analysis.order]
    rows = []
    for name in (*analysis.order, *rest):
        mean, interval = analysis.contrasts.means.get(name, (math.nan, None))
        ends = _ends(interval)
        row = next((r for r in analysis.aggregates.rows if r.name == name), None)
        rows.append({
            "name": name,
            "mean": _known(exponential(mean) if is_log else mean),
            "mean_interval": [exponential(x) for x in ends] if ends and is_log else ends,
            "iqm": _known(row.estimate) if row else None,
            "iqm_interval": _ends(row.interval) if row else None,
            "mean_rank": _known(mean_ranks[name]) if name in mean_ranks else None,
            "num_runs": totals[name],
            "num_failed": analysis.design.failed[name],
        })  # fmt: skip
    return rows


def _pair(pair: PairStatement, level: float) -> dict[str, Any]:
    return {
        "label": f"{pair.a} > {pair.b}",
        "a": pair.a,
        "b": pair.b,
        "estimate": _known(pair.estimate),
        "interval": _ends(pair.interval),
        "level": level,
        "p": _known(pair.p),
        "p_alone": _known(pair.p_alone),
        "df": _known(pair.df),
        "effect_size": _known(pair.effect_size),
        "effect_interval": _ends(pair.effect_interval),
        "prob": _known(pair.prob),
        "prob_interval": _ends(pair.prob_interval),
        "prob_p": pair.prob_p,
        "verdict": pair.verdict,
        "sentence": pair.sentence,
        "settle": {"runs": pair.settle.runs, "tasks": pair.settle.tasks, "text": pair.settle.text},
        "text": pair.text(),
    }


def _multiplicity(analysis: Analysis) -> str:
    """What was done about looking at many pairs."""
    number, how = len(analysis.pairs), analysis.contrasts.adjust
    if number < 2:
        return "one pair: nothing to correct for"
    return f"p-values and intervals hold for the {number} pairs together ({how}); p alone is of a pair by itself"


def _groups(analysis: Analysis) -> list[list[str]]:
    """Neighbours in the order of means that are not separated; none where only pairs with a baseline were asked for."""
    if analysis.question.against is not None:
        return []
    size = 1 - analysis.question.level
    joined = {frozenset((pair.a, pair.b)) for pair in analysis.pairs if not pair.p <= size}
    return [list(group) for group in unseparated_groups(analysis.order, joined)]


def _ranks(analysis: Analysis) -> dict[str, Any] | None:
    ranks = analysis.ranks
    if ranks is None or not ranks.n:
        return None
    return {
        "positions": {n: _known(r) for n, r in zip(ranks.methods, ranks.mean_ranks.tolist(), strict=True)},
        "groups": [list(group) for group in ranks.groups],
        "p": ranks.p,
        "method": ranks.method,
        "posthoc": ranks.posthoc,
        "critical_difference": ranks.critical_difference,
        "level": ranks.level,
        "num_tasks": ranks.n,
        "left_out": list(ranks.left_out),
        "text": _ranks_text(ranks),
    }


def _ranks_text(ranks: RankTest) -> str:
    """Order, test of equality, and what is not separated, a line each."""
    order = ", ".join(f"{plain(name)} {rank:.2f}" for name, rank in zip(ranks.methods, ranks.mean_ranks, strict=True))
    lines = [f"{order} (1 is best, {counted(ranks.n, 'task')})"]
    if ranks.p is not None:
        test = "signed ranks" if len(ranks.methods) == 2 else "Friedman"
        lines.append(f"that all are equal: p {p_text(ranks.p)} ({test}, {ranks.method})")
    groups = "; ".join(" = ".join(map(plain, group)) for group in ranks.groups)
    lines.append(f"not separated ({ranks.posthoc}): {groups}" if groups else f"all are separated ({ranks.posthoc})")
    return "\n".join(lines)


def _profile(analysis: Analysis) -> dict[str, Any]:
    profile = analysis.profile
    return {
        "tau": np.asarray(profile.tau).tolist(),
        "methods": [
            {
                "name": row.name,
                "share": row.share.tolist(),
                "low": [_known(x) for x in row.low.tolist()],
                "high": [_known(x) for x in row.high.tolist()],
            }
            for row in profile.rows
        ],
    }


def _variance(analysis: Analysis) -> list[dict[str, Any]] | None:
    if analysis.variance is None:
        return None
    names = {"fixed": "method", "Residual": "run"}
    return [
        {"source": names.get(name, name), "variance": value, "sd": math.sqrt(value), "share": share}
        for (name, value), share in zip(
            analysis.variance.variances.items(), analysis.variance.shares.values(), strict=True
        )
    ]


def _windows(analysis: Analysis) -> dict[str, Any] | None:
    windows = analysis.windows
    if windows is None:
        return None
    return {
        "pair": list(windows.pair),
        "rows": [
            {
                "start": row.start,
                "stop": row.stop,
                "estimate": _known(row.estimate),
                "interval": _ends(row.interval),
                "p": _known(row.p),
                "ahead": row.ahead,
            }
            for row in windows.rows
        ],
        "crossings": list(windows.crossings),
        "text": windows.text(),
    }


def _runs(analysis: Analysis) -> list[dict[str, Any]] | None:
    """Every run by task and method, for a figure; None for a large table."""
    table = analysis.table
    if table.n > MOST_RUNS_DRAWN:
        return None
    rows = []
    for task, name in enumerate(table.tasks):
        for method in analysis.order:
            own = (table.task.codes == task) & (table.method.codes == table.method_index(method))
            values = table.value[own]
            known = values[np.isfinite(values)]
            mean = float(known.mean()) if known.size else None
            rows.append({
                "task": name, "method": method, "values": [_known(v) for v in values.tolist()], "mean": mean,
                "interval": None,
            })  # fmt: skip
    return rows
