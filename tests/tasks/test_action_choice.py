"""Choices agree with torch's own distributions, and draws with their probabilities."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="choices are written in torch")

from torch.distributions import Categorical, Independent, Normal

from cupel.tasks.action_choice import Discrete, Gaussian, choice_of

NUM = 20_000


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_discrete_choices_agree_with_torch():
    log_probs = torch.log_softmax(torch.randn(50, 4, generator=generator()), dim=1)
    choice = choice_of(log_probs)
    action = choice.draw(generator())
    assert isinstance(choice, Discrete)
    torch.testing.assert_close(choice.log_prob(action), Categorical(logits=log_probs).log_prob(action))
    torch.testing.assert_close(choice.entropy(), Categorical(logits=log_probs).entropy())


def test_discrete_draws_follow_their_probabilities():
    probs = torch.tensor([0.1, 0.2, 0.7])
    action = Discrete(probs.log().expand(NUM, 3)).draw(generator())
    found = action.bincount(minlength=3) / NUM
    assert (found - probs).abs().max() < 5 * math.sqrt(0.25 / NUM)


def test_normal_choices_agree_with_torch():
    mean, log_std = torch.randn(2, 50, 3, generator=generator())
    choice = choice_of(Gaussian(mean, log_std))
    reference = Independent(Normal(mean, log_std.exp()), 1)
    action = choice.draw(generator())
    torch.testing.assert_close(choice.log_prob(action), reference.log_prob(action))
    torch.testing.assert_close(choice.entropy(), reference.entropy())


def test_normal_draws_have_their_mean_and_spread():
    drawn = Gaussian(torch.full((NUM, 1), 2.0), torch.full((NUM, 1), math.log(3.0))).draw(generator())
    assert float(drawn.mean()) == pytest.approx(2.0, abs=5 * 3 / math.sqrt(NUM))
    assert float(drawn.std()) == pytest.approx(3.0, rel=0.03)
