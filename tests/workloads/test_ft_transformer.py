"""ft_transformer has the published size, draws rows at random, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="ft_transformer needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.models.ft_transformer import FtTransformer, Tokenizer
from cupel.workloads import ft_transformer

TINY = SimpleNamespace(**ft_transformer.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_is_the_default_of_the_paper():
    with torch.device("meta"):
        model = ft_transformer.build_model(SimpleNamespace(**ft_transformer.CARD.sizes("full")))
        wider = FtTransformer(num_features=100, width=192, layers=3, heads=8, dropouts=(0.2, 0.1))
    assert sum(parameter.numel() for parameter in model.parameters()) == 902_593
    assert (model.layers[0].attention.dropout, model.layers[0].dropout.p) == (0.2, 0.1)
    # the paper's code cuts 192 x 4/3 to 255 hidden units, each with 2 x 193 + 192 weights; it states 929 K
    of_the_paper = sum(parameter.numel() for parameter in wider.parameters()) - 3 * (2 * 193 + 192)
    assert round(of_the_paper / 1000) == 929


def test_a_step_counts_rows_and_draws_others_each_time():
    parts = ft_transformer.Parts(TINY, make_slot(), Seeds(0))
    assert not torch.equal(parts.draw()[0], parts.draw()[0])
    done = ft_transformer.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.batch
    assert not done.loss.requires_grad


def test_columns_are_standardised_and_labels_stay_with_their_rows():
    parts = ft_transformer.Parts(TINY, make_slot(), Seeds(0))
    np.testing.assert_allclose(parts.table_RF.mean(dim=0), np.zeros(28), atol=1e-5)
    np.testing.assert_allclose(parts.table_RF.std(dim=0, correction=0), np.ones(28), rtol=1e-4)
    rows, labels = parts.draw()
    for row, label in zip(rows, labels, strict=True):
        place = int((parts.table_RF == row).all(dim=1).nonzero()[0])
        assert parts.is_signal_R[place] == label


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_check_passes(precision):
    ft_transformer.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_rows_that_see_each_other(monkeypatch):
    honest = Tokenizer.forward
    monkeypatch.setattr(Tokenizer, "forward", lambda part, x: honest(part, x + x.mean(dim=0)))
    with pytest.raises(WrongWorkError, match="expected rows that do not see each other"):
        ft_transformer.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_features_that_are_ignored(monkeypatch):
    honest = Tokenizer.forward
    monkeypatch.setattr(Tokenizer, "forward", lambda part, x: honest(part, torch.zeros_like(x)))
    with pytest.raises(WrongWorkError, match=r"no gradient reaches tokenizer\.scale_FW"):
        ft_transformer.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_training_that_does_nothing():
    slot = make_slot()
    slot.step = lambda _: None
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        ft_transformer.sane(TINY, slot, Seeds(0))


def test_the_model_has_the_columns_of_a_table_from_disk(tmp_path, monkeypatch):
    rows = "".join(f"{idx},3,{('low', 'high')[idx % 2]},{idx % 3}\n" for idx in range(40))
    (tmp_path / "own.csv").write_text("a,b,class,c\n" + rows)
    monkeypatch.setenv("CUPEL_OPENML", str(tmp_path / "own.csv"))
    slot = TorchSlot(device="cpu", settings={"data": "disk"}, threads=1)
    parts = ft_transformer.Parts(TINY, slot, Seeds(0))
    assert parts.table_RF.shape == (32, 3)
    assert bool(parts.table_RF.isfinite().all()), "a column that is the same in every row is no division by zero"
    done = ft_transformer.setup(TINY, slot, Seeds(0))()
    assert done.items == TINY.batch
    assert bool(done.loss.isfinite())
