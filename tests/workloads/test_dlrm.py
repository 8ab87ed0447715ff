"""dlrm has the size of its log, trains what it looks up, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="dlrm needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.models.dlrm import Dlrm
from cupel.workloads import dlrm

TINY = SimpleNamespace(**dlrm.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_has_the_tables_of_the_log_and_fits_its_memory():
    with torch.device("meta"):
        model = dlrm.build_model(SimpleNamespace(**dlrm.CARD.sizes("full")))
    in_tables = sum(table.weight.numel() for table in model.tables)
    in_all = sum(parameter.numel() for parameter in model.parameters())
    assert len(model.tables) == 26
    assert in_tables == 33_762_577 * 128
    assert in_all - in_tables == pytest.approx(2.4e6, rel=0.02)
    assert 4 * in_all / 2**30 < dlrm.CARD.memory_gib["full"] < 79


def test_a_step_counts_samples():
    done = dlrm.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.batch
    assert not done.loss.requires_grad


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    dlrm.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_an_interaction_with_pairs_of_a_vector_with_itself(monkeypatch):
    def wrong(self, dense, embeddings):
        vectors = torch.cat([dense[:, None], embeddings], dim=1)
        products = vectors @ vectors.transpose(1, 2)
        rows, columns = self.pairs_2P
        return torch.cat([dense, products[:, rows, columns + 1]], dim=1)

    monkeypatch.setattr(Dlrm, "interact", wrong)
    with pytest.raises(WrongWorkError, match="the interaction is off"):
        dlrm.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_an_optimiser_that_leaves_the_tables_out(monkeypatch):
    def networks_only(parameters):
        bottom_and_top = list(parameters)
        del bottom_and_top[6:32]
        return torch.optim.SGD(bottom_and_top, lr=0.1)

    monkeypatch.setattr(dlrm, "sgd", networks_only)
    with pytest.raises(WrongWorkError, match="a step left tables"):
        dlrm.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_step_that_changes_rows_nobody_looked_up(monkeypatch):
    class Decaying(torch.optim.SGD):
        def step(self):
            super().step()
            for parameter in self.param_groups[0]["params"]:
                parameter.data.mul_(0.999)

    monkeypatch.setattr(dlrm, "sgd", lambda parameters: Decaying(parameters, lr=0.1))
    with pytest.raises(WrongWorkError, match="and no others"):
        dlrm.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_training_that_climbs(monkeypatch):
    monkeypatch.setattr(dlrm, "sgd", lambda parameters: torch.optim.SGD(parameters, lr=0.001, maximize=True))
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        dlrm.sane(TINY, make_slot(), Seeds(0))
