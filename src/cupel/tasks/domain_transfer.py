"""StarGAN's two objectives: Wasserstein with gradient penalty, classification of domains, and reconstruction.

Shapes: N images, C channels, H height, W width, D domains.

Source: Choi et al. 2018, StarGAN, equations 1 to 8; Gulrajani et al. 2017, Improved Training of Wasserstein GANs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Slot
from cupel.tasks.models.stargan import Verdict

CLASSIFICATION, RECONSTRUCTION, PENALTY = 1.0, 10.0, 10.0
"""Weights of the terms beside the adversarial one."""


class Players(NamedTuple):
    """The networks: `critic` is the discriminator once more, one that can be differentiated twice."""

    generator: Any
    discriminator: Any
    critic: Any


class Case(NamedTuple):
    """What an update works on: images (N, 3, H, W), their domains and those that are wanted (both N, D)."""

    images_NCHW: Tensor
    domains_ND: Tensor
    wanted_ND: Tensor


def domain_loss(logits_ND: Tensor, domains_ND: Tensor) -> Tensor:
    """Binary cross-entropy, summed over domains and averaged over images."""
    summed = F.binary_cross_entropy_with_logits(logits_ND.float(), domains_ND, reduction="sum")
    return summed / len(domains_ND)


def gradient_penalty(score: Callable[[Tensor], Tensor], images_NCHW: Tensor) -> Tensor:
    """Mean square of how far the norm of an image's gradient is from 1.

    Args:
        score: gives scores of any shape with the images first; an image's are summed. Differentiated twice.
        images_NCHW: where to look.
    """
    images_NCHW = images_NCHW.detach().requires_grad_()
    (slope_NCHW,) = torch.autograd.grad(score(images_NCHW).float().sum(), images_NCHW, create_graph=True)
    excess_N: Tensor = torch.linalg.vector_norm(slope_NCHW.float().flatten(1), dim=1) - 1.0
    return excess_N.square().mean()


def discriminator_loss(players: Players, case: Case, slot: Slot, *, real_frac_N111: Tensor) -> Tensor:
    """What the discriminator lowers: fake over real scores, wrong domains of real images, slopes that are not 1.

    Args:
        players: the networks; the generator only makes images.
        case: images and domains.
        slot: the precision.
        real_frac_N111: share of the real image in the mixture where the slope is looked at, (N, 1, 1, 1), from 0 to 1.
    """
    with slot.autocast(), torch.no_grad():
        fake_NCHW: Tensor = players.generator(case.images_NCHW, case.wanted_ND).float()
    with slot.autocast():
        real: Verdict = players.discriminator(case.images_NCHW)
        fake: Verdict = players.discriminator(fake_NCHW)
    mixed_NCHW = torch.lerp(fake_NCHW, case.images_NCHW, real_frac_N111)

    def score(images_NCHW: Tensor) -> Tensor:
        with slot.autocast():
            verdict: Verdict = players.critic(images_NCHW)
        return verdict.scores_N1HW

    adversarial = fake.scores_N1HW.float().mean() - real.scores_N1HW.float().mean()
    classified = domain_loss(real.domains_ND, case.domains_ND)
    return adversarial + CLASSIFICATION * classified + PENALTY * gradient_penalty(score, mixed_NCHW)


def generator_loss(players: Players, case: Case, slot: Slot) -> Tensor:
    """What the generator lowers: scores that are not high, domains not as wanted, and what the way back loses."""
    with slot.autocast():
        fake_NCHW: Tensor = players.generator(case.images_NCHW, case.wanted_ND)
        verdict: Verdict = players.discriminator(fake_NCHW)
        back_NCHW: Tensor = players.generator(fake_NCHW, case.domains_ND)
    lost = F.l1_loss(back_NCHW.float(), case.images_NCHW)
    classified = domain_loss(verdict.domains_ND, case.wanted_ND)
    return CLASSIFICATION * classified + RECONSTRUCTION * lost - verdict.scores_N1HW.float().mean()
