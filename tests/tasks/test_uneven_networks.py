"""The graph of a random network against the network itself, traced kernel by kernel."""

from itertools import pairwise

import pytest

torch = pytest.importorskip("torch", reason="these networks need torch")

from torch.nn import functional

from cupel.measure.flop import counting_mode
from cupel.methods.rematerialisation import TrainingStep, keep_all
from cupel.tasks.uneven_networks import (
    OPERATIONS_PER_BYTE,
    Block,
    UnevenNetwork,
    random_blocks,
    random_step,
    step_graph,
)

PIXELS = 12


def made(blocks, seed=0, images=1):
    generator = torch.Generator().manual_seed(seed)
    model = UnevenNetwork(blocks, generator)
    return model, [torch.randn(images, 3, PIXELS, PIXELS, generator=generator), torch.zeros(images, dtype=torch.long)]


def entropy(model, x, y):
    return functional.cross_entropy(model(x), y)


@pytest.mark.parametrize("seed", range(4))
def test_products_are_those_that_torch_counts(seed):
    blocks = random_blocks(4, seed)
    graph = step_graph(blocks, PIXELS)
    model, (images, _) = made(blocks)
    with counting_mode() as counter:
        model(images).sum().backward()
    moved = sum(
        graph.sizes_bytes[i] + sum(graph.sizes_bytes[j] for j in needed) for i, needed in enumerate(graph.needs)
    )
    head = 3 * 2 * blocks[-1].width * 10  # the linear layer, which the graph leaves out, forward and back
    assert sum(graph.costs) - OPERATIONS_PER_BYTE * moved == pytest.approx(counter.total - head)


def test_what_is_held_is_what_the_traced_network_holds():
    blocks = (Block(8, 3, 1, False), Block(8, 3, 1, True), Block(12, 1, 2, False), Block(12, 5, 1, True))
    graph = step_graph(blocks, PIXELS)
    sizes = {name: size for name, size in zip(graph.names, graph.sizes_bytes, strict=True) if name == "addition"}
    assert sizes == {"addition": 4 * 12 * 36}
    assert [graph.names[i] for i in range(graph.num_forward)] == [
        "convolution", "convolution", "addition", "convolution", "convolution", "addition", "loss",
    ]  # fmt: skip
    model, batch = made(blocks)
    traced = TrainingStep(model, entropy, batch).graph
    held = 4 * (3 * 8 * 144 + 3 * 12 * 36)  # what the six make
    assert sum(graph.sizes_bytes[: graph.num_forward]) == held
    assert keep_all(traced).peak_bytes == pytest.approx(held, rel=0.3)


def test_a_seed_is_a_network_and_its_weights():
    assert random_blocks(9, 3) == random_blocks(9, 3)
    assert random_blocks(9, 3) != random_blocks(9, 4)
    state = torch.get_rng_state()
    one, other = (made(random_blocks(4, 1), seed)[0] for seed in (5, 5))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert torch.equal(state, torch.get_rng_state())
    for seed in range(20):
        blocks = random_blocks(12, seed)
        assert not blocks[0].is_residual
        assert all(after.width == before.width for before, after in pairwise(blocks) if after.is_residual)
        assert all(block.stride == 1 for block in blocks if block.is_residual)


def test_small_steps_are_of_many_shapes():
    found = [random_step(seed) for seed in range(40)]
    assert {len(values) for _, makes, _ in found for values in makes} == {0, 1, 2}
    assert {len(graph.costs) for graph, _, _ in found} == {4, 5, 6}
    assert all(len(graph.sizes_bytes) <= 10 for graph, _, _ in found)
