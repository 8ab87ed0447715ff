"""StarGAN's objectives against the paper's equations, worked out slowly."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="this part needs torch")

from cupel.run.slot import TorchSlot
from cupel.tasks.domain_transfer import (
    Case,
    Players,
    discriminator_loss,
    domain_loss,
    generator_loss,
    gradient_penalty,
)
from cupel.tasks.models.stargan import Discriminator, Generator

SLOT = TorchSlot(device="cpu", settings={"precision": "fp32"}, threads=1)


@pytest.fixture
def players():
    torch.manual_seed(0)
    generator = Generator(width=2, num_blocks=1, num_domains=2)
    discriminator = Discriminator(image_px=8, width=4, depth=2, num_domains=2)
    return Players(generator, discriminator, discriminator)


@pytest.fixture
def case():
    images = 2 * torch.rand(3, 3, 8, 8) - 1
    return Case(images, torch.tensor([[1.0, 0], [0, 0], [1, 1]]), torch.tensor([[0.0, 0], [1, 1], [1, 0]]))


def slow_domain_loss(logits, domains):
    total = 0.0
    for row, wanted in zip(logits.tolist(), domains.tolist(), strict=True):
        for logit, is_there in zip(row, wanted, strict=True):
            prob = 1 / (1 + math.exp(-logit))
            total -= math.log(prob if is_there else 1 - prob)
    return total / len(logits)


def test_domains_are_summed_and_images_averaged():
    logits, domains = torch.randn(3, 2), torch.tensor([[1.0, 0], [0, 1], [1, 1]])
    assert float(domain_loss(logits, domains)) == pytest.approx(slow_domain_loss(logits, domains), rel=1e-5)


def test_the_slope_is_that_of_finite_differences(players, case):
    critic = players.critic.double()
    images = case.images_NCHW.double()

    def score(x):
        return critic(x).scores_N1HW

    norms = []
    for image in images:
        slopes = []
        for idx in range(image.numel()):
            bump = torch.zeros(image.numel(), dtype=torch.float64)
            bump[idx] = 1e-5
            bump = bump.view_as(image)
            up, down = (float(score((image + sign * bump)[None]).sum().detach()) for sign in (1, -1))
            slopes.append((up - down) / 2e-5)
        norms.append(math.sqrt(sum(slope**2 for slope in slopes)))
    expected = sum((norm - 1) ** 2 for norm in norms) / len(norms)
    assert float(gradient_penalty(score, images).detach()) == pytest.approx(expected, rel=1e-4)


def test_the_penalty_reaches_the_critic_and_not_the_images(players, case):
    images = case.images_NCHW.requires_grad_()
    gradient_penalty(lambda x: players.critic(x).scores_N1HW, images).backward()
    assert bool(players.critic.layers[0].weight.grad.any())
    assert images.grad is None


def test_the_discriminators_loss_is_the_papers(players, case):
    frac = torch.rand(3, 1, 1, 1)
    found = discriminator_loss(players, case, SLOT, real_frac_N111=frac)
    with torch.no_grad():
        fake = players.generator(case.images_NCHW, case.wanted_ND)
        real_verdict, fake_verdict = players.critic(case.images_NCHW), players.critic(fake)
        adversarial = real_verdict.scores_N1HW.mean() - fake_verdict.scores_N1HW.mean()
    mixed = frac * case.images_NCHW + (1 - frac) * fake
    penalty = gradient_penalty(lambda x: players.critic(x).scores_N1HW, mixed)
    classified = slow_domain_loss(real_verdict.domains_ND, case.domains_ND)
    expected = -float(adversarial) + 10 * float(penalty.detach()) + classified
    assert float(found.detach()) == pytest.approx(expected, rel=1e-5)
    found.backward()
    assert all(parameter.grad is None for parameter in players.generator.parameters())


def test_the_generators_loss_is_the_papers(players, case):
    found = generator_loss(players, case, SLOT)
    with torch.no_grad():
        fake = players.generator(case.images_NCHW, case.wanted_ND)
        verdict = players.critic(fake)
        back = players.generator(fake, case.domains_ND)
    lost = sum(abs(a - b) for a, b in zip(back.flatten().tolist(), case.images_NCHW.flatten().tolist(), strict=True))
    expected = -float(verdict.scores_N1HW.mean()) + slow_domain_loss(verdict.domains_ND, case.wanted_ND)
    assert float(found.detach()) == pytest.approx(expected + 10 * lost / back.numel(), rel=1e-5)
