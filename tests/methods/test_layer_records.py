"""Records of layers against the gradient of each example on its own; what counts as a pass, and what is refused."""

from __future__ import annotations

import copy
import gc
import io

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn

from cupel.methods.layer_records import LayerRecords, recordable_layers
from cupel.spec.errors import UnknownNameError, UsageError


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def filled(model, seed=1):
    """A model in double precision whose parameters come from a generator of our own."""
    model = model.double()
    with torch.no_grad():
        for index, p in enumerate(model.parameters()):
            p.copy_(random(*p.shape, seed=seed + index) * 0.5)
    return model


def curved(output):
    """A loss whose gradient differs from output to output: the mean over examples."""
    return ((output.flatten(1) + 0.3).pow(3).sum(1) / 3).mean()


def one_by_one(layer, model, x):
    """The gradient by [W b] of each example's own loss, by as many backward passes."""
    found = []
    for row in x:
        parts = torch.autograd.grad(curved(model(row[None])), list(layer.parameters()))
        weight = parts[0].flatten(1)
        found.append(torch.cat([weight, parts[1][:, None]], 1) if len(parts) == 2 else weight)
    return torch.stack(found)


CONV = {
    "plain": {},
    "strided": {"stride": (2, 1), "padding": (0, 2)},
    "dilated": {"dilation": (1, 2), "padding": 1, "bias": False},
    "same": {"padding": "same", "kernel_size": (3, 5)},
    "valid": {"padding": "valid"},
    "circular": {"padding": (2, 1), "padding_mode": "circular"},
    "reflect": {"padding": "same", "padding_mode": "reflect", "dilation": (2, 1)},
}
MODELS = [
    *[
        pytest.param(lambda o=o: nn.Conv2d(2, 3, **{"kernel_size": (3, 2), **o}), (5, 2, 6, 7), id=f"conv {name}")
        for name, o in CONV.items()
    ],
    pytest.param(lambda: nn.Linear(4, 3), (5, 4), id="vectors"),
    pytest.param(lambda: nn.Linear(4, 3, bias=False), (5, 6, 4), id="sequences"),
    pytest.param(lambda: nn.Linear(4, 3), (5, 2, 3, 4), id="grids"),
]


@pytest.mark.parametrize(("make", "shape"), MODELS)
def test_inputs_times_gradients_are_the_gradient_of_each_example(make, shape):
    layer = filled(make())
    records = LayerRecords({"it": layer})
    x = random(*shape, seed=7)
    curved(layer(x)).backward()
    (found,) = records.examples("it", with_bias=layer.bias is not None)
    products = found.gradients_NPO.transpose(1, 2) @ found.inputs_NPI
    torch.testing.assert_close(products, one_by_one(layer, layer, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("layer", "shape"), [(nn.Linear(4, 3), (4,)), (nn.Conv2d(2, 3, 2), (2, 3, 3))])
def test_what_comes_without_a_batch_is_one_example(layer, shape):
    layer = filled(layer)
    records = LayerRecords({"it": layer})
    layer(random(*shape)).square().sum().backward()
    (found,) = records.examples("it", with_bias=False)
    product = (found.gradients_NPO[0].T @ found.inputs_NPI[0]).reshape(layer.weight.shape)
    torch.testing.assert_close(product, layer.weight.grad, rtol=1e-12, atol=1e-12)


def test_each_pass_that_fills_grad_counts_and_no_other():
    model = filled(nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True), nn.Linear(3, 2)))
    records = LayerRecords(recordable_layers(model))
    x = random(6, 4)

    def count():
        return sum(len(batch.inputs_NPI) for batch in records.examples("0", with_bias=True))

    with torch.no_grad():
        curved(model(x))
    torch.autograd.grad(curved(model[0](x)), model[0].bias)  # reaches no .grad of this weight
    curved(model(x.requires_grad_())).backward(inputs=[x])
    records.clear()
    curved(model.eval()(x)).backward()
    assert count() == 6
    curved(model.train()(x[:2])).backward()
    assert count() == 8
    own = [batch.gradients_NPO[:, 0] for batch in records.examples("0", with_bias=True)]
    torch.testing.assert_close(own[0][:2] / 8, own[1] / 8 * 2 / 6, rtol=1e-12, atol=0.0)  # means over 6 and over 2
    records.clear()
    with pytest.raises(UsageError, match="no forward pass of it was recorded"):
        records.examples("0", with_bias=True)


