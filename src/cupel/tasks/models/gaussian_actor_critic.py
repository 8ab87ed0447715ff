"""A policy over continuous actions and a value network, written by hand.

Decisions: Brax's networks for PPO: four hidden layers of 32 for the policy, five of 256 for the value, SiLU, nothing
shared; the policy gives a mean and a logarithm of the spread for each number of the action. Orthogonal weights as in
`cupel.tasks.models.actor_critic`, so that the policy starts close to a standard normal.

Shapes: N samples, S numbers of state, A numbers of an action.

Source: Freeman et al. 2021, Brax: A Differentiable Physics Engine for Large Scale Rigid Body Simulation.
"""

from __future__ import annotations

from torch import Tensor, nn

from cupel.tasks.action_choice import Gaussian
from cupel.tasks.models.actor_critic import linear

ROOT = 2.0**0.5


def network(num_in: int, width: int, *, depth: int, num_out: int, gain: float) -> nn.Sequential:
    """Hidden layers of SiLU units and a linear output with weights of this gain."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [linear(num_in, width, ROOT), nn.SiLU()]
        num_in = width
    return nn.Sequential(*layers, linear(num_in, num_out, gain))


class GaussianActorCritic(nn.Module):
    """A normal spread of actions, and the value of a state under it.

    Args:
        num_state: numbers of a state.
        num_actions: numbers of an action.
        policy_width: units of each of the policy's hidden layers.
        value_width: units of each of the value's.
    """

    def __init__(self, *, num_state: int, num_actions: int, policy_width: int, value_width: int) -> None:
        super().__init__()
        self.policy = network(num_state, policy_width, depth=4, num_out=2 * num_actions, gain=0.01)
        self.value = network(num_state, value_width, depth=5, num_out=1, gain=1.0)

    def forward(self, state_NS: Tensor) -> tuple[Gaussian, Tensor]:
        """The spread of actions (N, A) and values (N), both fp32."""
        mean_NA, log_std_NA = self.policy(state_NS).float().chunk(2, dim=1)
        return Gaussian(mean_NA, log_std_NA), self.value(state_NS).float().squeeze(1)
