"""Proximal policy optimisation (PPO) of an Atari game from its pictures.

Decisions:
- The network of 2015 with 32-64-64 channels and 512 hidden units, shared by policy and value: 1 686 693 parameters with
  the 4 actions of Breakout, 1 687 719 with the 6 of Pong. Smaller sizes have fewer channels.
- The emulator runs on the host, in this process, on the run's threads (`cupel.tasks.arcade`): frames held for 4, grey
  84 px, 4 stacked, no sticky actions, a lost life ends an episode. A step waits for actions to reach the host.
- A step is a rollout of `horizon` steps in every game, advantages by GAE (discount 0.99, decay 0.95), and `epochs`
  passes over the experience in `minibatches` shuffled parts; clip 0.1, value weight 0.5, entropy bonus 0.01.
- Adam, learning rate 2.5e-4 without a schedule, epsilon 1e-5, gradients clipped to a norm of 0.5.
- Precision: the network under autocast at bf16 and fp16; advantages and losses in fp32. Pictures stay bytes.
- `full`: Milabench's, the paper's horizon of 128 with 128 games for its 8, 4 epochs and 16 minibatches of 1024.
- Counted: environment steps (actions), num_envs x horizon; `frames` is 4 times as many. Idle frames at starts are not
  counted. The loss is that of the last minibatch.
- Memory at `full`: pictures 2 x 0.46 GB with those reached, their values in one pass about 4 GB (arithmetic).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.arcade import FRAMES_PER_STEP, NUM_ACTIONS, Arcade
from cupel.tasks.learning import check_gradients
from cupel.tasks.models.nature_cnn import NatureCnn
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
    source="Schulman et al. 2017, Proximal Policy Optimization Algorithms",
    tags=("training", "reinforcement learning", "convolution"),
    needs=("torch", "games"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"),
        "compile": (False, True),
        "channels_last": (False, True),
        "game": ("breakout", "pong"),
        "strategy": ("ddp", "fsdp"),
    },
    also=("frames",),
    optimizer="Adam, learning rate 2.5e-4, epsilon 1e-5, gradient norm clipped to 0.5",
    tiny={"num_envs": 2, "horizon": 8, "epochs": 1, "minibatches": 2, "width": 4},
    small={"num_envs": 4, "horizon": 16, "epochs": 2, "minibatches": 2, "width": 8},
    full={"num_envs": 128, "horizon": 128, "epochs": 4, "minibatches": 16, "width": 32},
    parameters=1_686_693,
    memory_gib={"tiny": 0.05, "small": 0.2, "full": 6.0},
)


class Parts(NamedTuple):
    """What a step works with."""

    model: Any
    games: Arcade
    generator: torch.Generator
    rules: Rules


def build_model(sizes: Sizes, game: str = "breakout") -> NatureCnn:
    """The network with random weights, for the actions of a game."""
    return NatureCnn(num_actions=NUM_ACTIONS[game], width=sizes.width)


def build(sizes: Sizes, slot: Slot, *, rng: Seeds) -> Parts:
    """Network, games, and the source of random actions and orders."""

    def adam(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=2.5e-4, eps=1e-5, fused=True)

    game = str(slot.settings.get("game", "breakout"))
    model = slot.prepare(build_model(sizes, game), adam)
    games = Arcade(game, sizes.num_envs, seed=rng.seed("data"), threads=slot.threads, device=slot.device)
    rules = Rules(epochs=sizes.epochs, minibatches=sizes.minibatches, clip=0.1)
    return Parts(model, games, slot.generator(rng.seed("order")), rules)


def act_and_learn(parts: Parts, sizes: Sizes, *, slot: Slot) -> tuple[Samples, Tensor]:
    """A rollout and the passes over it; the samples, and the loss of the last minibatch."""

    def policy(image_NS: Tensor) -> tuple[Tensor, Tensor]:
        output: tuple[Tensor, Tensor] = parts.model(slot.laid_out(image_NS))
        return output

    with slot.autocast():
        rollout = roll_out(policy, parts.games, horizon=sizes.horizon, generator=parts.generator)
    samples = samples_of(rollout, advantages(rollout, discount=0.99, decay=0.95))
    return samples, learn(policy, samples, rules=parts.rules, slot=slot, generator=parts.generator)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Games and a network; a step acts and learns."""
    parts = build(sizes, slot, rng=rng)
    num_steps = sizes.num_envs * sizes.horizon

    def step() -> Done:
        _, loss = act_and_learn(parts, sizes, slot=slot)
        return Done(items=num_steps, loss=loss, also={"frames": num_steps * FRAMES_PER_STEP})

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Games play the frames that are counted and look different, gradients reach all, better actions get likelier."""
    parts = build(sizes, slot, rng=rng)
    before_N = parts.games.frame_N
    samples, _ = act_and_learn(parts, sizes, slot=slot)
    played = int((parts.games.frame_N - before_N).min())
    if played < sizes.horizon * FRAMES_PER_STEP:
        raise WrongWorkError(
            f"torchatari: a game played {played} frames in {sizes.horizon} steps; "
            f"expected {FRAMES_PER_STEP} a step, {sizes.horizon * FRAMES_PER_STEP}."
        )
    if not bool((samples.state_MS != samples.state_MS[0]).any()):
        raise WrongWorkError("torchatari: every picture is the same; expected the games to move.")
    check_better_likelier("torchatari", parts.model, samples=samples, slot=slot)
    with slot.autocast():
        loss = parts.rules.loss(parts.model, samples)
    check_gradients("torchatari", parts.model, loss)
