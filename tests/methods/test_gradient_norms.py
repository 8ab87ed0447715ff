"""Lengths of single examples' gradients against gradients of batches of one, on networks from outside the package."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn
from torch.nn import functional

from cupel.methods.gradient_norms import GradientNorms, mean_gradient_norm
from cupel.spec.errors import UsageError


def class_losses(output, targets):
    return functional.cross_entropy(output, targets, reduction="none")


def one_by_one(model, loss, x, y):
    """The lengths by a batch of one after another."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    model.eval()
    found = []
    for example in range(len(x)):
        value = loss(model(x[example : example + 1]), y[example : example + 1]).sum()
        gradients = torch.autograd.grad(value, parameters, materialize_grads=True)
        found.append(torch.cat([g.flatten() for g in gradients]).norm())
    return torch.stack(found).detach()


class Sequence(nn.Module):
    """Linear layers that see several positions, one of them called twice, with attention and a norm between them."""

    def __init__(self, width=6):
        super().__init__()
        self.into = nn.Linear(3, width)
        self.again = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.mix = nn.MultiheadAttention(width, 2, batch_first=True)
        self.out = nn.Linear(width, 3, bias=False)

    def forward(self, x):
        x = torch.relu_(self.into(x))
        x = self.norm(x + self.again(torch.tanh(self.again(x))))
        return self.out((x + self.mix(x, x, x, need_weights=False)[0]).mean(1))


class SequenceFirst(nn.Module):
    """A linear layer whose first axis is that of positions, which are as many as the examples."""

    def __init__(self):
        super().__init__()
        self.into = nn.Linear(3, 4)
        self.out = nn.Linear(4, 3)

    def forward(self, x):
        return self.out(torch.tanh(self.into(x.transpose(0, 1))).cumsum(0)[-1])


class Tied(nn.Module):
    """A weight that is used by a layer and beside it."""

    def __init__(self):
        super().__init__()
        self.into = nn.Linear(5, 5)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        return self.head(torch.tanh(self.into(x)) @ self.into.weight)


def plain():
    return nn.Sequential(
        nn.Linear(5, 7), nn.ReLU(inplace=True), nn.Linear(7, 7, bias=False), nn.Tanh(), nn.Linear(7, 3)
    )


def convolutional():
    body = [nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Dropout(), nn.Linear(2 * 9, 3)]
    return nn.Sequential(*body)


NETWORKS = {
    "plain": (plain, (5,), ("0", "2", "4"), 0),
    "sequence": (Sequence, (4, 3), ("into", "again", "out"), 6),
    "sequence first": (SequenceFirst, (9, 3), ("out",), 2),
    "tied": (Tied, (5,), ("head",), 2),
    "convolutional": (convolutional, (1, 5, 5), ("5",), 4),
}


def network(name, seed=0):
    torch.manual_seed(seed)
    make, shape, by_layer, num_by_example = NETWORKS[name]
    model = make().double()
    return model, torch.randn(9, *shape, dtype=torch.float64), torch.arange(9) % 3, by_layer, num_by_example


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("chunk", [256, 4])
def test_lengths_are_those_of_batches_of_one(name, chunk):
    model, x, y, by_layer, num_by_example = network(name)
    norms = GradientNorms(model, class_losses, chunk=256 if name == "sequence first" else chunk)
    found = norms(x, y)
    torch.testing.assert_close(found, one_by_one(model, class_losses, x, y), rtol=1e-9, atol=1e-12)
    assert norms.by_layer == by_layer
    assert len(norms.by_example) == num_by_example
    assert not found.requires_grad


def test_in_single_precision_the_two_agree_to_the_sixth_digit():
    model, x, y, *_ = network("plain")
    wide = one_by_one(model, class_losses, x, y)
    found = GradientNorms(model.float(), class_losses)(x.float(), y)
    torch.testing.assert_close(found.double(), wide, rtol=2e-6, atol=1e-7)


def test_long_sequences_take_the_sum_and_short_ones_the_products():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1)).double()
    for length in (1, 2, 50):
        x = torch.randn(5, length, 2, dtype=torch.float64)
        y = torch.randn(5, length, 1, dtype=torch.float64)

        def loss(output, y):
            return ((output - y) ** 2).sum((1, 2))

        torch.testing.assert_close(GradientNorms(model, loss)(x, y), one_by_one(model, loss, x, y))


def test_frozen_parameters_do_not_count():
    model, x, y, *_ = network("plain")
    for parameter in (model[0].weight, model[4].bias, model[2].weight):
        parameter.requires_grad_(False)
    norms = GradientNorms(model, class_losses)
    torch.testing.assert_close(norms(x, y), one_by_one(model, class_losses, x, y))
    assert norms.by_layer == ("0", "4")


def test_weights_that_are_no_parameters_of_the_layer_are_found():
    model, x, y, *_ = network("plain")
    torch.nn.utils.parametrizations.weight_norm(model[2])
    norms = GradientNorms(model, class_losses)
    torch.testing.assert_close(norms(x, y), one_by_one(model, class_losses, x, y))
    assert norms.by_layer == ("0", "4")
    assert len(norms.by_example) == 2


def test_nothing_of_the_users_is_changed():
    model, x, y, *_ = network("convolutional")
    model.train()
    model[1].eval()
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 7.0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    with torch.no_grad():
        GradientNorms(model, class_losses)(x, y)
        mean_gradient_norm(model, class_losses, inputs=x, targets=y)
    assert torch.equal(state, torch.get_rng_state())
    assert model.training
    assert model[4].training
    assert not model[1].training
    assert all(bool((parameter.grad == 7.0).all()) for parameter in model.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_the_mean_gradient_is_that_of_the_mean_loss():
    model, x, y, *_ = network("plain")
    gradients = torch.autograd.grad(class_losses(model(x), y).mean(), list(model.parameters()))
    wanted = float(torch.cat([g.flatten() for g in gradients]).norm())
    for chunk in (4, 100):
        found = mean_gradient_norm(model, class_losses, inputs=x, targets=y, chunk=chunk)
        assert found == pytest.approx(wanted, rel=1e-12)


def test_what_cannot_be_scored_is_refused_in_words():
    model, x, y, *_ = network("plain")
    with pytest.raises(UsageError, match=r"shape \(\) for 9 examples"):
        GradientNorms(model, functional.cross_entropy)(x, y)
    with pytest.raises(UsageError, match="9 inputs and 8 targets"):
        GradientNorms(model, class_losses)(x, y[:8])
    with pytest.raises(UsageError, match="chunk=0"):
        GradientNorms(model, class_losses, chunk=0)
    with pytest.raises(UsageError, match="No parameter of the model is trained"):
        GradientNorms(model.requires_grad_(False), class_losses)(x, y)
