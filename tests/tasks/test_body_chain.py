"""Bodies in a chain obey Newton: momenta are conserved, energy does not drift, the floor pushes and rubs."""

from __future__ import annotations

import dataclasses
import math

import pytest

torch = pytest.importorskip("torch", reason="the bodies are written in torch")

from cupel.tasks.body_chain import Bodies, Chain, advance, energy_j, floor_forces, joint_forces, momenta
from cupel.tasks.hopper import UPRIGHT_M, hopper_chain

STEP_S = 0.001


def in_double(chain: Chain, **changed) -> Chain:
    values = {field.name: getattr(chain, field.name) for field in dataclasses.fields(chain)}
    doubled = {name: value.double() if isinstance(value, torch.Tensor) else value for name, value in values.items()}
    return Chain(**{**doubled, **changed})


def make_bodies(num: int = 3, height_m: float = 5.0) -> Bodies:
    generator = torch.Generator().manual_seed(0)
    place = torch.tensor(UPRIGHT_M, dtype=torch.float64) + torch.tensor([0.0, height_m])
    speed = torch.randn(num, 4, 2, generator=generator, dtype=torch.float64)
    spin = torch.randn(num, 4, generator=generator, dtype=torch.float64)
    return Bodies(place.expand(num, 4, 2), torch.zeros(num, 4, dtype=torch.float64), speed, spin)


def run(bodies: Bodies, chain: Chain, num_steps: int, motor=None, step_s: float = STEP_S):
    motor = torch.zeros(len(bodies.spin_NB), 3, dtype=torch.float64) if motor is None else motor
    for _ in range(num_steps):
        bodies = advance(bodies, motor, chain=chain, step_s=step_s)
        yield bodies


def test_without_gravity_and_floor_momenta_are_conserved_whatever_joints_and_motors_do():
    chain = in_double(hopper_chain(torch.device("cpu")), gravity_m_per_s2=0.0)
    motor = 30 * torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    start = make_bodies()
    *_, end = run(start, chain, 300, motor)
    assert (end.angle_NB - start.angle_NB).abs().max() > 1  # a lot has happened
    torch.testing.assert_close(momenta(end, chain), momenta(start, chain), rtol=1e-10, atol=1e-10)


def test_the_centre_of_mass_falls_freely():
    chain = in_double(hopper_chain(torch.device("cpu")))
    start = make_bodies()
    *_, end = run(start, chain, 200)
    change = momenta(end, chain) - momenta(start, chain)
    total = float(chain.mass_B.sum())
    torch.testing.assert_close(change[:, 1], torch.full((3,), -total * 9.81 * 0.2, dtype=torch.float64))
    torch.testing.assert_close(change[:, 0], torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0)


def test_energy_does_not_drift_without_damping():
    chain = in_double(
        hopper_chain(torch.device("cpu")), damping_n_s_per_m=0.0, joint_damping_nm_s=0.0, gravity_m_per_s2=0.0
    )
    energies = torch.stack([energy_j(bodies, chain) for bodies in run(make_bodies(), chain, 1000, step_s=2e-4)])
    swing = (energies - energies[0]).abs().max(dim=0).values / energies[0]
    drift = (energies[500:].mean(dim=0) - energies[:500].mean(dim=0)).abs() / energies[0]
    assert swing.max() < 0.02
    assert drift.max() < 0.005


def test_damping_takes_energy_away():
    chain = in_double(hopper_chain(torch.device("cpu")), gravity_m_per_s2=0.0)
    energies = torch.stack([energy_j(bodies, chain) for bodies in run(make_bodies(), chain, 200)])
    assert (energies[-1] < 0.9 * energies[0]).all()


def test_joints_hold_together():
    chain = in_double(hopper_chain(torch.device("cpu")))
    *_, end = run(make_bodies(), chain, 300)
    force, point = joint_forces(end, chain)
    assert force.abs().max() / chain.stiffness_n_per_m < 0.02
    assert point.isfinite().all()


def test_the_floor_pushes_by_depth_and_against_sinking():
    chain = in_double(hopper_chain(torch.device("cpu")))
    bodies = make_bodies(1, 0.0)
    place = bodies.place_NB2.clone()
    place[:, -1, 1] = chain.radius_m - 0.002
    for speed, expected in ((0.0, 0.002 * 3e4), (-0.5, 0.002 * 3e4 + 50.0)):
        sinking = torch.zeros_like(bodies.velocity_NB2) + torch.tensor([0.0, speed])
        force, arm = floor_forces(Bodies(place, bodies.angle_NB, sinking, torch.zeros_like(bodies.spin_NB)), chain)
        assert force[0, :, 1].tolist() == pytest.approx([expected] * 2)
        assert arm[0].flatten().tolist() == pytest.approx([-0.195, 0.0, 0.195, 0.0])


@pytest.mark.parametrize(("height_m", "touches"), [(0.2, False), (0.05, True)])
def test_the_floor_never_pulls(height_m, touches):
    chain = in_double(hopper_chain(torch.device("cpu")))
    bodies = make_bodies(1, 0.0)
    place = bodies.place_NB2.clone()
    place[:, -1, 1] = height_m
    up = torch.zeros_like(bodies.velocity_NB2) + torch.tensor([0.0, 50.0])
    resting = Bodies(place, bodies.angle_NB, torch.zeros_like(up), torch.zeros_like(bodies.spin_NB))
    leaving = resting._replace(velocity_NB2=up)
    assert bool((floor_forces(resting, chain)[0][..., 1] > 0).all()) == touches
    assert (floor_forces(leaving, chain)[0] == 0).all()


def test_friction_is_against_the_slip_and_within_coulombs_bound():
    chain = in_double(hopper_chain(torch.device("cpu")))
    bodies = make_bodies(1, 0.0)
    place = bodies.place_NB2.clone()
    place[:, -1, 1] = 0.05
    for speed, share in ((0.01, math.tanh(0.1)), (5.0, 1.0)):
        sliding = torch.zeros_like(bodies.velocity_NB2) + torch.tensor([speed, 0.0])
        force = floor_forces(Bodies(place, bodies.angle_NB, sliding, torch.zeros_like(bodies.spin_NB)), chain)[0]
        torch.testing.assert_close(force[..., 0], -share * force[..., 1], rtol=1e-6, atol=0)
