"""Proximal policy optimisation (PPO) of a hopping robot, simulated by the thousand on the device of its policy.

Decisions:
- The robot is a planar hopper of four rigid bodies in maximal coordinates (`cupel.tasks.hopper`), written in torch: as
  in Brax, which is the model for this entry, simulation and learning share the device and nothing visits the host.
- The networks are Brax's, 32 x 4 for the policy and 256 x 5 for the value, 270 247 parameters. States are clipped, not
  normalised by running statistics.
- A step is a rollout of `horizon` actions in every environment, advantages by GAE (discount 0.97, decay 0.95), and
  `epochs` passes over the experience in `minibatches` shuffled parts; clip 0.3, value weight 0.5, entropy bonus 0.01.
- Adam, learning rate 3e-4 without a schedule, gradients clipped to a norm of 1.
- Precision: networks under autocast at bf16 and fp16; simulation, advantages and losses in fp32. The setting `compile`
  holds for the simulation of an action as well as for the networks.
- `full`: the sizes of Milabench's brax, 8192 environments with 20 actions each in 32 minibatches, 4 epochs; its robot
  is another, so the rates are not comparable.
- Counted: environment steps (actions, of 8 steps of physics each), num_envs x horizon. The loss is that of the last
  minibatch. Memory at `full`: 163 840 samples of 11 numbers and their values in one pass, about 1 GiB (arithmetic).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.body_chain import advance, momenta
from cupel.tasks.hopper import NUM_ACTIONS, NUM_STATE, Hoppers
from cupel.tasks.learning import check_gradients
from cupel.tasks.models.gaussian_actor_critic import GaussianActorCritic
from cupel.tasks.policy_gradient import (
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
    source="Freeman et al. 2021, Brax: A Differentiable Physics Engine for Large Scale Rigid Body Simulation",
    tags=("training", "reinforcement learning", "simulation"),
    needs=("torch",),
    settings={"precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "strategy": ("ddp", "fsdp")},
    optimizer="Adam, learning rate 3e-4, gradient norm clipped to 1",
    tiny={"num_envs": 16, "horizon": 5, "epochs": 1, "minibatches": 2, "policy_width": 16, "value_width": 16},
    small={"num_envs": 128, "horizon": 10, "epochs": 2, "minibatches": 4, "policy_width": 32, "value_width": 64},
    full={"num_envs": 8192, "horizon": 20, "epochs": 4, "minibatches": 32, "policy_width": 32, "value_width": 256},
    parameters=270_247,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 2.0},
)


class Parts(NamedTuple):
    """What a step works with."""

    policy: Any
    envs: Hoppers
    generator: torch.Generator
    rules: Rules


def build_model(sizes: Sizes) -> GaussianActorCritic:
    """The networks with random weights, on torch's default device."""
    return GaussianActorCritic(
        num_state=NUM_STATE,
        num_actions=NUM_ACTIONS,
        policy_width=sizes.policy_width,
        value_width=sizes.value_width,
    )


def build(sizes: Sizes, slot: Slot, *, rng: Seeds) -> Parts:
    """Networks, environments, and the source of random actions and orders."""
    model = slot.prepare(build_model(sizes), lambda parameters: torch.optim.Adam(parameters, lr=3e-4, fused=True))
    envs = Hoppers(sizes.num_envs, slot.generator(rng.seed("data")), compiled=slot.compile)
    rules = Rules(epochs=sizes.epochs, minibatches=sizes.minibatches, clip=0.3, clip_norm=1.0)
    return Parts(model, envs, slot.generator(rng.seed("order")), rules)


def act_and_learn(parts: Parts, sizes: Sizes, *, slot: Slot) -> tuple[Samples, Tensor]:
    """A rollout and the passes over it; the samples, and the loss of the last minibatch."""
    with slot.autocast():
        rollout = roll_out(parts.policy, parts.envs, horizon=sizes.horizon, generator=parts.generator)
    samples = samples_of(rollout, advantages(rollout, discount=0.97, decay=0.95))
    return samples, learn(parts.policy, samples, rules=parts.rules, slot=slot, generator=parts.generator)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Robots and a policy; a step acts and learns."""
    parts = build(sizes, slot, rng=rng)
    num_steps = sizes.num_envs * sizes.horizon

    def step() -> Done:
        return Done(items=num_steps, loss=act_and_learn(parts, sizes, slot=slot)[1])

    return step


def check_momentum(envs: Hoppers, slot: Slot, *, rng: Seeds) -> None:
    """In free flight under random motors, only gravity changes momentum, and by as much as it should."""
    chain, bodies = envs.chain, envs.bodies
    bodies = bodies._replace(place_NB2=bodies.place_NB2 + torch.tensor([0.0, 10.0], device=slot.device))
    before_N3, duration_s = momenta(bodies, chain), 0.02
    shape = (len(before_N3), NUM_ACTIONS)
    motor_NJ = 20.0 * torch.randn(shape, generator=slot.generator(rng.seed("motors")), device=slot.device)
    for _ in range(20):
        bodies = advance(bodies, motor_NJ, chain=chain, step_s=duration_s / 20)
    change_N3 = momenta(bodies, chain) - before_N3
    fall = -float(chain.mass_B.sum()) * chain.gravity_m_per_s2 * duration_s
    sideways, down = float(change_N3[:, 0].abs().max()), float((change_N3[:, 1] - fall).abs().max())
    if not max(sideways, down) < 0.01 * abs(fall):
        raise WrongWorkError(
            f"brax_ppo: in free flight momentum changed by {sideways:.2g} kg m/s sideways and was {down:.2g} off "
            f"downwards; expected 0 sideways, and {fall:.3g} by gravity alone."
        )


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Momentum is conserved, gradients reach all, and an update makes better actions likelier."""
    parts = build(sizes, slot, rng=rng)
    check_momentum(parts.envs, slot, rng=rng)
    for _ in range(5):  # at fp16 the first updates are skipped, until the scale of the loss fits
        samples, _ = act_and_learn(parts, sizes, slot=slot)
    check_better_likelier("brax_ppo", parts.policy, samples=samples, slot=slot)
    with slot.autocast():
        loss = parts.rules.loss(parts.policy, samples)
    check_gradients("brax_ppo", parts.policy, loss)
