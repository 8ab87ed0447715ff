"""Checkmate's schedules train within a budget of memory at less cost than checkpointing by segments.

What is claimed. Which activations of a training step to keep and which to compute again is an integer program over the
graph, with each operation's own cost and size; its optimum costs less than schedules that cut the forward pass into
segments and keep what crosses the cuts (Chen et al. 2016, about sqrt(n) of them), and fits larger batches.

Terms. `extra`: cost of a step over that of a step that computes everything once, in counted operations and moved bytes
(`cupel.tasks.uneven_networks` names the constants), as the mean over three budgets between the leanest segments and
keeping all; every arm has the same budgets. `batch`: how much larger a batch fits into a memory than if all were kept,
where at most one forward pass more is spent. Instances are random residual networks, whose graphs are no chains.

Read with it. What is simulated times no kernel. Baseline is the best of the whole family of segments at each budget;
`sqrt` is about sqrt(n) of them, which is given the leanest's cost where it does not fit. The program computes forward
operations again and no others, stops at a gap of 0.5 % or a number of nodes, and keeps the best segments where it found
nothing better; "optimal" is meant within the paper's stages. Exact statements run on graphs that a search through all
states of memory can check, whose operations make none, one or two values, and on a network that is trained under its
schedule. `faster` is timed: torch's kernels one by one, planned by counted costs for both arms, within a sixth of the
way from the leanest segments to keeping all. On one core of an EPYC it was 0.99 to 1.12 times as fast, over eight
networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from cupel.methods.rematerialisation import (
    OpGraph,
    Schedule,
    SolverOptions,
    TrainingStep,
    cheapest_schedule,
    checkpoint_within,
    keep_all,
    leanest_schedule,
)
from cupel.methods.rematerialisation.checkpoint_within import find_schedule
from cupel.methods.rematerialisation.exhaustive import exhaustive_cost
from cupel.methods.rematerialisation.live_bytes import LiveBytes
from cupel.methods.rematerialisation.segments import best_segments, leanest_segments, sqrt_schedule
from cupel.spec.claim import Claim
from cupel.spec.outcome import Outcome
from cupel.spec.protocols import Done, Sizes, Slot, Step
from cupel.spec.seeds import Seeds
from cupel.tasks.uneven_networks import Block, UnevenNetwork, random_blocks, random_step, step_graph

CARD = Claim(
    says="Optimal rematerialisation trains within a memory at less cost than checkpointing by segments.",
    source="Jain, Jain, Nrusimha, Gholami, Abbeel, Keutzer, Stoica, Gonzalez: Checkmate: Breaking the Memory Wall with "
    "Optimal Tensor Rematerialization (MLSys 2020, arXiv 1910.02653)",
    statements=(
        {"name": "cheaper", "kind": "simulated",
            "says": "At equal budgets a step costs less than under the best segments, by more than 1 %.",
            "metric": "extra", "better": "lower", "scale": "log", "bar": 0.01},
        {"name": "larger_batch", "kind": "simulated",
            "says": "For one forward pass more, a batch over 10 % larger fits than under the leanest segments.",
            "metric": "batch", "better": "higher", "scale": "log", "bar": 0.1},
        {"name": "cheaper_than_sqrt", "kind": "simulated",
            "says": "At equal budgets a step costs less than with about sqrt(n) segments, by more than 5 %.",
            "metric": "extra", "better": "lower", "scale": "log", "bar": 0.05, "arms": ("method", "sqrt")},
        {"name": "faster", "kind": "speed",
            "says": "Within the same bytes a training step takes less time than under the best segments.",
            "metric": "rate", "better": "higher", "unit": "images/s", "scale": "log"},
        {"name": "optimal", "kind": "exact",
            "says": "The program's optimum costs what a search through all states of memory finds.",
            "metric": "excess_cost", "better": "lower", "bar": 1e-06},
        {"name": "same_gradients", "kind": "exact",
            "says": "A network trained under its schedule has autograd's gradients.",
            "metric": "gradient_error", "better": "lower", "bar": 1e-10},
        {"name": "within_budget", "kind": "exact",
            "says": "The tensors that are alive while it runs stay within the budget.",
            "metric": "share_of_budget", "better": "lower", "bar": 1.0},
    ),
    arms={
        "method": "the integer program's schedule, the best segments where it finds none better",
        "baseline": "the best of the family of segments at each budget",
        "sqrt": "about sqrt(n) segments; the leanest segments where they do not fit",
    },
    varies=("instance",),
    published="Up to 4.8 times faster training than earlier heuristics, up to 5 times larger inputs (abstract); VGG19 "
    "on a V100: batches of 167 keeping all, 197 with sqrt(n), 266 greedy, 289 optimal (the authors' repository).",
    kept="The program with its stages and memory rows, HiGHS instead of Gurobi; graphs that are no chains.",
    smaller="small: random networks of 6 blocks on 64 pixels, costs counted and not timed. full: 16 blocks on 224 "
    "pixels; the solver's nodes are more, and the networks are random in place of VGG19, MobileNet and U-Net.",
    tags=("memory", "systems", "simulated"),
    needs=("torch",),
    most_pairs={"tiny": 4, "small": 120, "full": 30},
    instances={"tiny": 3, "small": 60, "full": 100},
    memory_gib={"tiny": 0.5, "small": 1.0, "full": 12.0},
    tiny={"blocks": 4, "pixels": 16, "nodes": 4, "images": 2},
    small={"blocks": 6, "pixels": 64, "nodes": 200, "images": 4},
    full={"blocks": 16, "pixels": 224, "nodes": 20000, "images": 64},
)  # fmt: skip

SHARES = (0.0, 1 / 3, 2 / 3)
"""Budgets, from the leanest segments' memory to that of keeping all."""
GAP, BATCH_GAP, SECONDS = 0.005, 0.05, 3600.0
"""Gaps at which the program stops; its time limit only guards, the number of nodes decides."""
TIMED_SHARE = 1 / 6


