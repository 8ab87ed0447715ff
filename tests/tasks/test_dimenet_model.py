"""DimeNet++ agrees with a loop over atoms and angles, and sees angles."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the model is written in torch")

from torch.nn.functional import silu

from cupel.tasks.models.dimenet import DimeNet, Geometry, Widths

POSITION = torch.tensor([[0.0, 0.0, 0.0], [1.4, 0.0, 0.0], [1.9, 1.3, 0.0], [0.1, 0.2, 1.5]])
EDGES = [(i, j) for i in range(3) for j in range(3) if i != j] + [(0, 3), (3, 0)]
TRIPLETS = [(a, b) for a, (k, j) in enumerate(EDGES) for b, (j2, i) in enumerate(EDGES) if j == j2 and i != k]
GEOMETRY = Geometry(
    torch.tensor([6, 8, 7, 6]),
    POSITION,
    torch.tensor(EDGES).T,
    torch.tensor(TRIPLETS).T,
    torch.zeros(4, dtype=torch.int64),
    1,
)


def make() -> DimeNet:
    torch.manual_seed(0)
    return DimeNet(widths=Widths(12, 6, 10), num_blocks=2, cutoff_a=5.0)


def test_cosines_are_of_the_angles_at_the_middle_atom(monkeypatch):
    model = make()
    seen = []
    monkeypatch.setattr(model.spherical_basis, "forward", lambda *given: seen.append(given[1]))
    model.expand(GEOMETRY)
    for t, (kj, ji) in enumerate(TRIPLETS):
        k, j, i = EDGES[kj][0], EDGES[kj][1], EDGES[ji][1]
        to_k, to_i = POSITION[k] - POSITION[j], POSITION[i] - POSITION[j]
        expected = torch.nn.functional.cosine_similarity(to_k, to_i, dim=0)
        torch.testing.assert_close(seen[0][t], expected)


def test_an_interaction_agrees_with_a_loop_over_angles():
    model = make()
    block, basis = model.interactions[0], model.expand(GEOMETRY)
    x = torch.randn(len(EDGES), 12, generator=torch.Generator().manual_seed(0))
    rows = []
    for e in range(len(EDGES)):
        arrived = torch.zeros(6)
        for t, (kj, ji) in enumerate(TRIPLETS):
            if ji == e:
                message = silu(block.other(x[kj])) * block.radial(basis.radial_ER[kj])
                arrived = arrived + silu(block.down(message)) * block.spherical(basis.spherical_TS[t])
        new = silu(block.own(x[e])) + silu(block.up(arrived))
        new = new + silu(block.before.second(silu(block.before.first(new))))
        joined = silu(block.joined(new)) + x[e]
        for residual in block.after:
            joined = joined + silu(residual.second(silu(residual.first(joined))))
        rows.append(joined)
    torch.testing.assert_close(block(x, basis, GEOMETRY.triplet_2T), torch.stack(rows))


def test_weights_have_the_variance_of_glorot():
    model = make()
    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear):
            expected = 2 / (layer.in_features + layer.out_features)
            assert float(layer.weight.detach().var(correction=0)) == pytest.approx(expected, rel=1e-4)


def test_molecules_of_a_batch_do_not_mix():
    model = make()
    twice = Geometry(
        GEOMETRY.element_V.repeat(2),
        torch.cat([POSITION, 1.3 * POSITION]),
        torch.cat([GEOMETRY.edge_2E, GEOMETRY.edge_2E + 4], dim=1),
        torch.cat([GEOMETRY.triplet_2T, GEOMETRY.triplet_2T + len(EDGES)], dim=1),
        torch.tensor([0] * 4 + [1] * 4),
        2,
    )
    both = model(twice)
    torch.testing.assert_close(both[:1], model(GEOMETRY))
    torch.testing.assert_close(both[1:], model(GEOMETRY._replace(position_V3=1.3 * POSITION)))
