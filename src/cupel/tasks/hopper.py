"""A one-legged robot that is to hop forward, many at once, on the device.

Decisions:
- Torso, thigh, shin and foot with the lengths, masses and joint limits of MuJoCo's and Brax's hopper, as a chain in a
  plane (`cupel.tasks.body_chain`). Eight steps of 1 ms for one action, 125 actions a second.
- Motors of 40 N m without inertia of their own, where that one has 200 N m and rotors of 1 kg m2: a random policy falls
  after about 15 actions here as it does there.
- Reward: 1 for being upright, the torso's speed forward, less 1e-3 times the squared action. An episode terminates when
  the torso is below 0.7 m or leans by more than 0.2 rad, and is truncated after 1000 steps.
- The policy sees height, angle of the torso, the three joints, and the six velocities, clipped to 10; not the place
  along the way. Actions beyond +-1 count as that.
- An environment that ends starts anew within the same step, upright, with small random velocities.

Shapes: N environments, 4 bodies, 3 joints, 11 numbers of state.

Source: Erez, Tassa & Todorov 2011, Infinite-Horizon Model Predictive Control for Periodic Tasks with Contacts;
constants as in Freeman et al. 2021, Brax.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cupel.tasks.body_chain import Bodies, Chain, advance
from cupel.tasks.policy_gradient import Transition

SUBSTEPS = 8
SUBSTEP_S = 0.001
MOTOR_NM = 40.0
MIN_HEIGHT_M = 0.7
MAX_LEAN_RAD = 0.2
MAX_STEPS = 1000
START_RANGE = 0.05
CONTROL_COST = 1e-3
NUM_STATE, NUM_ACTIONS = 11, 3
UPRIGHT_M = ((0.0, 1.25), (0.0, 0.825), (0.0, 0.35), (0.065, 0.1))
"""Centres of torso, thigh, shin and foot."""
LENGTHS_M = (0.4, 0.45, 0.5, 0.39)
RADII_M = (0.05, 0.05, 0.04, 0.06)
MASSES_KG = (3.53, 3.93, 2.71, 5.09)
JOINTS_M = ((0.0, 1.05), (0.0, 0.6), (0.0, 0.1))
LIMITS_RAD = ((-2.618, -2.618, -0.785), (0.0, 0.0, 0.785))


def hopper_chain(device: torch.device) -> Chain:
    """The robot's bodies and joints."""
    centre_B2, joint_J2 = torch.tensor(UPRIGHT_M, device=device), torch.tensor(JOINTS_M, device=device)
    length_B, radius_B = torch.tensor(LENGTHS_M, device=device), torch.tensor(RADII_M, device=device)
    mass_B = torch.tensor(MASSES_KG, device=device)
    half_foot_m = LENGTHS_M[-1] / 2
    return Chain(
        mass_B=mass_B,
        inertia_B=mass_B * ((length_B + radius_B).square() / 12 + radius_B.square() / 4),
        parent_arm_J2=joint_J2 - centre_B2[:-1],
        child_arm_J2=joint_J2 - centre_B2[1:],
        limit_2J=torch.tensor(LIMITS_RAD, device=device),
        contact_C2=torch.tensor([[-half_foot_m, 0.0], [half_foot_m, 0.0]], device=device),
        radius_m=RADII_M[-1],
    )


def hold(bodies: Bodies, action_NJ: Tensor, *, chain: Chain) -> Bodies:
    """What 8 ms of these actions lead to."""
    motor_NJ = MOTOR_NM * action_NJ.clamp(-1.0, 1.0)
    for _ in range(SUBSTEPS):
        bodies = advance(bodies, motor_NJ, chain=chain, step_s=SUBSTEP_S)
    return bodies


def observed(bodies: Bodies) -> Tensor:
    """What the policy sees, shape (N, 11)."""
    bend_NJ = bodies.angle_NB[:, 1:] - bodies.angle_NB[:, :-1]
    rate_NJ = bodies.spin_NB[:, 1:] - bodies.spin_NB[:, :-1]
    torso_N2 = torch.stack([bodies.place_NB2[:, 0, 1], bodies.angle_NB[:, 0]], dim=1)
    moving_NS = torch.cat([bodies.velocity_NB2[:, 0], bodies.spin_NB[:, :1], rate_NJ], dim=1)
    return torch.cat([torso_N2, bend_NJ, moving_NS.clamp(-10.0, 10.0)], dim=1)


class Hoppers:
    """Robots on one leg.

    Args:
        num_envs: how many.
        generator: source of the random starts; the states are on its device.
        compiled: what makes a function faster (`slot.compile`).
    """

    def __init__(
        self, num_envs: int, generator: torch.Generator, *, compiled: Callable[..., Callable[..., Bodies]] | None = None
    ) -> None:
        self._generator = generator
        self._hold: Callable[..., Bodies] = compiled(hold) if compiled else hold
        self.chain = hopper_chain(generator.device)
        self._upright_B2 = torch.tensor(UPRIGHT_M, device=generator.device)
        self.bodies = self._starts(num_envs)
        self.state_NS = observed(self.bodies)
        self.steps_N = torch.zeros(num_envs, dtype=torch.int64, device=generator.device)

    def _starts(self, num: int) -> Bodies:
        """Upright, with velocities and spins uniform in +-0.05."""
        device, num_bodies = self._generator.device, len(self._upright_B2)
        uniform_NB3 = torch.rand(num, num_bodies, 3, generator=self._generator, device=device)
        motion_NB3 = (2.0 * uniform_NB3 - 1.0) * START_RANGE
        place_NB2 = self._upright_B2.expand(num, num_bodies, 2)
        return Bodies(place_NB2, torch.zeros(num, num_bodies, device=device), motion_NB3[..., :2], motion_NB3[..., 2])

    def step(self, action_NJ: Tensor) -> Transition:
        """Act once in every environment; those that ended start anew."""
        bodies = self._hold(self.bodies, action_NJ, chain=self.chain)
        reached_NS = observed(bodies)
        steps_N = self.steps_N + 1
        # written so that what is not finite has fallen
        is_upright_N = (reached_NS[:, 0] >= MIN_HEIGHT_M) & (reached_NS[:, 1].abs() <= MAX_LEAN_RAD)
        truncated_N = (steps_N >= MAX_STEPS) & is_upright_N
        effort_N = action_NJ.clamp(-1.0, 1.0).square().sum(dim=1)
        reward_N = 1.0 + bodies.velocity_NB2[:, 0, 0] - CONTROL_COST * effort_N
        has_ended_N = ~is_upright_N | truncated_N
        pairs = zip(self._starts(len(steps_N)), bodies, strict=True)
        self.bodies = Bodies(
            *(torch.where(has_ended_N.view(-1, *[1] * (old.dim() - 1)), new, old) for new, old in pairs)
        )
        self.state_NS = observed(self.bodies)
        self.steps_N = steps_N.masked_fill(has_ended_N, 0)
        return Transition(reached_NS, reward_N, ~is_upright_N, truncated_N, steps_N)
