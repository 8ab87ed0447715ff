"""The tree is Huffman's, and the walk down it a distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn

from cupel.methods.hierarchical_softmax import HierarchicalSoftmax, huffman_paths
from cupel.spec.errors import UsageError


def filled(num_outputs=9, width=3, counts=None):
    layer = HierarchicalSoftmax(width, num_outputs, counts=counts)
    rng = torch.Generator().manual_seed(0)
    for parameter in layer.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=rng))
    return layer


def inputs(num=4, width=3):
    return torch.randn(num, width, generator=torch.Generator().manual_seed(1))


@settings(max_examples=60, deadline=None)
@given(counts=st.lists(st.integers(0, 50), min_size=1, max_size=40))
def test_paths_form_a_tree_of_least_length(counts):
    paths, turns = huffman_paths(counts)
    codes = [tuple(t for t in row if t) for row in turns]
    assert len(set(codes)) == len(counts)
    assert sum(2.0 ** -len(code) for code in codes) == 1.0  # full, and no code begins another
    met: dict[tuple[int, ...], int] = {}
    for path, code in zip(paths, codes, strict=True):
        for depth in range(len(code)):
            assert met.setdefault(code[:depth], path[depth]) == path[depth]
    assert sorted(met.values()) == list(range(len(counts) - 1))
    total = sum(counts)
    if total:
        mean = sum(c * len(code) for c, code in zip(counts, codes, strict=True)) / total
        entropy = -sum(c / total * math.log2(c / total) for c in counts if c)
        assert entropy - 1e-9 <= mean <= entropy + 1.0 or len(counts) == 1


def least_length(counts):
    """The least total length of a code by trying every way to join."""
    if len(counts) == 1:
        return 0
    best = math.inf
    for i in range(len(counts)):
        for j in range(i):
            rest = [c for k, c in enumerate(counts) if k not in (i, j)]
            best = min(best, counts[i] + counts[j] + least_length([*rest, counts[i] + counts[j]]))
    return best


def test_no_code_is_shorter():
    rng = np.random.default_rng(0)
    for _ in range(15):
        counts = rng.integers(0, 20, size=6).tolist()
        turns = huffman_paths(counts)[1]
        assert sum(c * sum(map(abs, row)) for c, row in zip(counts, turns, strict=True)) == least_length(counts)


@pytest.mark.parametrize("num_outputs", [1, 2, 3, 9])
def test_probabilities_add_up_to_one_and_the_loss_is_the_targets(num_outputs):
    layer = filled(num_outputs, counts=torch.arange(num_outputs))
    h = inputs()
    log_probs = layer.scores(h)
    torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(4))
    for target in range(num_outputs):
        losses = layer(h, torch.full((4,), target))
        torch.testing.assert_close(losses, -log_probs[:, target])
        if num_outputs > 1:
            assert losses.requires_grad


def test_a_probability_by_hand_is_the_product_along_the_path():
    counts = torch.tensor([1.0, 1.0, 2.0, 4.0])
    layer, h = filled(4, counts=counts), inputs(1)
    units = (layer.weight @ h[0] + layer.bias[:, 0]).tolist()
    sigma = [1.0 / (1.0 + math.exp(-u)) for u in units]
    assert layer.turn.abs().sum(1).tolist() == [3, 3, 2, 1]
    for leaf in range(4):
        expected = 1.0
        for node, turn in zip(layer.path[leaf].tolist(), layer.turn[leaf].tolist(), strict=True):
            expected *= {1: sigma[node], -1: 1.0 - sigma[node], 0: 1.0}[turn]
        assert math.exp(float(layer.scores(h)[0, leaf])) == pytest.approx(expected, rel=1e-5)


def test_gradients_are_those_of_all_log_probabilities():
    layer = filled().double()
    h, target = inputs().double().requires_grad_(), torch.tensor([0, 3, 3, 8])
    found = torch.autograd.grad(layer(h, target).sum(), [h, layer.weight, layer.bias])

    def by_all(h, weight, bias):
        units = h @ weight.T + bias.T
        total = torch.zeros(4, dtype=torch.float64)
        for example in range(4):
            for node, turn in zip(layer.path[target[example]], layer.turn[target[example]], strict=True):
                if turn:
                    total[example] -= torch.nn.functional.logsigmoid(turn * units[example, node])
        return total.sum()

    expected = torch.autograd.grad(by_all(h, layer.weight, layer.bias), [h, layer.weight, layer.bias])
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine.to_dense(), theirs)
    assert found[1].is_sparse


class Guesser(nn.Module):
    """A user's network with a last layer from here."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(6, 4)
        self.last = HierarchicalSoftmax(4, 6, counts=torch.tensor([9, 5, 3, 2, 1, 1]))

    def forward(self, words, target):
        return self.last(self.words(words), target).mean()


def test_a_users_network_learns():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Guesser()
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    words = torch.arange(6)
    for _ in range(150):
        optimizer.zero_grad()
        net(words, words).backward()
        optimizer.step()
    assert float(net(words, words).detach()) < 0.2
    assert bool((net.last.scores(net.words(words)).argmax(1) == words).all())


def test_leading_dimensions_are_kept_and_no_generator_is_touched():
    state = torch.get_rng_state()
    layer = filled()
    target = torch.arange(6).view(2, 3)
    losses = layer(inputs(6).view(2, 3, 3), target)
    torch.testing.assert_close(losses.flatten(), layer(inputs(6), target.flatten()))
    assert layer.scores(inputs(6).view(2, 3, 3)).shape == (2, 3, 9)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (lambda: HierarchicalSoftmax(3, 0), "3 inputs and 0 outputs"),
        (lambda: HierarchicalSoftmax(3, 4, counts=torch.ones(3)), "counts (3,) were given; expected 4"),
        (lambda: filled()(torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64)), "expected (..., 3)"),
        (
            lambda: filled()(torch.zeros(2, 3), torch.tensor([0, -1])),
            "target runs from -1 to 0; expected outputs from 0",
        ),
        (lambda: filled()(torch.zeros(2, 3), torch.tensor([0, 9])), "target runs from 0 to 9"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(asked, words):
    with pytest.raises(UsageError) as caught:
        asked()
    assert words in str(caught.value)
