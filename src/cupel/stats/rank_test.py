"""Whether methods differ over tasks, and which: mean ranks, Friedman's test, and the pairs that are separated.

Rule
    On each task the methods are ranked by their mean over runs, 1 for the
    best; equal means share a rank. Friedman's test asks whether the mean
    ranks differ more than chance allows; its p-value is exact for few
    tasks and by a beta law with the exact moments otherwise
    (chi-square and Iman and Davenport's F stand beside it). Kendall's W
    says how well the tasks agree, 0 to 1.
    Pairs, each with the error rate of the whole family:
      nemenyi  mean ranks that differ by less than one critical difference
               are not separated. What it says of two methods depends on
               which others are in the table.
      holm     Wilcoxon's signed ranks of each pair alone, exact, with
               Holm's correction. It asks for differences that can be
               compared between tasks (the same unit and scale).
      conover  t on rank sums with Holm's correction; a pair's p-value is
               never below that of Friedman's test.
    Groups are the largest stretches of the ranking in which no pair is
    separated (the bars of a critical-difference diagram).
    Two methods: Friedman's test would be the sign test; the signed ranks
    are given instead.

What was measured (chance that any pair that is equal is separated, 5 %)
      all methods equal                nemenyi 3-5 %, holm 0-5 %, conover 3-5 %
      two equal, 2 or 8 far better     nemenyi 0 %, holm 4-5 %, conover 25-49 %
      equal means, unequal skew        nemenyi 29 %, holm 11 %, conover 27 %
    So Conover's test keeps its level only while all methods are equal, and
    Nemenyi's loses its power where the others are spread out. Ranks speak
    of which method is more often better, not of means.

What is left out
    A task on which a method has no row is left out and named. A method of
    which every run on a task failed is the worst there
    (`failures="worst"`), or the task is left out (`failures="leave out"`).

Source: Friedman (1937), JASA 32, 675-701; Demsar (2006), JMLR 7, 1-30;
Benavoli, Corani & Mangili (2016), JMLR 17(5), 1-10 (what mean ranks
cannot say of pairs); Conover (1999), Practical Nonparametric Statistics.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, fraction
from cupel.stats.frame import Frame, frame_of
from cupel.stats.friedman import Friedman, friedman
from cupel.stats.note import Note
from cupel.stats.post_hoc import conover, groups, nemenyi, nemenyi_distance, pairs_without_group, signed_rank_pairs
from cupel.stats.signed_ranks import least_p, signed_ranks
from cupel.stats.task_table import Failures, TaskTable, ranks, task_table

PostHoc = Literal["nemenyi", "holm", "conover"]
FEW_TASKS = 5
NOTHING = Friedman(*(math.nan,) * 6, "too few tasks")


@dataclass(frozen=True)
class RankTest:
    """Methods ranked over tasks.

    Attributes:
        methods: names, best mean rank first; everything below is in this order.
        tasks: names of the tasks that count.
        ranks: (tasks, methods) ranks within each task.
        mean_ranks: (methods,) their means; NaN without tasks.
        p: p-value of "no method is better than another"; of the signed ranks for two methods; None where no test is
            possible.
        method: how `p` was computed.
        friedman: chi-square, F, their p-values and Kendall's W.
        posthoc: which test of pairs.
        p_pairs: (methods, methods) p-values of pairs, adjusted for the family; 1 on the diagonal; NaN where no test is
            possible.
        critical_difference: of mean ranks, for `nemenyi`; None otherwise.
        groups: names of methods that are not separated, best first.
        level: 1 - level is the error rate of the family.
        left_out: tasks that do not count.
        n: number of tasks that count.
        scope: for what it holds.
        warnings: what a reader must know.
    """

    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    ranks: Floats
    mean_ranks: Floats
    p: float | None
    method: str
    friedman: Friedman
    posthoc: PostHoc
    p_pairs: Floats
    critical_difference: float | None
    groups: tuple[tuple[str, ...], ...]
    level: float
    left_out: tuple[str, ...]
    n: int
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row per pair of methods: mean ranks, adjusted p, whether they are separated."""
        i, j = np.triu_indices(len(self.methods), 1)
        p = self.p_pairs[i, j]
        return frame_of({
            "better": [self.methods[a] for a in i], "worse": [self.methods[b] for b in j],
            "rank_better": self.mean_ranks[i].tolist(), "rank_worse": self.mean_ranks[j].tolist(),
            "p": p.tolist(), "is_separated": (p <= 1 - self.level).tolist(),
        })  # fmt: skip

    def text(self) -> str:
        """The statement in a few lines."""
        order = ", ".join(f"{name} {rank:.2f}" for name, rank in zip(self.methods, self.mean_ranks, strict=True))
        lines = [f"Mean ranks over {self.n} tasks (1 is best): {order}."]
        if self.p is None:
            return "\n".join([*lines, *(note.text for note in self.warnings)])
        if len(self.methods) == 2:
            lines.append(f"{self.methods[0]} and {self.methods[1]}: p = {self.p:.2g} (signed ranks, {self.method}).")
        else:
            agree = f"Kendall's W = {self.friedman.w:.2f}"
            lines.append(f"That all are equal: p = {self.p:.2g} (Friedman, {self.method}); {agree}.")
        bars = "; ".join(" = ".join(group) for group in self.groups) or "no neighbours in the ranking"
        lines.append(f"Not separated at {self.level:.0%} ({self.posthoc}): {bars}.")
        return "\n".join([*lines, *(note.text for note in self.warnings)])


