"""An E(n)-equivariant graph network (EGNN), written by hand.

Decisions:
- Equations 3 to 6 of the paper: messages from features and squared distances, weighted by a gate (section 3.3), summed
  over the edges to an atom; features are updated beside a shortcut; an atom moves along its differences to the others,
  by the mean over them.
- SiLU, networks of two layers, as in the authors' code for molecules; the last layer of the moves starts 1000 times
  smaller than Xavier's, so that an untrained network leaves atoms about where they are.
- Read out: a network of each atom, the sum over a molecule's, a network of that.
- Places and all sums over edges are in fp32 at every precision.

Shapes: G molecules, N atoms, E edges, F features of an atom, H hidden width.

Source: Satorras et al. 2021, E(n) Equivariant Graph Neural Networks, sections 3, 5.3 and appendix C.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cupel.tasks.data.qm9_molecules import MoleculeBatch


def network(num_in: int, hidden: int) -> nn.Sequential:
    """Two linear layers with SiLU between them."""
    return nn.Sequential(nn.Linear(num_in, hidden), nn.SiLU(), nn.Linear(hidden, hidden))


def sum_by(index: Tensor, values: Tensor, num: int) -> Tensor:
    """Rows of `values` summed by their index, in fp32, shape (num, ...)."""
    total = torch.zeros(num, *values.shape[1:], dtype=torch.float32, device=values.device)
    return total.index_add_(0, index, values.float())


class Layer(nn.Module):
    """One round of messages."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.message = nn.Sequential(network(2 * hidden + 1, hidden), nn.SiLU())
        self.gate = nn.Linear(hidden, 1)
        how_far = nn.Linear(hidden, 1, bias=False)
        nn.init.xavier_uniform_(how_far.weight, gain=0.001)
        self.move = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), how_far)
        self.update = network(2 * hidden, hidden)

    def forward(self, h_NH: Tensor, x_N3: Tensor, *, batch: MoleculeBatch, degree_N1: Tensor) -> tuple[Tensor, Tensor]:
        """Features and places after the round."""
        source_E, target_E = batch.source_E, batch.target_E
        difference_E3 = x_N3[target_E] - x_N3[source_E]
        squared_E1 = difference_E3.square().sum(dim=1, keepdim=True)
        message_EH = self.message(torch.cat([h_NH[target_E], h_NH[source_E], squared_E1], dim=1))
        message_EH = message_EH * torch.sigmoid(self.gate(message_EH))
        moved_N3 = sum_by(target_E, difference_E3 * self.move(message_EH), len(x_N3)) / degree_N1
        heard_NH = sum_by(target_E, message_EH, len(h_NH))
        return h_NH + self.update(torch.cat([h_NH, heard_NH], dim=1)), x_N3 + moved_N3


class Egnn(nn.Module):
    """Predicts a property of each molecule, and where each of its atoms should be.

    Args:
        num_features: features of an atom.
        hidden: width.
        layers: rounds of messages.
    """

    def __init__(self, *, num_features: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Linear(num_features, hidden)
        self.layers = nn.ModuleList(Layer(hidden) for _ in range(layers))
        self.of_atom = network(hidden, hidden)
        self.of_molecule = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 1))

    def forward(self, batch: MoleculeBatch, x_N3: Tensor) -> tuple[Tensor, Tensor]:
        """The property (G), and the moves of the atoms from the places `x` (N, 3) in fp32."""
        ones_E1 = torch.ones(len(batch.target_E), 1, device=x_N3.device)
        degree_N1 = sum_by(batch.target_E, ones_E1, len(x_N3))
        h_NH, places_N3 = self.embedding(batch.features_NF), x_N3
        for layer in self.layers:
            h_NH, places_N3 = layer(h_NH, places_N3, batch=batch, degree_N1=degree_N1)
        h_GH = sum_by(batch.molecule_N, self.of_atom(h_NH), len(batch.property_G))
        return self.of_molecule(h_GH).squeeze(1), places_N3 - x_N3
