"""Importance sampling by its oracles: enumeration, Monte Carlo, perturbations; and rescoring on a schedule."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn
from torch.nn import functional

from cupel.methods.gradient_norms import GradientNorms, mean_gradient_norm
from cupel.methods.importance_sampling import ImportanceSampler, best_probabilities, covariance_trace
from cupel.methods.rescoring import Rescoring
from cupel.spec.errors import UsageError


def losses(output, targets):
    return functional.cross_entropy(output, targets, reduction="none")


def problem(num=12, seed=0):
    """A network with its data, and the gradient of each example as a row."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    x, y = torch.randn(num, 4, dtype=torch.float64) * torch.arange(1, num + 1)[:, None], torch.arange(num) % 3
    rows = [
        torch.cat(
            [
                g.flatten()
                for g in torch.autograd.grad(losses(model(x[i : i + 1]), y[i : i + 1]).sum(), list(model.parameters()))
            ]
        )
        for i in range(num)
    ]
    return model, x, y, torch.stack(rows)


def sampler_of(num=12, seed=0, **asked):
    asked = asked or {"smoothing": 0.3}
    return ImportanceSampler(num, generator=torch.Generator().manual_seed(seed), dtype=torch.float64, **asked)


@pytest.mark.parametrize(
    "asked", [{"smoothing": 0.3}, {"uniform_share": 0.2}, {"smoothing": 1e-6, "uniform_share": 0.9}]
)
def test_by_enumeration_the_estimate_is_the_full_gradient_whatever_the_weights(asked):
    _, _, _, rows = problem()
    sampler = sampler_of(**asked)
    stale = torch.rand(12, generator=torch.Generator().manual_seed(3)) * 9
    stale[4] = 0.0
    for weights in (None, stale, stale.flip(0), torch.full((12,), float("nan"))):
        if weights is not None:
            sampler.update(weights)
        expected = (sampler.probabilities[:, None] * sampler.scales[:, None] * rows).sum(0)
        torch.testing.assert_close(expected, rows.mean(0), rtol=1e-12, atol=1e-14)
        assert float(sampler.probabilities.sum()) == pytest.approx(1.0, abs=1e-12)


def test_probabilities_are_what_the_formula_says():
    sampler = sampler_of(4, smoothing=0.5, uniform_share=0.2)
    sampler.update(torch.tensor([1.5, 0.0, float("nan"), 3.0]))  # one not scored yet takes the mean, 1.5
    shares = torch.tensor([2.0, 0.5, 2.0, 3.5], dtype=torch.float64) / 8
    torch.testing.assert_close(sampler.probabilities, 0.8 * shares + 0.05)
    assert float(sampler.scales.max()) <= 1 / 0.2
    sampler.update(torch.zeros(4))
    torch.testing.assert_close(sampler.probabilities, torch.full((4,), 0.25, dtype=torch.float64))


def test_examples_are_drawn_as_often_as_they_should_be_and_scaled_by_the_inverse():
    sampler = sampler_of(5, smoothing=0.01)
    sampler.update(torch.tensor([0.0, 1.0, 2.0, 3.0, 10.0]))
    drawn = sampler.draw(200_000)
    shares = torch.bincount(drawn.index, minlength=5) / 200_000
    sd = (sampler.probabilities * (1 - sampler.probabilities) / 200_000).sqrt()
    assert bool(((shares - sampler.probabilities).abs() < 5 * sd).all())
    torch.testing.assert_close(drawn.scale, sampler.scales[drawn.index])
    assert float((drawn.scale).mean()) == pytest.approx(1.0, abs=0.05)


