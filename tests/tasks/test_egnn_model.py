"""The graph network agrees with the paper's equations, pair by pair, and turns with its molecule."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the model is written in torch")

from cupel.tasks.data.qm9_molecules import (
    BOND_ANGSTROM,
    CHARGES,
    PROPERTY_MEAN,
    PROPERTY_STD,
    atom_counts,
    molecule_batch,
)
from cupel.tasks.models.egnn import Egnn


def make_batch(num_molecules: int = 5, seed: int = 0):
    return molecule_batch(num_molecules, torch.Generator().manual_seed(seed))


def make_model(num_layers: int = 2) -> Egnn:
    torch.manual_seed(0)
    model = Egnn(num_features=15, hidden=8, layers=num_layers)
    for layer in model.layers:
        layer.move[2].weight.data *= 300  # so that atoms really move
    return model


def naive_molecule(model: Egnn, features, places):
    """Property and moves of one molecule by a loop over pairs, without lists of edges."""
    h, x = model.embedding(features), places
    num = len(x)
    for layer in model.layers:
        heard, moved = [], []
        for i in range(num):
            sent, shifts = [], []
            for j in set(range(num)) - {i}:
                squared = ((x[i] - x[j]) ** 2).sum()
                message = layer.message(torch.cat([h[i], h[j], squared[None]]))
                message = message * torch.sigmoid(layer.gate(message))
                sent.append(message)
                shifts.append((x[i] - x[j]) * layer.move(message))
            heard.append(sum(sent))
            moved.append(x[i] + sum(shifts) / (num - 1))
        h = torch.stack([h[i] + layer.update(torch.cat([h[i], heard[i]])) for i in range(num)])
        x = torch.stack(moved)
    return model.of_molecule(model.of_atom(h).sum(dim=0))[0], x - places


def test_outputs_agree_with_loops_over_pairs():
    batch, model = make_batch(2), make_model()
    properties, moves = model(batch, batch.positions_N3)
    for idx in range(2):
        atoms = batch.molecule_N == idx
        expected, expected_moves = naive_molecule(model, batch.features_NF[atoms], batch.positions_N3[atoms])
        torch.testing.assert_close(properties[idx], expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(moves[atoms], expected_moves, rtol=1e-4, atol=1e-5)


def test_moves_turn_with_the_molecule_and_the_property_stays():
    batch, model = make_batch(), make_model()
    turn, shift = torch.linalg.qr(torch.randn(3, 3))[0], torch.randn(3)
    properties, moves = model(batch, batch.positions_N3)
    turned, turned_moves = model(batch, batch.positions_N3 @ turn + shift)
    torch.testing.assert_close(turned, properties, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(turned_moves, moves @ turn, rtol=1e-4, atol=1e-4)
    assert moves.abs().max() > 0.01


def test_atoms_have_the_numbers_of_qm9():
    counts = torch.tensor(atom_counts(1000)).double()
    assert float(counts.mean()) == pytest.approx(18.0, abs=0.02)
    assert float(counts.std()) == pytest.approx(2.95, abs=0.1)
    assert len({len(make_batch(seed=seed).molecule_N) for seed in range(3)}) == 1


def test_edges_join_every_atom_to_all_others_of_its_molecule():
    batch = make_batch()
    edges = set(zip(batch.source_E.tolist(), batch.target_E.tolist(), strict=True))
    molecule = batch.molecule_N.tolist()
    num = len(molecule)
    assert edges == {(i, j) for i in range(num) for j in range(num) if i != j and molecule[i] == molecule[j]}
    assert len(edges) == len(batch.source_E)


def test_every_atom_has_a_neighbour_at_the_length_of_a_bond():
    batch = make_batch()
    distance = (batch.positions_N3[batch.source_E] - batch.positions_N3[batch.target_E]).norm(dim=1)
    for atom in range(len(batch.molecule_N)):
        assert (distance[batch.target_E == atom] - BOND_ANGSTROM).abs().min() < 1e-4


def test_the_property_is_the_repulsion_of_charges():
    batch = make_batch(3)
    charge = batch.features_NF[:, 1::3].sum(dim=1) * 9
    assert set(charge.round().int().tolist()) <= set(CHARGES)
    for idx in range(3):
        atoms = (batch.molecule_N == idx).nonzero().flatten().tolist()
        total = sum(
            float(charge[i] * charge[j] / (1 + (batch.positions_N3[i] - batch.positions_N3[j]).norm()))
            for i in atoms
            for j in atoms
            if i < j
        )
        expected = (total / len(atoms) - PROPERTY_MEAN) / PROPERTY_STD
        assert float(batch.property_G[idx]) == pytest.approx(expected, abs=1e-4)


def test_properties_are_about_standard():
    properties = make_batch(300).property_G
    assert abs(float(properties.mean())) < 0.3
    assert float(properties.std()) == pytest.approx(1.0, abs=0.3)
