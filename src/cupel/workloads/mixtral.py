"""A mixture of experts (Mixtral 8x7B) generating text.

Decisions:
- `full` is Mixtral 8x7B: 32 layers of width 4096, 32 heads (8 of keys and values), 8 experts of 14 336 units of which a
  token uses 2, vocabulary 32 000: 46 702 792 704 parameters. 32 prompts of 512 tokens, 64 tokens written after each.
- Generation, since no device of today holds the training of it (with AdamW 348 GiB in bf16). Weights are stored at the
  precision of the run; bf16 is the default, and at fp32 twice the memory is needed.
- The `transformers` library's model from a configuration with random weights, experts by grouped products that drop no
  token (`cupel.tasks.models.mixtral`), attention by torch's scaled dot product, a cache of fixed size used again.
- The likeliest token each time, as long as asked: with random weights no text ends, and nothing is drawn. Prompts are
  of equal length, words by Zipf's law; `batches` batches in rotation.
- A step reads the prompts of a batch and writes all tokens. The loss is the mean negative log probability of the tokens
  written: it shows that two runs wrote the same.
- Counted: tokens written; `prompt tokens` counts those read. The rate covers the time of both.
- Memory at `full` in bf16: parameters 87.0 GiB, keys and values 128 KiB x 32 x 576 = 2.3 GiB, work of one layer at the
  prompt (16 384 tokens, twice each) 3 GiB.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.power_law import power_law_indices
from cupel.tasks.learning import check_output
from cupel.tasks.models.mixtral import mixtral, one_by_one

CARD = Workload(
    measures="generation throughput",
    unit="tokens",
    also=("prompt tokens",),
    better="higher",
    source="Jiang et al. 2024, Mixtral of Experts",
    tags=("inference", "language", "transformer", "decoder", "mixture of experts"),
    needs=("torch", "models"),
    settings={"precision": ("bf16", "fp32", "tf32", "fp16"), "compile": (False, True)},
    tiny={
        "layers": 2, "width": 32, "heads": 4, "kv_heads": 2, "feedforward": 64, "experts": 8, "vocab_size": 256,
        "batch": 2, "prompt": 8, "written": 4, "batches": 2,
    },
    small={
        "layers": 2, "width": 128, "heads": 4, "kv_heads": 2, "feedforward": 448, "experts": 8, "vocab_size": 2048,
        "batch": 2, "prompt": 32, "written": 8, "batches": 4,
    },
    full={
        "layers": 32, "width": 4096, "heads": 32, "kv_heads": 8, "feedforward": 14336, "experts": 8,
        "vocab_size": 32000, "batch": 32, "prompt": 512, "written": 64, "batches": 4,
    },
    parameters=46_702_792_704,
    memory_gib={"tiny": 0.1, "small": 0.4, "full": 95.0},
)  # fmt: skip


def build_model(sizes: Sizes, dtype: torch.dtype = torch.bfloat16) -> Any:
    """The model with random weights, on torch's default device."""
    return mixtral(sizes, dtype=dtype)


class Writer:
    """A model, prompts, and room for keys and values."""

    def __init__(self, sizes: Sizes, slot: Slot, rng: Seeds) -> None:
        from transformers.cache_utils import StaticCache

        self.sizes, self.slot = sizes, slot
        generator, shape = slot.generator(rng.seed("data")), (sizes.batch, sizes.prompt)
        self.prompts = [
            power_law_indices(shape, num_values=sizes.vocab_size, exponent=1.0, generator=generator)
            for _ in range(sizes.batches)
        ]
        with slot.device:
            self.bare = build_model(sizes, slot.dtype)
        self.model = slot.compile(self.bare)
        self.cache = StaticCache(config=self.bare.config, max_cache_len=sizes.prompt + sizes.written)
        self.place_P = torch.arange(sizes.prompt + sizes.written, device=slot.device)
        # given whole: the library would ask the cache on the device how full it is
        self.may_see_PP = self.place_P[:, None] >= self.place_P

    def logits(self, ids_BT: Tensor, first: int) -> Tensor:
        """Logits after the last of some tokens that stand from place `first` on, (B, V)."""
        places = slice(first, first + ids_BT.shape[1])
        output = self.model(
            input_ids=ids_BT,
            position_ids=self.place_P[None, places],
            attention_mask=self.may_see_PP[None, None, places].expand(len(ids_BT), -1, -1, -1),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits_BV: Tensor = output.logits[:, -1]
        return logits_BV

    @torch.no_grad()
    def write(self, ids_BT: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens that follow a batch of prompts, and their log probabilities in fp32, both (B, written)."""
        self.cache.reset()
        read, written, log_probs = 0, [], []
        for _ in range(self.sizes.written):
            logits_BV = self.logits(ids_BT, read)
            read += ids_BT.shape[1]
            log_prob_B, token_B = logits_BV.float().log_softmax(dim=1).max(dim=1)
            written.append(token_B)
            log_probs.append(log_prob_B)
            ids_BT = token_B[:, None]
        return torch.stack(written, dim=1), torch.stack(log_probs, dim=1)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model and prompts; a step reads a batch of them and writes on."""
    writer = Writer(sizes, slot, rng)
    prompts = itertools.cycle(writer.prompts)
    num_written, num_read = sizes.batch * sizes.written, sizes.batch * sizes.prompt

    def step() -> Done:
        _, log_probs_BT = writer.write(next(prompts))
        return Done(items=num_written, loss=-log_probs_BT.mean(), also={"prompt tokens": num_read})

    return step


@torch.no_grad()
def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Text written twice is the same, read as a whole it is as likely, and experts agree with a loop over tokens."""
    writer = Writer(sizes, slot, rng)
    for parameter in writer.bare.parameters():
        parameter.mul_(4.0 if parameter.ndim > 1 else 1.0)  # so that attention and routing are far from even
    (ids_BT, other_BT), tolerance = writer.prompts[:2], 1e-4 if slot.precision == "fp32" else 0.05
    written_BT, log_probs_BT = writer.write(ids_BT)
    check_output("mixtral", log_probs_BT, shape=(sizes.batch, sizes.written), dtype=torch.float32)
    writer.write(other_BT)
    if not torch.equal(writer.write(ids_BT)[0], written_BT):
        raise WrongWorkError("mixtral: the same prompts were written on in two ways; expected the likeliest tokens.")
    whole_BT = torch.cat([ids_BT, written_BT], dim=1)
    logits_BTV = writer.bare(input_ids=whole_BT, use_cache=False).logits[:, sizes.prompt - 1 : -1]
    check_output("mixtral", logits_BTV, shape=(*written_BT.shape, sizes.vocab_size), dtype=slot.dtype)
    again_BT = logits_BTV.float().log_softmax(dim=2).gather(2, written_BT[:, :, None]).squeeze(2)
    off = float((again_BT - log_probs_BT).abs().max())
    if not off < tolerance:
        raise WrongWorkError(f"mixtral: read as a whole, a written token's log probability is off by {off:.2g}.")
    block = writer.bare.model.layers[0].mlp
    x_1TW = torch.randn(1, 32, sizes.width, generator=slot.generator(rng.seed("x")), device=slot.device).to(slot.dtype)
    found_TW, expected_TW = block(x_1TW)[0].float(), one_by_one(block, x_1TW[0])
    error_T = (found_TW - expected_TW).abs().amax(dim=1) / expected_TW.abs().max()
    error = float(error_T.quantile(0.9))  # some tokens may choose another expert by rounding
    if not error < tolerance:
        raise WrongWorkError(f"mixtral: experts are off by {error:.2g}, against tokens sent one by one.")
