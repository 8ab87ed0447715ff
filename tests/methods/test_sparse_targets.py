"""The factored output layer against the dense one, against the paper's own algorithm, and over long runs."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn
from torch.nn import functional

from cupel.methods.sparse_targets import MAX_CONDITION, SparseTargetsLayer
from cupel.methods.spherical_losses import SphericalSoftmax, SquaredError, TaylorSoftmax, ZLoss
from cupel.spec.errors import UsageError


def own_loss(seen):
    """A loss of nobody's, that sees all three numbers."""
    return (seen.targets * (seen.at_targets - 1.0) ** 4).sum(1) + seen.squared_norm.sin() + seen.total**2 / 9.0


def dense_own(o, y):
    return (y * (o - 1.0) ** 4).sum(1) + (o**2).sum(1).sin() + o.sum(1) ** 2 / 9.0


def dense_spherical(o, y, epsilon=1.0):
    p = (o**2 + epsilon) / (o**2 + epsilon).sum(1, keepdim=True)
    return -(y * p.log()).sum(1)


def dense_taylor(o, y):
    p = 1.0 + o + o**2 / 2.0
    return -(y * (p / p.sum(1, keepdim=True)).log()).sum(1)


def dense_z(o, y):
    z = (o - o.mean(1, keepdim=True)) / (o.var(1, keepdim=True, unbiased=False) + 1e-12).sqrt()
    return (y * functional.softplus(0.1 * (10.0 - z))).sum(1) / 0.1


LOSSES = {
    "squared": (SquaredError(), lambda o, y: ((o - y) ** 2).sum(1)),
    "spherical": (SphericalSoftmax(1.0), dense_spherical),
    "taylor": (TaylorSoftmax(), dense_taylor),
    "z": (ZLoss(), dense_z),
    "own": (own_loss, dense_own),
}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=generator(seed), dtype=dtype)


def dense_targets(index, values, num_outputs):
    """The sparse targets written out: repeats add up, -1 is nothing."""
    y = torch.zeros(len(index), num_outputs + 1, dtype=values.dtype)
    return y.scatter_add_(1, torch.where(index < 0, num_outputs, index), values)[:, :num_outputs]


def dense_step(weight, h, y, loss, rate):
    """The naive way: losses, gradient by the inputs, and W after plain gradient descent on the mean loss."""
    weight, h = weight.detach().requires_grad_(), h.detach().requires_grad_()
    losses = loss(h @ weight.T, y)
    by_weight, by_h = torch.autograd.grad(losses.mean(), [weight, h])
    return SimpleNamespace(losses=losses.detach(), by_h=by_h, weight=weight.detach() - rate * by_weight)


def factored_step(layer, h, index, values=None, *, rate):
    h = h.detach().requires_grad_()
    losses = layer(h, index, values)
    (by_h,) = torch.autograd.grad(losses.mean(), h)
    layer.step(rate)
    return SimpleNamespace(losses=losses.detach(), by_h=by_h)


def relative(found, expected):
    return float((found.double() - expected.double()).norm() / expected.double().norm())


