"""Plans for methods from spreads that are given: seeds on one task, tasks, and pairs until one wins more often."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cupel.cli._power_launches import number_of
from cupel.spec.errors import UsageError
from cupel.spec.units import format_percent, parse_fraction
from cupel.stats.pairs_for_effect import pairs_for_effect
from cupel.stats.pairs_for_equivalence import pairs_for_equivalence
from cupel.stats.sample_size import sample_size
from cupel.stats.seeds_for_effect import seeds_for_effect
from cupel.stats.seeds_for_equivalence import seeds_for_equivalence
from cupel.stats.sequential_expected_n import sequential_expected_n
from cupel.stats.tasks_for_effect import TaskSpread, tasks_for_effect

Numbers = dict[str, int | None]
MULTIPLES = (0.5, 1.0, 1.5, 2.0)
"""Differences to find, in spreads, where none are named."""
RUNS = "1,3,10"
MOST_PAIRS = 20_000


def methods_document(design: str, args: argparse.Namespace, power: float, level: float) -> dict[str, Any]:
    """The numbers of seeds, tasks or pairs, as JSON shows them."""
    if design == "win-rate":
        return _win_rates(args, power, level)
    return _tasks(args, power, level) if design == "tasks" else _seeds(args, power, level)


class Plan:
    """What is asked of every number of a plan: power, level, the differences, the rope.

    Attributes:
        effects: differences, in the unit of the metric, or relative.
        rope: half width of the region of practical equivalence, same unit; None where the plan is for a difference.
        is_relative: whether differences and rope are relative, so that they are taken as log ratios.
    """

    def __init__(self, args: argparse.Namespace, goal: tuple[float, float], *, is_relative: bool = False) -> None:
        self.power, self.level = goal
        self.is_relative = is_relative
        read = parse_fraction if is_relative else amount
        self.effects = [read(part) for part in split(args.effect)] if args.effect is not None else []
        self.rope = read(args.rope) if args.rope is not None else None

    def label(self, effect: float) -> str:
        """How a difference is written in tables, and as a key in JSON."""
        return format_percent(effect) if self.is_relative else f"{effect:g}"

    def head(self) -> dict[str, Any]:
        """What is asked, as JSON shows it."""
        labels = [self.label(e) for e in self.effects]
        return {"effects": self.effects, "labels": labels, "rope": self.rope, "not_beyond_rope": self.never()}

    def on_scale(self, amount: float) -> float:
        """A difference as the statistics take it."""
        return math.log1p(amount) if self.is_relative else amount

    def numbers(self, needed: Callable[..., int], spread: float | TaskSpread) -> Numbers:
        """The number for each difference; None for one that is not beyond the rope, or where it is over a million."""
        beyond = self.on_scale(self.rope or 0.0)
        return {
            self.label(e): number_of(
                needed, self.on_scale(e), spread, beyond=beyond, power=self.power, level=self.level
            )
            for e in self.effects
        }

    def never(self) -> list[str]:
        """Labels of the differences that are not beyond the rope, which no number of runs shows to be."""
        return [self.label(e) for e in self.effects if self.rope is not None and e <= self.rope]

    def equivalent(self, needed: Callable[..., int], spread: float) -> int | None:
        """The number that shows equivalence; None without a rope, or where it is over a million."""
        if self.rope is None:
            return None
        return number_of(needed, self.on_scale(self.rope), spread, power=self.power, level=self.level)

    def effects_from(self, spread: float) -> None:
        """The rope and multiples of a spread, where no differences were named."""
        if not self.effects:
            self.effects = [float(f"{(self.rope or 0.0) + spread * multiple:.2g}") for multiple in MULTIPLES]


def split(text: str) -> list[str]:
    """The parts of a list on the command line.

    Raises:
        UsageError: when there is none.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise UsageError(f"{text!r} names nothing; expected a list such as 0.5,1,2.")
    return parts


def amount(text: str) -> float:
    """A number above 0, also as a percentage.

    Raises:
        UsageError: when it is none.
    """
    body = text.strip()
    try:
        value = float(body[:-1]) / 100 if body.endswith("%") else float(body)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UsageError(f"{text!r} is no number above 0; expected one such as 0.5 or 2%.")
    return value


def whole_numbers(text: str) -> list[int]:
    """Whole numbers above 0 in a list.

    Raises:
        UsageError: when one of them is none.
    """
    parts = split(text)
    bad = [part for part in parts if not part.isdigit() or int(part) == 0]
    if bad:
        raise UsageError(f"{bad[0]!r} is no number of runs; expected whole numbers above 0, such as 1,3,10.")
    return [int(part) for part in parts]


