"""A pole on a cart, many at once, written in torch so that it runs where the policy runs.

Decisions:
- Equations, constants and limits as in CartPole-v1, the usual benchmark version of the 1983 paper: explicit Euler at
  50 Hz, a reward of 1 for every step, the end at 2.4 m or 12 degrees, truncation after 500 steps.
- An environment that ends starts anew within the same step; nothing depends on a number read back from the device.
- Terminated (the pole fell) and truncated (time ran out) are told apart, and the state reached is returned from before
  the new start: value estimates need both.

Shapes: N environments, 4 numbers of state (position m, velocity m/s, angle rad, angular velocity rad/s).

Source: Barto, Sutton & Anderson 1983, Neuronlike Adaptive Elements That Can Solve Difficult Learning Control Problems.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cupel.tasks.policy_gradient import Transition

GRAVITY_M_PER_S2 = 9.8
CART_KG, POLE_KG = 1.0, 0.1
HALF_POLE_M = 0.5
PUSH_N = 10.0
STEP_S = 0.02
MAX_POSITION_M = 2.4
MAX_ANGLE_RAD = math.radians(12)
START_RANGE = 0.05
MAX_STEPS = 500
NUM_STATE, NUM_ACTIONS = 4, 2


def next_state(state_NS: Tensor, action_N: Tensor) -> Tensor:
    """One Euler step of the equations of motion; action 0 pushes to the left, 1 to the right."""
    _, velocity_N, angle_N, spin_N = state_NS.unbind(1)
    total_kg, pole_kg_m = CART_KG + POLE_KG, POLE_KG * HALF_POLE_M
    sine_N, cosine_N = angle_N.sin(), angle_N.cos()
    push_N = (2.0 * action_N - 1.0) * PUSH_N
    pull_N = (push_N + pole_kg_m * spin_N.square() * sine_N) / total_kg
    spin_rate_N = (GRAVITY_M_PER_S2 * sine_N - cosine_N * pull_N) / (
        HALF_POLE_M * (4.0 / 3.0 - POLE_KG * cosine_N.square() / total_kg)
    )
    acceleration_N = pull_N - pole_kg_m * spin_rate_N * cosine_N / total_kg
    rate_NS = torch.stack([velocity_N, acceleration_N, spin_N, spin_rate_N], dim=1)
    return state_NS + STEP_S * rate_NS


class CartPoles:
    """Carts with poles.

    Args:
        num_envs: how many.
        generator: source of the random starts; the states are on its device.
    """

    def __init__(self, num_envs: int, generator: torch.Generator) -> None:
        self._generator = generator
        self.state_NS = self._starts(num_envs)
        self.steps_N = torch.zeros(num_envs, dtype=torch.int64, device=generator.device)

    def _starts(self, num: int) -> Tensor:
        """States close to upright rest, uniform in +-0.05."""
        uniform_NS = torch.rand(num, NUM_STATE, generator=self._generator, device=self._generator.device)
        return (2.0 * uniform_NS - 1.0) * START_RANGE

    def step(self, action_N: Tensor) -> Transition:
        """Push every cart once; those that ended start anew."""
        reached_NS = next_state(self.state_NS, action_N)
        steps_N = self.steps_N + 1
        terminated_N = (reached_NS[:, 0].abs() > MAX_POSITION_M) | (reached_NS[:, 2].abs() > MAX_ANGLE_RAD)
        truncated_N = (steps_N >= MAX_STEPS) & ~terminated_N
        has_ended_N = terminated_N | truncated_N
        self.state_NS = torch.where(has_ended_N[:, None], self._starts(len(steps_N)), reached_NS)
        self.steps_N = steps_N.masked_fill(has_ended_N, 0)
        return Transition(reached_NS, torch.ones_like(reached_NS[:, 0]), terminated_N, truncated_N, steps_N)