def test_the_trace_is_that_of_the_covariance_by_enumeration_and_by_monte_carlo():
    model, x, y, rows = problem()
    norms = GradientNorms(model, losses)(x, y)
    mean_norm = mean_gradient_norm(model, losses, inputs=x, targets=y)
    sampler = sampler_of()
    sampler.update(torch.rand(12, generator=torch.Generator().manual_seed(1)))
    found = covariance_trace(norms, sampler.probabilities, mean_norm=mean_norm)
    scaled = sampler.scales[:, None] * rows
    exact = float((sampler.probabilities * (scaled - rows.mean(0)).square().sum(1)).sum())
    assert found == pytest.approx(exact, rel=1e-10)
    drawn = sampler.draw(60_000)
    estimates = drawn.scale[:, None] * rows[drawn.index]
    deviations = (estimates - rows.mean(0)).square().sum(1)
    assert float(deviations.mean()) == pytest.approx(found, abs=5 * float(deviations.std()) / 60_000**0.5)
    batches = estimates.view(-1, 8, rows.shape[1]).mean(1)
    assert float(batches.var(0).sum()) == pytest.approx(found / 8, rel=0.1)


def test_no_perturbation_has_a_smaller_trace_than_the_best_probabilities():
    model, x, y, _ = problem(seed=4)
    norms = GradientNorms(model, losses)(x, y)
    mean_norm = mean_gradient_norm(model, losses, inputs=x, targets=y)
    best = best_probabilities(norms)
    least = covariance_trace(norms, best, mean_norm=mean_norm)
    assert least == pytest.approx(float(norms.mean()) ** 2 - mean_norm**2, rel=1e-10)
    generator = torch.Generator().manual_seed(0)
    for size in (1e-3, 0.1, 1.0):
        for _ in range(50):
            other = best * (size * torch.randn(12, generator=generator, dtype=torch.float64)).exp()
            assert covariance_trace(norms, other / other.sum(), mean_norm=mean_norm) > least
    squared = norms.square() / norms.square().sum()
    uniform = torch.full_like(norms, 1 / 12)
    assert min(covariance_trace(norms, q, mean_norm=mean_norm) for q in (squared, uniform)) > least


def test_an_example_that_is_never_drawn_makes_the_trace_infinite_unless_it_has_no_gradient():
    q = torch.tensor([1.0, 0.0])
    assert covariance_trace(torch.tensor([1.0, 1.0]), q, mean_norm=0.5) == float("inf")
    assert covariance_trace(torch.tensor([1.0, 0.0]), q, mean_norm=0.5) == 0.0
    assert best_probabilities(torch.zeros(2)).tolist() == [0.5, 0.5]


def test_draws_come_from_the_samplers_generator_alone():
    state = torch.get_rng_state()
    first, again, other = (sampler_of(seed=seed).draw(50).index for seed in (0, 0, 1))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_rescoring_takes_new_lengths_when_they_are_due():
    model, x, y, _ = problem()
    norms = GradientNorms(model, losses)
    scoring, sampler = Rescoring(norms, x, targets=y, every=3), sampler_of(smoothing=1e-9)
    seen = []
    for step in range(7):
        scoring.tick(sampler)
        seen.append(sampler.probabilities.clone())
        if step % 3 == 0:
            torch.testing.assert_close(seen[-1], best_probabilities(norms(x, y)), rtol=1e-6, atol=1e-9)
        else:
            assert torch.equal(seen[-1], seen[-2])
        with torch.no_grad():
            model[2].bias += torch.tensor([0.5, 0.0, -0.5])
    assert not torch.equal(seen[0], seen[3])
    assert scoring.num_scored == 3 * 12


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: sampler_of(0), "num_examples=0"),
        (lambda: sampler_of(smoothing=-1.0), "expected a number of at least 0"),
        (lambda: sampler_of(uniform_share=1.5), "a share from 0 to 1"),
        (lambda: sampler_of(smoothing=0.0), "never be drawn again"),
        (lambda: sampler_of().update(torch.ones(3)), "expected (12,)"),
        (lambda: sampler_of().update(-torch.ones(12)), "A weight is -1"),
        (lambda: sampler_of().draw(0), "0 examples were to be drawn"),
        (lambda: covariance_trace(torch.ones(2), torch.ones(3), mean_norm=0.0), "expected (N,) both"),
        (lambda: covariance_trace(torch.ones(2), torch.ones(2), mean_norm=0.0), "sum to 2"),
        (lambda: Rescoring(None, torch.ones(1), targets=torch.ones(1), every=0), "every=0"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(make, words):
    with pytest.raises(UsageError) as caught:
        make()
    assert words in str(caught.value)