@pytest.mark.parametrize("name", LOSSES)
def test_loss_gradient_and_weight_are_those_of_the_dense_layer(name):
    loss, dense_loss = LOSSES[name]
    weight = normal(40, 6) / 3.0
    layer = SparseTargetsLayer(6, 40, initial=weight, loss=loss)
    for update in range(8):
        h = normal(5, 6, seed=update)
        index = torch.randint(-1, 6, (5, 4), generator=generator(update))  # few positions: many repeats
        values = torch.rand(5, 4, generator=generator(update), dtype=torch.float64)
        dense = dense_step(weight, h, dense_targets(index, values, 40), dense_loss, 0.01)
        found = factored_step(layer, h, index, values, rate=0.01)
        weight = dense.weight
        torch.testing.assert_close(found.losses, dense.losses, rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(found.by_h, dense.by_h, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(layer.weight(), weight, rtol=1e-10, atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**20), name=st.sampled_from(sorted(LOSSES)))
def test_any_sizes_agree_with_the_dense_layer(data, seed, name):
    num_outputs, width, num, most = (data.draw(st.integers(1, top)) for top in (30, 5, 8, 4))
    loss, dense_loss = LOSSES[name]
    if name == "z" and num_outputs == 1:
        return  # one output has no spread
    weight = normal(num_outputs, width, seed=seed)
    layer = SparseTargetsLayer(width, num_outputs, initial=weight, loss=loss, max_condition=data.draw(st.just(1.5)))
    for update in range(3):
        h = normal(num, width, seed=seed + update) / math.sqrt(width)
        index = torch.randint(-1, num_outputs, (num, most), generator=generator(seed))
        values = torch.rand(num, most, generator=generator(seed), dtype=torch.float64)
        dense = dense_step(weight, h, dense_targets(index, values, num_outputs), dense_loss, 0.02)
        found = factored_step(layer, h, index, values, rate=0.02)
        weight = dense.weight
        torch.testing.assert_close(found.losses, dense.losses, rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(found.by_h, dense.by_h, rtol=1e-7, atol=1e-7)
        torch.testing.assert_close(layer.weight(), weight, rtol=1e-7, atol=1e-7)


def test_one_example_with_squared_error_is_the_papers_algorithm():
    rate, width, num_outputs = 0.07, 4, 12
    v = normal(num_outputs, width)
    u, u_inverse_t = (torch.eye(width, dtype=torch.float64) for _ in range(2))
    q = v.T @ v
    layer = SparseTargetsLayer(width, num_outputs, initial=v, loss=SquaredError(), max_condition=math.inf)
    for update in range(6):
        h = normal(width, seed=update)
        h /= h.norm()
        place = update % 3
        y = torch.zeros(num_outputs, dtype=torch.float64)
        y[place] = 1.5
        h_hat, y_hat = q @ h, u.T @ (v.T @ y)
        z_hat = h_hat - y_hat
        loss = h @ h_hat - 2.0 * (h @ y_hat) + y @ y
        u = u - 2.0 * rate * torch.outer(u @ h, h)
        u_inverse_t = u_inverse_t + 2.0 * rate / (1.0 - 2.0 * rate * h @ h) * torch.outer(u_inverse_t @ h, h)
        v = v + 2.0 * rate * torch.outer(y, u_inverse_t @ h)
        q = q - 2.0 * rate * (torch.outer(h, z_hat) + torch.outer(z_hat, h)) + 4.0 * rate**2 * loss * torch.outer(h, h)
        found = factored_step(layer, h[None], torch.tensor([place]), torch.tensor([1.5]), rate=rate)
        assert float(found.losses[0]) == pytest.approx(float(loss), rel=1e-12)
        torch.testing.assert_close(found.by_h[0], 2.0 * z_hat)
        for mine, papers in zip(
            (layer.factors.inner, layer.factors.inverse.T, layer.factors.rows.rows, layer.factors.gram),
            (u, u_inverse_t, v, q),
            strict=True,
        ):
            torch.testing.assert_close(mine, papers, rtol=1e-11, atol=1e-11)


def relu_inputs(num, width, seed, dtype):
    """Inputs as a hidden layer of rectified units gives them: they have a mean, and U shrinks along it."""
    return (normal(num, width, seed=seed).relu() * math.sqrt(2.0 / width)).to(dtype)


def long_run(max_condition, *, dtype, updates=250, rate=0.3):
    """Squared error over many updates, beside the dense update in the same digits."""
    weight = (normal(300, 12) / math.sqrt(12)).to(dtype)
    layer = SparseTargetsLayer(12, 300, initial=weight, loss=SquaredError(), max_condition=max_condition)
    for update in range(updates):
        h = relu_inputs(6, 12, update, dtype)
        index = torch.randint(300, (6,), generator=generator(update))
        weight = dense_step(weight, h, dense_targets(index[:, None], torch.ones(6, 1), 300), LOSSES["squared"][1], rate)
        weight = weight.weight.to(dtype)
        factored_step(layer, h, index, rate=rate)
    return layer, weight


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-13)], ids=str)
def test_a_long_run_keeps_its_digits(dtype, tolerance):
    layer, weight = long_run(MAX_CONDITION, dtype=dtype)
    assert relative(layer.weight(), weight) < tolerance
    assert layer.num_stabilised > 5
    factors, wide = layer.factors, layer.weight().double()
    assert relative(factors.gram, wide.T @ wide) < 10 * tolerance
    assert relative(factors.total, wide.sum(0)) < 10 * tolerance
    assert relative(factors.inner @ factors.inverse, torch.eye(12)) < 10 * tolerance
    assert float(torch.linalg.cond(factors.inner)) < MAX_CONDITION * 12


def test_without_setting_back_the_same_run_loses_all_digits():
    layer, weight = long_run(math.inf, dtype=torch.float32, updates=150)
    assert relative(layer.weight(), weight) > 0.1


