"""A policy and a value network of two hidden layers each, written by hand.

Decisions: tanh units and no sharing between the two, as in the paper on PPO; orthogonal weights with gain sqrt(2), 0.01
at the policy's output (so that it starts close to uniform) and 1 at the value's, zero biases, as its reference code.

Shapes: N samples, S numbers of state, A actions.

Source: Schulman et al. 2017, Proximal Policy Optimization Algorithms, section 6.1; Engstrom et al. 2020,
Implementation Matters in Deep Policy Gradients.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def linear(num_in: int, num_out: int, gain: float) -> nn.Linear:
    """A linear layer with orthogonal weights and no bias to start with."""
    layer = nn.Linear(num_in, num_out)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def network(num_in: int, width: int, *, num_out: int, gain: float) -> nn.Sequential:
    """Two hidden layers of tanh units and a linear output with weights of this gain."""
    root = 2.0**0.5
    return nn.Sequential(
        linear(num_in, width, root), nn.Tanh(), linear(width, width, root), nn.Tanh(), linear(width, num_out, gain)
    )


class ActorCritic(nn.Module):
    """A policy over discrete actions, and the value of a state under it.

    Args:
        num_state: numbers of a state.
        num_actions: actions to choose from.
        width: units of each hidden layer.
    """

    def __init__(self, *, num_state: int, num_actions: int, width: int) -> None:
        super().__init__()
        self.policy = network(num_state, width, num_out=num_actions, gain=0.01)
        self.value = network(num_state, width, num_out=1, gain=1.0)

    def forward(self, state_NS: Tensor) -> tuple[Tensor, Tensor]:
        """Log probabilities of the actions (N, A) and values (N), both fp32."""
        log_probs_NA = torch.log_softmax(self.policy(state_NS).float(), dim=1)
        return log_probs_NA, self.value(state_NS).float().squeeze(1)
