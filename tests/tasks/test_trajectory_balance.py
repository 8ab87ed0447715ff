"""Exact flows are balanced on every trajectory, and end as the rewards say."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="flows are written in torch")

from cupel.tasks.fragment_trees import Space, enumerate_trees, key_of
from cupel.tasks.trajectory_balance import build_trees, end_probs, exact_policy, imbalance

SPACE = Space([2, 1], 3, device=torch.device("cpu"))
EVERY = enumerate_trees(SPACE)
NUMBER = {key_of(EVERY.trees, idx): idx for idx in range(len(EVERY.links))}
LOG_REWARD = torch.randn(len(EVERY.links), generator=torch.Generator().manual_seed(0))
EXACT, LOG_FLOW = exact_policy(EVERY, SPACE, log_reward_X=LOG_REWARD)


def numbers(trees) -> list[int]:
    return [NUMBER[key_of(trees, idx)] for idx in range(len(trees.count_B))]


def exact(trees):
    return EXACT[numbers(trees)], LOG_FLOW


def build(num: int = 50, explore: float = 0.5):
    return build_trees(exact, SPACE, num=num, explore=explore, generator=torch.Generator().manual_seed(1))


def test_exact_flows_add_up():
    assert float(LOG_FLOW) == pytest.approx(float(LOG_REWARD[1:].logsumexp(0)), rel=1e-6)
    torch.testing.assert_close(EXACT.exp().sum(1), torch.ones(len(EXACT)))
    torch.testing.assert_close(
        end_probs(EXACT, EVERY, SPACE)[1:], LOG_REWARD[1:].double().softmax(0), atol=1e-6, rtol=0
    )


def test_exact_flows_are_balanced_on_every_trajectory_even_of_random_actions():
    trajectories = build()
    log_reward = LOG_REWARD[numbers(trajectories.ends)]
    assert imbalance(exact, trajectories, log_reward).abs().max() < 1e-5
    assert float(imbalance(exact, trajectories, log_reward - 0.5).mean()) == pytest.approx(0.5, abs=1e-4)


def test_trajectories_are_drawn_by_the_policy():
    ends = torch.tensor(numbers(build(1000, explore=0.0).ends)).bincount(minlength=len(EXACT)) / 1000
    assert float((ends - end_probs(EXACT, EVERY, SPACE)).abs().max()) < 5 * 0.5 / 1000**0.5


def test_a_trajectory_is_told_whole():
    trajectories = build()
    steps, num = trajectories.action_TB.shape
    assert steps == SPACE.max_nodes + 1
    adds = (trajectories.action_TB != SPACE.stop).sum(0)
    assert torch.equal(adds, trajectories.ends.count_B)
    assert torch.equal(trajectories.goes_on_TB.sum(0), adds + 1)
    assert (trajectories.action_TB[-1] == SPACE.stop).all()
    assert len(trajectories.trees.count_B) == steps * num
