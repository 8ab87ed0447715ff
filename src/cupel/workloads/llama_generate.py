"""Llama 2 7B going on with prompts: the prompt in one pass, then one token at a time.

Decisions:
- `full` is the configuration of Llama 2 7B, 6 738 415 616 parameters, one text at a time, a prompt of 128 tokens and
  272 written after it: Milabench's 400 in all and its batch of 1.
- The `transformers` library's model from a configuration with random weights; attention by torch's scaled dot product;
  a cache with a place for every position from the start (`cupel.tasks.decoding`).
- `weights=pretrained` has those of the card's checkpoint, from the user's disk (`cupel.tasks.checkpoint`).
- `decoding=sampled` draws from the 10 likeliest ids at temperature 1, seeded; `greedy` takes the likeliest. Texts end
  by their length alone; prompts are of words by Zipf's law, `batches` of them in rotation, all equally long.
- Weights and cache are stored at the run's precision (bf16 at bf16); the choice is made in fp32. `compile` compiles
  the model's pass, not the loop.
- Counted: new tokens, by their ids; `prompt tokens` are counted apart. Milabench adds up characters of the text, prompt
  included, and tokens of the prompt. A step is `batch` whole texts, prompt and all.
- The loss is the mean surprise (-ln p) of the new tokens: a mark of what was written, not to be lowered.
- Memory at `full`: 25.1 GiB of weights in fp32, 12.6 in bf16; the cache has 1 MiB a token in fp32, 0.4 GiB.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.checkpoint import asked_checkpoint
from cupel.tasks.data.power_law import power_law_indices
from cupel.tasks.decoding import Choose, Sampler, Writer, likeliest
from cupel.tasks.learning import check_output
from cupel.tasks.models.llama import llama
from cupel.tasks.without_files import without_files

CARD = Workload(
    measures="inference throughput",
    unit="generated tokens",
    also=("prompt tokens",),
    better="higher",
    source="Touvron et al. 2023, Llama 2: Open Foundation and Fine-Tuned Chat Models",
    tags=("inference", "language", "transformer", "decoder", "generation"),
    needs=("torch", "models"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"),
        "compile": (False, True),
        "weights": ("random", "pretrained"),
        "decoding": ("sampled", "greedy"),
    },
    tiny={
        "layers": 2, "width": 64, "heads": 4, "kv_heads": 4, "feedforward": 128, "vocab_size": 512,
        "checkpoints": False, "batch": 2, "prompt": 12, "new": 8, "top": 10, "batches": 2,
    },
    small={
        "layers": 2, "width": 256, "heads": 8, "kv_heads": 8, "feedforward": 688, "vocab_size": 4096,
        "checkpoints": False, "batch": 1, "prompt": 64, "new": 16, "top": 10, "batches": 8,
    },
    full={
        "layers": 32, "width": 4096, "heads": 32, "kv_heads": 32, "feedforward": 11008, "vocab_size": 32000,
        "checkpoints": False, "batch": 1, "prompt": 128, "new": 272, "top": 10, "batches": 16,
    },
    parameters=6_738_415_616,
    checkpoint="meta-llama/Llama-2-7b-hf",
    gated=True,
    memory_gib={"tiny": 0.1, "small": 0.5, "full": 27.0},
)  # fmt: skip


class Parts(NamedTuple):
    """What a step works with."""

    model: Any
    writer: Writer
    prompts: list[Tensor]
    choose: Choose


def build_model(sizes: Sizes, dtype: torch.dtype = torch.float32, *, checkpoint: Path | None = None) -> Any:
    """The model, random where there is no checkpoint, for inference, on torch's default device."""
    return llama(sizes, dtype=dtype, release="2", checkpoint=checkpoint).eval().requires_grad_(requires_grad=False)


def build(sizes: Sizes, slot: Slot, *, rng: Seeds) -> Parts:
    """A model with its cache, prompts on the device, and the way to choose a token."""
    with slot.device:
        model = build_model(sizes, slot.dtype, checkpoint=asked_checkpoint(slot, CARD))
        writer = Writer(slot.compile(model), num_prompt=sizes.prompt, num_new=sizes.new)
    generator = slot.generator(rng.seed("data"))
    shape, num_words = (sizes.batch, sizes.prompt), sizes.vocab_size
    prompts = [
        power_law_indices(shape, num_values=num_words, exponent=1.0, generator=generator) for _ in range(sizes.batches)
    ]
    is_greedy = slot.settings.get("decoding") == "greedy"
    choose = likeliest if is_greedy else Sampler(slot.generator(rng.seed("order")), top=sizes.top)
    return Parts(model, writer, prompts, choose)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model and prompts in rotation; a step goes on with the next ones."""
    parts = build(sizes, slot, rng=rng)
    num_steps = 0

    def step() -> Done:
        nonlocal num_steps
        prompts = parts.prompts[num_steps % len(parts.prompts)]
        num_steps += 1
        written = parts.writer.write(prompts, parts.choose)
        num_new = written.ids_BT.numel() - prompts.numel()
        return Done(items=num_new, loss=written.surprise, also={"prompt tokens": prompts.numel()})

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Step by step with the cache, logits are those of one pass over the whole text; the same seed writes the same."""
    slot = without_files(slot)
    parts, again = build(sizes, slot, rng=rng), build(sizes, slot, rng=rng)
    prompts = parts.prompts[0]
    parts.writer.write(parts.prompts[-1], likeliest)  # leaves its keys and values behind, which must not be seen
    written = parts.writer.write(prompts, parts.choose, keep_logits=True)
    logits_BNV, ids_BT = written.logits_BNV, written.ids_BT
    assert logits_BNV is not None
    shape = (len(prompts), sizes.new, sizes.vocab_size)
    check_output("llama_generate", logits_BNV, shape=shape, dtype=torch.float32)
    with torch.no_grad():
        whole_BNV = parts.model(input_ids=ids_BT).logits[:, sizes.prompt - 1 : -1].float()
    error = float((logits_BNV - whole_BNV).norm() / whole_BNV.norm())
    bound = 1e-4 if slot.precision == "fp32" else 0.05
    if not error < bound:
        raise WrongWorkError(
            f"llama_generate: logits of single steps differ by {error:.2g} of their size from those of one pass over "
            f"the text; expected less than {bound:g}."
        )
    check_choice(parts, written.ids_BT[:, sizes.prompt :], whole_BNV, sizes=sizes)
    again.model.load_state_dict(parts.model.state_dict())
    if not torch.equal(again.writer.write(prompts, again.choose).ids_BT, ids_BT):
        raise WrongWorkError("llama_generate: the same seed wrote another text; expected the same.")


def check_choice(parts: Parts, new_BN: Tensor, logits_BNV: Tensor, *, sizes: Sizes) -> None:
    """Each new token is among the candidates."""
    num_better = (logits_BNV > logits_BNV.gather(2, new_BN[:, :, None])).sum(dim=2)
    num_allowed = 1 if parts.choose is likeliest else sizes.top
    if int(num_better.max()) >= num_allowed + 1:  # one more, for ties that rounding turns round
        raise WrongWorkError(
            f"llama_generate: a token was written that {int(num_better.max())} others beat; expected one of the "
            f"{num_allowed} likeliest."
        )
