"""The order of launches: rounds of one launch per cell, each round shuffled anew from the run's seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from cupel.run.plan import Cell, Plan
from cupel.spec.job import Job
from cupel.spec.seeds import Seeds


def shuffled(cells: Sequence[Cell], seed: int, index: int) -> list[Cell]:
    """The cells of one round in the order in which they are launched."""
    order = list(cells)
    random.Random(Seeds(seed).seed("order", index)).shuffle(order)
    return order


def launch_order(plan: Plan, launches: int) -> list[Job]:
    """Every launch of a plan with a fixed number of rounds, in order."""
    seed = plan.request.seed
    return [cell.launch(index, seed) for index in range(launches) for cell in shuffled(plan.cells, seed, index)]
