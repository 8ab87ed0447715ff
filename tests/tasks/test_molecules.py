"""Random molecules have the sizes of their data set, and edges and triplets are what loops find."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="molecules are drawn in torch")

from cupel.tasks.data import molecules
from cupel.tasks.data.molecules import Molecules, distances, draw_molecules, triplets


@pytest.fixture(scope="module")
def drawn() -> Molecules:
    return draw_molecules(500, torch.Generator().manual_seed(0))


def test_sizes_are_those_of_the_data_set(drawn):
    assert float(drawn.is_atom_MN.sum(1).float().mean()) == pytest.approx(14.1, abs=0.4)
    assert float(drawn.is_bond_MNN.sum((1, 2)).float().mean()) / 2 == pytest.approx(14.6, abs=0.5)
    degree = drawn.flat(drawn.is_bond_MNN.sum(2))
    assert 1 <= degree.min() < degree.max() <= molecules.VALENCE
    assert float((degree + 1).log().mean()) == pytest.approx(molecules.MEAN_LOG_DEGREE, abs=0.01)


def test_atoms_keep_apart_and_first_bonds_are_of_one_length(drawn):
    apart = distances(drawn.position_MN3)[drawn.is_close(100.0)]
    bonded = distances(drawn.position_MN3)[drawn.is_bond_MNN]
    assert apart.min() > 0.8
    assert float(bonded.median()) == pytest.approx(molecules.BOND_A, rel=1e-4)
    assert bonded.max() < 6


def test_every_molecule_is_in_one_piece(drawn):
    reach = drawn.is_bond_MNN.float() + torch.eye(molecules.MAX_ATOMS)
    for _ in range(5):
        reach = (reach @ reach).clamp(max=1)
    is_pair = drawn.is_atom_MN[:, :, None] & drawn.is_atom_MN[:, None]
    assert torch.equal(reach > 0, is_pair | torch.eye(molecules.MAX_ATOMS, dtype=torch.bool))


def test_categories_are_in_their_ranges(drawn):
    for feature, values in enumerate(molecules.ATOM_VALUES):
        assert 0 <= drawn.category_MNF[..., feature].min() <= drawn.category_MNF[..., feature].max() < values


def test_edges_and_triplets_are_what_loops_find():
    few = draw_molecules(3, torch.Generator().manual_seed(1))
    is_edge = few.is_close(3.0)
    edges = few.edges(is_edge).T.tolist()
    starts = [0, *few.is_atom_MN.sum(1).cumsum(0).tolist()]
    expected = []
    for m in range(3):
        for i in range(molecules.MAX_ATOMS):
            near = [j for j in range(molecules.MAX_ATOMS) if is_edge[m, i, j]]
            expected += [[starts[m] + i, starts[m] + j] for j in near]
    assert edges == expected
    found = {tuple(pair) for pair in triplets(is_edge).T.tolist()}
    naive = {(a, b) for a, (k, j) in enumerate(edges) for b, (other, i) in enumerate(edges) if other == j and i != k}
    assert found == naive
    assert torch.equal(few.owners(), torch.repeat_interleave(torch.arange(3), few.is_atom_MN.sum(1)))


def test_the_same_seed_draws_the_same():
    first, again, other = (draw_molecules(4, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.position_MN3, other.position_MN3)
