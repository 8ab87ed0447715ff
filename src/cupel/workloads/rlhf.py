"""Reinforcement learning from feedback: a language model writes, is scored, and learns by proximal policy optimisation.

Decisions:
- `full` is Milabench's: Pythia 1B (16 layers, width 2048, 8 heads, 50 304 ids; 1 011 781 632 parameters) as policy and
  as its frozen copy from before training; the same decoder with a head of one number (908 761 088) as frozen reward
  model and as value network, which starts as its copy. Random weights, no dropout.
- A step, with TRL's numbers: 53 tokens are written after each of 64 prompts of 32 at temperature 0.7, with a cache; all
  four networks read the texts; 4 passes over them, one update each. Texts end by their length alone.
- Reward of a token: -0.05 times the log ratio of policy and reference; the score of the text with the last. Advantages
  by GAE (no discount, decay 0.95), normalised; clip 0.2; value loss (unclipped) weighted by 0.1; no entropy bonus.
- AdamW, fused, learning rate 3e-6 without a schedule, no weight decay, gradients clipped to a norm of 1.
- Precision: networks under autocast at bf16 and fp16, all parameters in fp32; log probabilities and rewards in fp32.
- Prompts of words by Zipf's law, `batches` of them in rotation. Counted: tokens written, prompts not among them.
- Memory at `full` in fp32: two trained networks 16 bytes x 1.01e9 each, 30 GiB; two frozen ones 7.5 GiB; activations
  5440 tokens x 2048 x 16 layers x 68 bytes, twice, 23 GiB; logits 64 x 54 x 50 304 x 4 bytes, six times, 4 GiB.
"""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.power_law import power_law_indices
from cupel.tasks.decoding import Sampler, Writer
from cupel.tasks.learning import check_gradients, check_output
from cupel.tasks.models.gpt_neox import Judge, Writing, gpt_neox
from cupel.tasks.policy_gradient import Rules, Samples, check_better_likelier, learn
from cupel.tasks.response_feedback import Feedback, response_samples, taken

