"""lstm_lm has the published size, carries its state from window to window, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="lstm_lm needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, UnsupportedError, WrongWorkError
from cupel.tasks.models.lstm_lm import LstmLanguageModel
from cupel.workloads import lstm_lm

TINY = SimpleNamespace(**lstm_lm.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_is_the_large_model_of_the_paper():
    with torch.device("meta"):
        model = lstm_lm.build_model(SimpleNamespace(**lstm_lm.CARD.sizes("full")))
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    assert num_parameters == 66_034_000
    gates = 4 * 1500
    assert num_parameters == 2 * 10_000 * 1500 + 10_000 + 2 * (gates * 2 * 1500 + 2 * gates)


def test_a_step_counts_the_tokens_of_a_window():
    done = lstm_lm.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.batch * TINY.window
    assert not done.loss.requires_grad


def test_the_state_is_zero_again_when_the_text_starts_anew():
    parts = lstm_lm.Parts(TINY, make_slot(), Seeds(0))
    starts = []
    honest = parts.forward
    parts.forward = lambda window, state: (starts.append(bool(state[0].any())), honest(window, state))[1]
    for _ in range(2 * TINY.windows):
        parts.learn()
    assert starts == ([False] + [True] * (TINY.windows - 1)) * 2


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_check_passes(precision):
    lstm_lm.sane(TINY, make_slot(precision), Seeds(0))


def test_fp16_on_a_cpu_is_refused_in_words():
    with pytest.raises(UnsupportedError, match="fp16 was asked on a CPU"):
        lstm_lm.setup(TINY, make_slot("fp16"), Seeds(0))


def test_the_check_finds_a_state_that_the_model_forgets(monkeypatch):
    forward = LstmLanguageModel.forward

    def forgetful(model, ids, state):
        return forward(model, ids, tuple(torch.zeros_like(part) for part in state))

    monkeypatch.setattr(LstmLanguageModel, "forward", forgetful)
    with pytest.raises(WrongWorkError, match="two windows gives logits off"):
        lstm_lm.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_training_that_starts_every_window_afresh(monkeypatch):
    learn = lstm_lm.Parts.learn

    def afresh(parts):
        kept, parts.state = parts.state, parts.start()
        loss = learn(parts)
        parts.state = kept if kept[0].any() else parts.state
        return loss

    monkeypatch.setattr(lstm_lm.Parts, "learn", afresh)
    with pytest.raises(WrongWorkError, match="expected the state to be carried"):
        lstm_lm.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_an_optimiser_that_does_nothing(monkeypatch):
    monkeypatch.setattr(lstm_lm, "sgd", lambda parameters: torch.optim.SGD(parameters, lr=0.0))
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        lstm_lm.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_frozen_embedding(monkeypatch):
    build = lstm_lm.build_model

    def frozen(sizes):
        model = build(sizes)
        model.embedding.weight.requires_grad_(requires_grad=False)
        return model

    monkeypatch.setattr(lstm_lm, "build_model", frozen)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches embedding\.weight"):
        lstm_lm.sane(TINY, make_slot(), Seeds(0))