def rank_test(
    frame: Frame,
    *,
    better: str | None = None,
    posthoc: PostHoc = "nemenyi",
    failures: Failures = "worst",
    level: float = 0.95,
) -> RankTest:
    """Rank methods over tasks and test whether they differ.

    Args:
        frame: results; a method's runs on a task are averaged first.
        better: `higher` or `lower`; what the table declares where None.
        posthoc: `nemenyi`, `holm` (signed ranks) or `conover`.
        failures: `worst` or `leave out`: what a method is on a task where every run of it failed.
        level: 1 - level is the chance of separating any pair that is equal.

    Returns:
        Ranks, tests and groups; without a test (p None) where fewer than 2 tasks have every method, or all are equal.

    Raises:
        UsageError: no direction, fewer than 2 methods, or an unknown option.

    Cost: k methods, N tasks: k^2 signed-rank tests for `holm`; up to a second for the exact law.

    Source: Demsar (2006).

    Example:
        >>> table = {"task": [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6], "method": ["a", "b"] * 6,
        ...          "value": [9, 8, 7, 6, 5, 3, 6, 3, 8, 4, 9, 1]}
        >>> rank_test(table, better="higher").p
        0.03125
    """
    fraction("level", level)
    if posthoc not in ("nemenyi", "holm", "conover"):
        raise UsageError(f"posthoc = {posthoc!r}; expected 'nemenyi', 'holm' or 'conover'.")
    table = task_table(frame, better=better, failures=failures)
    if len(table.methods) < 2:
        raise UsageError(f"Only one method in the table: {table.methods[0]}. Expected at least two to rank.")
    placed = ranks(table.values)
    means = placed.mean(axis=0) if len(table.tasks) else np.full(len(table.methods), math.nan)
    order = np.argsort(means, kind="stable")
    omnibus = friedman(placed) if len(table.tasks) > 1 else NOTHING
    p_pairs = _pairs(table.values, placed, posthoc, omnibus.p)[np.ix_(order, order)]
    p, method = omnibus.p, omnibus.method
    if len(table.methods) == 2:
        p, method = float(p_pairs[0, 1]), signed_ranks(table.values[:, 0], table.values[:, 1]).method
    is_tested = bool(np.isfinite(p_pairs[0, 1]))
    k, n = len(table.methods), len(table.tasks)
    names = tuple(table.methods[i] for i in order)
    lone = sorted(pairs_without_group(names, p_pairs, level)) if is_tested else []
    has_cd = posthoc == "nemenyi" and k > 2 and is_tested
    return RankTest(
        methods=names, tasks=table.tasks, ranks=placed[:, order], mean_ranks=means[order],
        p=p if math.isfinite(p) else None, method=method, friedman=omnibus,
        posthoc=posthoc if k > 2 else "holm", p_pairs=p_pairs,
        critical_difference=nemenyi_distance(k, n, level) if has_cd else None,
        groups=groups(names, p_pairs, level) if is_tested else (), level=level, left_out=table.left_out, n=n,
        scope="tasks like these", warnings=(*table.warnings, *_notes(table, p_pairs, lone, posthoc, level)),
    )  # fmt: skip


def _pairs(values: Floats, placed: Floats, posthoc: PostHoc, p_omnibus: float) -> Floats:
    """(methods, methods) adjusted p-values of pairs."""
    num_tasks, k = values.shape
    if num_tasks < 2 or math.isnan(p_omnibus):
        return np.full((k, k), math.nan)
    if k == 2 or posthoc == "holm":
        return signed_rank_pairs(values)
    if posthoc == "nemenyi":
        return nemenyi(placed.mean(axis=0), num_tasks)
    protected = np.maximum(conover(placed), p_omnibus)
    np.fill_diagonal(protected, 1.0)
    return protected


def _notes(table: TaskTable, p_pairs: Floats, lone: list[str], asked: PostHoc, level: float) -> Iterator[Note]:
    k, n = len(table.methods), len(table.tasks)
    if n < 2:
        yield Note("few tasks", f"{n} tasks have a result of every method: no test is possible below 2.")
        return
    if math.isnan(p_pairs[0, 1]):
        yield Note("ties", f"All methods are equal on each of the {n} tasks: there is nothing to test.")
        return
    yield from _few_tasks(k, n, asked, level)
    if k == 2:
        text = "Friedman's test of two methods is the sign test, which looks at no sizes; the signed ranks are given."
        yield Note("published variant", text)
    elif asked == "conover":
        text = (
            "Conover's test keeps its level only while all methods are equal: where some differ, 25 to 49 % false "
            "separations were measured among those that do not. holm and nemenyi do not have this fault."
        )
        yield Note("approximate", text)
    if lone:
        text = f"Not separated either, though methods between them are: {'; '.join(lone)}."
        yield Note("approximate", text)
    if asked == "holm" and table.num_failed:
        yield Note("failures", "In the signed ranks a failure against a result is the largest difference there is.")


def _few_tasks(k: int, n: int, asked: PostHoc, level: float) -> Iterator[Note]:
    num_pairs = k * (k - 1) // 2
    least = least_p(n) * num_pairs
    if (k == 2 or asked == "holm") and least > 1 - level:
        family = f" ({num_pairs} pairs: {min(least, 1.0):.2g} with Holm's correction)" if num_pairs > 1 else ""
        text = (
            f"With {n} tasks signed ranks cannot go below p = {least_p(n):.2g}{family}: at {1 - level:.2g} no pair "
            "can be separated, whatever the results."
        )
        yield Note("few tasks", text)
    elif n < FEW_TASKS:
        text = (
            f"{n} tasks say little of tasks like these; with fewer than {FEW_TASKS}, count the tasks on which the "
            "difference is established: `replicability`."
        )
        yield Note("few tasks", text)
