"""The order of launches: rounds of one launch per cell, each round shuffled anew from the run's seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from cupel.run.plan import Plan
from cupel.spec.job import Job
from cupel.spec.seeds import Seeds

Item = TypeVar("Item")


def shuffled(items: Sequence[Item], seed: int, index: int) -> list[Item]:
    """What one round launches, in the order of launching."""
    order = list(items)
    random.Random(Seeds(seed).seed("order", index)).shuffle(order)
    return order


def launch_order(plan: Plan, launches: int) -> list[Job]:
    """Every launch of a plan with a fixed number of rounds, in order."""
    seed = plan.request.seed
    return [cell.launch(index, seed) for index in range(launches) for cell in shuffled(plan.cells, seed, index)]
