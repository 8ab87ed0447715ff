"""Advantages and the clipped loss agree with loops over the papers' equations."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="the parts are written in torch")

from cupel.tasks.cartpole import NUM_STATE, CartPoles
from cupel.tasks.models.actor_critic import ActorCritic
from cupel.tasks.policy_gradient import Rollout, Samples, Transition, advantages, clipped_loss, roll_out, samples_of

HORIZON, NUM_ENVS = 20, 6


def make_policy() -> ActorCritic:
    torch.manual_seed(0)
    return ActorCritic(num_state=NUM_STATE, num_actions=2, width=16)


def make_rollout(seed: int = 0) -> Rollout:
    """Random values, rewards and ends; a tenth each terminate and are truncated."""
    generator = torch.Generator().manual_seed(seed)
    shape = (HORIZON, NUM_ENVS)
    fate, value, next_value, reward = torch.rand(4, *shape, generator=generator, dtype=torch.float64)
    transition = Transition(
        reached_NS=torch.zeros(*shape, 4),
        reward_N=reward,
        terminated_N=fate < 0.1,
        truncated_N=fate > 0.9,
        steps_N=torch.ones(shape, dtype=torch.int64),
    )
    action = torch.zeros(shape, dtype=torch.int64)
    return Rollout(torch.zeros(*shape, 4), action, torch.zeros(shape), value, next_value, transition)


def naive_advantage(rollout: Rollout, t: int, n: int, *, discount: float, decay: float) -> float:
    """The sum over later steps, from its definition: (discount decay)^k d_t+k until the episode ends."""
    total = 0.0
    for k in range(HORIZON - t):
        terminated = bool(rollout.transition.terminated_N[t + k, n])
        truncated = bool(rollout.transition.truncated_N[t + k, n])
        later = 0.0 if terminated else float(rollout.next_value_TN[t + k, n])
        delta = float(rollout.transition.reward_N[t + k, n]) + discount * later - float(rollout.value_TN[t + k, n])
        total += (discount * decay) ** k * delta
        if terminated or truncated:
            break
    return total


@pytest.mark.parametrize(("discount", "decay"), [(0.99, 0.95), (0.9, 1.0), (0.9, 0.0)])
def test_advantages_agree_with_the_sum_that_defines_them(discount, decay):
    rollout = make_rollout()
    assert rollout.transition.terminated_N.any()
    assert rollout.transition.truncated_N.any()
    found = advantages(rollout, discount=discount, decay=decay)
    for t in range(HORIZON):
        for n in range(NUM_ENVS):
            expected = naive_advantage(rollout, t, n, discount=discount, decay=decay)
            # where episodes go on is told in fp32, everything else is float64 here
            assert float(found[t, n]) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_a_rollout_follows_the_environment_and_the_policy():
    policy, envs = make_policy(), CartPoles(NUM_ENVS, torch.Generator().manual_seed(0))
    start = envs.state_NS.clone()
    rollout = roll_out(policy, envs, horizon=200, generator=torch.Generator().manual_seed(1))
    assert torch.equal(rollout.state_TNS[0], start)
    ended = rollout.transition.terminated_N | rollout.transition.truncated_N
    assert ended.any()
    assert torch.equal(rollout.state_TNS[1:][~ended[:-1]], rollout.transition.reached_NS[:-1][~ended[:-1]])
    assert (rollout.state_TNS[1:][ended[:-1]].abs() <= 0.05).all()
    log_probs, values = policy(rollout.state_TNS.flatten(0, 1))
    chosen = log_probs.gather(1, rollout.action_TN.flatten()[:, None]).squeeze(1)
    torch.testing.assert_close(rollout.log_prob_TN.flatten(), chosen)
    torch.testing.assert_close(rollout.value_TN.flatten(), values)
    torch.testing.assert_close(rollout.next_value_TN.flatten(), policy(rollout.transition.reached_NS.flatten(0, 1))[1])
    assert not rollout.value_TN.requires_grad


def test_actions_are_drawn_with_the_probabilities_of_the_policy():
    def policy(state):
        log_probs = torch.tensor([0.2, 0.8]).log().expand(len(state), 2)
        return log_probs, torch.zeros(len(state))

    envs = CartPoles(500, torch.Generator().manual_seed(0))
    rollout = roll_out(policy, envs, horizon=100, generator=torch.Generator().manual_seed(1))
    assert float(rollout.action_TN.float().mean()) == pytest.approx(0.8, abs=5 * math.sqrt(0.16 / 50_000))


def test_returns_are_advantages_plus_values():
    rollout = make_rollout()
    advantage = advantages(rollout, discount=0.99, decay=0.95)
    samples = samples_of(rollout, advantage)
    torch.testing.assert_close(samples.return_M.view(HORIZON, NUM_ENVS), advantage + rollout.value_TN)
    assert samples.state_MS.shape == (HORIZON * NUM_ENVS, 4)


def test_the_clipped_loss_agrees_with_a_loop_over_samples():
    generator, policy, num = torch.Generator().manual_seed(2), make_policy(), 40
    state = torch.randn(num, 4, generator=generator)
    action = torch.randint(2, (num,), generator=generator)
    old = torch.rand(num, generator=generator).mul(0.6).add(0.2).log()
    advantage, target = torch.randn(2, num, generator=generator)
    samples = Samples(state, action, old, advantage, target)
    found = clipped_loss(policy, samples, clip=0.2, value_weight=0.5, entropy_weight=0.01)
    log_probs, values = policy(state)
    mean, spread = advantage.mean(), advantage.std()
    total, num_clipped = 0.0, 0
    for m in range(num):
        normal = float((advantage[m] - mean) / spread)
        ratio = math.exp(float((log_probs[m, action[m]] - old[m]).detach()))
        clipped = min(max(ratio, 0.8), 1.2)
        num_clipped += clipped != ratio
        probs = log_probs[m].detach().exp().tolist()
        entropy = -sum(p * math.log(p) for p in probs)
        error = float((values[m] - target[m]).detach())
        total += -min(ratio * normal, clipped * normal) + 0.5 * error**2 - 0.01 * entropy
    assert 0 < num_clipped < num
    assert float(found.detach()) == pytest.approx(total / num, rel=1e-5)


def test_a_ratio_beyond_the_clip_gets_no_gradient_where_it_would_go_further():
    log_prob = torch.zeros(2, requires_grad=True)

    def policy(state):
        return torch.stack([log_prob, log_prob - 5], dim=1), torch.zeros(2)

    # both actions are now twice as likely as when they were taken; only the better one has gone far enough
    samples = Samples(
        torch.zeros(2, 4),
        torch.zeros(2, dtype=torch.int64),
        torch.full((2,), -math.log(2)),
        torch.tensor([1.0, -1.0]),
        torch.zeros(2),
    )
    clipped_loss(policy, samples, clip=0.2, value_weight=0.0, entropy_weight=0.0).backward()
    assert log_prob.grad[0] == 0
    assert log_prob.grad[1] > 0
