"""Targets, losses and choices agree with the paper's algorithm, sample by sample."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="the parts are written in torch")

from cupel.tasks.q_learning import bootstrapped, error_loss, mostly_greedy
from cupel.tasks.replay_buffer import Experience


def make_samples(num: int = 30) -> Experience:
    generator = torch.Generator().manual_seed(0)
    state, reached = torch.randn(2, num, 3, generator=generator)
    action = torch.randint(3, (num,), generator=generator)
    reward, fate = torch.rand(2, num, generator=generator)
    return Experience(state, action, reward, reached, fate < 0.3)


def test_targets_bootstrap_unless_the_episode_ended():
    samples = make_samples()
    found = bootstrapped(lambda state: 2 * state, samples, discount=0.9)
    for m in range(30):
        later = 0.0 if samples.terminated_M[m] else 0.9 * max(2 * value for value in samples.reached_MS[m].tolist())
        assert float(found[m]) == pytest.approx(float(samples.reward_M[m]) + later, rel=1e-5)


def test_the_loss_is_hubers_of_the_actions_taken():
    samples = make_samples()
    target = 3 * torch.randn(30, generator=torch.Generator().manual_seed(1))
    found = error_loss(lambda state: state, samples, target)
    total = 0.0
    for m in range(30):
        error = abs(float(samples.state_MS[m, samples.action_M[m]] - target[m]))
        total += 0.5 * error**2 if error < 1 else error - 0.5
    assert float(found) == pytest.approx(total / 30, rel=1e-5)


@pytest.mark.parametrize(("epsilon", "share"), [(0.0, 1.0), (0.3, 0.8), (1.0, 1 / 3)])
def test_actions_are_the_best_except_for_epsilon(epsilon, share):
    num = 20_000
    state = torch.tensor([0.0, 2.0, 1.0]).expand(num, 3)
    action = mostly_greedy(lambda x: x, state, epsilon=epsilon, generator=torch.Generator().manual_seed(0))
    assert float((action == 1).float().mean()) == pytest.approx(share, abs=5 * math.sqrt(0.25 / num))
