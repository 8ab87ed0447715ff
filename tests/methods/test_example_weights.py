"""Weights of training examples: what they are, and that wrong labels are found by them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch.nn import functional

from cupel.methods.example_weights import ExampleWeights
from cupel.methods.hyper_optimizer import HyperOptimizer
from cupel.spec.errors import UsageError


def test_a_batch_has_the_mean_of_its_weighted_losses():
    examples = ExampleWeights(4, like=torch.zeros(1, dtype=torch.float64))
    with torch.no_grad():
        examples.logits.copy_(torch.tensor([0.0, 1.0, -50.0, 5e4]))
    losses = torch.tensor([3.0, 5.0], dtype=torch.float64)
    weights = examples.weights()
    assert weights.tolist() == pytest.approx([1.0, 2.0 / (1.0 + 2.718281828459045**-1), 0.0, 2.0], abs=1e-12)
    found = examples.mean(losses, index=torch.tensor([1, 3]))
    assert float(found.detach()) == pytest.approx((3.0 * float(weights[1].detach()) + 5.0 * 2.0) / 2.0)
    whole = examples.mean(torch.ones(4, dtype=torch.float64))
    assert float(whole.detach()) == pytest.approx(float(weights.detach().mean()))


def test_examples_with_a_wrong_label_end_with_little_weight():
    generator = torch.Generator().manual_seed(0)
    centres = 2.0 * torch.eye(3, 6)
    labels, checked = (torch.arange(90) % 3 for _ in range(2))
    x, xv = (centres[part] + torch.randn(90, 6, generator=generator) for part in (labels, checked))
    is_wrong = torch.rand(90, generator=generator) < 0.3
    given = torch.where(is_wrong, (labels + 1) % 3, labels)
    weight = torch.zeros(3, 6, requires_grad=True)
    examples = ExampleWeights(90, like=weight)
    training = torch.optim.SGD([weight], lr=0.5)
    hyper = HyperOptimizer(weight, torch.optim.Adam([examples.logits], lr=0.1), every=5)

    def train():
        losses = functional.cross_entropy(x @ weight.T, given, reduction="none")
        return examples.mean(losses) + 0.01 * weight.square().sum()

    for _ in range(300):
        training.zero_grad()
        train().backward(inputs=[weight])
        training.step()
        hyper.step(train, lambda: functional.cross_entropy(xv @ weight.T, checked))
    final = examples.weights().detach()
    assert float(final[is_wrong].mean()) < 0.5
    assert float(final[~is_wrong].mean()) > 1.0


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (None, "losses has shape (2,); expected (4,), a loss for each example of the whole"),
        ([0, 1, 2], "expected (3,)"),
    ],
)
def test_losses_that_do_not_fit_are_refused(index, words):
    examples = ExampleWeights(4, like=torch.zeros(1))
    with pytest.raises(UsageError) as caught:
        examples.mean(torch.ones(2), index=None if index is None else torch.tensor(index))
    assert words in str(caught.value)
    with pytest.raises(UsageError, match="num_examples=0 was asked"):
        ExampleWeights(0, like=torch.zeros(1))
