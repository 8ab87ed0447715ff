"""Training step of StarGAN on images with attributes, random ones or photographs from files.

Decisions:
- Generator and discriminator by hand (`cupel.tasks.models.stargan`), losses in `cupel.tasks.domain_transfer`. `full` is
  the paper's for CelebA: 128 px, 5 attributes, width 64, 8 430 528 + 44 762 048 parameters, a batch of 16.
- A step is what the paper repeats: `critic_steps` updates of the discriminator (5), each on the next batch, then one of
  the generator on the last of these. Wanted attributes are those of the batch, shuffled anew for each batch.
- Loss: Wasserstein with gradient penalty (weight 10), classification of attributes (1), reconstruction (10).
- Optimisers: Adam for each network, learning rate 1e-4 constant, betas 0.5 and 0.999; the fused implementation. Each
  network is prepared by a slot of its own, a copy of the one that the job was given.
- Precision: that of the run, by autocast, the inner gradient of the penalty included; losses, parameters and optimiser
  state in fp32. `compile` compiles both networks but for the penalty: a compiled one cannot be differentiated twice.
- `data=synthetic`: `batches` batches of uniform pixels and attributes that are there or not, on the device, in
  rotation. `data=disk`: photographs (of the size of CelebA's at `full`; the user's own where `CUPEL_IMAGENET` names a
  folder `class/file`), decoded, cut and mirrored by `workers` processes, the digits of their class as attributes.
  Needs Pillow (`cupel[media]`).
- Shuffles and mixtures of real and made images are drawn in each step, on the device.
- Counted: images that the discriminator was shown as real ones, critic_steps x batch. The loss is the generator's.
- Memory at `full` in fp32: activations of the generator's update 1.6 GiB, of the discriminator's 0.4 GiB and about
  three times that for the penalty; parameters, gradients and two moments 16 bytes x 53.2 M = 0.8 GiB.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.image_source import attributed_batches
from cupel.tasks.domain_transfer import Case, Players, discriminator_loss, generator_loss, gradient_penalty
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.stargan import Discriminator, Generator

CARD = Workload(
    measures="training throughput",
    unit="images",
    better="higher",
    source="Choi et al. 2018, StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image "
    "Translation",
    tags=("vision", "generative", "training", "convolution", "adversarial"),
    needs=("torch",),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"),
        "compile": (False, True),
        "channels_last": (False, True), "data": ("synthetic", "disk")},
    tiny={
        "width": 8, "num_blocks": 1, "depth": 3, "num_domains": 3, "image_px": 16, "batch": 4, "critic_steps": 2,
        "batches": 3, "files": 16, "file_px": 96, "workers": 0,
    },
    small={
        "width": 8, "num_blocks": 2, "depth": 4, "num_domains": 5, "image_px": 32, "batch": 2, "critic_steps": 5,
        "batches": 8, "files": 64, "file_px": 320, "workers": 2,
    },
    full={
        "width": 64, "num_blocks": 6, "depth": 6, "num_domains": 5, "image_px": 128, "batch": 16, "critic_steps": 5,
        "batches": 8, "files": 2048, "file_px": 218, "workers": 4,
    },
    optimizer="Adam for each network, learning rate 1e-4, betas 0.5 and 0.999",
    parameters=53_192_576,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 4.0},
)  # fmt: skip


def build_model(sizes: Sizes) -> torch.nn.ModuleDict:
    """Both networks with random weights, on torch's default device."""
    domains = {"num_domains": sizes.num_domains}
    generator = Generator(width=sizes.width, num_blocks=sizes.num_blocks, **domains)
    discriminator = Discriminator(image_px=sizes.image_px, width=sizes.width, depth=sizes.depth, **domains)
    return torch.nn.ModuleDict({"generator": generator, "discriminator": discriminator})


def adam(parameters: Any) -> torch.optim.Optimizer:
    """The optimiser that the card states."""
    return torch.optim.Adam(parameters, lr=1e-4, betas=(0.5, 0.999), fused=True)


