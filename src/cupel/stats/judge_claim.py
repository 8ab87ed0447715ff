"""The verdict on each statement of a claim, from the evidence that its kind asks for (`cupel explain judge`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from cupel.spec.claim import Claim
from cupel.spec.statement import PAIRED, WITH_ARMS, Statement
from cupel.spec.trial import TrialEnded
from cupel.stats.judge import Judgement, judge_instances, judge_pairs, judge_published

MOST_BLOCKS = {"tiny": 6, "small": 15, "full": 30}
"""Blocks of two launches at most of a speed statement, by size."""


class Tuning(Protocol):
    """What tuning chose for an arm."""

    @property
    def edge(self) -> tuple[str, ...]:
        """Hyperparameters whose best value is the last of their grid."""


class Evidence(Protocol):
    """What a claim's trials gave."""

    untestable: dict[str, str]

    @property
    def tuned(self) -> Mapping[tuple[str, int | None], Tuning]:
        """What tuning chose, by arm and trial."""

    @property
    def recomputed(self) -> TrialEnded | None:
        """The recomputation of recorded data."""

    def pairs(self, statement: Statement) -> tuple[Sequence[float], Sequence[float]]:
        """The metric of a statement's two arms, pair by pair."""

    def instances(self, metric: str) -> Sequence[float]:
        """A metric of the instances so far."""


def judge_claim(card: Claim, evidence: Evidence, *, size: str, most_pairs: int | None = None) -> dict[str, Judgement]:
    """The verdict on each statement.

    Args:
        card: the claim.
        evidence: what its trials gave so far.
        size: the size they were run at.
        most_pairs: pairs that were fixed beforehand; None where pairs are added until a verdict.

    Returns:
        A judgement by the statement's name, in the card's order.
    """
    return {said.name: _judge(card, said, evidence, (size, most_pairs)) for said in card.said}


def limit_of(card: Claim, statement: Statement, size: str, most_pairs: int | None) -> int:
    """Pairs, blocks or instances after which a statement is left as it is."""
    if statement.kind == "exact":
        return card.num_instances(size)
    if statement.kind == "published":
        return 1
    return most_pairs or (MOST_BLOCKS[size] if statement.kind == "speed" else card.pairs(size))


def _judge(card: Claim, statement: Statement, evidence: Evidence, asked: tuple[str, int | None]) -> Judgement:
    parts = statement.arms if statement.kind in WITH_ARMS else (_part(statement),)
    blocked = [evidence.untestable[part] for part in parts if part in evidence.untestable]
    if blocked:
        return Judgement("not testable", f"not testable on this device: {blocked[0]}", is_open=False, num_more=0)
    limit = limit_of(card, statement, *asked)
    if statement.kind == "exact":
        found = judge_instances(statement, evidence.instances(statement.metric), planned=limit)
        return replace(found, is_open=found.verdict == "undecided")
    if statement.kind == "published":
        return _published(statement, evidence.recomputed)
    first, second = evidence.pairs(statement)
    found = judge_pairs(statement, (first, second), is_sequential=asked[1] is None)
    if asked[1] is not None:
        found = replace(found, is_open=len(first) < limit)
    elif found.is_open:
        found = replace(found, is_open=found.verdict == "undecided" and len(first) < limit)
    return _refuse_edges(found, statement, evidence) if statement.kind in PAIRED else found


def _part(statement: Statement) -> str:
    return "instance" if statement.kind == "exact" else "recompute"


def _published(statement: Statement, ended: TrialEnded | None) -> Judgement:
    if ended is None:
        return Judgement("undecided", "not recomputed yet.", num_more=1)
    if ended.outcome is None:
        return Judgement("undecided", f"it could not be recomputed: {ended.message}.", is_open=False)
    outcome = ended.outcome
    found = judge_published(statement, outcome.metric(statement.metric), outcome.interval, outcome.n or 1)
    return replace(found, is_open=False)


def _refuse_edges(found: Judgement, statement: Statement, evidence: Evidence) -> Judgement:
    """Withhold a verdict where the best of a grid is still its last value, though it was widened."""
    edges = {
        f"{arm}: {', '.join(tuning.edge)}" for (arm, _), tuning in evidence.tuned.items()
        if tuning.edge and arm in statement.arms
    }  # fmt: skip
    if not edges or found.verdict in ("undecided", "not testable"):
        return found
    reason = (
        f"Not {found.verdict}: the best of a grid is still its last value ({'; '.join(sorted(edges))}) after widening, "
        f"so that an arm may not be at its best; widen its grid in space(). Otherwise: {found.reason}"
    )
    return replace(found, verdict="undecided", reason=reason, p=math.nan, num_more=None, is_open=False)
