"""Parts of learning the values of actions by bootstrapping (deep Q-learning).

Shapes: N states, M samples, A actions.

Source: Mnih et al. 2015, Human-level Control through Deep Reinforcement Learning, methods and algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.tasks.replay_buffer import Experience

Values: TypeAlias = Callable[[Tensor], Tensor]
"""From states (N, S) to values of the actions (N, A)."""


@torch.no_grad()
def mostly_greedy(values: Values, state_NS: Tensor, *, epsilon: float, generator: torch.Generator) -> Tensor:
    """The best action in each state or, with probability epsilon, any; shape (N), int64."""
    value_NA = values(state_NS)
    shape, device = value_NA.shape[:1], generator.device
    random_N = torch.randint(value_NA.shape[1], shape, generator=generator, device=device)
    is_random_N = torch.rand(shape, generator=generator, device=device) < epsilon
    return torch.where(is_random_N, random_N, value_NA.argmax(dim=1))


@torch.no_grad()
def bootstrapped(target: Values, samples: Experience, *, discount: float) -> Tensor:
    """Reward plus the discounted best value of the state reached, the latter only if the episode went on; (M), fp32."""
    best_M = target(samples.reached_MS).float().amax(dim=1)
    return samples.reward_M + discount * (~samples.terminated_M).float() * best_M


def error_loss(values: Values, samples: Experience, target_M: Tensor) -> Tensor:
    """Mean Huber loss of the values of the actions taken against their targets, in fp32."""
    value_M = values(samples.state_MS).gather(1, samples.action_M[:, None]).squeeze(1)
    return F.smooth_l1_loss(value_M.float(), target_M)