class StarGan:
    """Both networks, each in a slot of its own, and the data."""

    def __init__(self, sizes: Sizes, slot: Slot, rng: Seeds) -> None:
        self.slot = slot
        self.batches = attributed_batches(sizes, slot, rng)
        self.random = slot.generator(rng.seed("augmentation"))
        with torch.device(slot.device):
            models = build_model(sizes)
        self.slots = {name: copy.copy(slot) for name in models}
        prepared = {name: self.slots[name].prepare(model, adam) for name, model in models.items()}
        self.players = Players(prepared["generator"], prepared["discriminator"], critic=models["discriminator"])
        self.num_batches = 0

    def draw(self) -> tuple[Case, Tensor]:
        """The next batch with domains wanted of it, and shares of real images."""
        batch = self.batches[self.num_batches % len(self.batches)]
        self.num_batches += 1
        num_images, where = len(batch.images_NCHW), {"generator": self.random, "device": self.slot.device}
        order_N = torch.randperm(num_images, **where)
        real_frac_N111 = torch.rand(num_images, 1, 1, 1, **where)
        return Case(batch.images_NCHW, batch.attributes_ND, batch.attributes_ND[order_N]), real_frac_N111

    def update_discriminator(self, case: Case, real_frac_N111: Tensor) -> Tensor:
        """One update; returns the loss before it."""
        loss = discriminator_loss(self.players, case, self.slot, real_frac_N111=real_frac_N111)
        self.slots["discriminator"].step(loss)
        return loss.detach()

    def update_generator(self, case: Case) -> Tensor:
        """One update; returns the loss before it. What it leaves in the discriminator's gradients is dropped."""
        loss = generator_loss(self.players, case, self.slot)
        self.slots["generator"].step(loss)
        self.players.critic.zero_grad(set_to_none=True)
        return loss.detach()


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Random weights and images on the device; a step is several updates of the discriminator and one of the other."""
    gan = StarGan(sizes, slot, rng)

    def step() -> Done:
        for _ in range(sizes.critic_steps):
            case, real_frac_N111 = gan.draw()
            gan.update_discriminator(case, real_frac_N111)
        return Done(items=sizes.critic_steps * sizes.batch, loss=gan.update_generator(case))

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Shapes, a penalty known beforehand, gradients reach all, and each network's loss falls on one fixed case."""
    weight = torch.full((3, 4, 4), 0.25, device=slot.device)  # norm 3 ** 0.5
    found = float(gradient_penalty(lambda images: images * weight, torch.zeros(2, 3, 4, 4, device=slot.device)))
    if not abs(found - (3**0.5 - 1) ** 2) < 1e-4:
        raise WrongWorkError(f"stargan: the penalty of a slope of 1.732 is {found:.4f}; expected 0.5359.")
    gan = StarGan(sizes, slot, rng)
    case, real_frac_N111 = gan.draw()
    with slot.autocast(), torch.no_grad():
        fake_NCHW = gan.players.generator(case.images_NCHW, case.wanted_ND)
        verdict = gan.players.discriminator(fake_NCHW)
    check_output("stargan", fake_NCHW, shape=case.images_NCHW.shape, dtype=slot.dtype)
    check_output("stargan", verdict.domains_ND, shape=case.wanted_ND.shape, dtype=slot.dtype)
    loss = discriminator_loss(gan.players, case, slot, real_frac_N111=real_frac_N111)
    check_gradients("stargan", gan.players.critic, loss)
    check_gradients("stargan", gan.players.generator, generator_loss(gan.players, case, slot))
    gan.players.critic.zero_grad(set_to_none=True)
    check_fall("stargan", [float(gan.update_discriminator(case, real_frac_N111)) for _ in range(10)])
    check_fall("stargan", [float(gan.update_generator(case)) for _ in range(10)])