def test_a_gradient_that_was_taken_before_is_not_mixed_in():
    layer = filled(nn.Linear(3, 2))
    records = LayerRecords({"it": layer})
    x = random(4, 3).requires_grad_()
    (slope,) = torch.autograd.grad(curved(layer(x)), x)
    curved(layer(x.detach() + slope.sign())).backward()
    with pytest.raises(UsageError, match=r"zero_grad\(\) before backward"):
        records.examples("it", with_bias=True)


def test_a_layer_that_runs_twice_in_a_pass_is_refused():
    layer = filled(nn.Linear(3, 3))
    records = LayerRecords({"it": layer})
    curved(layer(layer(random(4, 3)))).backward()
    with pytest.raises(UsageError, match="'it' ran more than once"):
        records.examples("it", with_bias=True)


def test_a_weight_that_is_used_outside_its_layer_is_refused():
    layer = filled(nn.Linear(3, 3))
    records = LayerRecords({"it": layer})
    curved(layer(random(4, 3))).backward()
    curved(nn.functional.linear(random(4, 3), layer.weight)).backward()
    with pytest.raises(UsageError, match="its weight was used outside of it"):
        records.examples("it", with_bias=True)


class Tied(nn.Module):
    """A model of a user: the output layer has the embedding's weight."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.hidden = nn.Linear(3, 3)
        self.out = nn.Linear(3, 5, bias=False)
        self.out.weight = self.embed.weight


def test_what_has_two_places_in_the_model_is_refused_and_can_be_left_out():
    layer = nn.Linear(3, 3)
    with pytest.raises(UsageError, match="'0' shares its parameters"):
        recordable_layers(nn.Sequential(layer, nn.Tanh(), layer))
    assert recordable_layers(nn.Sequential(layer, nn.Tanh(), layer), ["0", "2"]) == {}
    with pytest.raises(UsageError, match="'out' shares its parameters"):
        recordable_layers(Tied())
    assert list(recordable_layers(Tied(), ["out"])) == ["hidden"]
    with pytest.raises(UnknownNameError, match=r"No layer named 'ouch'.*Close: out"):
        recordable_layers(Tied(), ["ouch"])


def test_layers_whose_examples_cannot_be_told_apart_are_not_among_them():
    model = nn.Sequential(
        nn.Conv2d(4, 4, 3, groups=2),
        nn.MultiheadAttention(4, 2),
        nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)),
        nn.Linear(4, 4),
    )
    assert list(recordable_layers(model)) == ["3"]


def test_copies_of_a_model_are_not_recorded_and_nothing_outlives_the_records():
    model = filled(nn.Sequential(nn.Linear(3, 2)))
    records = LayerRecords(recordable_layers(model))
    stored = io.BytesIO()
    torch.save(model, stored)
    stored.seek(0)
    for other in (copy.deepcopy(model), torch.load(stored, weights_only=False)):
        curved(other(random(4, 3))).backward()
        assert other[0].weight.grad is not None
    with pytest.raises(UsageError, match="no forward pass"):
        records.examples("0", with_bias=True)
    curved(model[0](input=random(4, 3))).backward()
    assert len(records.examples("0", with_bias=True)) == 1
    del records
    gc.collect()
    assert not model[0]._forward_hooks
    curved(model(random(4, 3))).backward()


def test_numbers_are_single_precision_at_least():
    for dtype, kept in ((torch.bfloat16, torch.float32), (torch.float32, torch.float32)):
        layer = nn.Linear(3, 2, dtype=dtype)
        records = LayerRecords({"it": layer})
        layer(random(4, 3).to(dtype)).sum().backward()
        (found,) = records.examples("it", with_bias=True)
        assert {found.inputs_NPI.dtype, found.gradients_NPO.dtype} == {kept}
