"""Parts of training a policy by its own experience: rollouts, advantages, the clipped objective, the update.

Any environment that offers `state_NS` and `step` serves, with discrete or continuous actions. Nothing here reads a
number back from the device.

Shapes: T steps of a rollout, N environments, S numbers of state (or the shape of an image), A actions, M samples of a
minibatch. An action is one index or a vector of numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor

from cupel.spec import Slot, WrongWorkError
from cupel.tasks.action_choice import Choice, choice_of

Policy: TypeAlias = Callable[[Tensor], tuple[Choice, Tensor]]
"""From states (N, S) to log probabilities (N, A) or a normal spread of the actions, and values (N)."""


class Transition(NamedTuple):
    """What a step led to.

    Args:
        reached_NS: the state reached, before any new start.
        reward_N: reward of the step.
        terminated_N: the episode ended by what happened in it.
        truncated_N: the time was up before that.
        steps_N: int64 steps of the episode so far, this one included.
    """

    reached_NS: Tensor
    reward_N: Tensor
    terminated_N: Tensor
    truncated_N: Tensor
    steps_N: Tensor


class Environments(Protocol):
    """Many environments in step; one that ends starts anew within the same step.

    Attributes:
        state_NS: what the policy sees now.
    """

    state_NS: Tensor

    def step(self, action: Tensor, /) -> Transition:
        """Act once in every environment."""


class Rollout(NamedTuple):
    """Experience of T steps in N environments.

    Args:
        state_TNS: state before each step.
        action_TN: action taken.
        log_prob_TN: its log probability under the policy that took it.
        value_TN: value of the state.
        next_value_TN: value of the state reached, before a new start.
        transition: what each step led to, every field with T in front.
    """

    state_TNS: Tensor
    action_TN: Tensor
    log_prob_TN: Tensor
    value_TN: Tensor
    next_value_TN: Tensor
    transition: Transition


class Samples(NamedTuple):
    """What an update learns from, one row a sample."""

    state_MS: Tensor
    action_M: Tensor
    log_prob_M: Tensor
    advantage_M: Tensor
    return_M: Tensor


@torch.no_grad()
def roll_out(policy: Policy, envs: Environments, *, horizon: int, generator: torch.Generator) -> Rollout:
    """Act by the policy for `horizon` steps in every environment."""
    steps = []
    for _ in range(horizon):
        state_NS = envs.state_NS
        output, value_N = policy(state_NS)
        choice = choice_of(output)
        action_N = choice.draw(generator)
        log_prob_N = choice.log_prob(action_N)
        steps.append((state_NS, action_N, log_prob_N, value_N, *envs.step(action_N)))
    state_TNS, action_TN, log_prob_TN, value_TN, *rest = (torch.stack(field) for field in zip(*steps, strict=True))
    transition = Transition(*rest)
    next_value_TN = policy(transition.reached_NS.flatten(0, 1))[1].view(value_TN.shape)
    return Rollout(state_TNS, action_TN, log_prob_TN, value_TN, next_value_TN, transition)


def advantages(rollout: Rollout, *, discount: float, decay: float) -> Tensor:
    """Generalised advantage estimates, shape (T, N).

    With d_t = r_t + discount V(s_t+1) - V(s_t), where V(s_t+1) counts as 0 if the episode terminated at t and as the
    value of the state reached if it was truncated: A_t = d_t + discount decay A_t+1, the last term only where the
    episode went on.

    Args:
        rollout: the experience.
        discount: gamma.
        decay: lambda.

    Source:
        Schulman et al. 2016, High-Dimensional Continuous Control Using Generalized Advantage Estimation, equation 16;
        Pardo et al. 2018, Time Limits in Reinforcement Learning, on truncation.
    """
    transition = rollout.transition
    goes_on_TN = (~(transition.terminated_N | transition.truncated_N)).float()
    next_value_TN = rollout.next_value_TN * (~transition.terminated_N).float()
    delta_TN = transition.reward_N + discount * next_value_TN - rollout.value_TN
    advantage_TN = torch.empty_like(delta_TN)
    later_N = torch.zeros_like(delta_TN[0])
    for step_idx in reversed(range(len(delta_TN))):
        later_N = delta_TN[step_idx] + discount * decay * goes_on_TN[step_idx] * later_N
        advantage_TN[step_idx] = later_N
    return advantage_TN


def samples_of(rollout: Rollout, advantage_TN: Tensor) -> Samples:
    """The rollout as rows of samples; returns are advantages plus values."""
    return Samples(
        state_MS=rollout.state_TNS.flatten(0, 1),
        action_M=rollout.action_TN.flatten(0, 1),
        log_prob_M=rollout.log_prob_TN.flatten(),
        advantage_M=advantage_TN.flatten(),
        return_M=(advantage_TN + rollout.value_TN).flatten(),
    )


def clipped_loss(
    policy: Policy, samples: Samples, *, clip: float, value_weight: float, entropy_weight: float
) -> Tensor:
    """The loss of PPO on a minibatch: clipped surrogate, squared error of the values, entropy bonus.

    Advantages are normalised within the minibatch. The surrogate is the smaller of ratio x advantage and
    clipped ratio x advantage, the ratio being that of the action's probabilities now and when it was taken.

    Source:
        Schulman et al. 2017, Proximal Policy Optimization Algorithms, equations 7 and 9.
    """
    output, value_M = policy(samples.state_MS)
    choice = choice_of(output)
    log_prob_M = choice.log_prob(samples.action_M)
    advantage_M = samples.advantage_M
    advantage_M = (advantage_M - advantage_M.mean()) / (advantage_M.std() + 1e-8)
    ratio_M = (log_prob_M - samples.log_prob_M).exp()
    surrogate_M = torch.minimum(ratio_M * advantage_M, ratio_M.clamp(1 - clip, 1 + clip) * advantage_M)
    entropy = choice.entropy().mean()
    value_loss = (value_M - samples.return_M).square().mean()
    return -surrogate_M.mean() + value_weight * value_loss - entropy_weight * entropy


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How experience is learned from.

    Args:
        epochs: passes over the samples.
        minibatches: parts of each pass, an update each.
        clip: how far the ratio of probabilities may go from 1 before it brings no more.
        value_weight: of the squared error of the values.
        entropy_weight: of the bonus for entropy.
        clip_norm: ceiling of the gradients' norm.
    """

    epochs: int
    minibatches: int
    clip: float = 0.2
    value_weight: float = 0.5
    entropy_weight: float = 0.01
    clip_norm: float = 0.5

    def loss(self, policy: Policy, samples: Samples) -> Tensor:
        """The clipped loss by these rules."""
        return clipped_loss(
            policy, samples, clip=self.clip, value_weight=self.value_weight, entropy_weight=self.entropy_weight
        )


