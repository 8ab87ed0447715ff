"""Winograd layers: equal to the convolution, quantised as the paper writes it, swapped in a model from outside."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn
from torch.nn import functional

from cupel.methods.cook_toom import cook_toom
from cupel.methods.winograd import Direct, QuantizedConv2d, Winograd, WinogradConv2d
from cupel.methods.winograd_swap import calibrate, num_products, swap
from cupel.spec.errors import UsageError


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def conv_of(*args, seed=1, **kwargs):
    conv = nn.Conv2d(*args, **kwargs).double()
    with torch.no_grad():
        for index, parameter in enumerate(conv.parameters()):
            parameter.copy_(randn(*parameter.shape, seed=seed + index))
    return conv


@pytest.mark.parametrize("tile", [2, 3, 4, 6])
@pytest.mark.parametrize(
    ("asked", "shape"),
    [
        ({"padding": 1}, (2, 4, 9, 7)),
        ({"padding": (0, 2), "bias": False}, (1, 4, 3, 8)),
        ({"padding": "same", "padding_mode": "reflect", "groups": 2}, (2, 4, 8, 8)),
        ({"padding": 1, "padding_mode": "circular"}, (1, 4, 6, 13)),
    ],
    ids=["padded", "odd sides", "groups", "circular"],
)
def test_values_and_gradients_are_those_of_the_convolution(tile, asked, shape):
    conv, x = conv_of(4, 6, 3, **asked), randn(*shape).requires_grad_()
    layer = WinogradConv2d(conv, Winograd(tile=tile, bits=None))
    expected = conv(x)
    found = layer(x)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    weights = randn(*expected.shape, seed=5)
    inputs = [x, *conv.parameters()]
    for one, other in zip(
        torch.autograd.grad((found * weights).sum(), inputs),
        torch.autograd.grad((expected * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("taps", [2, 4, 5])
def test_other_filters_are_convolved_too(taps):
    conv, x = conv_of(2, 3, taps, padding=1), randn(1, 2, 9, 9)
    torch.testing.assert_close(WinogradConv2d(conv, Winograd(tile=3, bits=None))(x), conv(x), rtol=1e-11, atol=1e-11)


def rounding_error(tile, dtype):
    """RMS of the error relative to the RMS of the output, against the convolution in float64."""
    conv, x = conv_of(32, 32, 3, padding=1), randn(4, 32, 24, 24)
    layer = WinogradConv2d(copy.deepcopy(conv).to(dtype), Winograd(tile=tile, bits=None))
    with torch.no_grad():
        exact, found = conv(x), layer(x.to(dtype)).double()
    return float((found - exact).square().mean().sqrt() / exact.square().mean().sqrt())


@pytest.mark.parametrize(
    ("dtype", "at_most"), [(torch.float64, 1e-14), (torch.float32, 1e-5), (torch.bfloat16, 0.5)], ids=str
)
def test_errors_grow_with_the_tile(dtype, at_most):
    errors = [rounding_error(tile, dtype) for tile in (2, 4, 6)]
    assert errors[0] < errors[1] < errors[2] < at_most


def as_the_paper_writes_it(conv, x, tile, bits):
    """One tile after another, with a rounding after each stage: the layer's formula by hand, in loops."""

    def q(*tensors):
        step = max(float(t.abs().max()) for t in tensors) / (2 ** (bits - 1) - 1)
        rounded = [(t / step).round() * step for t in tensors]
        return rounded if len(rounded) > 1 else rounded[0]

    a, g, b = (q(torch.from_numpy(matrix)) for matrix in cook_toom(tile, 3).arrays())
    size = tile + 2
    x = functional.pad(q(x), (1, 1, 1, 1))
    weight = q(conv.weight.detach())
    down, across = (x.shape[2] - 2) // tile, (x.shape[3] - 2) // tile
    num_filters, channels = weight.shape[:2]
    u = q(torch.stack([torch.stack([g @ weight[k, c] @ g.T for c in range(channels)]) for k in range(num_filters)]))
    places = [(n, i, j) for n in range(len(x)) for i in range(down) for j in range(across)]
    cut = {(n, i, j): x[n, :, i * tile :, j * tile :][:, :size, :size] for n, i, j in places}
    v = q(torch.stack([torch.stack([b @ cut[place][c] @ b.T for c in range(channels)]) for place in places]))
    m = q(torch.stack([torch.stack([(u[k] * tile_v).sum(0) for k in range(num_filters)]) for tile_v in v]))
    out = torch.zeros(len(x), num_filters, down * tile, across * tile, dtype=torch.float64)
    for (n, i, j), products in zip(places, m, strict=True):
        for k in range(num_filters):
            out[n, k, i * tile : (i + 1) * tile, j * tile : (j + 1) * tile] = a @ products[k] @ a.T
    return q(out + conv.bias.detach()[:, None, None])


