"""Training step of the Stable Diffusion 2 U-Net on random latent images, or on those of photographs from files.

Decisions:
- The network by hand (`cupel.tasks.models.unet`), with the parameters and outputs of diffusers' `UNet2DConditionModel`;
  `full` is the configuration of Stable Diffusion 2: 865.9 M parameters, latent images of 64 x 64 (512 px), 77 text
  tokens of 1024 channels, a batch of 32. `small` has a tenth of the width and one block a level.
- Only the U-Net learns: image encoder and text encoder are frozen. What the text encoder says is given.
- Loss: mean square of predicted minus true noise (epsilon), after DDPM noising with Stable Diffusion's schedule of 1000
  steps (square roots of beta linear from 0.00085 to 0.012). Noise and timesteps are drawn anew, on the device, in
  each step.
- Optimiser: AdamW, learning rate 1e-4 constant, betas 0.9 and 0.999, epsilon 1e-8, weight decay 1e-2; the
  fused implementation; no clipping, no averaged weights, no gradient checkpointing.
- Precision: that of the run, by autocast; parameters and optimiser state in fp32; noising and loss in fp32.
- `data=synthetic`: `batches` batches of standard normal latents and texts, on the device, in rotation; the image
  encoder does not run.
- `data=disk`: photographs, the user's own where `CUPEL_IMAGENET` names a folder `class/file`; decoded, cut and mirrored
  by `workers` processes; in each step the image encoder (`cupel.tasks.models.latent_encoder`, 34.2 M parameters with
  random weights), without gradients, makes latents of them: more work than with `synthetic`. Needs Pillow
  (`cupel[media]`). Texts are standard normal, drawn anew.
- Counted: images of the batch, each step one forward, backward and update.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload
from cupel.tasks.data.batch_stream import held_or_streamed
from cupel.tasks.latent_images import latent_images
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.unet import UNet
from cupel.tasks.noising import NUM_TIMESTEPS, check_noising, kept_signal, noised

CARD = Workload(
    measures="training throughput",
    unit="images",
    better="higher",
    source="Rombach et al. 2022, High-Resolution Image Synthesis with Latent Diffusion Models (Stable Diffusion 2)",
    tags=("vision", "generative", "training", "diffusion"),
    needs=("torch",),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "data": ("synthetic", "disk"),
        "strategy": ("ddp", "fsdp")},
    tiny={
        "width": 32, "head_dim": 16, "num_levels": 2, "num_blocks": 1, "latent_px": 8, "num_tokens": 4,
        "context_dim": 16, "batch": 2, "batches": 2, "encoder_width": 32, "files": 16, "file_px": 96, "workers": 0,
    },
    small={
        "width": 32, "head_dim": 16, "num_levels": 4, "num_blocks": 1, "latent_px": 16, "num_tokens": 77,
        "context_dim": 128, "batch": 1, "batches": 4, "encoder_width": 32, "files": 64, "file_px": 320, "workers": 2,
    },
    full={
        "width": 320, "head_dim": 64, "num_levels": 4, "num_blocks": 2, "latent_px": 64, "num_tokens": 77,
        "context_dim": 1024, "batch": 32, "batches": 4, "encoder_width": 128, "files": 1024, "file_px": 768,
        "workers": 12,
    },
    optimizer="AdamW, learning rate 1e-4, betas 0.9 and 0.999, epsilon 1e-8, weight decay 1e-2",
    parameters=865_910_724,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 76.0},
)  # fmt: skip


def build_model(sizes: Sizes) -> UNet:
    """The network with random weights, on torch's default device."""
    shape = ("width", "head_dim", "num_levels", "num_blocks", "context_dim")
    return UNet(**{key: getattr(sizes, key) for key in shape})


class Diffusion:
    """Model, schedule and data of the training step."""

    def __init__(self, sizes: Sizes, slot: Slot, rng: Seeds) -> None:
        self.slot = slot
        self.generator = slot.generator(rng.seed("data"))
        self.kept = kept_signal().to(slot.device)
        texts = (sizes.batch, sizes.num_tokens, sizes.context_dim)
        latents = latent_images(sizes, slot, rng=rng, generator=self.generator)
        self.data = held_or_streamed(((latent, self.randn(texts)) for latent in latents), sizes, slot)
        with torch.device(slot.device):
            model = build_model(sizes)
        self.model: nn.Module = slot.prepare(
            model, lambda parameters: torch.optim.AdamW(parameters, lr=1e-4, weight_decay=1e-2, fused=True)
        )

    def randn(self, shape: tuple[int, ...]) -> Tensor:
        """Standard normal numbers on the device."""
        return torch.randn(shape, generator=self.generator, device=self.slot.device)

    def draw(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Noise for a batch, and a timestep for each of its images."""
        num_images = (len(latents),)
        timesteps = torch.randint(NUM_TIMESTEPS, num_images, generator=self.generator, device=self.slot.device)
        return self.randn(tuple(latents.shape)), timesteps

    def predict(self, latents: Tensor, texts: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """The model's guess of the noise, at the run's precision."""
        mixed = noised(latents, noise, self.kept[timesteps])
        with self.slot.autocast():
            return self.model(mixed, timesteps, texts)

    def loss(self, latents: Tensor, texts: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Mean square of what is wrong with the guess, in fp32."""
        return F.mse_loss(self.predict(latents, texts, noise, timesteps).float(), noise)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Random weights, latents and texts on the device; a step is one update."""
    diffusion = Diffusion(sizes, slot, rng)
    num_steps = 0

    def step() -> Done:
        nonlocal num_steps
        latents, texts = diffusion.data[num_steps % sizes.batches]
        num_steps += 1
        loss = diffusion.loss(latents, texts, *diffusion.draw(latents))
        slot.step(loss)
        return Done(items=len(latents), loss=loss.detach())

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Noising follows the schedule, gradients reach every parameter, updates on one fixed draw lower its loss."""
    diffusion = Diffusion(sizes, slot, rng)
    check_noising("unet_diffusion", noised, diffusion.randn((2, 1, 4, 128, 128)), kept=diffusion.kept)
    latents, texts = diffusion.data[0]
    case = (latents, texts, *diffusion.draw(latents))
    check_output("unet_diffusion", diffusion.predict(*case), shape=latents.shape, dtype=slot.dtype)
    check_gradients("unet_diffusion", diffusion.model, diffusion.loss(*case))
    losses = []
    for _ in range(8):
        loss = diffusion.loss(*case)
        slot.step(loss)
        losses.append(float(loss.detach()))
    check_fall("unet_diffusion", losses)
