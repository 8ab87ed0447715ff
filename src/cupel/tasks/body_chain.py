"""Rigid bodies in a plane, joined in a chain: thousands of chains at once, on the device.

Decisions:
- Maximal coordinates: every body has its own place and angle, and joints are stiff springs with dampers between two
  points of neighbouring bodies, as in the first version of Brax. The forces of a joint act at one point, half-way, so
  momentum and angular momentum are conserved to rounding, whatever the joints and motors do.
- Contacts with the floor: a spring with a damper that never pulls, and friction that grows with slip up to Coulomb's
  bound. Joint limits are springs too.
- Symplectic Euler: velocities first, places by the new velocities. Energy is not conserved exactly, but does not drift.
- Elementwise operations only, in fp32 at every precision; nothing is read back from the device.

Shapes: N chains, B bodies in each, J = B - 1 joints, C contact points on the last body. Vectors are (x, z), z upwards;
angles grow from x to z.

Source: Freeman et al. 2021, Brax: A Differentiable Physics Engine for Large Scale Rigid Body Simulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Bodies(NamedTuple):
    """Where the bodies are and how they move.

    Args:
        place_NB2: centres of mass, m.
        angle_NB: rad.
        velocity_NB2: m/s.
        spin_NB: rad/s.
    """

    place_NB2: Tensor
    angle_NB: Tensor
    velocity_NB2: Tensor
    spin_NB: Tensor


@dataclass(frozen=True, kw_only=True)
class Chain:
    """What the bodies are.

    Args:
        mass_B: kg.
        inertia_B: about the centre, kg m2.
        parent_arm_J2: each joint as seen from the centre of the body before it, m.
        child_arm_J2: the same from the body after it.
        limit_2J: least and largest angle of each joint.
        contact_C2: points of the last body that touch the floor.
        radius_m: of the last body about those points.
        gravity_m_per_s2: downwards.
        stiffness_n_per_m: of the joints and of the floor.
        damping_n_s_per_m: the same.
        limit_nm_per_rad: stiffness of the limits.
        joint_damping_nm_s: against the turning of joints.
        friction: Coulomb's coefficient.
        slip_m_per_s: the slip at which friction is three quarters of its bound.
    """

    mass_B: Tensor
    inertia_B: Tensor
    parent_arm_J2: Tensor
    child_arm_J2: Tensor
    limit_2J: Tensor
    contact_C2: Tensor
    radius_m: float
    gravity_m_per_s2: float = 9.81
    stiffness_n_per_m: float = 3e4
    damping_n_s_per_m: float = 100.0
    limit_nm_per_rad: float = 200.0
    joint_damping_nm_s: float = 1.0
    friction: float = 1.0
    slip_m_per_s: float = 0.1


def turned(arm_2: Tensor, angle: Tensor) -> Tensor:
    """Vectors (..., 2) turned by the angles."""
    sine, cosine = angle.sin(), angle.cos()
    x, z = arm_2.unbind(-1)
    return torch.stack([cosine * x - sine * z, sine * x + cosine * z], dim=-1)


def crossed(spin: Tensor, arm_2: Tensor) -> Tensor:
    """Velocity of the end of an arm that turns."""
    return spin[..., None] * torch.stack([-arm_2[..., 1], arm_2[..., 0]], dim=-1)


def torque_of(arm_2: Tensor, force_2: Tensor) -> Tensor:
    """Torque of a force at the end of an arm."""
    return arm_2[..., 0] * force_2[..., 1] - arm_2[..., 1] * force_2[..., 0]


def joint_forces(bodies: Bodies, chain: Chain) -> tuple[Tensor, Tensor]:
    """Force on the body after each joint, and the point it acts at; the body before gets the opposite there."""
    parent_arm_NJ2 = turned(chain.parent_arm_J2, bodies.angle_NB[:, :-1])
    child_arm_NJ2 = turned(chain.child_arm_J2, bodies.angle_NB[:, 1:])
    parent_end_NJ2 = bodies.place_NB2[:, :-1] + parent_arm_NJ2
    child_end_NJ2 = bodies.place_NB2[:, 1:] + child_arm_NJ2
    parent_velocity_NJ2 = bodies.velocity_NB2[:, :-1] + crossed(bodies.spin_NB[:, :-1], parent_arm_NJ2)
    child_velocity_NJ2 = bodies.velocity_NB2[:, 1:] + crossed(bodies.spin_NB[:, 1:], child_arm_NJ2)
    pull_NJ2 = chain.stiffness_n_per_m * (parent_end_NJ2 - child_end_NJ2)
    drag_NJ2 = chain.damping_n_s_per_m * (parent_velocity_NJ2 - child_velocity_NJ2)
    return pull_NJ2 + drag_NJ2, 0.5 * (parent_end_NJ2 + child_end_NJ2)


def joint_torques(bodies: Bodies, chain: Chain, motor_NJ: Tensor) -> Tensor:
    """Torque on the body after each joint: motor, damping and limits; the body before gets the opposite."""
    bend_NJ = bodies.angle_NB[:, 1:] - bodies.angle_NB[:, :-1]
    rate_NJ = bodies.spin_NB[:, 1:] - bodies.spin_NB[:, :-1]
    beyond_NJ = bend_NJ - bend_NJ.clamp(chain.limit_2J[0], chain.limit_2J[1])
    return motor_NJ - chain.joint_damping_nm_s * rate_NJ - chain.limit_nm_per_rad * beyond_NJ


def floor_forces(bodies: Bodies, chain: Chain) -> tuple[Tensor, Tensor]:
    """Force of the floor at each contact point of the last body, and the arm it acts at, both (N, C, 2)."""
    arm_NC2 = turned(chain.contact_C2, bodies.angle_NB[:, -1:])
    velocity_NC2 = bodies.velocity_NB2[:, -1:] + crossed(bodies.spin_NB[:, -1:], arm_NC2)
    depth_NC = chain.radius_m - (bodies.place_NB2[:, -1:, 1] + arm_NC2[..., 1])
    push_NC = chain.stiffness_n_per_m * depth_NC - chain.damping_n_s_per_m * velocity_NC2[..., 1]
    push_NC = torch.where(depth_NC > 0.0, push_NC.clamp_min(0.0), torch.zeros_like(push_NC))
    grip_NC = -chain.friction * push_NC * (velocity_NC2[..., 0] / chain.slip_m_per_s).tanh()
    return torch.stack([grip_NC, push_NC], dim=-1), arm_NC2


def advance(bodies: Bodies, motor_NJ: Tensor, *, chain: Chain, step_s: float) -> Bodies:
    """One step of symplectic Euler under these torques of the motors."""
    joint_NJ2, point_NJ2 = joint_forces(bodies, chain)
    torque_NJ = joint_torques(bodies, chain, motor_NJ)
    floor_NC2, floor_arm_NC2 = floor_forces(bodies, chain)
    none_N12, none_N1 = torch.zeros_like(joint_NJ2[:, :1]), torch.zeros_like(torque_NJ[:, :1])
    child_torque_NJ = torque_NJ + torque_of(point_NJ2 - bodies.place_NB2[:, 1:], joint_NJ2)
    parent_torque_NJ = -torque_NJ - torque_of(point_NJ2 - bodies.place_NB2[:, :-1], joint_NJ2)
    floor_N12 = floor_NC2.sum(dim=1, keepdim=True)
    floor_torque_N1 = torque_of(floor_arm_NC2, floor_NC2).sum(dim=1, keepdim=True)
    force_NB2 = torch.cat([none_N12, joint_NJ2[:, :-1], joint_NJ2[:, -1:] + floor_N12], dim=1)
    force_NB2 = force_NB2 - torch.cat([joint_NJ2, none_N12], dim=1)
    torque_NB = torch.cat([none_N1, child_torque_NJ[:, :-1], child_torque_NJ[:, -1:] + floor_torque_N1], dim=1)
    torque_NB = torque_NB + torch.cat([parent_torque_NJ, none_N1], dim=1)
    x_NB, z_NB = (force_NB2 / chain.mass_B[:, None]).unbind(-1)
    acceleration_NB2 = torch.stack([x_NB, z_NB - chain.gravity_m_per_s2], dim=-1)
    velocity_NB2 = bodies.velocity_NB2 + step_s * acceleration_NB2
    spin_NB = bodies.spin_NB + step_s * torque_NB / chain.inertia_B
    return Bodies(bodies.place_NB2 + step_s * velocity_NB2, bodies.angle_NB + step_s * spin_NB, velocity_NB2, spin_NB)


def momenta(bodies: Bodies, chain: Chain) -> Tensor:
    """Momentum along x and z, kg m/s, and angular momentum about the origin, kg m2/s; shape (N, 3)."""
    momentum_NB2 = chain.mass_B[:, None] * bodies.velocity_NB2
    angular_NB = torque_of(bodies.place_NB2, momentum_NB2) + chain.inertia_B * bodies.spin_NB
    return torch.cat([momentum_NB2.sum(dim=1), angular_NB.sum(dim=1, keepdim=True)], dim=1)


def energy_j(bodies: Bodies, chain: Chain) -> Tensor:
    """Energy of motion, height, joints, limits and floor, shape (N); without the motors' work."""
    motion_NB = chain.mass_B * bodies.velocity_NB2.square().sum(dim=-1) + chain.inertia_B * bodies.spin_NB.square()
    height_NB = chain.gravity_m_per_s2 * chain.mass_B * bodies.place_NB2[..., 1]
    springs = Bodies(
        bodies.place_NB2, bodies.angle_NB, torch.zeros_like(bodies.velocity_NB2), torch.zeros_like(bodies.spin_NB)
    )
    joint_NJ2, _ = joint_forces(springs, chain)
    push_NC = floor_forces(springs, chain)[0][..., 1]
    bend_NJ = bodies.angle_NB[:, 1:] - bodies.angle_NB[:, :-1]
    beyond_NJ = bend_NJ - bend_NJ.clamp(chain.limit_2J[0], chain.limit_2J[1])
    stored_N = (joint_NJ2.square().sum(dim=(1, 2)) + push_NC.square().sum(dim=1)) / chain.stiffness_n_per_m
    limits_N = chain.limit_nm_per_rad * beyond_NJ.square().sum(dim=1)
    return 0.5 * (motion_NB.sum(dim=1) + stored_N + limits_N) + height_NB.sum(dim=1)
