"""FLUX.1-dev making images of prompts.

Decisions:
- `full` is the transformer of FLUX.1-dev (19 double and 38 single blocks, 24 heads of 128): 11 901 408 320 parameters,
  and the decoder of its autoencoder, 49 545 475; images of 1024 px, 4096 patches, 512 words of a prompt.
- A step is a whole batch of images: noise, `num_steps` denoising steps (28 at `full`, as published) by Euler's method
  along the flow, and the decoding to pixels. The text encoders are left out; what they would say is given.
- One image a step at `full`, where Milabench has 16: an image takes seconds, and its 4608 tokens fill a device.
- The networks of the `diffusers` library from a configuration with random weights, stored and run at the run's
  precision (so without autocast); noise, levels and the steps along the flow in fp32; guidance 3.5, distilled.
- Prompts are standard normal numbers; `batches` of them on the device, in rotation; noise is drawn anew in each step.
- Counted: images. In place of a loss stands their mean square, which shows that a run repeats.
- Memory at `full` in fp32 (arithmetic): weights 44.5 GiB; one block's inside for 4608 tokens 1 GiB; the decoder at
  1024 px 3 GiB. Half of it in bf16, once the weights, made in fp32, have been rounded.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.flow_matching import denoise, noise_levels
from cupel.tasks.learning import check_output
from cupel.tasks.models.flux import LATENT_CHANNELS, PATCH, Flux, decoder, latents_of, patches_a_side

CARD = Workload(
    measures="generation throughput",
    unit="images",
    better="higher",
    source="Black Forest Labs 2024, FLUX.1; Esser et al. 2024, Scaling Rectified Flow Transformers",
    tags=("inference", "generation", "vision", "diffusion", "transformer"),
    needs=("torch", "models"),
    settings={"precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True)},
    tiny={
        "double_blocks": 1, "single_blocks": 1, "heads": 1, "head_dim": 32, "word_dim": 16, "prompt_dim": 16,
        "num_words": 4, "image_px": 32, "decoder_width": 8, "num_steps": 3, "batch": 2, "batches": 2,
    },
    small={
        "double_blocks": 1, "single_blocks": 2, "heads": 4, "head_dim": 32, "word_dim": 128, "prompt_dim": 64,
        "num_words": 32, "image_px": 64, "decoder_width": 16, "num_steps": 4, "batch": 1, "batches": 4,
    },
    full={
        "double_blocks": 19, "single_blocks": 38, "heads": 24, "head_dim": 128, "word_dim": 4096, "prompt_dim": 768,
        "num_words": 512, "image_px": 1024, "decoder_width": 128, "num_steps": 28, "batch": 1, "batches": 4,
    },
    parameters=11_901_408_320,
    checkpoint="black-forest-labs/FLUX.1-dev",
    gated=True,
    memory_gib={"tiny": 0.1, "small": 0.5, "full": 49.0},
    stepping_s={"full": 240.0},
)  # fmt: skip

GUIDANCE = 3.5


class Prompts(NamedTuple):
    """What text encoders say of prompts: of each word (B, W, D), and of the whole (B, E)."""

    words_BWD: Tensor
    prompt_BE: Tensor


def build_model(sizes: Sizes) -> Flux:
    """The transformer with random weights, on torch's default device."""
    return Flux(sizes).eval()


def build_decoder(sizes: Sizes) -> Any:
    """The decoder with random weights, on torch's default device."""
    return decoder(sizes.decoder_width).eval()


class Painter:
    """The networks and the levels of noise; `paint` makes images."""

    def __init__(self, sizes: Sizes, slot: Slot) -> None:
        self.dtype, num_patches = slot.dtype, patches_a_side(sizes.image_px) ** 2
        with slot.device:
            self.model = slot.compile(build_model(sizes).to(slot.dtype))
            self.decode = slot.compile(build_decoder(sizes).to(slot.dtype))
        self.levels = noise_levels(sizes.num_steps, num_tokens=num_patches)
        self.shape = (sizes.batch, num_patches, LATENT_CHANNELS * PATCH * PATCH)

    def velocity(self, x_BPC: Tensor, level: float, prompts: Prompts) -> Tensor:
        """Where noisy patches of a level should go, at the run's precision."""
        level_B = torch.full((len(x_BPC),), level, device=x_BPC.device)
        dials_2B = torch.stack([level_B, torch.full_like(level_B, GUIDANCE)])
        velocity: Tensor = self.model(x_BPC.to(self.dtype), *prompts, dials_2B)
        return velocity

    @torch.no_grad()
    def paint(self, noise_BPC: Tensor, prompts: Prompts) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] of noise and prompts, at the run's precision."""
        clean_BPC = denoise(lambda x, level: self.velocity(x, level, prompts), noise_BPC, self.levels)
        pixels: Tensor = self.decode(latents_of(clean_BPC).to(self.dtype))
        return (pixels / 2.0 + 0.5).clamp(0.0, 1.0)


def build_prompts(sizes: Sizes, slot: Slot, *, generator: torch.Generator) -> list[Prompts]:
    """The prompts that steps rotate over, on the device."""
    like: dict[str, Any] = {"generator": generator, "device": slot.device}
    words, whole = (sizes.batch, sizes.num_words, sizes.word_dim), (sizes.batch, sizes.prompt_dim)
    return [
        Prompts(torch.randn(words, **like).to(slot.dtype), torch.randn(whole, **like).to(slot.dtype))
        for _ in range(sizes.batches)
    ]


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """The networks, and prompts in rotation; a step paints an image for each prompt of a batch."""
    painter, generator = Painter(sizes, slot), slot.generator(rng.seed("data"))
    rotation = itertools.cycle(build_prompts(sizes, slot, generator=generator))

    def step() -> Done:
        noise_BPC = torch.randn(painter.shape, generator=generator, device=slot.device)
        images = painter.paint(noise_BPC, next(rotation))
        return Done(items=len(images), loss=images.float().square().mean())

    return step


@torch.no_grad()
def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """A straight flow ends at its data, images have their shape, repeat, and depend on noise and prompt."""
    painter, generator = Painter(sizes, slot), slot.generator(rng.seed("data"))
    one, other = build_prompts(sizes, slot, generator=generator)[:2]
    noise, data = (torch.randn(painter.shape, generator=generator, device=slot.device) for _ in range(2))
    error = float((denoise(lambda _, __: noise - data, noise, painter.levels) - data).abs().max())
    if not error < 1e-4:
        raise WrongWorkError(f"flux_txt2img: a straight flow ended {error:.3g} from its data; expected to reach it.")
    velocity = painter.velocity(noise, 1.0, one)
    check_output("flux_txt2img", velocity, shape=painter.shape, dtype=slot.dtype)
    images = painter.paint(noise, one)
    shape = (sizes.batch, 3, sizes.image_px, sizes.image_px)
    check_output("flux_txt2img", images, shape=shape, dtype=slot.dtype)
    if not torch.equal(painter.paint(noise, one), images):
        raise WrongWorkError("flux_txt2img: the same noise and prompt made another image; expected the same.")
    for what, changed in (("noise", painter.paint(data, one)), ("prompt", painter.paint(noise, other))):
        if torch.equal(changed, images):
            raise WrongWorkError(f"flux_txt2img: another {what} made the same image; expected another.")
