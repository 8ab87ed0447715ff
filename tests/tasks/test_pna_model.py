"""PNA does not depend on the order of atoms, and its aggregates agree with the paper's formulas."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="the model is written in torch")

from cupel.tasks.models.pna import Graphs, Pna, aggregate

EDGES = torch.tensor([[0, 1, 1, 2, 3, 4], [1, 0, 2, 1, 4, 3]])
GRAPHS = Graphs(torch.tensor([[0, 1], [1, 0], [2, 1], [0, 0], [2, 1]]), EDGES, torch.tensor([0, 0, 0, 1, 1]), 2)


def make() -> Pna:
    torch.manual_seed(0)
    return Pna(values=(3, 2), width=8, depth=3, mean_log_degree=1.1).eval()


def test_aggregates_agree_with_the_formulas():
    node = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    found = aggregate(node, EDGES, mean_log_degree=1.1)
    near = torch.stack([node[0], node[2]])  # the neighbours of node 1
    std = (near.square().mean(0) - near.mean(0).square() + 1e-5).sqrt()
    plain = torch.cat([near.mean(0), near.amax(0), near.amin(0), std])
    scale = math.log(3) / 1.1
    torch.testing.assert_close(found[1], torch.cat([plain, plain * scale, plain / scale]))


def test_predictions_do_not_depend_on_the_order_of_atoms():
    model, order = make(), torch.tensor([2, 4, 0, 3, 1])
    place = order.argsort()
    shuffled = Graphs(GRAPHS.category_VF[order], place[EDGES], GRAPHS.graph_V[order], 2)
    torch.testing.assert_close(model(shuffled), model(GRAPHS))


def test_graphs_of_a_batch_do_not_mix():
    model = make()
    alone = Graphs(GRAPHS.category_VF[3:], EDGES[:, 4:] - 3, torch.zeros(2, dtype=torch.int64), 1)
    torch.testing.assert_close(model(alone)[0], model(GRAPHS)[1])
