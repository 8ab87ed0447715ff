"""Hand-written loops of the entries that learn by reinforcement, in the environments of the entries."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import backward
from torch.distributions import Categorical, Independent, Normal
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.tasks.arcade import Arcade
from cupel.tasks.cartpole import CartPoles
from cupel.tasks.hopper import Hoppers
from interleaved import Step


class Rules(NamedTuple):
    """Numbers of PPO: discount, decay of advantages, clips of the ratio and of the gradients' norm."""

    discount: float
    decay: float
    clip: float
    clip_norm: float


def spread_of(output: Any) -> Any:
    """A policy's output as a distribution: of log probabilities, or of a mean and the logarithm of a deviation."""
    if isinstance(output, Tensor):
        return Categorical(logits=output)
    mean, log_std = output
    return Independent(Normal(mean, log_std.exp()), 1)


@torch.no_grad()
def roll_out(model: Any, envs: Any, *, horizon: int, rules: Rules) -> list[Tensor]:
    """States, actions, log probabilities, advantages and returns of a rollout, a row for each step of each game."""
    states, actions, log_probs, values, rewards, goes_on = [], [], [], [], [], []
    for _ in range(horizon):
        state = envs.state_NS
        output, value = model(state)
        spread = spread_of(output)
        action = spread.sample()
        after = envs.step(action)
        states.append(state)
        actions.append(action)
        log_probs.append(spread.log_prob(action))
        values.append(value)
        rewards.append(after.reward_N)
        goes_on.append((~(after.terminated_N | after.truncated_N)).float())
    following, later = model(envs.state_NS)[1], torch.zeros_like(values[0])
    advantages = [later] * horizon
    for idx in reversed(range(horizon)):
        error = rewards[idx] + rules.discount * following * goes_on[idx] - values[idx]
        later = error + rules.discount * rules.decay * goes_on[idx] * later
        advantages[idx], following = later, values[idx]
    returns = [advantage + value for advantage, value in zip(advantages, values, strict=True)]
    return [torch.cat(column) for column in (states, actions, log_probs, advantages, returns)]


def proximal(model: Any, envs: Any, sizes: Any, rules: Rules) -> Step:
    """A rollout, and passes over it in shuffled minibatches."""
    optimizer = torch.optim.Adam(model.parameters(), lr=2.5e-4)

    def update(state: Tensor, action: Tensor, old: Tensor, advantage: Tensor, returns: Tensor) -> None:
        output, value = model(state)
        spread = spread_of(output)
        ratio = (spread.log_prob(action) - old).exp()
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        gain = torch.min(ratio * advantage, ratio.clamp(1 - rules.clip, 1 + rules.clip) * advantage).mean()
        loss = -gain + 0.5 * F.mse_loss(value, returns) - 0.01 * spread.entropy().mean()
        optimizer.zero_grad()
        backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), rules.clip_norm)
        optimizer.step()

    def step() -> float:
        samples = roll_out(model, envs, horizon=sizes.horizon, rules=rules)
        num_samples = sizes.num_envs * sizes.horizon
        for _ in range(sizes.epochs):
            for chosen in torch.randperm(num_samples).chunk(sizes.minibatches):
                update(*(column[chosen] for column in samples))
        return float(num_samples)

    return step


def ppo(entry: Any, sizes: Any) -> Step:
    """Poles on carts."""
    envs = CartPoles(sizes.num_envs, torch.Generator())
    return proximal(entry.build_model(sizes), envs, sizes, Rules(0.99, 0.95, clip=0.2, clip_norm=0.5))


def torchatari(entry: Any, sizes: Any) -> Step:
    """Breakout."""
    envs = Arcade("breakout", sizes.num_envs, seed=0, threads=1, device=torch.device("cpu"))
    return proximal(entry.build_model(sizes), envs, sizes, Rules(0.99, 0.95, clip=0.1, clip_norm=0.5))


def brax_ppo(entry: Any, sizes: Any) -> Step:
    """Hopping robots."""
    envs = Hoppers(sizes.num_envs, torch.Generator())
    return proximal(entry.build_model(sizes), envs, sizes, Rules(0.97, 0.95, clip=0.3, clip_norm=1.0))


def dqn(entry: Any, sizes: Any) -> Step:
    """Act, remember in columns that are written round and round, learn from a random draw."""
    model = entry.build_model(sizes)
    target = copy.deepcopy(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=2.5e-4)
    envs = CartPoles(sizes.num_envs, torch.Generator())
    states, reached = torch.zeros(sizes.capacity, 4), torch.zeros(sizes.capacity, 4)
    actions, rewards = torch.zeros(sizes.capacity, dtype=torch.int64), torch.zeros(sizes.capacity)
    has_ended = torch.zeros(sizes.capacity)
    num_acts = num_updates = 0

    @torch.no_grad()
    def act() -> None:
        nonlocal num_acts
        state = envs.state_NS
        anything = torch.randint(2, (sizes.num_envs,))
        action = torch.where(torch.rand(sizes.num_envs) < 0.05, anything, model(state).argmax(dim=1))
        after = envs.step(action)
        first = num_acts * sizes.num_envs % sizes.capacity
        rows = slice(first, first + sizes.num_envs)
        states[rows], actions[rows], rewards[rows] = state, action, after.reward_N
        reached[rows], has_ended[rows] = after.reached_NS, after.terminated_N.float()
        num_acts += 1

    def learn() -> None:
        chosen = torch.randint(sizes.capacity, (sizes.batch,))
        with torch.no_grad():
            best = target(reached[chosen]).max(dim=1).values
            wanted = rewards[chosen] + 0.99 * (1 - has_ended[chosen]) * best
        found = model(states[chosen]).gather(1, actions[chosen][:, None]).squeeze(1)
        optimizer.zero_grad()
        backward(F.smooth_l1_loss(found, wanted))
        optimizer.step()

    def step() -> float:
        nonlocal num_updates
        for _ in range(sizes.interval):
            act()
        learn()
        num_updates += 1
        if num_updates % sizes.target_every == 0:
            target.load_state_dict(model.state_dict())
        return float(sizes.num_envs * sizes.interval)

    return step


LOOPS: dict[str, Callable[[Any, Any], Step]] = {
    "ppo": ppo,
    "dqn": dqn,
    "torchatari": torchatari,
    "brax_ppo": brax_ppo,
}
