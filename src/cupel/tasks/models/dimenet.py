"""DimeNet++, written by hand: messages between atoms that know the angles between bonds.

Decisions:
- The published configuration: width 128, 4 blocks, 64 for the messages through angles, 8 for their bases, 256 in the
  output, 6 radial and 7 angular functions, 1 residual layer before and 2 after the skip, 3 output layers, SiLU.
- Weights orthogonal, scaled to the variance of Glorot, biases zero; also the last layer, so that every parameter has a
  gradient from the first step on.
- Geometry, bases and sums over neighbours in fp32 at every precision.

Shapes: V atoms, E directed edges j -> i, T pairs of edges k -> j -> i, H width, B molecules.

Source: Gasteiger et al. 2020, Fast and Uncertainty-Aware Directional Message Passing for Non-Equilibrium Molecules.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from cupel.tasks.models.directional_bases import RadialBasis, SphericalBasis
from cupel.tasks.models.message_passing import sum_at

NUM_ELEMENTS = 95
NUM_RADIAL, NUM_ANGULAR = 6, 7
NUM_BASIS = 8
NUM_RESIDUAL_AFTER = 2
NUM_OUTPUT = 3


class Geometry(NamedTuple):
    """A batch of molecules in space.

    Args:
        element_V: atomic numbers.
        position_V3: places in A.
        edge_2E: from and to of each pair of atoms within the cutoff.
        triplet_2T: indices of the edges k -> j and j -> i of each angle.
        molecule_V: the index of each atom's molecule.
        num_molecules: how many.
    """

    element_V: Tensor
    position_V3: Tensor
    edge_2E: Tensor
    triplet_2T: Tensor
    molecule_V: Tensor
    num_molecules: int


class Basis(NamedTuple):
    """Distances and angles, expanded."""

    radial_ER: Tensor
    spherical_TS: Tensor


class Widths(NamedTuple):
    """Widths of the network's parts."""

    hidden: int
    angular: int
    output: int


def linear(num_in: int, num_out: int, *, has_bias: bool = True) -> nn.Linear:
    """A linear layer with orthogonal weights of the variance 2 / (in + out) and no bias to start with."""
    layer = nn.Linear(num_in, num_out, bias=has_bias)
    nn.init.orthogonal_(layer.weight)
    layer.weight.data *= (2.0 / ((num_in + num_out) * layer.weight.data.var(correction=0))) ** 0.5
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Residual(nn.Module):
    """Two layers around which there is a skip."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = linear(width, width)
        self.second = linear(width, width)

    def forward(self, x_EH: Tensor) -> Tensor:
        """The input plus what the layers make of it."""
        return x_EH + silu(self.second(silu(self.first(x_EH))))


class Embedding(nn.Module):
    """First messages, from the two elements and the distance."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.element = nn.Embedding(NUM_ELEMENTS, hidden)
        nn.init.uniform_(self.element.weight, -(3.0**0.5), 3.0**0.5)
        self.radial = linear(NUM_RADIAL, hidden)
        self.mix = linear(3 * hidden, hidden)

    def forward(self, geometry: Geometry, radial_ER: Tensor) -> Tensor:
        """Messages (E, H)."""
        atom_VH = self.element(geometry.element_V)
        from_E, to_E = geometry.edge_2E
        radial_EH = silu(self.radial(radial_ER))
        return silu(self.mix(torch.cat([atom_VH[to_E], atom_VH[from_E], radial_EH.to(atom_VH.dtype)], dim=1)))


