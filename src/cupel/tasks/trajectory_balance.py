"""Generative flow networks on trees of fragments: trajectories, their balance, and exact flows on a small space.

Nothing here reads a number back from the device, except what is for checks.

Shapes: T steps, B trajectories, A actions, X trees of an enumerated space.

Source: Malkin et al. 2022, Trajectory Balance: Improved Credit Assignment in GFlowNets, equation 11.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from cupel.tasks.action_choice import Discrete
from cupel.tasks.fragment_trees import Enumerated, Space, Trees

Policy: TypeAlias = Callable[[Trees], tuple[Tensor, Tensor]]
"""From trees to log probabilities of the actions (B, A) and the logarithm of the total flow."""


class Trajectories(NamedTuple):
    """Trees built step by step.

    Args:
        trees: before each step; every field with T B in front, flattened.
        action_TB: what was done; to stop, once it has stopped.
        goes_on_TB: whether the trajectory had not stopped before the step.
        log_backward_TB: log probability of undoing the step, all leaves alike; 0 for a stop.
        ends: the trees at the end.
    """

    trees: Trees
    action_TB: Tensor
    goes_on_TB: Tensor
    log_backward_TB: Tensor
    ends: Trees


@torch.no_grad()
def build_trees(policy: Policy, space: Space, *, num: int, explore: float, generator: torch.Generator) -> Trajectories:
    """Trajectories by the policy; with probability `explore` a step takes any allowed action instead."""
    trees = space.empty(num)
    goes_on_B = torch.ones(num, dtype=torch.bool, device=space.device)
    states, rows = [], []
    for _ in range(space.max_nodes + 1):
        log_probs_BA, _ = policy(trees)
        is_random_B = torch.rand(num, generator=generator, device=space.device) < explore
        log_probs_BA = torch.where(is_random_B[:, None] & log_probs_BA.isfinite(), 0.0, log_probs_BA)
        action_B = Discrete(log_probs_BA).draw(generator)
        action_B = torch.where(goes_on_B, action_B, space.stop)
        states.append(trees)
        trees = space.extend(trees, action_B)
        is_add_B = action_B != space.stop
        log_backward_B = torch.where(is_add_B, -space.num_leaves(trees).clamp_min(1).float().log(), 0.0)
        rows.append((action_B, goes_on_B, log_backward_B))
        goes_on_B = goes_on_B & is_add_B
    before = Trees(*(torch.cat(columns) for columns in zip(*states, strict=True)))
    action_TB, goes_on_TB, log_backward_TB = (torch.stack(column) for column in zip(*rows, strict=True))
    return Trajectories(before, action_TB, goes_on_TB, log_backward_TB, trees)


def imbalance(policy: Policy, trajectories: Trajectories, log_reward_B: Tensor) -> Tensor:
    """Logarithm of the flow of each trajectory forward over that backward from its reward, shape (B); 0 if balanced."""
    log_probs_MA, log_flow = policy(trajectories.trees)
    action_TB = trajectories.action_TB
    # rows that have stopped take the action to stop, which is allowed there
    log_forward_TB = log_probs_MA.gather(1, action_TB.flatten()[:, None]).view_as(trajectories.log_backward_TB)
    log_forward_TB = torch.where(trajectories.goes_on_TB, log_forward_TB, 0.0)
    return log_flow + (log_forward_TB - trajectories.log_backward_TB).sum(dim=0) - log_reward_B


def exact_policy(all_trees: Enumerated, space: Space, *, log_reward_X: Tensor) -> tuple[Tensor, Tensor]:
    """The log probabilities (X, A) whose flows match exactly, and the logarithm of the total flow; for checks.

    The flow into a tree is its reward plus, for every tree that it leads to, that one's flow divided by its leaves.
    """
    reward = log_reward_X.double().exp().tolist()
    leaves = space.num_leaves(all_trees.trees).tolist()
    flow = [0.0] * len(reward)
    probs_XA = torch.zeros(len(reward), space.stop + 1, dtype=torch.float64)
    for tree_idx in reversed(range(len(reward))):
        row = [(action, flow[later] / leaves[later]) for action, later in all_trees.links[tree_idx]]
        row += [(space.stop, reward[tree_idx])] if tree_idx else []
        flow[tree_idx] = sum(part for _, part in row)
        for action, part in row:
            probs_XA[tree_idx, action] = part / flow[tree_idx]
    return probs_XA.log().float().to(space.device), torch.tensor(flow[0], device=space.device).log()


@torch.no_grad()
def end_probs(log_probs_XA: Tensor, all_trees: Enumerated, space: Space) -> Tensor:
    """The probability that a trajectory ends in each tree, shape (X), fp64; for checks."""
    probs = log_probs_XA.double().exp().cpu()
    reached = [1.0] + [0.0] * (len(probs) - 1)
    for tree_idx, row in enumerate(all_trees.links):
        for action, later in row:
            reached[later] += reached[tree_idx] * float(probs[tree_idx, action])
    return torch.tensor(reached, dtype=torch.float64) * probs[:, space.stop]
