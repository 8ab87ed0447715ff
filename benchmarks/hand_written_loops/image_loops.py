"""Hand-written loops of the entries that learn from images and videos."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.tasks.data.video_masks import LONG, SHORT, masked_clips
from interleaved import Step
from plain_training import follow, training


def labelled_images(sizes: Any) -> tuple[Tensor, Tensor]:
    """Random images and their classes."""
    images = torch.randn(sizes.batch, 3, sizes.image_px, sizes.image_px)
    return images, torch.randint(sizes.num_classes, (sizes.batch,))


def classifier(optimizer: Callable[..., torch.optim.Optimizer]) -> Callable[[Any, Any], Step]:
    """The loop of a classifier; models of `transformers` hand over an object."""

    def loop(entry: Any, sizes: Any) -> Step:
        images, labels = labelled_images(sizes)
        model = entry.build_model(sizes)

        def loss_of() -> Tensor:
            out = model(images)
            return F.cross_entropy(getattr(out, "logits", out), labels)

        return training(model, optimizer(model.parameters(), lr=1e-4), loss_of, items=sizes.batch)

    return loop


def inception_v3(entry: Any, sizes: Any) -> Step:
    """The auxiliary classifier counts with a weight of 0.4, labels are smoothed, gradients clipped."""
    images, labels = labelled_images(sizes)
    model = entry.build_model(sizes)

    def loss_of() -> Tensor:
        logits, auxiliary = model(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=0.1)
        return loss + 0.4 * F.cross_entropy(auxiliary, labels, label_smoothing=0.1)

    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    return training(model, optimizer, loss_of, items=sizes.batch, clip_norm=2.0)


def dinov2_giant(entry: Any, sizes: Any) -> Step:
    """Student, teacher and centre; the loss pair by pair of crops, as in the paper's algorithm."""
    student = entry.build_model(sizes)
    teacher = copy.deepcopy(student).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-5)
    centre = torch.zeros(1, sizes.prototypes)
    large = torch.randn(2 * sizes.batch, 3, sizes.global_px, sizes.global_px)
    small = torch.randn(sizes.num_local * sizes.batch, 3, sizes.local_px, sizes.local_px)

    def loss_of() -> Tensor:
        nonlocal centre
        with torch.no_grad():
            said = teacher([large])
        targets = ((said - centre) / 0.07).softmax(dim=-1).chunk(2)
        centre = 0.9 * centre + 0.1 * said.mean(dim=0, keepdim=True)
        guesses = (student([large, small]) / 0.1).log_softmax(dim=-1).split(sizes.batch)
        pairs = [(t, g) for i, t in enumerate(targets) for k, g in enumerate(guesses) if i != k]
        return torch.stack([-(target * guess).sum(dim=-1).mean() for target, guess in pairs]).mean()

    update = training(student, optimizer, loss_of, items=sizes.batch, clip_norm=3.0)

    def step() -> float:
        items = update()
        follow(teacher, student, 0.994)
        return items

    return step


def vjepa(entry: Any, sizes: Any) -> Step:
    """Encoder and predictor learn what the encoder's average says of the hidden patches."""
    model = entry.build_model(sizes)
    teacher = copy.deepcopy(model.encoder).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
    shape = (sizes.batch, sizes.frames, sizes.side_px)
    clips, masks = masked_clips(shape, (2, sizes.patch_px), kinds=(SHORT, LONG), generator=torch.Generator())

    def loss_of() -> Tensor:
        with torch.no_grad():
            said = teacher(pixel_values_videos=clips).last_hidden_state
        target = F.layer_norm(said, said.shape[-1:])
        losses = []
        for predicted, mask in zip(model(clips, masks), masks, strict=True):
            wanted = torch.gather(target, 1, mask.hidden_NP[:, :, None].expand_as(predicted))
            losses.append(F.l1_loss(predicted, wanted))
        return sum(losses, torch.zeros(())) / len(losses)

    update = training(model, optimizer, loss_of, items=sizes.batch)

    def step() -> float:
        items = update()
        follow(teacher, model.encoder, 0.99925)
        return items

    return step


def unet_diffusion(entry: Any, sizes: Any) -> Step:
    """Noise latents at random timesteps, guess the noise."""
    model = entry.build_model(sizes)
    kept = (1.0 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2).cumprod(dim=0)
    latents = torch.randn(sizes.batch, 4, sizes.latent_px, sizes.latent_px)
    texts = torch.randn(sizes.batch, sizes.num_tokens, sizes.context_dim)

    def loss_of() -> Tensor:
        noise, timesteps = torch.randn_like(latents), torch.randint(1000, (sizes.batch,))
        share = kept[timesteps][:, None, None, None]
        return F.mse_loss(model(share.sqrt() * latents + (1 - share).sqrt() * noise, timesteps, texts), noise)

    return training(model, torch.optim.AdamW(model.parameters(), lr=1e-4), loss_of, items=sizes.batch)


def stargan(entry: Any, sizes: Any) -> Step:
    """Several updates of the discriminator, gradient penalty and all, then one of the generator."""
    generator, discriminator = entry.build_model(sizes).values()
    images = 2 * torch.rand(sizes.batch, 3, sizes.image_px, sizes.image_px) - 1
    domains = (torch.rand(sizes.batch, sizes.num_domains) < 0.5).float()

    def of_domains(logits: Tensor, wanted: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, wanted, reduction="sum") / len(wanted)

    def discriminator_loss() -> Tensor:
        with torch.no_grad():
            fake = generator(images, domains[torch.randperm(sizes.batch)])
        share = torch.rand(sizes.batch, 1, 1, 1)
        mixed = (share * images + (1 - share) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(discriminator(mixed)[0].sum(), mixed, create_graph=True)
        penalty = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        (real_score, real_domains), (fake_score, _) = discriminator(images), discriminator(fake)
        lost: Tensor = fake_score.mean() - real_score.mean() + of_domains(real_domains, domains) + 10 * penalty
        return lost

    def generator_loss() -> Tensor:
        wanted = domains[torch.randperm(sizes.batch)]
        fake = generator(images, wanted)
        score, logits = discriminator(fake)
        back = generator(fake, domains)
        lost: Tensor = of_domains(logits, wanted) - score.mean() + 10 * (images - back).abs().mean()
        return lost

    adams = [torch.optim.Adam(net.parameters(), lr=1e-4, betas=(0.5, 0.999)) for net in (generator, discriminator)]
    update_generator = training(generator, adams[0], generator_loss, items=0)
    update_discriminator = training(discriminator, adams[1], discriminator_loss, items=sizes.batch)

    def step() -> float:
        return sum(update_discriminator() for _ in range(sizes.critic_steps)) + update_generator()

    return step


LOOPS: dict[str, Callable[[Any, Any], Step]] = {
    "resnet50": classifier(torch.optim.SGD),
    "resnet152": classifier(torch.optim.SGD),
    "resnet152_lightning": classifier(torch.optim.SGD),
    "inception_v3": inception_v3,
    "convnext_large": classifier(torch.optim.AdamW),
    "regnet_y_128gf": classifier(torch.optim.SGD),
    "focalnet": classifier(torch.optim.AdamW),
    "dinov2_giant": dinov2_giant,
    "vjepa": vjepa,
    "unet_diffusion": unet_diffusion,
    "stargan": stargan,
}
