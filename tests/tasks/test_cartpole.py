"""The carts obey the published equations, limits and new starts."""

from __future__ import annotations

import math
import random

import pytest

torch = pytest.importorskip("torch", reason="the environment is written in torch")

from cupel.tasks import cartpole
from cupel.tasks.cartpole import CartPoles, next_state


def plain_step(state: list[float], action: int) -> list[float]:
    """CartPole-v1's equations, one cart, plain Python."""
    x, x_dot, theta, theta_dot = state
    force = 10.0 if action == 1 else -10.0
    costheta, sintheta = math.cos(theta), math.sin(theta)
    temp = (force + 0.05 * theta_dot**2 * sintheta) / 1.1
    thetaacc = (9.8 * sintheta - costheta * temp) / (0.5 * (4.0 / 3.0 - 0.1 * costheta**2 / 1.1))
    xacc = temp - 0.05 * thetaacc * costheta / 1.1
    return [x + 0.02 * x_dot, x_dot + 0.02 * xacc, theta + 0.02 * theta_dot, theta_dot + 0.02 * thetaacc]


def make(num: int, seed: int = 0) -> CartPoles:
    return CartPoles(num, torch.Generator().manual_seed(seed))


def test_motion_agrees_with_the_equations_in_plain_python():
    rng = random.Random(0)
    states = [[rng.uniform(-2, 2) for _ in range(4)] for _ in range(200)]
    actions = [rng.randrange(2) for _ in range(200)]
    found = next_state(torch.tensor(states, dtype=torch.float64), torch.tensor(actions))
    expected = torch.tensor([plain_step(s, a) for s, a in zip(states, actions, strict=True)], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_a_push_to_the_right_moves_the_cart_right_and_tips_the_pole_left():
    state = next_state(torch.zeros(2, 4), torch.tensor([0, 1]))
    assert state[1, 1] > 0 > state[0, 1]
    assert state[1, 3] < 0 < state[0, 3]


def test_starts_are_near_upright_rest_and_differ():
    state = make(1000).state_NS
    assert state.abs().max() <= 0.05
    assert state.std() == pytest.approx(0.1 / math.sqrt(12), rel=0.05)


@pytest.mark.parametrize(
    ("state", "ends"),
    [
        ([2.39, 0.0, 0.0, 0.0], False),
        ([2.41, 0.0, 0.0, 0.0], True),
        ([-2.41, 0.0, 0.0, 0.0], True),
        ([0.0, 0.0, math.radians(11.9), 0.0], False),
        ([0.0, 0.0, math.radians(12.1), 0.0], True),
        ([0.0, 0.0, -math.radians(12.1), 0.0], True),
    ],
)
def test_an_episode_ends_at_the_limits_and_starts_anew(state, ends):
    envs = make(2)
    envs.state_NS[0] = torch.tensor(state)
    after = envs.step(torch.tensor([0, 0]))
    assert after.terminated_N.tolist() == [ends, False]
    assert not after.truncated_N.any()
    assert after.reward_N.tolist() == [1.0, 1.0]
    assert after.reached_NS[0, 0] == pytest.approx(state[0])
    assert (envs.state_NS[0].abs() <= 0.05).all() == ends
    assert envs.steps_N.tolist() == [0 if ends else 1, 1]
    torch.testing.assert_close(envs.state_NS[1], after.reached_NS[1])


def test_time_runs_out_after_500_steps_unless_the_pole_fell():
    envs = make(3)
    envs.steps_N[:] = torch.tensor([498, 499, 499])
    envs.state_NS[2, 0] = 3.0
    after = envs.step(torch.tensor([0, 1, 0]))
    assert after.truncated_N.tolist() == [False, True, False]
    assert after.terminated_N.tolist() == [False, False, True]
    assert after.steps_N.tolist() == [499, 500, 500]
    assert envs.steps_N.tolist() == [499, 0, 0]
    assert cartpole.MAX_STEPS == 500


def test_a_random_policy_lasts_about_22_steps():
    # the mean that the usual benchmark version is known for
    envs, generator, lengths = make(500), torch.Generator().manual_seed(1), []
    for _ in range(300):
        after = envs.step(torch.randint(2, (500,), generator=generator))
        lengths += after.steps_N[after.terminated_N].tolist()
    assert sum(lengths) / len(lengths) == pytest.approx(22.2, rel=0.05)