class Interaction(nn.Module):
    """New messages j -> i, from the messages k -> j and the angles between them."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        hidden, angular = widths.hidden, widths.angular
        self.radial = nn.Sequential(
            linear(NUM_RADIAL, NUM_BASIS, has_bias=False), linear(NUM_BASIS, hidden, has_bias=False)
        )
        self.spherical = nn.Sequential(
            linear(NUM_RADIAL * NUM_ANGULAR, NUM_BASIS, has_bias=False),
            linear(NUM_BASIS, angular, has_bias=False),
        )
        self.own = linear(hidden, hidden)
        self.other = linear(hidden, hidden)
        self.down = linear(hidden, angular, has_bias=False)
        self.up = linear(angular, hidden, has_bias=False)
        self.before = Residual(hidden)
        self.joined = linear(hidden, hidden)
        self.after = nn.Sequential(*(Residual(hidden) for _ in range(NUM_RESIDUAL_AFTER)))

    def forward(self, x_EH: Tensor, basis: Basis, triplet_2T: Tensor) -> Tensor:
        """Messages (E, H)."""
        other_EH = silu(self.other(x_EH)) * self.radial(basis.radial_ER)
        other_EA = silu(self.down(other_EH))
        through_TA = other_EA[triplet_2T[0]] * self.spherical(basis.spherical_TS)
        arrived_EA = sum_at(through_TA, triplet_2T[1], num_nodes=len(x_EH))
        new_EH = self.before(silu(self.own(x_EH)) + silu(self.up(arrived_EA)))
        joined_EH: Tensor = self.after(silu(self.joined(new_EH)) + x_EH)
        return joined_EH


class Output(nn.Module):
    """What a block contributes to each atom's share of the prediction."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.radial = linear(NUM_RADIAL, widths.hidden, has_bias=False)
        self.up = linear(widths.hidden, widths.output, has_bias=False)
        self.layers = nn.ModuleList(linear(widths.output, widths.output) for _ in range(NUM_OUTPUT))
        self.last = linear(widths.output, 1, has_bias=False)

    def forward(self, x_EH: Tensor, radial_ER: Tensor, geometry: Geometry) -> Tensor:
        """Contributions (V, 1)."""
        x_VH = self.up(sum_at(self.radial(radial_ER) * x_EH, geometry.edge_2E[1], num_nodes=len(geometry.element_V)))
        for layer in self.layers:
            x_VH = silu(layer(x_VH))
        contribution_V1: Tensor = self.last(x_VH)
        return contribution_V1


class DimeNet(nn.Module):
    """A number for each molecule.

    Args:
        widths: of its parts.
        num_blocks: interactions, each followed by an output.
        cutoff_a: distance in A beyond which atoms do not see each other.
    """

    def __init__(self, *, widths: Widths, num_blocks: int, cutoff_a: float) -> None:
        super().__init__()
        self.cutoff_a = cutoff_a
        self.radial_basis = RadialBasis(NUM_RADIAL)
        self.spherical_basis = SphericalBasis(NUM_ANGULAR, NUM_RADIAL)
        self.embedding = Embedding(widths.hidden)
        self.interactions = nn.ModuleList(Interaction(widths) for _ in range(num_blocks))
        self.outputs = nn.ModuleList(Output(widths) for _ in range(num_blocks + 1))

    def expand(self, geometry: Geometry) -> Basis:
        """Distances of the edges and angles of the triplets in their bases, in fp32."""
        from_E, to_E = geometry.edge_2E
        kj_T, ji_T = geometry.triplet_2T
        vector_E3 = geometry.position_V3[to_E] - geometry.position_V3[from_E]
        distance_E = torch.linalg.vector_norm(vector_E3, dim=1)
        # at j, the way to k is against the edge k -> j
        product_T = -(vector_E3[kj_T] * vector_E3[ji_T]).sum(dim=1)
        cosine_T = product_T / (distance_E[kj_T] * distance_E[ji_T])
        fraction_E = distance_E / self.cutoff_a
        return Basis(self.radial_basis(fraction_E), self.spherical_basis(fraction_E, cosine_T, kj_T))

    def forward(self, geometry: Geometry) -> Tensor:
        """Predictions (B), fp32."""
        basis = self.expand(geometry)
        x_EH = self.embedding(geometry, basis.radial_ER)
        share_V1 = self.outputs[0](x_EH, basis.radial_ER, geometry).float()
        for interaction, output in zip(self.interactions, self.outputs[1:], strict=True):
            x_EH = interaction(x_EH, basis, geometry.triplet_2T)
            share_V1 = share_V1 + output(x_EH, basis.radial_ER, geometry).float()
        return sum_at(share_V1, geometry.molecule_V, num_nodes=geometry.num_molecules).squeeze(1)
