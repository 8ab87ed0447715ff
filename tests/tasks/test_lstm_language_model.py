"""The LSTM language model agrees with the equations, and windows of a text follow each other."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch", reason="the model is written in torch")

from cupel.tasks.data.power_law import zipf_words
from cupel.tasks.data.token_stream import token_windows
from cupel.tasks.models.lstm_lm import LstmLanguageModel


def make(dropout: float = 0.0) -> LstmLanguageModel:
    torch.manual_seed(0)
    return LstmLanguageModel(vocab_size=11, width=6, layers=2, dropout=dropout, init_range=0.3)


def naive_forward(model: LstmLanguageModel, ids, state):
    """Logits of one row by loops over tokens and layers, gates as in the paper."""
    hidden, cell = ([part[layer, 0] for layer in range(2)] for part in state)
    logits = []
    for token in ids:
        x = model.embedding.weight[token]
        for layer in range(2):
            w_x, w_h, b_x, b_h = (
                getattr(model.lstm, f"{kind}_l{layer}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            i, f, g, o = (w_x @ x + b_x + w_h @ hidden[layer] + b_h).chunk(4)
            cell[layer] = f.sigmoid() * cell[layer] + i.sigmoid() * g.tanh()
            hidden[layer] = x = o.sigmoid() * cell[layer].tanh()
        logits.append(model.output.weight @ x + model.output.bias)
    return torch.stack(logits), hidden, cell


def test_logits_and_state_agree_with_the_equations():
    model, ids = make(), torch.randint(11, (1, 5))
    state = torch.randn(2, 1, 6), torch.randn(2, 1, 6)
    logits, (hidden, cell) = model(ids, state)
    expected, hidden_expected, cell_expected = naive_forward(model, ids[0], state)
    torch.testing.assert_close(logits[0], expected)
    torch.testing.assert_close(hidden[:, 0], torch.stack(hidden_expected))
    torch.testing.assert_close(cell[:, 0], torch.stack(cell_expected))


def test_weights_start_within_the_published_range():
    for parameter in make().parameters():
        assert parameter.abs().max() <= 0.3
    assert make().embedding.weight.abs().max() > 0.25


def test_dropout_is_drawn_anew_and_not_at_evaluation():
    model, ids = make(dropout=0.5), torch.randint(11, (1, 5))
    state = torch.zeros(2, 1, 6), torch.zeros(2, 1, 6)
    assert not torch.equal(model(ids, state)[0], model(ids, state)[0])
    model.eval()
    assert torch.equal(model(ids, state)[0], model(ids, state)[0])


def test_windows_follow_each_other():
    words = zipf_words(range(50), generator=torch.Generator().manual_seed(0))
    windows = token_windows(rows=3, window=4, num_windows=5, words=words)
    assert len(windows) == 5
    for window in windows:
        assert torch.equal(window.ids_BT[:, 1:], window.next_BT[:, :-1])
    for window, after in itertools.pairwise(windows):
        assert torch.equal(window.next_BT[:, -1], after.ids_BT[:, 0])
    assert windows[0].ids_BT.shape == (3, 4)
    assert not torch.equal(windows[0].ids_BT, windows[1].ids_BT)