@pytest.mark.parametrize(("tile", "bits"), [(2, 8), (4, 8), (4, 6)])
def test_rounding_is_what_the_papers_figure_says(tile, bits):
    conv, x = conv_of(2, 3, 3, padding=1), randn(2, 2, 8, 8)
    layer = WinogradConv2d(conv, Winograd(tile=tile, bits=bits)).double()
    torch.testing.assert_close(layer(x), as_the_paper_writes_it(conv, x, tile, bits), rtol=1e-9, atol=1e-9)


def test_a_range_for_each_position_keeps_more_of_f4():
    conv, x = conv_of(8, 8, 3, padding=1), randn(4, 8, 8, 8)
    exact = conv(x)
    errors = {}
    for by_position in (False, True):
        layer = WinogradConv2d(conv, Winograd(tile=4, bits=8, by_position=by_position))
        errors[by_position] = float((layer(x) - exact).detach().norm() / exact.detach().norm())
    assert errors[True] < errors[False] / 2


def test_learned_transforms_are_trained_and_static_ones_are_not():
    conv, x = conv_of(2, 2, 3, padding=1), randn(2, 2, 8, 8)
    names = {"output_transform", "filter_transform", "input_transform"}
    static = WinogradConv2d(conv, Winograd())
    learned = WinogradConv2d(conv, Winograd(is_learned=True))
    assert names.isdisjoint(dict(static.named_parameters()))
    assert names < dict(static.named_buffers()).keys()
    learned(x).square().sum().backward()
    for name in names:
        gradient = getattr(learned, name).grad
        assert gradient is not None
        assert bool(gradient.isfinite().all())
        assert bool(gradient.any())


def test_gradients_by_transforms_agree_with_differences():
    conv, x = conv_of(1, 2, 3), randn(1, 1, 4, 4)
    layer = WinogradConv2d(conv, Winograd(tile=2, bits=None, is_learned=True))
    matrices = [layer.output_transform, layer.filter_transform, layer.input_transform]

    def value(*matrices):
        named = dict(zip(("output_transform", "filter_transform", "input_transform"), matrices, strict=True))
        return torch.func.functional_call(layer, named, (x,))

    assert torch.autograd.gradcheck(value, matrices)


