"""How a policy's outputs become actions: discrete choices, and continuous ones with a normal spread.

Nothing here reads a number back from the device; all noise comes from the generator.

Shapes: N samples, A actions to choose from, or numbers of a continuous action.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor


class Discrete(NamedTuple):
    """One of A actions; an action is an int64 index.

    Args:
        log_probs_NA: log probabilities.
    """

    log_probs_NA: Tensor

    def draw(self, generator: torch.Generator) -> Tensor:
        """Actions by the Gumbel-max trick, which needs no look at the probabilities from the host; shape (N)."""
        uniform_NA = torch.rand(self.log_probs_NA.shape, generator=generator, device=generator.device)
        # rand is in [0, 1); the smallest normal number keeps both logarithms finite
        gumbel_NA = -(-uniform_NA.clamp_min(1e-38).log()).clamp_min(1e-38).log()
        return (self.log_probs_NA + gumbel_NA).argmax(dim=1)

    def log_prob(self, action_N: Tensor) -> Tensor:
        """Log probabilities of these actions, shape (N)."""
        return self.log_probs_NA.gather(1, action_N[:, None]).squeeze(1)

    def entropy(self) -> Tensor:
        """Entropies in nats, shape (N)."""
        return -(self.log_probs_NA.exp() * self.log_probs_NA).sum(dim=1)


class Gaussian(NamedTuple):
    """A vector of A numbers, each normal about its mean, independently of the others.

    Args:
        mean_NA: means.
        log_std_NA: logarithms of the standard deviations.
    """

    mean_NA: Tensor
    log_std_NA: Tensor

    def draw(self, generator: torch.Generator) -> Tensor:
        """Actions, shape (N, A)."""
        noise_NA = torch.randn(self.mean_NA.shape, generator=generator, device=generator.device)
        return self.mean_NA + self.log_std_NA.exp() * noise_NA

    def log_prob(self, action_NA: Tensor) -> Tensor:
        """Log densities of these actions, shape (N)."""
        noise_NA = (action_NA - self.mean_NA) * (-self.log_std_NA).exp()
        return (-0.5 * noise_NA.square() - self.log_std_NA - 0.5 * math.log(2 * math.pi)).sum(dim=1)

    def entropy(self) -> Tensor:
        """Differential entropies in nats, shape (N)."""
        return (self.log_std_NA + 0.5 * math.log(2 * math.pi * math.e)).sum(dim=1)


Choice: TypeAlias = Tensor | Gaussian
"""What a policy returns: log probabilities of discrete actions (N, A), or a normal spread."""


def choice_of(output: Choice) -> Discrete | Gaussian:
    """A policy's output as something to draw from."""
    return output if isinstance(output, Gaussian) else Discrete(output)