def _seeds(args: argparse.Namespace, power: float, level: float) -> dict[str, Any]:
    """A row per spread: seeds of each method, and pairs where their correlation or their spread is known."""
    option = next((o for o in ("sd", "sd_diff", "cv") if getattr(args, o) is not None), None)
    if option is None:
        raise UsageError("A plan for seeds needs a spread: --sd 1.2, --sd-diff 0.8, --cv 2% or --pilot results.csv.")
    plan = Plan(args, (power, level), is_relative=option == "cv")
    read = parse_fraction if option == "cv" else amount
    spreads = [read(part) for part in split(getattr(args, option))]
    if option == "cv" and not plan.effects:
        plan.effects = [0.01, 0.02, 0.05, 0.1]
    plan.effects_from(spreads[0])
    correlation = _correlation(args, option)
    rows = [_seeds_row(plan, option, spread, correlation) for spread in spreads]
    return plan.head() | {"correlation": correlation, "pilot": None, "rows": rows}


def _correlation(args: argparse.Namespace, option: str) -> float | None:
    if args.correlation is None:
        return None
    if option == "sd_diff":
        raise UsageError(
            "--sd-diff is the spread of A - B on one seed; it needs no --correlation. Give one of the two."
        )
    try:
        value = float(args.correlation)
    except ValueError:
        value = math.nan
    if not -1 <= value < 1:
        raise UsageError(f"{args.correlation!r} is no correlation; expected a number from -1 to below 1, such as 0.5.")
    return value


def _seeds_row(plan: Plan, option: str, spread: float, correlation: float | None) -> dict[str, Any]:
    name = {"sd": "sd", "sd_diff": "sd of A - B", "cv": "cv"}[option]
    row: dict[str, Any] = {"label": f"{name} {plan.label(spread)}", option: spread}
    if option != "sd_diff":
        row["seeds"] = plan.numbers(seeds_for_effect, spread)
        row["seeds_equivalent"] = plan.equivalent(seeds_for_equivalence, spread)
    paired = spread if option == "sd_diff" else None if correlation is None else spread * math.sqrt(2 - 2 * correlation)
    if paired is not None:
        row["pairs"] = plan.numbers(pairs_for_effect, paired)
        row["pairs_equivalent"] = plan.equivalent(pairs_for_equivalence, paired)
    return row


def _tasks(args: argparse.Namespace, power: float, level: float) -> dict[str, Any]:
    """One row: tasks for each number of runs on a task."""
    if args.sd_interaction is None or args.sd_noise is None:
        raise UsageError(
            "A plan for tasks needs --sd-interaction (how a method's advantage differs between tasks) and --sd-noise "
            "(how runs differ on a task); or --pilot results.csv, which has both."
        )
    plan = Plan(args, (power, level))
    interaction, noise = amount(args.sd_interaction), amount(args.sd_noise)
    spreads = [TaskSpread(interaction, noise, runs) for runs in whole_numbers(args.runs or RUNS)]
    plan.effects_from(spreads[-1].sd)
    row = {
        "label": f"interaction {interaction:g}, noise {noise:g}",
        "sd_interaction": interaction,
        "sd_noise": noise,
        "tasks": tasks_by_runs(plan, spreads),
        "tasks_equivalent": {str(s.runs): plan.equivalent(pairs_for_equivalence, s.sd) for s in spreads},
    }
    return plan.head() | {"pilot": None, "rows": [row]}


def tasks_by_runs(plan: Plan, spreads: Sequence[TaskSpread]) -> dict[str, Numbers]:
    """Tasks for each difference, for each number of runs on a task."""
    return {str(spread.runs): plan.numbers(tasks_for_effect, spread) for spread in spreads}


def _win_rates(args: argparse.Namespace, power: float, level: float) -> dict[str, Any]:
    """A row per share of wins: one look by the sign test and the rank test, and a look after every pair."""
    shares = [_share(part) for part in split(args.win_rate)]
    half = parse_fraction(args.rope) if args.rope is not None else None
    if half is not None and not half < 0.5:
        raise UsageError(f"--rope {args.rope}: a region around one half is narrower than 0.5; expected such as 5%.")
    region = None if half is None else (0.5 - half, 0.5 + half)
    rows = [_win_row(share, region, power, level) for share in shares]
    if region is not None:
        rows.append(_win_row(0.5, region, power, level))
    return {"effects": shares, "labels": [format_percent(s) for s in shares], "rope": half, "pilot": None, "rows": rows}


def _share(text: str) -> float:
    value = 1.0 if text in ("1", "100%", "1.0") else parse_fraction(text)
    if value <= 0.5:
        raise UsageError(f"--win-rate {text}: expected shares above one half, such as 60%,75%; turn A and B around.")
    return value


def _win_row(share: float, region: tuple[float, float] | None, power: float, level: float) -> dict[str, Any]:
    plan = sequential_expected_n(share, level=level, region=region, most=MOST_PAIRS)
    row: dict[str, Any] = {"label": format_percent(share), "win_rate": share}
    if share > 0.5:
        alpha, beta = (1 - level) / 2, 1 - power
        row["sign_test"] = sample_size(share, alpha=alpha, beta=beta, design="sign").n
        row["rank_test"] = sample_size(share, alpha=alpha, beta=beta, design="noether").n
    right = plan.a_by if share > 0.5 else plan.decided_by
    return row | {
        "sequential_mean": plan.expected_n,
        "sequential_by": int(np.argmax(right >= power)) + 1 if right[-1] >= power else None,
        "sequential_undecided": plan.p_undecided,
    }
