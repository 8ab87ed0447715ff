"""The robot stands, falls, ends and starts anew as its description says."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the robot is simulated in torch")

from cupel.tasks import hopper
from cupel.tasks.body_chain import joint_forces, turned
from cupel.tasks.hopper import Hoppers


def make(num: int = 8, seed: int = 0, **given) -> Hoppers:
    return Hoppers(num, torch.Generator().manual_seed(seed), **given)


def test_joints_fit_where_it_starts():
    envs = make()
    still = envs.bodies._replace(
        velocity_NB2=torch.zeros_like(envs.bodies.velocity_NB2), spin_NB=torch.zeros_like(envs.bodies.spin_NB)
    )
    force, _ = joint_forces(still, envs.chain)
    assert force.abs().max() < 0.05  # N; rounding of places times the stiffness
    assert float(envs.chain.mass_B.sum()) == pytest.approx(15.26)


def test_it_stands_for_a_while_and_then_falls_over():
    envs = make()
    first_end = next(k for k in range(1, 300) if (envs.step(torch.zeros(8, 3)).terminated_N).any())
    assert 30 < first_end < 200


def test_an_episode_ends_by_lean_height_or_time_and_starts_anew():
    envs = make(4)
    angle, place = envs.bodies.angle_NB.clone(), envs.bodies.place_NB2.clone()
    angle[0] += 0.3
    place[0] = turned(place[0], angle[0])
    place[1, :, 1] -= 0.7
    envs.bodies = envs.bodies._replace(angle_NB=angle, place_NB2=place)
    envs.steps_N[2] = hopper.MAX_STEPS - 1
    after = envs.step(torch.zeros(4, 3))
    assert after.terminated_N.tolist() == [True, True, False, False]
    assert after.truncated_N.tolist() == [False, False, True, False]
    assert envs.steps_N.tolist() == [0, 0, 0, 1]
    assert after.reached_NS[1, 0] < hopper.MIN_HEIGHT_M
    assert envs.state_NS[:, 0].min() > 1.2
    assert torch.equal(envs.state_NS[3], after.reached_NS[3])


def test_a_robot_that_is_not_finite_has_fallen():
    envs = make(2)
    envs.bodies.velocity_NB2[0] = float("nan")
    assert envs.step(torch.zeros(2, 3)).terminated_N.tolist() == [True, False]
    assert envs.state_NS.isfinite().all()


def test_reward_is_for_speed_and_against_effort():
    still, busy = make(), make()
    after = still.step(torch.zeros(8, 3))
    torch.testing.assert_close(after.reward_N, 1 + still.bodies.velocity_NB2[:, 0, 0])
    after = busy.step(torch.full((8, 3), 5.0))
    torch.testing.assert_close(after.reward_N, 1 + busy.bodies.velocity_NB2[:, 0, 0] - 3e-3)


def test_what_makes_functions_faster_is_used():
    seen = []
    envs = make(compiled=lambda function: lambda *given, **named: seen.append(1) or function(*given, **named))
    envs.step(torch.zeros(8, 3))
    assert seen == [1]
