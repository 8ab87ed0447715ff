"""Deep Q-learning (DQN) of a pole on a cart, environment, memory and network on the same device.

Decisions:
- The environment is CartPole-v1 written in torch (`cupel.tasks.cartpole`), `num_envs` of them in the worker's own
  process. The network has hidden layers of 120 and 84 ReLU units: 10 934 parameters.
- A step acts `interval` times in every environment, random with probability 0.05 and else greedily, remembers what came
  of it, and makes one update from `batch` memories drawn with replacement; `target_every` updates to a new target.
- The memory is a ring of `capacity` steps, filled at set-up by random actions, so that all timed steps are alike.
- Discount 0.99, Huber loss, Adam, learning rate 2.5e-4, constant. Targets bootstrap unless the pole fell.
- Precision: network under autocast at bf16 and fp16; environment, targets and loss in fp32.
- `full`: the sizes of Milabench's dqn, which plays another game: 128 environments, memory of 131 072, batches of
  65 536, an update every 10 steps. Small networks in a loop: mostly a measure of launch overhead.
- Counted: environment steps, num_envs x interval. Memory at `full`: below 0.5 GiB (arithmetic).
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.cartpole import NUM_ACTIONS, NUM_STATE, CartPoles, next_state
from cupel.tasks.learning import check_fall, check_gradients
from cupel.tasks.q_learning import bootstrapped, error_loss, mostly_greedy
from cupel.tasks.replay_buffer import Experience, ReplayBuffer

CARD = Workload(
    measures="training throughput",
    unit="environment steps",
    better="higher",
    source="Mnih et al. 2015, Human-level Control through Deep Reinforcement Learning",
    tags=("training", "reinforcement learning"),
    needs=("torch",),
    settings={"precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "strategy": ("ddp", "fsdp")},
    optimizer="Adam, learning rate 2.5e-4",
    tiny={"num_envs": 8, "interval": 4, "capacity": 256, "batch": 64, "target_every": 8},
    small={"num_envs": 64, "interval": 10, "capacity": 16384, "batch": 4096, "target_every": 50},
    full={"num_envs": 128, "interval": 10, "capacity": 131072, "batch": 65536, "target_every": 50},
    parameters=10_934,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 0.5},
)
EPSILON = 0.05
DISCOUNT = 0.99


class Parts(NamedTuple):
    """What a step works with; `target` has a network's weights of some updates ago."""

    model: Any
    target: Any
    envs: CartPoles
    memory: ReplayBuffer
    generator: torch.Generator


def build_model(sizes: Sizes) -> nn.Sequential:
    """The network with random weights; the same at every size."""
    del sizes
    return nn.Sequential(
        nn.Linear(NUM_STATE, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, NUM_ACTIONS)
    )


def act(parts: Parts, *, epsilon: float) -> None:
    """One step in every environment, remembered."""
    state_NS = parts.envs.state_NS
    action_N = mostly_greedy(parts.model, state_NS, epsilon=epsilon, generator=parts.generator)
    after = parts.envs.step(action_N)
    parts.memory.add(Experience(state_NS, action_N, after.reward_N, after.reached_NS, after.terminated_N))


def build(sizes: Sizes, slot: Slot, *, rng: Seeds) -> Parts:
    """Networks, environments, and a memory full of random actions."""
    model = build_model(sizes)
    target = slot.compile(slot.hold(copy.deepcopy(model).requires_grad_(requires_grad=False)))
    model = slot.prepare(model, lambda parameters: torch.optim.Adam(parameters, lr=2.5e-4, fused=True))
    envs = CartPoles(sizes.num_envs, slot.generator(rng.seed("data")))
    memory = ReplayBuffer(sizes.capacity, NUM_STATE, device=slot.device)
    parts = Parts(model, target, envs, memory, slot.generator(rng.seed("order")))
    for _ in range(sizes.capacity // sizes.num_envs):
        act(parts, epsilon=1.0)
    return parts


def loss_of(parts: Parts, samples: Experience, slot: Slot) -> Tensor:
    """Huber loss against targets of the older network."""
    with slot.autocast():
        target_M = bootstrapped(parts.target, samples, discount=DISCOUNT)
        return error_loss(parts.model, samples, target_M)


@torch.no_grad()
def renew_target(parts: Parts) -> None:
    """The older network becomes a copy of the one that is trained."""
    for old, new in zip(parts.target.parameters(), parts.model.parameters(), strict=True):
        old.copy_(new)


def step_of(parts: Parts, sizes: Sizes, *, slot: Slot) -> Step:
    """The step that acts, remembers and learns."""
    num_updates = 0

    def step() -> Done:
        nonlocal num_updates
        for _ in range(sizes.interval):
            with slot.autocast():
                act(parts, epsilon=EPSILON)
        loss = loss_of(parts, parts.memory.draw(sizes.batch, parts.generator), slot)
        slot.step(loss)
        num_updates += 1
        if num_updates % sizes.target_every == 0:
            renew_target(parts)
        return Done(items=sizes.num_envs * sizes.interval, loss=loss.detach())

    return step


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Environments, memory and networks; a step acts and learns."""
    return step_of(build(sizes, slot, rng=rng), sizes, slot=slot)


def check_memory(memory: ReplayBuffer) -> None:
    """Every memory is of what the environment really does."""
    rows = memory.rows
    apart = float((next_state(rows.state_MS, rows.action_M) - rows.reached_MS).abs().max())
    if not apart < 1e-5:
        raise WrongWorkError(f"dqn: memories are up to {apart:.2g} away from where their actions lead; expected 0.")


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Memories are true, gradients reach all, the older network is renewed, and fixed targets can be learned."""
    parts = build(sizes, slot, rng=rng)
    step = step_of(parts, sizes, slot=slot)
    check_gradients("dqn", parts.model, loss_of(parts, parts.memory.draw(sizes.batch, parts.generator), slot))
    for _ in range(sizes.target_every):
        step()
    check_memory(parts.memory)
    for old, new in zip(parts.target.parameters(), parts.model.parameters(), strict=True):
        if not torch.equal(old, new):
            raise WrongWorkError(f"dqn: after {sizes.target_every} updates the target differs; expected a new copy.")
    samples = parts.memory.draw(sizes.batch, parts.generator)
    losses = []
    for _ in range(10):
        slot.step(loss := loss_of(parts, samples, slot))
        losses.append(float(loss.detach()))
    check_fall("dqn", losses)
