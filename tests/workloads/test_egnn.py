"""egnn has its size, counts graphs and edges, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="egnn needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.models.egnn import Layer
from cupel.workloads import egnn

TINY = SimpleNamespace(**egnn.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_is_the_papers_network_with_moves():
    with torch.device("meta"):
        model = egnn.build_model(SimpleNamespace(**egnn.CARD.sizes("full")))
    linear = 128 * 128 + 128
    layer = (257 * 128 + 128 + linear) + 129 + (linear + 128) + (256 * 128 + 128 + linear)
    assert sum(parameter.numel() for parameter in model.parameters()) == 861_704
    assert 7 * layer + (15 * 128 + 128) + 2 * linear + linear + 129 == 861_704


def test_a_step_counts_graphs_and_edges():
    step = egnn.setup(TINY, make_slot(), Seeds(0))
    parts = egnn.Parts(TINY, make_slot(), Seeds(0))
    for batch in parts.batches:
        done = step()
        assert done.items == TINY.batch
        assert done.also == {"edges": len(batch.source_E)}
        assert not done.loss.requires_grad


def test_noise_is_drawn_anew_and_of_its_size():
    parts = egnn.Parts(TINY, make_slot(), Seeds(0))
    first, second = (parts.noise(parts.batches[0]) for _ in range(2))
    assert not torch.equal(first, second)
    assert float(first.std()) == pytest.approx(egnn.NOISE_ANGSTROM, rel=0.2)


def test_a_perfect_prediction_has_no_loss(monkeypatch):
    parts = egnn.Parts(TINY, make_slot(), Seeds(0))
    batch = parts.batches[0]
    noise = parts.noise(batch)
    monkeypatch.setattr(parts, "predict", lambda batch, x: (batch.property_G, batch.positions_N3 - x))
    assert float(parts.loss(batch, noise)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_check_passes(precision):
    egnn.sane(TINY, make_slot(precision), Seeds(0))


def spoil(monkeypatch, change):
    """Hand a changed place to each layer's messages."""
    honest = Layer.forward
    monkeypatch.setattr(Layer, "forward", lambda layer, h, x, **rest: change(honest, layer, h, x, **rest))


def test_the_check_finds_messages_that_depend_on_where_a_molecule_is(monkeypatch):
    def change(honest, layer, h, x, **rest):
        return honest(layer, h + 0.1 * x.sum(dim=1, keepdim=True), x, **rest)

    spoil(monkeypatch, change)
    with pytest.raises(WrongWorkError, match="expected the property to stay"):
        egnn.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_moves_that_do_not_turn(monkeypatch):
    def change(honest, layer, h, x, **rest):
        h, moved = honest(layer, h, x, **rest)
        return h, moved + 0.01 * torch.tensor([1.0, 0.0, 0.0])

    spoil(monkeypatch, change)
    with pytest.raises(WrongWorkError, match="a move is off"):
        egnn.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_atoms_that_cannot_move(monkeypatch):
    spoil(monkeypatch, lambda honest, layer, h, x, **rest: (honest(layer, h, x, **rest)[0], x))
    with pytest.raises(WrongWorkError, match=r"no gradient reaches layers\.0\.move"):
        egnn.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_an_optimiser_that_does_nothing(monkeypatch):
    monkeypatch.setattr(egnn, "adam", lambda parameters: torch.optim.SGD(parameters, lr=0.0))
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        egnn.sane(TINY, make_slot(), Seeds(0))