CARD = Workload(
    measures="training throughput",
    unit="generated tokens",
    better="higher",
    source="Ziegler et al. 2019, Fine-Tuning Language Models from Human Preferences",
    tags=("training", "language", "transformer", "decoder", "reinforcement learning", "generation"),
    needs=("torch", "models"),
    settings={"precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "strategy": ("ddp", "fsdp")},
    optimizer="AdamW, learning rate 3e-6 (tiny: 1e-2), no weight decay, gradient norm clipped to 1",
    tiny={
        "layers": 1, "width": 32, "heads": 2, "feedforward": 64, "vocab_size": 64, "batch": 16, "prompt": 4, "new": 6,
        "epochs": 4, "learning_rate": 1e-2, "batches": 2,
    },
    small={
        "layers": 2, "width": 128, "heads": 4, "feedforward": 512, "vocab_size": 1024, "batch": 4, "prompt": 8,
        "new": 8, "epochs": 4, "learning_rate": 3e-6, "batches": 8,
    },
    full={
        "layers": 16, "width": 2048, "heads": 8, "feedforward": 8192, "vocab_size": 50304, "batch": 64, "prompt": 32,
        "new": 53, "epochs": 4, "learning_rate": 3e-6, "batches": 16,
    },
    parameters=1_920_542_720,
    memory_gib={"tiny": 0.1, "small": 0.5, "full": 68.0},
)  # fmt: skip


class Parts(NamedTuple):
    """What a step works with; `policy` is the prepared form of `model`."""

    policy: Any
    model: Writing
    reference: Any
    score: Callable[[Tensor], Tensor]
    writer: Writer
    sampler: Sampler
    rules: Rules
    prompts: list[Tensor]


def build_model(sizes: Sizes) -> Writing:
    """Policy and value network with random weights, on torch's default device."""
    return Writing(gpt_neox(sizes), Judge(sizes), num_new=sizes.new, temperature=0.7)


def build(sizes: Sizes, slot: Slot, *, rng: Seeds) -> Parts:
    """The four networks, prompts on the device, and the ways to write and to learn."""
    adamw = functools.partial(torch.optim.AdamW, lr=sizes.learning_rate, weight_decay=0.0, fused=True)
    with slot.device:
        model = build_model(sizes)
    reference, reward = (slot.hold(copy.deepcopy(part).requires_grad_(False)) for part in (model.writer, model.judge))
    words = {"num_values": sizes.vocab_size, "exponent": 1.0, "generator": slot.generator(rng.seed("data"))}
    policy = slot.prepare(model, adamw)
    return Parts(
        policy=policy,
        model=model,
        reference=reference,
        score=lambda ids_BT: reward(ids_BT)[:, -1],
        writer=Writer(model.read, num_prompt=sizes.prompt, num_new=sizes.new),
        sampler=Sampler(slot.generator(rng.seed("order")), temperature=model.temperature),
        rules=Rules(epochs=sizes.epochs, minibatches=1, value_weight=0.1, entropy_weight=0.0, clip_norm=1.0),
        prompts=[power_law_indices((sizes.batch, sizes.prompt), **words) for _ in range(sizes.batches)],
    )


@torch.no_grad()
def write_and_score(parts: Parts, prompts_BP: Tensor, *, slot: Slot) -> tuple[Samples, Feedback]:
    """Responses to prompts, and what the networks say of them."""
    with slot.autocast():
        ids_BT = parts.writer.write(prompts_BP, parts.sampler).ids_BT
        log_probs_BVR, value_BR = parts.policy(ids_BT)
        reference_BR = taken(parts.model.log_probs(parts.reference, ids_BT), ids_BT)
        feedback = Feedback(taken(log_probs_BVR, ids_BT), reference_BR, value_BR, parts.score(ids_BT))
    return response_samples(ids_BT, feedback, divergence_weight=0.05, decay=0.95), feedback


def update(parts: Parts, samples: Samples, *, slot: Slot) -> Tensor:
    """Learn from responses; returns the loss of the last pass."""
    return learn(parts.policy, samples, rules=parts.rules, slot=slot, generator=parts.sampler.generator)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Four networks and prompts in rotation; a step writes, scores and learns."""
    parts = build(sizes, slot, rng=rng)
    rotation = itertools.cycle(parts.prompts)

    def step() -> Done:
        samples, _ = write_and_score(parts, next(rotation), slot=slot)
        return Done(items=samples.action_M.numel(), loss=update(parts, samples, slot=slot))

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Policy and reference start equal, gradients reach all, and what is rewarded is written more often."""
    parts = build(sizes, slot, rng=rng)
    samples, feedback = write_and_score(parts, parts.prompts[0], slot=slot)
    check_output("rlhf", feedback.log_prob_BR, shape=(sizes.batch, sizes.new), dtype=torch.float32)
    apart = float((feedback.log_prob_BR - feedback.reference_BR).abs().max())
    if not apart < 0.05:
        raise WrongWorkError(f"rlhf: policy and reference differ by {apart:.3g} nats before training; expected none.")
    with slot.autocast():
        loss = parts.rules.loss(parts.policy, samples)
    check_gradients("rlhf", parts.model, loss)
    update(parts, samples, slot=slot)
    check_better_likelier("rlhf", parts.policy, samples=samples, slot=slot)
    rewarded = parts._replace(score=lambda ids_BT: (ids_BT[:, -sizes.new :] % 2).float().mean(dim=1))
    shares = []
    for _ in range(15):
        samples, feedback = write_and_score(rewarded, parts.prompts[0], slot=slot)
        shares.append(float(feedback.score_B.mean()))
        update(rewarded, samples, slot=slot)
    first, last = sum(shares[:4]) / 4, sum(shares[-4:]) / 4
    if not last > first + 0.15:
        raise WrongWorkError(f"rlhf: rewarded, odd tokens went from {first:.2f} to {last:.2f} of all; expected a rise.")
