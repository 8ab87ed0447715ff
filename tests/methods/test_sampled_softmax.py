"""The sampled softmax against the whole one, where theory says that they meet."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn
from torch.nn import functional

from cupel.methods.sampled_softmax import SampledSoftmax, chances_of
from cupel.spec.errors import UsageError


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def made(num_sampled, *, counts=None, num_outputs=12, seed=0):
    return SampledSoftmax(3, num_outputs, num_sampled=num_sampled, generator=generator(seed), counts=counts)


def batch(num=5, num_outputs=12):
    return torch.randn(num, 3, generator=generator(7)), torch.randint(num_outputs, (num,), generator=generator(8))


def gradients(layer, h, target):
    """Gradients by the inputs, the weight and the bias."""
    h = h.clone().requires_grad_()
    return [g.to_dense() for g in torch.autograd.grad(layer(h, target).mean(), [h, layer.weight, layer.bias])]


def whole_gradients(layer, h, target):
    h = h.clone().requires_grad_()
    loss = functional.cross_entropy(functional.linear(h, layer.weight, layer.bias.squeeze(1)), target)
    return torch.autograd.grad(loss, [h, layer.weight, layer.bias])


@pytest.mark.parametrize("counts", [None, torch.arange(12.0) ** 2])
def test_with_many_draws_it_becomes_the_whole_softmax(counts):
    layer = made(200_000, counts=counts)
    h, target = batch()
    expected = functional.cross_entropy(layer.scores(h), target, reduction="none")
    torch.testing.assert_close(layer(h, target), expected, rtol=0.02, atol=0.02)
    for found, whole in zip(gradients(layer, h, target), whole_gradients(layer, h, target), strict=True):
        torch.testing.assert_close(found, whole, rtol=0.05, atol=0.01)


def test_drawn_by_the_softmax_itself_each_loss_is_exact_and_the_gradient_is_in_the_mean():
    layer = made(1)
    h, target = batch(num=1)
    chances = layer.scores(h)[0].double().softmax(0).index_fill(0, target, 0.0)
    chances /= chances.sum()
    layer.log_expected = chances.log().float()
    exact = functional.cross_entropy(layer.scores(h), target)
    mean = [torch.zeros_like(g) for g in whole_gradients(layer, h, target)]
    for other in set(range(12)) - set(target.tolist()):  # every draw there is
        layer.draw = lambda other=other: torch.tensor([other])
        torch.testing.assert_close(layer(h, target).mean(), exact)
        parts = gradients(layer, h, target)
        mean = [total + float(chances[other]) * part for total, part in zip(mean, parts, strict=True)]
    for found, whole in zip(mean, whole_gradients(layer, h, target), strict=True):
        torch.testing.assert_close(found, whole)


def test_a_batch_by_hand():
    layer = made(4, counts=torch.tensor([4.0, 2.0, 0.0, 1.0] + [1.0] * 8))
    h, target = batch()
    layer.generator.manual_seed(3)
    drawn = layer.draw()
    layer.generator.manual_seed(3)
    found = layer(h, target).detach()
    chances = chances_of(torch.tensor([4.0, 2.0, 1.0, 1.0] + [1.0] * 8), 12)
    o = layer.scores(h).double()
    for example, place in enumerate(target):
        normaliser = o[example, place].exp()
        for other in drawn:
            if other != place:
                normaliser += o[example, other].exp() / (4 * chances[other])
        expected = normaliser.log() - o[example, place]
        assert float(found[example]) == pytest.approx(float(expected), rel=1e-5)


def test_outputs_are_drawn_by_their_chances():
    counts = torch.tensor([0.0, 1.0, 16.0, 81.0])
    layer = SampledSoftmax(2, 4, num_sampled=40_000, generator=generator(), counts=counts)
    found = layer.draw().bincount(minlength=4) / 40_000
    expected = torch.tensor([1.0, 1.0, 8.0, 27.0]) / 37.0
    assert float((found - expected).abs().max()) < 5 * 0.5 / 200


class Scorer(nn.Module):
    """A user's network with a last layer from here."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(6, 3)
        self.last = made(8)

    def forward(self, words, target):
        return self.last(self.words(words), target).mean()


def test_a_users_network_learns_and_leaves_outputs_alone_that_were_not_drawn():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Scorer()
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    words, target = torch.arange(6), torch.arange(6)
    before = net.last.weight.detach().clone()
    losses = []
    for turn in range(60):
        optimizer.zero_grad()
        loss = net(words, target)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        if turn == 0:
            touched = set(net.last.weight.grad.coalesce().indices()[0].tolist())
            changed = (net.last.weight != before).any(1).nonzero()[:, 0].tolist()
            assert set(changed) <= touched
            assert len(touched) < 12
    assert sum(losses[-5:]) < 0.3 * sum(losses[:5])
    assert bool((net.last.scores(net.words(words)).argmax(1) == target).all())


def test_the_global_generator_is_left_alone_and_seeds_tell_draws():
    state = torch.get_rng_state()
    h, target = batch()
    first, again, other = (made(4, seed=seed)(h, target) for seed in (1, 1, 2))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (lambda: made(0), "0 drawn ones"),
        (lambda: made(2, counts=torch.ones(3)), "counts (3,) were given; expected 12"),
        (lambda: made(2, counts=-torch.ones(12)), "at least 0"),
        (lambda: made(2)(torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64)), "expected (..., 3)"),
        (
            lambda: made(2)(torch.zeros(2, 3), torch.tensor([0, -1])),
            "target runs from -1 to 0; expected outputs from 0",
        ),
        (lambda: made(2)(torch.zeros(2, 3), torch.tensor([0, 12])), "target runs from 0 to 12"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(asked, words):
    with pytest.raises(UsageError) as caught:
        asked()
    assert words in str(caught.value)
