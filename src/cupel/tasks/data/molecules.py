"""Random molecules in three dimensions, of the sizes of PCQM4Mv2.

Decisions:
- A molecule grows atom by atom: each new one is bonded to a random earlier one with a free valence, 1.45 A away, in the
  roomiest of 16 random directions; then 0 to 3 rings are closed between the nearest atoms that are not yet bonded. So
  bonds, angles and distances are of the right order, and neither chemistry nor energy is meant.
- Heavy atoms only, 14.1 on average and at most 20, 14.6 bonds on average, as in that data set.
- Nine categories an atom with as many values as its features have there, the first being the element, with carbon,
  nitrogen, oxygen, sulfur, fluorine and chlorine in about their shares. Targets are standard normal.
- All drawn on the device by its generator, padded; `flat` and the graphs are for set-up: they wait for the device.

Shapes: M molecules, N places for atoms in each, V atoms in all, E directed edges, T triplets.

Source: Hu et al. 2021, OGB-LSC: A Large-Scale Challenge for Machine Learning on Graphs, on PCQM4Mv2.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

MAX_ATOMS = 20
MEAN_ATOMS, SPREAD_ATOMS = 14.1, 2.5
BOND_A = 1.45
VALENCE = 4
DIRECTIONS = 16
MAX_RINGS = 3
ATOM_VALUES = (119, 4, 12, 12, 10, 6, 6, 2, 2)
"""Values of each feature: element, chirality, degree, charge, hydrogens, radicals, hybridisation, aromatic, ring."""
ELEMENTS = (6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 7, 7, 7, 8, 8, 8, 16, 9, 17)
"""Atomic numbers to draw from, so often as they come."""
MEAN_LOG_DEGREE = 1.064
"""Mean of log(bonds of an atom + 1) over these molecules."""


class Molecules(NamedTuple):
    """A batch of molecules, padded.

    Args:
        position_MN3: places in A.
        is_atom_MN: where there is an atom.
        is_bond_MNN: between which there is a bond; symmetric.
        category_MNF: the nine features, int64.
        target_M: what is to be predicted.
    """

    position_MN3: Tensor
    is_atom_MN: Tensor
    is_bond_MNN: Tensor
    category_MNF: Tensor
    target_M: Tensor

    def flat(self, padded: Tensor) -> Tensor:
        """The entries (V, ...) of the atoms of a padded tensor (M, N, ...)."""
        return padded[self.is_atom_MN]

    def owners(self) -> Tensor:
        """The index of each atom's molecule, shape (V)."""
        return self.is_atom_MN.nonzero()[:, 0]

    def edges(self, is_edge_MNN: Tensor) -> Tensor:
        """From and to of each edge as flat indices of atoms, shape (2, E)."""
        place_MN = self.is_atom_MN.flatten().cumsum(0).view_as(self.is_atom_MN) - 1
        molecule_E, from_E, to_E = is_edge_MNN.nonzero().unbind(1)
        return torch.stack([place_MN[molecule_E, from_E], place_MN[molecule_E, to_E]])

    def is_close(self, cutoff_a: float) -> Tensor:
        """Pairs of different atoms of a molecule that are nearer than the cutoff, shape (M, N, N)."""
        distance_MNN = distances(self.position_MN3)
        is_pair_MNN = self.is_atom_MN[:, :, None] & self.is_atom_MN[:, None, :]
        is_self_NN = torch.eye(MAX_ATOMS, dtype=torch.bool, device=distance_MNN.device)
        return (distance_MNN < cutoff_a) & is_pair_MNN & ~is_self_NN


def distances(position_MN3: Tensor) -> Tensor:
    """Distances between all places of a molecule, shape (M, N, N), exact for near ones."""
    distance_MNN: Tensor = torch.linalg.vector_norm(position_MN3[:, :, None] - position_MN3[:, None], dim=-1)
    return distance_MNN


def triplets(is_edge_MNN: Tensor) -> Tensor:
    """For all atoms k -> j -> i with k other than i: the indices of the edges k -> j and j -> i, shape (2, T).

    Edges are numbered in the order of `Molecules.edges`.
    """
    number_MNN = is_edge_MNN.flatten().cumsum(0).view_as(is_edge_MNN) - 1
    is_other_NN = ~torch.eye(is_edge_MNN.shape[1], dtype=torch.bool, device=is_edge_MNN.device)
    is_triplet_MNNN = is_edge_MNN[:, :, :, None] & is_edge_MNN[:, None] & is_other_NN[:, None, :]
    molecule_T, k_T, j_T, i_T = is_triplet_MNNN.nonzero().unbind(1)
    return torch.stack([number_MNN[molecule_T, k_T, j_T], number_MNN[molecule_T, j_T, i_T]])