@dataclass(frozen=True, eq=False)
class Task:
    """A network's step: its graph, the budgets that are tried, and what a forward pass more may cost."""

    graph: OpGraph
    budgets_bytes: tuple[float, ...]
    most_cost: float
    nodes: int
    blocks: tuple[Block, ...]
    batch: tuple[torch.Tensor, torch.Tensor]


def task(sizes: Sizes, slot: Slot, rng: Seeds) -> Task:
    """A random network's training step and its budgets."""
    blocks, draw = random_blocks(sizes.blocks, rng.seed("instance")), slot.generator(rng.seed("instance", "images"))
    graph = OpGraph(**vars(step_graph(blocks, sizes.pixels)))
    images = torch.randn(sizes.images, 3, sizes.pixels, sizes.pixels, generator=draw, device=draw.device)
    batch = images, torch.randint(0, 10, (sizes.images,), generator=draw, device=draw.device)
    low, high = leanest_segments(graph).peak_bytes, keep_all(graph).peak_bytes
    budgets = tuple(low + share * (high - low) for share in SHARES)
    return Task(graph, budgets, graph.total_cost + graph.forward_cost, sizes.nodes, blocks, batch)


def _outcome(task: Task, within: Callable[[float], Schedule], leanest: Schedule) -> Outcome:
    """Costs at the budgets, and the batch that the leanest schedule lets in."""
    found = [within(budget) for budget in task.budgets_bytes]
    extra = fmean(schedule.cost / task.graph.total_cost for schedule in found)
    batch = keep_all(task.graph).peak_bytes / leanest.peak_bytes
    return Outcome({"extra": extra, "batch": batch}, {"recomputed": fmean(each.num_recomputed for each in found)})