def test_a_step_that_makes_the_inner_matrix_singular_is_exact():
    h = torch.tensor([[1.0, 1.0]], dtype=torch.float64)  # 1 - 2 rate |h|^2 is exactly 0
    weight = normal(5, 2)
    layer = SparseTargetsLayer(2, 5, initial=weight, loss=SquaredError())
    for _ in range(3):
        weight = dense_step(weight, h, dense_targets(torch.tensor([[3]]), h[:, :1], 5), LOSSES["squared"][1], 0.25)
        weight = weight.weight
        factored_step(layer, h, torch.tensor([3]), rate=0.25)
        torch.testing.assert_close(layer.weight(), weight, rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(layer.factors.gram, weight.T @ weight, rtol=1e-13, atol=1e-13)


def test_shrinking_evenly_does_not_run_out_of_range():
    width = 3
    h = torch.eye(width)
    layer = SparseTargetsLayer(width, 8, initial=normal(8, width, dtype=torch.float32), loss=SquaredError())
    weight = layer.weight().double()
    for _ in range(200):  # each halves U as a whole: 2^-200 is no float32
        weight = dense_step(
            weight, h.double(), torch.eye(8, dtype=torch.float64)[:width], LOSSES["squared"][1], 0.25 * width
        )
        weight = weight.weight
        factored_step(layer, h, torch.arange(width), rate=0.25 * width)
    assert layer.num_stabilised >= 3
    assert relative(layer.weight(), weight) < 1e-6


class Tagger(nn.Module):
    """A user's network: words and their neighbours in, several tags out."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(9, 4)
        self.mix = nn.GRU(4, 6, batch_first=True)

    def forward(self, words):
        return self.mix(self.words(words))[0]


def users_network(dtype=torch.float64):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Tagger().to(dtype)


def test_a_users_network_learns_as_with_a_dense_last_layer():
    ours, dense = users_network(), users_network()
    initial = normal(50, 6)
    last = SparseTargetsLayer(6, 50, initial=initial)
    linear = nn.Linear(6, 50, bias=False, dtype=torch.float64)
    linear.weight.data.copy_(initial)
    words = torch.randint(9, (2, 3), generator=generator())
    tags = torch.randint(50, (2, 3), generator=generator(1))
    y = functional.one_hot(tags, 50).double().flatten(0, 1)
    optimizer = torch.optim.Adam(ours.parameters(), lr=0.1)
    dense_optimizers = [torch.optim.Adam(dense.parameters(), lr=0.1), torch.optim.SGD(linear.parameters(), lr=0.5)]
    seen = []
    for _ in range(6):
        losses = last(ours(words), tags)
        assert losses.shape == (2, 3)
        losses.mean().backward()
        optimizer.step()
        last.step(learning_rate=0.5)
        optimizer.zero_grad()
        dense_spherical(linear(dense(words)).flatten(0, 1), y).mean().backward()
        for each in dense_optimizers:
            each.step()
            each.zero_grad()
        seen.append(float(losses.mean().detach()))
    torch.testing.assert_close(last.weight(), linear.weight.detach(), rtol=1e-9, atol=1e-9)
    for mine, theirs in zip(ours.parameters(), dense.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-9)
    assert seen[-1] < seen[0] - 0.1
    hidden = ours(words)
    torch.testing.assert_close(last.scores(hidden), hidden.detach() @ last.weight().T)
    torch.testing.assert_close(last.rows(tags), last.weight()[tags])


def test_backward_passes_add_up_until_the_step():
    weight = normal(20, 4)
    h, index = normal(7, 4, seed=1), torch.randint(20, (7,), generator=generator())
    once, twice = (SparseTargetsLayer(4, 20, initial=weight, loss=own_loss) for _ in range(2))
    (once(h, index) * 0.1).sum().backward()
    (twice(h[:3], index[:3]) * 0.1).sum().backward()
    (twice(h[3:], index[3:, None].expand(4, 2)[:, :1]) * 0.1).sum().backward()
    once.step(0.2)
    twice.step(0.2)
    torch.testing.assert_close(once.weight(), twice.weight())
    two_each = torch.stack([index, (index + 1) % 20], 1)
    three_each = torch.cat([two_each, torch.full((7, 1), -1)], 1)
    for layer, places in ((once, [three_each]), (twice, [two_each[:5], three_each[5:]])):
        for first, some in zip((0, 5), places, strict=False):
            layer(h[first : first + len(some)], some).sum().backward()
        layer.step(0.01)
    torch.testing.assert_close(once.weight(), twice.weight())


def test_weights_of_examples_reach_the_update():
    weight, h = normal(9, 3), normal(4, 3, seed=1)
    index, counts = torch.tensor([1, 1, 2, 8]), torch.tensor([0.0, 2.0, -0.5, 1.0])
    layer = SparseTargetsLayer(3, 9, initial=weight, loss=TaylorSoftmax())
    (layer(h, index) * counts).sum().backward()
    layer.step(0.3)
    dense = weight.clone().requires_grad_()
    (dense_taylor(h @ dense.T, functional.one_hot(index, 9).double()) * counts).sum().backward()
    torch.testing.assert_close(layer.weight(), weight - 0.3 * dense.grad)


def test_looking_at_a_loss_leaves_nothing_behind():
    layer = SparseTargetsLayer(3, 9, initial=normal(9, 3))
    before = layer.weight()
    with torch.no_grad():
        assert not layer(normal(2, 3), torch.tensor([0, 1])).requires_grad
    layer(normal(2, 3), torch.tensor([0, 1])).mean().backward()
    layer.zero_grad()
    with pytest.raises(UsageError, match="no gradient is waiting"):
        layer.step(0.1)
    assert torch.equal(layer.weight(), before)
    empty = layer(normal(0, 3), torch.zeros(0, dtype=torch.int64))
    empty.sum().backward()
    layer.step(0.1)
    assert torch.equal(layer.weight(), before)


def test_it_survives_a_checkpoint_a_copy_and_a_change_of_digits():
    layer, _ = long_run(MAX_CONDITION, dtype=torch.float32, updates=60)
    assert layer.factors.rows.num_columns > 0  # rows that lag behind are part of the state
    other = SparseTargetsLayer(12, 300, initial=generator(), loss=SquaredError())
    other.load_state_dict(layer.state_dict())
    copied = copy.deepcopy(layer).half()
    assert copied.factors.inner.dtype == torch.float64
    h, index = relu_inputs(6, 12, 99, torch.float32), torch.arange(6)
    for each in (layer, other, copied):
        factored_step(each, h, index, rate=0.3)
    assert torch.equal(layer.weight(), other.weight())
    assert torch.equal(layer.weight(), copied.weight())


def test_inputs_of_16_bits_and_autocast_change_no_digit_of_the_layer():
    weight = normal(30, 4, dtype=torch.float32)
    plain, cast = (SparseTargetsLayer(4, 30, initial=weight) for _ in range(2))
    h = normal(5, 4, seed=1).bfloat16()
    factored_step(plain, h.float(), torch.arange(5), rate=1.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = factored_step(cast, h, torch.arange(5), rate=1.0)
    assert (found.by_h.dtype, found.losses.dtype) == (torch.bfloat16, torch.float32)
    assert torch.equal(plain.weight(), cast.weight())


def test_the_global_generator_is_left_alone_and_the_same_seed_gives_the_same_weight():
    state = torch.get_rng_state()
    first, again, other = (SparseTargetsLayer(3, 9, initial=generator(seed)).weight() for seed in (1, 1, 2))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_loss_from_before_a_step_is_refused():
    layer = SparseTargetsLayer(3, 9, initial=normal(9, 3))
    early, late = (layer(normal(2, 3), torch.tensor([0, 1])).mean() for _ in range(2))
    early.backward()
    layer.step(0.1)
    with pytest.raises(UsageError, match="from before the last step"):
        late.backward()


def test_a_gradient_that_is_not_finite_is_refused_and_changes_nothing():
    layer = SparseTargetsLayer(3, 9, initial=normal(9, 3))
    before = layer.weight()
    (layer(normal(2, 3), torch.tensor([0, 1])).mean() * math.nan).backward()
    with pytest.raises(UsageError, match="not finite"):
        layer.step(0.1)
    assert torch.equal(layer.weight(), before)


H, PLACES = torch.zeros(2, 3), torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (lambda layer: layer(H[:, :2], PLACES), "expected (..., 3)"),
        (lambda layer: layer(H, PLACES[:1]), "index (1,)"),
        (lambda layer: layer(H, PLACES + 8), "index runs from 8 to 9; expected positions from 0 to 8"),
        (lambda layer: layer(H, PLACES - 2), "index runs from -2 to -1"),
        (lambda layer: layer(H, PLACES, torch.ones(2, 1)), "targets are (2, 1)"),
        (lambda _: SparseTargetsLayer(0, 9, initial=generator()), "0 inputs and 9 outputs"),
        (lambda _: SparseTargetsLayer(3, 9, initial=H), "initial is torch.float32 (2, 3)"),
        (lambda _: SparseTargetsLayer(3, 9, initial=generator(), max_condition=1.0), "max_condition is 1.0"),
        (lambda _: SphericalSoftmax(0.0), "epsilon 0.0"),
        (
            lambda _: SparseTargetsLayer(3, 9, initial=generator(), loss=lambda seen: seen.total.mean())(H, PLACES),
            "The loss returned a tensor ()",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(asked, words):
    with pytest.raises(UsageError) as caught:
        asked(SparseTargetsLayer(3, 9, initial=normal(9, 3)))
    assert words in str(caught.value)
