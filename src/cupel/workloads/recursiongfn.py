"""A generative flow network (GFlowNet) learning to build molecules of fragments, as often as they are rewarded.

Decisions:
- Trees of up to 9 fragments of 72 types with 1 to 3 slots (`cupel.tasks.fragment_trees`), as in the task of the 2021
  paper; the policy is a graph transformer of width 128, 4 layers and 2 heads, Recursion's sizes: 840 658 parameters.
- The reward is the 64th power of the sigmoid of a frozen network of the policy's kind with random weights, standardised
  over random trees: a stand-in for that task's proxy of a protein's binding, which has to be downloaded.
- A step builds `batch` trees by the policy, a random action in a hundred, rewards them, and makes one update by
  trajectory balance over all their states; backward all leaves are alike. No replay.
- Adam, learning rate 1e-4, betas 0.9 and 0.999, gradients clipped to a norm of 10.
- Precision: networks under autocast at bf16 and fp16; probabilities, balance and loss in fp32.
- Counted: trajectories (trees built). Their fragments, which Milabench counts, depend on what the policy draws: the
  host would have to wait for the device to know them. `full` has Milabench's batch of 128.
- Memory at `full`: 1280 states of 10 tokens, 4 x width within: below 1 GiB (arithmetic).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.fragment_trees import Space, enumerate_trees
from cupel.tasks.learning import check_gradients
from cupel.tasks.models.graph_transformer import GrowthPolicy, Reward
from cupel.tasks.trajectory_balance import Trajectories, build_trees, end_probs, exact_policy, imbalance

CARD = Workload(
    measures="training throughput",
    unit="trajectories",
    better="higher",
    source="Malkin et al. 2022, Trajectory Balance: Improved Credit Assignment in GFlowNets",
    tags=("training", "graphs", "molecules", "generation"),
    needs=("torch",),
    settings={"precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True)},
    optimizer="Adam, learning rate 1e-4 (tiny: 5e-3), gradient norm clipped to 10",
    tiny={"width": 16, "depth": 1, "types": 4, "max_nodes": 3, "power": 3.0, "batch": 32, "learning_rate": 5e-3},
    small={"width": 64, "depth": 2, "types": 72, "max_nodes": 5, "power": 16.0, "batch": 32, "learning_rate": 1e-4},
    full={"width": 128, "depth": 4, "types": 72, "max_nodes": 9, "power": 64.0, "batch": 128, "learning_rate": 1e-4},
    parameters=840_658,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 1.0},
)
NUM_HEADS = 2
SAMPLE = 256
"""Random trees over which the scores behind the reward are standardised."""
EXPLORE = 0.01
UPDATES = 100
"""Updates in the check of the work: enough at `tiny`."""


class Parts(NamedTuple):
    """What a step works with."""

    policy: Any
    reward: Any
    space: Space
    generator: torch.Generator


def space_of(sizes: Sizes, device: torch.device) -> Space:
    """Fragments with 1, 2 and 3 slots in turn."""
    return Space([1 + type_idx % 3 for type_idx in range(sizes.types)], sizes.max_nodes, device=device)


def build_model(sizes: Sizes) -> GrowthPolicy:
    """The policy with random weights, on torch's default device."""
    space = space_of(sizes, torch.get_default_device())
    return GrowthPolicy(space, width=sizes.width, depth=sizes.depth, num_heads=NUM_HEADS)


def build(sizes: Sizes, slot: Slot, *, rng: Seeds) -> Parts:
    """Policy, reward, and the source of random actions."""

    def adam(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=sizes.learning_rate, fused=True)

    with slot.device:
        model = build_model(sizes)
        reward = Reward(model.space, sizes.power, width=sizes.width, depth=sizes.depth, num_heads=NUM_HEADS)
    generator = slot.generator(rng.seed("data"))
    reward.standardise(build_trees(model, model.space, num=SAMPLE, explore=1.0, generator=generator).ends)
    reward = slot.compile(reward.requires_grad_(requires_grad=False))
    return Parts(slot.prepare(model, adam), reward, model.space, generator)


def draw(parts: Parts, num: int, slot: Slot) -> tuple[Trajectories, Tensor]:
    """Trees built by the policy, and the logarithms of their rewards."""
    with slot.autocast(), torch.no_grad():
        drawn = build_trees(parts.policy, parts.space, num=num, explore=EXPLORE, generator=parts.generator)
        return drawn, parts.reward(drawn.ends)


def loss_of(parts: Parts, sizes: Sizes, *, slot: Slot) -> Tensor:
    """Mean squared imbalance of trees just built."""
    drawn, log_reward_B = draw(parts, sizes.batch, slot)
    with slot.autocast():
        return imbalance(parts.policy, drawn, log_reward_B).square().mean()


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A policy and a reward; a step builds trees and learns from them."""
    parts = build(sizes, slot, rng=rng)

    def step() -> Done:
        loss = loss_of(parts, sizes, slot=slot)
        slot.step(loss, clip_norm=10.0)
        return Done(items=sizes.batch, loss=loss.detach())

    return step


def distance(first_X: Tensor, second_X: Tensor) -> float:
    """Total variation: half the sum of the differences of probabilities."""
    return float((first_X - second_X).abs().sum()) / 2


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Exact flows are balanced, gradients reach all, and training brings trees closer to being drawn as rewarded."""
    parts = build(sizes, slot, rng=rng)
    every = enumerate_trees(parts.space)
    with torch.no_grad():
        log_reward_X = parts.reward(every.trees)
    wanted_X = end_probs(exact_policy(every, parts.space, log_reward_X=log_reward_X)[0], every, parts.space)[1:]
    apart = distance(wanted_X, log_reward_X[1:].double().softmax(dim=0).cpu())
    if not apart < 1e-4:
        raise WrongWorkError(f"recursiongfn: exact flows end {apart:.2g} away from the rewards; expected 0.")
    check_gradients("recursiongfn", parts.policy, loss_of(parts, sizes, slot=slot))
    for _ in range(UPDATES):
        slot.step(loss_of(parts, sizes, slot=slot), clip_norm=10.0)
    with slot.autocast(), torch.no_grad():
        learned_X = end_probs(parts.policy(every.trees)[0], every, parts.space)[1:]
    last, blind = distance(learned_X, wanted_X), distance(torch.full_like(wanted_X, 1 / len(wanted_X)), wanted_X)
    if not last < 0.6 * blind:
        raise WrongWorkError(
            f"recursiongfn: after training, trees are drawn {last:.3g} away from their rewards; expected much less "
            f"than {blind:.3g}, where a policy would be that draws all trees alike."
        )