def method(task: Task, slot: Slot, rng: Seeds, hp: Mapping[str, Any]) -> Outcome:
    """Schedules of the integer program."""
    del slot, rng, hp
    options = SolverOptions(seconds=SECONDS, gap=GAP, nodes=task.nodes, recompute="forward")

    def within(budget: float) -> Schedule:
        segments = _best(task, budget)
        solved = cheapest_schedule(task.graph, budget, most_cost=segments.cost, options=options).schedule
        return segments if solved is None or solved.cost > segments.cost else solved

    lean = leanest_segments(task.graph, most_cost=task.most_cost)
    options_lean = SolverOptions(seconds=SECONDS, gap=BATCH_GAP, nodes=max(1, task.nodes // 4), recompute="forward")
    solved = leanest_schedule(task.graph, task.most_cost, within_bytes=lean.peak_bytes, options=options_lean).schedule
    return _outcome(task, within, lean if solved is None or solved.peak_bytes > lean.peak_bytes else solved)


def baseline(task: Task, slot: Slot, rng: Seeds, hp: Mapping[str, Any]) -> Outcome:
    """The best segments."""
    del slot, rng, hp
    return _outcome(task, lambda budget: _best(task, budget), leanest_segments(task.graph, most_cost=task.most_cost))


def sqrt(task: Task, slot: Slot, rng: Seeds, hp: Mapping[str, Any]) -> Outcome:
    """As many segments as the root of n."""
    del slot, rng, hp
    fixed = sqrt_schedule(task.graph)
    leanest = leanest_segments(task.graph)
    return _outcome(task, lambda budget: fixed if fixed.peak_bytes <= budget else leanest, fixed)


def _best(task: Task, budget_bytes: float) -> Schedule:
    found = best_segments(task.graph, budget_bytes=budget_bytes)
    assert found is not None, "the least budget is that of segments"
    return found


def _step(task: Task, slot: Slot, rng: Seeds, *, is_solved: bool) -> Step:
    """Training steps of the network in torch, planned by the program or by segments within the same bytes."""
    model = UnevenNetwork(task.blocks, slot.generator(rng.seed("instance", "weights")))
    step = TrainingStep(model, _loss, task.batch)
    low, high = leanest_segments(step.graph).peak_bytes, keep_all(step.graph).peak_bytes
    budget = low + TIMED_SHARE * (high - low)
    schedule = best_segments(step.graph, budget_bytes=budget)
    if is_solved:
        options = SolverOptions(seconds=SECONDS, gap=0.01, nodes=task.nodes // 4, recompute="forward")
        found = find_schedule(step, budget, options=options)
        assert found is not None, "segments fit"
        step, schedule = found.step, found.schedule
    assert schedule is not None, "the leanest segments fit"
    return lambda: Done(len(task.batch[0]), step.run_under(schedule, *task.batch).loss)


def method_step(task: Task, slot: Slot, rng: Seeds, hp: Mapping[str, Any]) -> Step:
    """Under the cheapest schedule that is found."""
    del hp
    return _step(task, slot, rng, is_solved=True)


def baseline_step(task: Task, slot: Slot, rng: Seeds, hp: Mapping[str, Any]) -> Step:
    """Under the best segments."""
    del hp
    return _step(task, slot, rng, is_solved=False)


def instance(sizes: Sizes, rng: Seeds) -> dict[str, Any]:
    """A random small graph, and a random network to be trained."""
    del sizes
    parts, makes, workspace = random_step(rng.seed("graph"))
    return {
        "graph": OpGraph(**vars(parts), makes=makes, workspace_bytes=workspace),
        "share": float(np.random.default_rng(rng.seed("share")).uniform(0.0, 0.8)),
        "blocks": random_blocks(3, rng.seed("network")),
        "seed": rng.seed("weights"),
    }


def check(instance: dict[str, Any]) -> Outcome:
    """The optimum against an exhaustive search, and a training step under a schedule against autograd."""
    graph: OpGraph = instance["graph"]
    whole = keep_all(graph).peak_bytes
    budget = max(1.0, graph.floor_bytes + instance["share"] * (whole - graph.floor_bytes))
    least = exhaustive_cost(graph, budget)
    solved = cheapest_schedule(graph, budget, options=SolverOptions(seconds=SECONDS, gap=0.0)).schedule
    cost = math.inf if solved is None else solved.cost
    excess = 0.0 if cost == least else abs(cost - least)
    return Outcome({"excess_cost": excess, **_trained(instance)})


def _trained(instance: dict[str, Any]) -> dict[str, float]:
    """How far gradients under a schedule are from autograd's, and the live bytes as a share of the budget."""
    generator = torch.Generator().manual_seed(instance["seed"])
    model = UnevenNetwork(instance["blocks"], generator).double()
    images = torch.randn(2, 3, 8, 8, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 10, (2,), generator=generator)
    graph = TrainingStep(model, _loss, (images, labels)).graph
    low, high = leanest_segments(graph).peak_bytes, keep_all(graph).peak_bytes
    budget = low + instance["share"] * (high - low)
    options = SolverOptions(seconds=SECONDS, gap=0.05, nodes=10, recompute="forward")
    step = checkpoint_within(model, _loss, inputs=(images, labels), budget_bytes=budget, options=options)
    with LiveBytes() as live:
        loss = step.backward(images, labels)
    found = [parameter.grad for parameter in model.parameters()]
    wanted = torch.autograd.grad(_loss(model, images, labels), list(model.parameters()))
    errors = [(a - b).norm() / b.norm() for a, b in zip(found, wanted, strict=True) if a is not None]
    share = live.peak_bytes(but=[loss, *(gradient for gradient in found if gradient is not None)]) / budget
    return {"gradient_error": float(max(errors)) if len(errors) == len(wanted) else math.inf, "share_of_budget": share}


def _loss(model: UnevenNetwork, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(model(images), labels)
