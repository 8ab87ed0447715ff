"""Molecules like those of QM9: atoms with positions, every atom joined to all others of its molecule.

Decisions:
- Atoms of a molecule: quantiles of a normal law with QM9's mean of 18.0 and standard deviation of 2.95, between 3 and
  29; every batch thus has the same number of atoms and edges, in another order.
- Elements H, C, N, O, F with QM9's shares. An atom sits 1.3 angstrom from an earlier one, in a random direction; no
  chemistry.
- A feature is an element's indicator times a power (0, 1, 2) of charge / 9: 15 numbers, as the authors of EGNN have it.
- The property to learn is the repulsion of the charges (the sum over pairs of charges' product / (1 + distance)) for
  each atom, shifted and scaled to about 0 and 1; it does not change when a molecule is turned or moved.

Shapes: G molecules, N atoms, E edges, F = 15 features of an atom.

Source: Ramakrishnan et al. 2014, Quantum chemistry structures and properties of 134 kilo molecules (QM9).
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import torch
from torch import Tensor

CHARGES = (1, 6, 7, 8, 9)
SHARES = (0.511, 0.352, 0.058, 0.078, 0.001)
"""Nuclear charges of the elements, and their shares of the atoms of QM9."""
NUM_FEATURES = 15
MEAN_ATOMS, STD_ATOMS, FEWEST_ATOMS, MOST_ATOMS = 18.0, 2.95, 3, 29
BOND_ANGSTROM = 1.3
PROPERTY_MEAN, PROPERTY_STD = 39.0, 15.5
"""Of the repulsion for each atom, before it is standardised."""


class MoleculeBatch(NamedTuple):
    """A batch of molecules.

    Args:
        features_NF: features of the atoms.
        positions_N3: their places in angstrom.
        molecule_N: the molecule of each atom.
        source_E: the atom that an edge comes from.
        target_E: the atom that it goes to.
        property_G: the property of each molecule.
    """

    features_NF: Tensor
    positions_N3: Tensor
    molecule_N: Tensor
    source_E: Tensor
    target_E: Tensor
    property_G: Tensor


def atom_counts(num_molecules: int) -> list[int]:
    """Atoms of each molecule of a batch, from few to many."""
    law = NormalDist(MEAN_ATOMS, STD_ATOMS)
    counts = [round(law.inv_cdf((idx + 0.5) / num_molecules)) for idx in range(num_molecules)]
    return [min(max(count, FEWEST_ATOMS), MOST_ATOMS) for count in counts]


def molecule_batch(num_molecules: int, generator: torch.Generator) -> MoleculeBatch:
    """Draw a batch; it is on the generator's device.

    Cost: set-up work, which waits for the device; nothing here is meant for a step.
    """
    device = generator.device
    counts_G = torch.tensor(atom_counts(num_molecules), device=device)
    counts_G = counts_G[torch.randperm(num_molecules, generator=generator, device=device)]
    molecule_N = torch.repeat_interleave(torch.arange(num_molecules, device=device), counts_G)
    positions_N3 = _positions(num_molecules, generator)[torch.arange(MOST_ATOMS, device=device) < counts_G[:, None]]
    shares = torch.tensor(SHARES, device=device)
    element_N = torch.multinomial(shares, len(molecule_N), replacement=True, generator=generator)
    charge_N = torch.tensor(CHARGES, device=device, dtype=torch.float32)[element_N]
    is_element_N5 = torch.nn.functional.one_hot(element_N, len(CHARGES)).float()
    powers_N3 = torch.stack([(charge_N / 9) ** power for power in range(3)], dim=1)
    is_joined_NN = molecule_N[:, None] == molecule_N
    is_joined_NN &= ~torch.eye(len(molecule_N), dtype=torch.bool, device=device)
    source_E, target_E = is_joined_NN.nonzero().unbind(dim=1)
    distance_E = (positions_N3[source_E] - positions_N3[target_E]).norm(dim=1)
    repulsion_E = charge_N[source_E] * charge_N[target_E] / (1 + distance_E) / 2
    repulsion_G = torch.zeros(num_molecules, device=device).index_add_(0, molecule_N[target_E], repulsion_E)
    return MoleculeBatch(
        features_NF=(is_element_N5[:, :, None] * powers_N3[:, None]).flatten(1),
        positions_N3=positions_N3,
        molecule_N=molecule_N,
        source_E=source_E,
        target_E=target_E,
        property_G=(repulsion_G / counts_G - PROPERTY_MEAN) / PROPERTY_STD,
    )


def _positions(num_molecules: int, generator: torch.Generator) -> Tensor:
    """Places of as many atoms as a molecule can have, shape (G, MOST_ATOMS, 3)."""
    device = generator.device
    molecule_G = torch.arange(num_molecules, device=device)
    places = torch.zeros(num_molecules, MOST_ATOMS, 3, device=device)
    for idx in range(1, MOST_ATOMS):
        parent_G = torch.randint(idx, (num_molecules,), generator=generator, device=device)
        direction_G3 = torch.randn(num_molecules, 3, generator=generator, device=device)
        direction_G3 /= direction_G3.norm(dim=1, keepdim=True)
        places[:, idx] = places[molecule_G, parent_G] + BOND_ANGSTROM * direction_G3
    return places
