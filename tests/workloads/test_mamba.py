"""mamba has the published size, counts tokens, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="mamba needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.models import mamba as mamba_model
from cupel.workloads import mamba

TINY = SimpleNamespace(**mamba.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_is_mamba_130m():
    with torch.device("meta"):
        model = mamba.build_model(SimpleNamespace(**mamba.CARD.sizes("full")))
    mixer = 768 * 3072 + (4 * 1536 + 1536) + 1536 * 80 + (48 * 1536 + 1536) + 1536 * 16 + 1536 + 1536 * 768
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    assert num_parameters == 129_135_360
    assert num_parameters == 50280 * 768 + 24 * (mixer + 768) + 768
    assert mamba.CARD.memory_gib["full"] > 16 * num_parameters / 2**30


def test_a_step_counts_tokens_and_rotates_over_batches():
    step, _, batches = mamba.build(TINY, make_slot(), rng=Seeds(0))
    done = step()
    assert done.items == TINY.batch * TINY.sequence
    assert not done.loss.requires_grad
    assert len(batches) == TINY.batches
    assert not torch.equal(batches[0].ids_BT, batches[1].ids_BT)


def test_the_loss_is_that_of_the_next_word():
    batch = mamba.build_batches(TINY, make_slot(), rng=Seeds(0))[0]
    logits = torch.randn(TINY.batch, TINY.sequence, TINY.vocab_size)
    log_probs = logits.log_softmax(dim=2)
    expected = -sum(
        float(log_probs[row, place, batch.next_BT[row, place]])
        for row in range(TINY.batch)
        for place in range(TINY.sequence)
    ) / (TINY.batch * TINY.sequence)
    assert float(mamba.loss_of(logits, batch)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_check_passes(precision):
    mamba.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_a_scan_that_carries_nothing(monkeypatch):
    monkeypatch.setattr(mamba_model, "linear_scan", lambda _, taken: taken)
    with pytest.raises(WrongWorkError, match="expected a state that is carried"):
        mamba.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_scan_that_runs_backwards(monkeypatch):
    honest = mamba_model.linear_scan
    monkeypatch.setattr(mamba_model, "linear_scan", lambda a, b: honest(a, b) + honest(a.flip(1), b.flip(1)).flip(1))
    with pytest.raises(WrongWorkError, match="depends on a later one"):
        mamba.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_decay_that_is_cut_off(monkeypatch):
    honest = mamba_model.linear_scan
    monkeypatch.setattr(mamba_model, "linear_scan", lambda a, b: honest(a.detach(), b))
    with pytest.raises(WrongWorkError, match=r"no gradient reaches mixers\.0\.a_log"):
        mamba.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_an_optimiser_that_does_nothing(monkeypatch):
    monkeypatch.setattr(mamba, "adamw", lambda parameters: torch.optim.SGD(parameters, lr=0.0))
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        mamba.sane(TINY, make_slot(), Seeds(0))
