"""Pruners against sorting by hand, and what every pruner keeps to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="these methods need torch")

from cupel.methods.pruners.magnitude import Magnitude
from cupel.methods.pruners.random_mask import RandomMask
from cupel.spec.errors import UsageError


def every_pruner():
    for scope in ("layer", "global"):
        yield Magnitude(scope)
        yield RandomMask(torch.Generator().manual_seed(5), scope)


def random_weights(seed, sizes=((5, 7), (4, 4), (3, 2, 2))):
    rng = np.random.default_rng(seed)
    weights = {f"layer{i}": torch.tensor(rng.normal(size=size) * (i + 1)) for i, size in enumerate(sizes)}
    return weights, {name: torch.tensor(rng.random(weight.shape) < 0.7) for name, weight in weights.items()}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**20), share=st.floats(0.0, 0.999))
def test_magnitude_by_layer_is_sorting_each_layer(seed, share):
    weights, masks = random_weights(seed)
    found = Magnitude("layer").prune(weights, masks, shares=dict.fromkeys(weights, share))
    for name, weight in weights.items():
        left = [(abs(v), i) for i, v in enumerate(weight.flatten().tolist()) if masks[name].flatten()[i]]
        goes = {i for _, i in sorted(left)[: round(share * len(left))]}
        expected = [bool(masks[name].flatten()[i]) and i not in goes for i in range(weight.numel())]
        assert found[name].flatten().tolist() == expected


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**20), share=st.floats(0.0, 0.999))
def test_magnitude_over_all_layers_keeps_the_largest_of_all(seed, share):
    weights, masks = random_weights(seed)
    found = Magnitude("global").prune(weights, masks, shares=dict.fromkeys(weights, share))
    before = torch.cat([weights[n].abs()[masks[n]] for n in weights])
    kept = torch.cat([weights[n].abs()[found[n]] for n in weights])
    num = before.numel() - round(share * before.numel())
    assert torch.equal(kept.sort().values, before.sort().values[before.numel() - num :])


def test_layers_of_another_share_are_ranked_apart():
    weights, masks = random_weights(0)
    shares = {"layer0": 0.5, "layer1": 0.5, "layer2": 0.25}
    found = Magnitude("global").prune(weights, masks, shares=shares)
    left, kept = masks["layer2"].sum(), found["layer2"].sum()
    assert int(kept) == int(left) - round(0.25 * int(left))
    lost = {name: int(masks[name].sum() - found[name].sum()) for name in ("layer0", "layer1")}
    assert lost["layer0"] + lost["layer1"] == round(0.5 * int(masks["layer0"].sum() + masks["layer1"].sum()))
    assert lost["layer0"] / int(masks["layer0"].sum()) > lost["layer1"] / int(masks["layer1"].sum()), "smaller weights"


@pytest.mark.parametrize("pruner", list(every_pruner()), ids=lambda p: f"{type(p).__name__}-{p.scope}")
def test_what_every_pruner_keeps_to(pruner):
    weights, masks = random_weights(3)
    copies = {name: (weights[name].clone(), masks[name].clone()) for name in weights}
    state = torch.get_rng_state()
    shares = {"layer0": 0.3, "layer1": 0.3, "layer2": 0.0}
    found = pruner.prune(weights, masks, shares=shares)
    assert list(found) == list(masks)
    assert all(found[name].dtype == torch.bool and not (found[name] & ~masks[name]).any() for name in masks)
    assert torch.equal(found["layer2"], masks["layer2"])
    left = int(masks["layer0"].sum() + masks["layer1"].sum())
    gone = left - int(found["layer0"].sum() + found["layer1"].sum())
    assert abs(gone - 0.3 * left) <= 1.0
    assert all(torch.equal(weights[n], w) and torch.equal(masks[n], m) for n, (w, m) in copies.items())
    assert torch.equal(state, torch.get_rng_state())
    for share in (-0.1, 1.0, float("nan")):
        with pytest.raises(UsageError, match="expected at least 0 and below 1"):
            pruner.prune(weights, masks, shares=dict.fromkeys(weights, share))


def test_equal_weights_are_decided_and_never_more_than_asked_go():
    weights, kept = {"a": torch.ones(10, 1)}, {"a": torch.ones(10, 1, dtype=torch.bool)}
    found = Magnitude().prune(weights, kept, shares={"a": 0.3})["a"]
    assert found.flatten().tolist() == [False] * 3 + [True] * 7


def test_random_masks_prune_every_weight_as_often():
    pruner = RandomMask(torch.Generator().manual_seed(0))
    kept = {"a": torch.ones(4, 5, dtype=torch.bool)}
    gone = sum((~pruner.prune({"a": torch.zeros(4, 5)}, kept, shares={"a": 0.25})["a"]).double() for _ in range(2000))
    assert float(gone.sum()) == 2000 * 5
    deviation = (2000 * 0.25 * 0.75) ** 0.5
    assert float((gone - 500.0).abs().max()) < 4.0 * deviation


def test_weights_that_are_not_finite_are_refused_unless_pruned():
    weights = {"a": torch.tensor([[1.0, float("nan"), 2.0, 0.5]])}
    with pytest.raises(UsageError, match="1 of 4 weights of a"):
        Magnitude().prune(weights, {"a": torch.ones(1, 4, dtype=torch.bool)}, shares={"a": 0.5})
    masks = {"a": torch.tensor([[True, False, True, True]])}
    found = Magnitude().prune(weights, masks, shares={"a": 0.5})["a"]
    assert found.tolist() == [[False, False, True, False]]
    with pytest.raises(UsageError, match="'layer' or 'global'"):
        Magnitude("all").prune(weights, masks, shares={"a": 0.5})
