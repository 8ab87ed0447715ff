"""Principal neighbourhood aggregation (PNA), written by hand.

Decisions:
- The authors' network for molecules (their code for ogbg-molhiv): messages are the neighbours' features themselves;
  mean, largest, smallest and standard deviation of them, each as it is, amplified and attenuated by the degree; one
  linear layer on the twelve; batch norm, ReLU, residual. Atoms are sums of one embedding a feature; a molecule is the
  mean of its atoms; two hidden layers of half and a quarter of the width lead to the prediction.
- Amplified by log(degree + 1) / d and attenuated by its inverse, d being the mean of log(degree + 1) over the data.
- Aggregation in fp32 at every precision. No dropout: the data are drawn afresh, nothing can be learned by heart.

Shapes: V atoms, F features of an atom, E directed edges, H width, B molecules.

Source: Corso et al. 2020, Principal Neighbourhood Aggregation for Graph Nets, equations 3 to 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cupel.tasks.models.message_passing import count_at, extreme_at, sum_at

NUM_AGGREGATES = 12
EPSILON = 1e-5


class Graphs(NamedTuple):
    """A batch of graphs, one after the other.

    Args:
        category_VF: features of the nodes, int64.
        edge_2E: from and to of each edge.
        graph_V: the index of each node's graph.
        num_graphs: how many.
    """

    category_VF: Tensor
    edge_2E: Tensor
    graph_V: Tensor
    num_graphs: int


def aggregate(node_VH: Tensor, edge_2E: Tensor, *, mean_log_degree: float) -> Tensor:
    """The four aggregates of the neighbours, in three scales each, shape (V, 12 H), fp32."""
    from_E, to_E = edge_2E
    num_nodes = len(node_VH)
    message_EH = node_VH.float()[from_E]
    degree_V1 = count_at(to_E, num_nodes=num_nodes)
    share_V1 = 1.0 / degree_V1.clamp_min(1.0)
    mean_VH = sum_at(message_EH, to_E, num_nodes=num_nodes) * share_V1
    square_VH = sum_at(message_EH.square(), to_E, num_nodes=num_nodes) * share_V1
    std_VH = ((square_VH - mean_VH.square()).relu() + EPSILON).sqrt()
    largest_VH = extreme_at(message_EH, to_E, num_nodes=num_nodes, is_max=True)
    smallest_VH = extreme_at(message_EH, to_E, num_nodes=num_nodes, is_max=False)
    plain_VG = torch.cat([mean_VH, largest_VH, smallest_VH, std_VH], dim=1)
    scale_V1 = (degree_V1.clamp_min(1.0) + 1.0).log() / mean_log_degree
    return torch.cat([plain_VG, plain_VG * scale_V1, plain_VG / scale_V1], dim=1)


class Pna(nn.Module):
    """A number for each graph.

    Args:
        values: how many values each feature of a node has.
        width: of a node.
        depth: layers of aggregation.
        mean_log_degree: mean of log(degree + 1) over the nodes of the data.
    """

    def __init__(self, *, values: Sequence[int], width: int, depth: int, mean_log_degree: float) -> None:
        super().__init__()
        self.mean_log_degree = mean_log_degree
        self.embeddings = nn.ModuleList(nn.Embedding(num, width) for num in values)
        for weight in self.embeddings.parameters():
            nn.init.xavier_uniform_(weight)
        self.mixes = nn.ModuleList(nn.Linear(NUM_AGGREGATES * width, width) for _ in range(depth))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(depth))
        self.readout = nn.Sequential(
            nn.Linear(width, width // 2),
            nn.ReLU(),
            nn.Linear(width // 2, width // 4),
            nn.ReLU(),
            nn.Linear(width // 4, 1),
        )

    def forward(self, graphs: Graphs) -> Tensor:
        """Predictions (B)."""
        columns = graphs.category_VF.unbind(1)
        node_VH = torch.stack([table(column) for table, column in zip(self.embeddings, columns, strict=True)]).sum(0)
        for mix, norm in zip(self.mixes, self.norms, strict=True):
            gathered_VG = aggregate(node_VH, graphs.edge_2E, mean_log_degree=self.mean_log_degree)
            node_VH = node_VH + norm(mix(gathered_VG)).relu()
        total_BH = sum_at(node_VH, graphs.graph_V, num_nodes=graphs.num_graphs)
        mean_BH = total_BH / count_at(graphs.graph_V, num_nodes=graphs.num_graphs)
        prediction_B1: Tensor = self.readout(mean_BH)
        return prediction_B1.squeeze(1)
