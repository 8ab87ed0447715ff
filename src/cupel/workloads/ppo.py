"""Proximal policy optimisation (PPO) of a pole on a cart, environment and policy on the same device.

Decisions:
- The environment is CartPole-v1 written in torch (`cupel.tasks.cartpole`), `num_envs` of them in the worker's own
  process, new starts within the step. Policy and value networks have two hidden layers of 64 tanh units, the paper's.
- A step is a rollout of `horizon` steps in every environment, advantages by GAE (discount 0.99, decay 0.95), and
  `epochs` passes over the experience in `minibatches` shuffled parts.
- Clip 0.2, value loss (unclipped, weight 0.5), entropy bonus 0.01, advantages normalised in each minibatch. An episode
  that was truncated is bootstrapped from the state it reached, one that terminated is not.
- Adam, learning rate 2.5e-4 without a schedule, epsilon 1e-5, gradients clipped to a norm of 0.5; `tiny` has ten times
  the learning rate, so that it learns within the check of its work.
- Precision: networks under autocast at bf16 and fp16; environment, advantages and losses in fp32.
- `full`: 4096 environments for the paper's Atari horizon of 128, 3 epochs and 4 minibatches of 131 072 samples. Small
  networks in a loop: on an accelerator mostly a measure of launch overhead, as this algorithm is.
- Counted: environment steps, num_envs x horizon. The loss is that of the last minibatch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.cartpole import NUM_ACTIONS, NUM_STATE, CartPoles
from cupel.tasks.learning import check_gradients
from cupel.tasks.models.actor_critic import ActorCritic
from cupel.tasks.policy_gradient import (
    Rollout,
    Rules,
    Samples,
    advantages,
    check_better_likelier,
    learn,
    roll_out,
    samples_of,
)

CARD = Workload(
    measures="training throughput",
    unit="environment steps",
    better="higher",
    source="Schulman et al. 2017, Proximal Policy Optimization Algorithms",
    tags=("training", "reinforcement learning"),
    needs=("torch",),
    settings={"precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "strategy": ("ddp", "fsdp")},
    optimizer="Adam, learning rate 2.5e-4 (tiny: 2.5e-3), epsilon 1e-5, gradient norm clipped to 0.5",
    tiny={"num_envs": 16, "horizon": 32, "epochs": 4, "minibatches": 4, "width": 64, "learning_rate": 0.0025},
    small={"num_envs": 64, "horizon": 32, "epochs": 4, "minibatches": 4, "width": 64, "learning_rate": 0.00025},
    full={"num_envs": 4096, "horizon": 128, "epochs": 3, "minibatches": 4, "width": 64, "learning_rate": 0.00025},
    parameters=9_155,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 2.0},
)


class Parts(NamedTuple):
    """What a step works with."""

    policy: Any
    envs: CartPoles
    generator: torch.Generator
    rules: Rules


def build_model(sizes: Sizes) -> ActorCritic:
    """Policy and value with random weights, on torch's default device."""
    return ActorCritic(num_state=NUM_STATE, num_actions=NUM_ACTIONS, width=sizes.width)


def build(sizes: Sizes, slot: Slot, *, rng: Seeds) -> Parts:
    """Policy, environments, and the source of random actions and orders."""

    def adam(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=sizes.learning_rate, eps=1e-5, fused=True)

    model = slot.prepare(build_model(sizes), adam)
    envs = CartPoles(sizes.num_envs, slot.generator(rng.seed("data")))
    rules = Rules(epochs=sizes.epochs, minibatches=sizes.minibatches)
    return Parts(model, envs, slot.generator(rng.seed("order")), rules)


def update(parts: Parts, samples: Samples, *, slot: Slot) -> torch.Tensor:
    """Learn from the samples; returns the loss of the last minibatch."""
    return learn(parts.policy, samples, rules=parts.rules, slot=slot, generator=parts.generator)


def act(parts: Parts, sizes: Sizes, *, slot: Slot) -> tuple[Rollout, Samples]:
    """A rollout, and the samples to learn from."""
    with slot.autocast():
        rollout = roll_out(parts.policy, parts.envs, horizon=sizes.horizon, generator=parts.generator)
    return rollout, samples_of(rollout, advantages(rollout, discount=0.99, decay=0.95))


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Environments and a policy; a step acts and learns."""
    parts = build(sizes, slot, rng=rng)
    num_steps = sizes.num_envs * sizes.horizon

    def step() -> Done:
        _, samples = act(parts, sizes, slot=slot)
        return Done(items=num_steps, loss=update(parts, samples, slot=slot))

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Gradients reach all, an update makes better actions likelier, and poles stay up longer after a few steps."""
    parts = build(sizes, slot, rng=rng)
    rollout, samples = act(parts, sizes, slot=slot)
    with slot.autocast():
        loss = parts.rules.loss(parts.policy, samples)
    check_gradients("ppo", parts.policy, loss)
    update(parts, samples, slot=slot)
    check_better_likelier("ppo", parts.policy, samples=samples, slot=slot)
    falls = [int(rollout.transition.terminated_N.sum())]
    for _ in range(13):
        rollout, samples = act(parts, sizes, slot=slot)
        falls.append(int(rollout.transition.terminated_N.sum()))
        update(parts, samples, slot=slot)
    first, last = sum(falls[:3]), sum(falls[-3:])
    if not last < 0.5 * first:
        raise WrongWorkError(
            f"ppo: {first} poles fell in the first three rollouts and {last} in the last three of {len(falls)}; "
            f"expected fewer than half as many."
        )