class TwoBranches(nn.Module):
    """A network that is not of this package: a shared block, a stride, a 1 x 1, batch norm."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.again = self.block
        self.short = nn.Conv2d(4, 4, 1)
        self.down = nn.Conv2d(4, 4, 3, stride=2)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = self.stem(x)
        x = self.again(self.block(x)) + self.short(x)
        return self.head(self.down(x).mean((2, 3)))


def network():
    torch.manual_seed(0)
    return TwoBranches().eval()


def test_a_users_model_is_swapped_in_place_and_computes_the_same():
    model, x = network(), randn(3, 1, 10, 10).float()
    expected = model(x)
    parameters = list(model.parameters())
    found = swap(model, Winograd(tile=4, bits=None), keep=["stem"])
    assert found.swapped == ("block.0", "again.0")
    assert found.left.keys() == {"stem", "short", "down"}
    assert found.left["stem"] == "it was to be kept"
    assert "1 x 1" in found.left["short"]
    assert "stride is (2, 2)" in found.left["down"]
    assert model.block[0] is model.again[0]
    assert all(one is other for one, other in zip(parameters, model.parameters(), strict=True))
    torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-5)


def test_what_a_quantised_convolution_learned_of_ranges_goes_to_its_successor():
    model, x = network(), randn(3, 1, 10, 10).float()
    assert swap(model, Direct(8)).left == {}
    model.train()
    model(x)
    model.eval()
    first = model.block[0]
    assert isinstance(first, QuantizedConv2d)
    swap(model, Winograd(tile=2, bits=8))
    second = model.block[0]
    assert isinstance(second, WinogradConv2d)
    for one, other in zip(first.quantizers, second.quantizers, strict=True):
        assert float(one.maximum) == float(other.maximum) > 0.0
    with pytest.raises(UsageError, match="calibrate"):
        model(x)
    calibrate(model, x.split(1))
    assert bool(model(x).isfinite().all())
    assert not model.training


def test_calibration_moves_ranges_and_nothing_else():
    model, x = network(), randn(3, 1, 10, 10).float()
    swap(model, Winograd(tile=2, bits=8))
    model.train()
    model.stem.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    calibrate(model, [(x,), (2 * x,)])
    assert torch.equal(state, torch.get_rng_state())
    assert model.training
    assert not model.stem.training
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved
    assert all(name.endswith(("maximum", "num_seen")) for name in moved)
    with pytest.raises(UsageError, match="No batch"):
        calibrate(model, [])


def test_products_are_counted_whole_tiles_and_nothing_is_changed():
    model, x = network(), randn(2, 1, 10, 10).float()
    direct = 2 * 100 * (4 * 9 + 2 * 16 * 9 + 16) + 2 * 16 * 16 * 9  # stem, the block twice, 1 x 1; then 4 x 4 outputs
    assert num_products(model, x) == direct
    swap(model, Winograd(tile=4), keep=["stem"])
    tiles = 3 * 3
    assert num_products(model, x) == direct - 2 * 2 * 100 * 16 * 9 + 2 * 2 * tiles * 36 * 16
    with pytest.raises(UsageError, match="calibrate"):
        model(x)


def test_an_aware_model_is_saved_loaded_and_copied():
    x = randn(2, 1, 10, 10).float()
    model = network()
    swap(model, Winograd(tile=4, bits=8, is_learned=True))
    model.train()
    model(x)
    model.eval()
    fresh = network()
    swap(fresh, Winograd(tile=4, bits=8, is_learned=True))
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh(x), model(x))
    assert torch.equal(copy.deepcopy(model)(x), model(x))


def test_an_aware_network_learns():
    model, x = network().train(), randn(24, 1, 8, 8).float()
    swap(model, Winograd(tile=4, bits=8, is_learned=True), keep=["stem"])
    labels = (x.mean((1, 2, 3)) > 0).long()
    state = torch.get_rng_state()
    losses = []
    for _ in range(40):
        loss = functional.cross_entropy(model(x), labels)
        losses.append(float(loss.detach()))
        moving = [parameter for parameter in model.parameters() if parameter.requires_grad]
        with torch.no_grad():
            for parameter, gradient in zip(moving, torch.autograd.grad(loss, moving), strict=True):
                parameter.sub_(gradient, alpha=0.1)
    assert losses[-1] < losses[0] / 2
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("conv", "form", "words"),
    [
        (nn.Conv2d(1, 1, 3, stride=2), Winograd(), "its stride is (2, 2)"),
        (nn.Conv2d(1, 1, 3, dilation=2), Winograd(), "its dilation (2, 2)"),
        (nn.Conv2d(1, 1, (3, 1)), Winograd(), "its filter is 3 x 1"),
        (nn.Linear(1, 1), Winograd(), "it is no Conv2d"),
        (nn.Conv2d(1, 1, 3), Winograd(tile=2, transforms=cook_toom(4, 3)), "expected those of F(2, 3)"),
    ],
    ids=["stride", "dilation", "oblong", "linear", "transforms"],
)
def test_what_winograd_cannot_do_is_refused_in_words(conv, form, words):
    with pytest.raises(UsageError) as caught:
        WinogradConv2d(conv, form)
    assert words in str(caught.value)


def test_small_inputs_and_strange_names_are_refused_in_words():
    layer = WinogradConv2d(nn.Conv2d(1, 1, 3), Winograd(bits=None))
    with pytest.raises(UsageError, match="expected at least 3 each way"):
        layer(torch.ones(1, 1, 2, 5))
    with pytest.raises(UsageError, match="none of the convolutions: stem"):
        swap(network(), keep=["steam"])
    with pytest.raises(UsageError, match=r"form\.convert"):
        swap(nn.Conv2d(1, 1, 3))


def test_transforms_that_are_no_convolution_give_another_result():
    exact = cook_toom(4, 3)
    off = replace(exact, filter=tuple(tuple(2 * entry for entry in row) for row in exact.filter))
    conv, x = conv_of(1, 1, 3), randn(1, 1, 6, 6)
    layer = WinogradConv2d(conv, Winograd(tile=4, bits=None, transforms=off))
    torch.testing.assert_close(layer(x) - conv.bias, 4 * (conv(x) - conv.bias))
