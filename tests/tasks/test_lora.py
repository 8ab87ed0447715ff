"""Adapters start from the frozen network, agree with merged weights, and are all that is trained."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the adapters are written in torch")
from torch import nn

from cupel.tasks.models.lora import AdaptedLinear, Adapter, adapters_of, add_adapters


def make_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.ModuleDict({"q_proj": nn.Linear(6, 5), "block": nn.ModuleDict({"v_proj": nn.Linear(5, 4, bias=False)})})


def test_training_starts_from_the_frozen_network():
    network, x = make_network(), torch.randn(3, 6)
    before = network["q_proj"](x)
    add_adapters(network, ["q_proj"], rank=2, alpha=4)
    assert torch.equal(network["q_proj"](x), before)


def test_the_sum_agrees_with_merged_weights():
    frozen, adapter = nn.Linear(6, 5), Adapter(6, 5, rank=2, alpha=3)
    nn.init.normal_(adapter.up.weight)
    x = torch.randn(7, 6)
    merged = frozen.weight + 3 / 2 * adapter.up.weight @ adapter.down.weight
    torch.testing.assert_close(AdaptedLinear(frozen, adapter)(x), x @ merged.T + frozen.bias)


def test_only_adapters_are_trained_and_each_named_layer_has_one():
    network = make_network()
    add_adapters(network, ["q_proj", "v_proj"], rank=2, alpha=4)
    trained = [p.numel() for p in network.parameters() if p.requires_grad]
    assert sum(trained) == 2 * (6 + 5) + 2 * (5 + 4)
    assert [p.numel() for p in adapters_of(network).parameters()] == trained
    assert len(adapters_of(network)) == 2


def test_a_name_that_no_layer_has_is_refused():
    with pytest.raises(ValueError, match="k_proj"):
        add_adapters(make_network(), ["q_proj", "k_proj"], rank=2, alpha=4)


def test_an_adapter_is_cut_on_the_side_on_which_its_layer_is():
    network = make_network()
    network.parallel_plan = lambda _num_ranks: {"q_proj": "colwise", "block.v_proj": "rowwise", "head": "colwise"}
    add_adapters(network, ["q_proj", "v_proj"], rank=2, alpha=4)
    assert network.parallel_plan(2) == {
        "q_proj.frozen": "colwise",
        "q_proj.adapter.up": "colwise",
        "block.v_proj.frozen": "rowwise",
        "block.v_proj.adapter.down": "rowwise",
        "head": "colwise",
    }
