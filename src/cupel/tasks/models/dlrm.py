"""The deep learning recommendation model (DLRM), written by hand.

Decisions:
- Sum pooling; embedding gradients are sparse: a step touches only the rows that its batch looks up.
- Interaction by dot products of every pair among the embeddings and the bottom network's output, without pairs of a
  vector with itself, beside the bottom output; the paper's (and MLPerf's) `dot`.
- Weights as in the authors' code: embeddings uniform in +-1/sqrt(rows), linear layers normal with variance
  2/(in + out), biases normal with variance 1/out.

Shapes: B batch, D dense features, F tables, H indices of one sample in one table, E width of an embedding,
V = F + 1 vectors that interact, P = V (V - 1) / 2 pairs.

Source: Naumov et al. 2019, Deep Learning Recommendation Model for Personalization and Recommendation Systems.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def mlp(widths: Sequence[int], *, has_last_relu: bool) -> nn.Sequential:
    """Linear layers from width to width, each followed by a ReLU, the last one only where asked."""
    layers: list[nn.Module] = []
    for num_in, num_out in itertools.pairwise(widths):
        linear = nn.Linear(num_in, num_out)
        nn.init.normal_(linear.weight, std=(2 / (num_in + num_out)) ** 0.5)
        nn.init.normal_(linear.bias, std=(1 / num_out) ** 0.5)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*(layers if has_last_relu else layers[:-1]))


def embedding_table(rows: int, width: int) -> nn.EmbeddingBag:
    """A table whose lookups are summed."""
    table = nn.EmbeddingBag(rows, width, mode="sum", sparse=True, _weight=torch.empty(rows, width))
    nn.init.uniform_(table.weight, -(rows**-0.5), rows**-0.5)
    return table


class Dlrm(nn.Module):
    """Bottom network, embedding tables, interaction, top network.

    Args:
        rows: rows of each table.
        width: of an embedding.
        bottom: widths of the bottom network from the dense features on, the last left out: it is `width`.
        top: widths of the top network after the interaction; the last is 1.
    """

    def __init__(self, *, rows: Sequence[int], width: int, bottom: Sequence[int], top: Sequence[int]) -> None:
        super().__init__()
        num_vectors = len(rows) + 1
        self.bottom = mlp([*bottom, width], has_last_relu=True)
        self.tables = nn.ModuleList(embedding_table(num, width) for num in rows)
        self.top = mlp([width + num_vectors * (num_vectors - 1) // 2, *top], has_last_relu=False)
        self.register_buffer("pairs_2P", torch.tril_indices(num_vectors, num_vectors, offset=-1), persistent=False)

    def interact(self, dense_BE: Tensor, embeddings_BFE: Tensor) -> Tensor:
        """The dense vector, then the dot product of each pair of vectors, shape (B, E + P)."""
        vectors_BVE = torch.cat([dense_BE[:, None], embeddings_BFE], dim=1)
        products_BVV = vectors_BVE @ vectors_BVE.transpose(1, 2)
        products_BP = products_BVV[:, self.pairs_2P[0], self.pairs_2P[1]]
        return torch.cat([dense_BE, products_BP.to(dense_BE.dtype)], dim=1)

    def forward(self, dense_BD: Tensor, indices_FBH: Tensor) -> Tensor:
        """Logits of a click, shape (B)."""
        dense_BE = self.bottom(dense_BD)
        pooled_FBE = [table(indices_BH) for table, indices_BH in zip(self.tables, indices_FBH, strict=True)]
        return self.top(self.interact(dense_BE, torch.stack(pooled_FBE, dim=1).to(dense_BE.dtype))).squeeze(1)