def learn(policy: Policy, samples: Samples, *, rules: Rules, slot: Slot, generator: torch.Generator) -> Tensor:
    """Passes over the samples in shuffled minibatches, an update of the slot's model each.

    Returns:
        The loss of the last minibatch, detached.
    """
    num_samples = len(samples.action_M)
    for _ in range(rules.epochs):
        order = torch.randperm(num_samples, generator=generator, device=slot.device)
        for chosen in order.chunk(rules.minibatches):
            minibatch = Samples(*(column[chosen] for column in samples))
            with slot.autocast():
                loss = rules.loss(policy, minibatch)
            slot.step(loss, clip_norm=rules.clip_norm)
    return loss.detach()


@torch.no_grad()
def check_better_likelier(what: str, policy: Policy, *, samples: Samples, slot: Slot) -> None:
    """An update from these samples has made the better actions likelier.

    Raises:
        WrongWorkError: advantage times gain in log probability is not positive on average.
    """
    with slot.autocast():
        output, _ = policy(samples.state_MS)
    gain_M = choice_of(output).log_prob(samples.action_M) - samples.log_prob_M
    advantage_M = samples.advantage_M - samples.advantage_M.mean()
    mean = float((gain_M * advantage_M).mean())
    if not mean > 0:
        raise WrongWorkError(
            f"{what}: after an update, advantage times gain in log probability is {mean:.3g} on average; "
            "expected a positive number, better actions having become likelier."
        )
