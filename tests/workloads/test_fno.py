"""fno has the published size, learns solutions of its equation, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="fno needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.models.fno import SpectralConvolution
from cupel.workloads import fno

TINY = SimpleNamespace(**fno.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_is_the_network_of_the_paper():
    sizes = SimpleNamespace(**fno.CARD.sizes("full"))
    with torch.device("meta"):
        model = fno.build_model(sizes)
        out = model(torch.empty(2, sizes.side_px, sizes.side_px))
    assert sum(parameter.numel() for parameter in model.parameters()) == 2_368_001
    assert sum(layer.weight.numel() for layer in model.spectral) == 4 * 2 * 32 * 32 * 12 * 12 * 2
    assert out.shape == (2, 85, 85)


def test_a_step_counts_samples():
    done = fno.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.batch
    assert not done.loss.requires_grad


def test_the_loss_is_the_relative_error():
    batch = fno.build_batches(TINY, make_slot(), rng=Seeds(0))[0]
    for factor, expected in ((0.0, 1.0), (1.0, 0.0), (1.5, 0.5)):
        found = fno.loss_of(lambda _, factor=factor: factor * batch.u_NSS, batch, make_slot())
        assert float(found) == pytest.approx(expected, abs=1e-6)


def test_batches_are_scaled_and_differ():
    batches = fno.build_batches(TINY, make_slot(), rng=Seeds(0))
    assert len(batches) == TINY.batches
    assert not torch.equal(batches[0].shown_NSS, batches[1].shown_NSS)
    assert {value for batch in batches for value in batch.shown_NSS.unique().tolist()} == {-1.0, 1.0}
    assert float(torch.cat([batch.u_NSS for batch in batches]).square().mean()) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_check_passes(precision):
    fno.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_pressures_that_solve_nothing(monkeypatch):
    honest = fno.pressures
    monkeypatch.setattr(fno, "pressures", lambda a: 1.01 * honest(a))
    with pytest.raises(WrongWorkError, match=r"leave a residual of 0\.01"):
        fno.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_modes_that_are_left_out(monkeypatch):
    monkeypatch.setattr(SpectralConvolution, "forward", lambda _, x: torch.zeros_like(x))
    with pytest.raises(WrongWorkError, match=r"no gradient reaches spectral\.0\.weight"):
        fno.sane(TINY, make_slot(), Seeds(0))


@pytest.mark.parametrize(("rate", "message"), [(0.0, "expected it to fall"), (1e-6, "a fall by a fifth")])
def test_the_check_finds_training_that_hardly_learns(monkeypatch, rate, message):
    monkeypatch.setattr(fno, "adam", lambda parameters: torch.optim.Adam(parameters, lr=rate))
    with pytest.raises(WrongWorkError, match=message):
        fno.sane(TINY, make_slot(), Seeds(0))