def grow(num: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Places (M, N, 3) of full molecules and their bonds (M, N, N), which make a tree."""
    device = generator.device
    position_MN3 = torch.zeros(num, MAX_ATOMS, 3, device=device)
    is_bond_MNN = torch.zeros(num, MAX_ATOMS, MAX_ATOMS, dtype=torch.bool, device=device)
    row_M = torch.arange(num, device=device)
    for atom_idx in range(1, MAX_ATOMS):
        score_MK = torch.rand(num, atom_idx, generator=generator, device=device)
        parent_M = score_MK.masked_fill(is_bond_MNN[:, :atom_idx].sum(dim=2) >= VALENCE, -1.0).argmax(dim=1)
        direction_MD3 = torch.randn(num, DIRECTIONS, 3, generator=generator, device=device)
        step_MD3 = BOND_A * direction_MD3 / direction_MD3.norm(dim=2, keepdim=True)
        candidate_MD3 = position_MN3[row_M, parent_M][:, None] + step_MD3
        room_MD = (candidate_MD3[:, :, None] - position_MN3[:, None, :atom_idx]).norm(dim=3).amin(dim=2)
        position_MN3[:, atom_idx] = candidate_MD3[row_M, room_MD.argmax(dim=1)]
        is_bond_MNN[row_M, parent_M, atom_idx] = True
        is_bond_MNN[row_M, atom_idx, parent_M] = True
    return position_MN3, is_bond_MNN


def close_rings(molecules: Molecules, generator: torch.Generator) -> Molecules:
    """The molecules with 0 to 3 more bonds each, between the nearest atoms with free valences."""
    is_bond_MNN = molecules.is_bond_MNN.clone()
    num = len(is_bond_MNN)
    num_rings_M = torch.randint(MAX_RINGS + 1, (num,), generator=generator, device=generator.device)
    distance_MNN = distances(molecules.position_MN3)
    for ring_idx in range(MAX_RINGS):
        is_free_MN = molecules.is_atom_MN & (is_bond_MNN.sum(dim=2) < VALENCE)
        is_open_MNN = is_free_MN[:, :, None] & is_free_MN[:, None] & ~is_bond_MNN
        is_open_MNN = is_open_MNN.triu(1) & (num_rings_M > ring_idx)[:, None, None]
        flat_M = distance_MNN.masked_fill(~is_open_MNN, float("inf")).flatten(1).argmin(dim=1)
        chosen_MNN = torch.zeros_like(is_bond_MNN).flatten(1).scatter(1, flat_M[:, None], value=True)
        chosen_MNN = chosen_MNN.view_as(is_bond_MNN) & is_open_MNN
        is_bond_MNN |= chosen_MNN | chosen_MNN.transpose(1, 2)
    return molecules._replace(is_bond_MNN=is_bond_MNN)


def draw_molecules(num: int, generator: torch.Generator) -> Molecules:
    """Random molecules on the generator's device."""
    device = generator.device
    position_MN3, is_bond_MNN = grow(num, generator)
    normal_M = torch.randn(num, generator=generator, device=device)
    num_atoms_M = (MEAN_ATOMS + SPREAD_ATOMS * normal_M).round().clamp(2, MAX_ATOMS)
    is_atom_MN = torch.arange(MAX_ATOMS, device=device) < num_atoms_M[:, None]
    shape = (num, MAX_ATOMS)
    element_MN = torch.randint(len(ELEMENTS), shape, generator=generator, device=device)
    others = [torch.randint(values, shape, generator=generator, device=device) for values in ATOM_VALUES[1:]]
    category_MNF = torch.stack([torch.tensor(ELEMENTS, device=device)[element_MN], *others], dim=2)
    molecules = Molecules(
        position_MN3,
        is_atom_MN,
        is_bond_MNN & is_atom_MN[:, :, None] & is_atom_MN[:, None],
        category_MNF,
        torch.randn(num, generator=generator, device=device),
    )
    return close_rings(molecules, generator)
