"""Mamba agrees with its recurrence, token by token, and with the library's."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="the model is written in torch")

from torch.nn import functional

from cupel.tasks.models.mamba import Mamba, Mixer, selective_scan

PARTS = {
    "expand.weight": "in_proj.weight",
    "conv.weight": "conv1d.weight",
    "conv.bias": "conv1d.bias",
    "select.weight": "x_proj.weight",
    "step.weight": "dt_proj.weight",
    "step.bias": "dt_proj.bias",
    "a_log_IS": "A_log",
    "d_I": "D",
    "back.weight": "out_proj.weight",
}
"""Names of a mixer's parameters here and in the transformers library."""


def test_the_scan_is_the_recurrence_of_each_state():
    torch.manual_seed(0)
    x, step = torch.randn(2, 6, 3), torch.rand(2, 6, 3)
    a, b, c = -torch.rand(3, 4), torch.randn(2, 6, 4), torch.randn(2, 6, 4)
    expected = torch.zeros(2, 6, 3)
    for seq in range(2):
        for channel in range(3):
            state = torch.zeros(4)
            for t in range(6):
                pace = step[seq, t, channel]
                state = torch.exp(pace * a[channel]) * state + pace * b[seq, t] * x[seq, t, channel]
                expected[seq, t, channel] = state @ c[seq, t]
    torch.testing.assert_close(selective_scan(x, step, a, b, c), expected)


def naive_mixer(mixer: Mixer, tokens):
    """One sequence, token by token, with a window of the last four for the convolution."""
    inner = mixer.d_I.shape[0]
    window, state, out = torch.zeros(4, inner), torch.zeros(mixer.a_log_IS.shape), []
    for token in tokens:
        x, gate = mixer.expand(token).split(inner)
        window = torch.cat([window[1:], x[None]])
        x = functional.silu((window * mixer.conv.weight[:, 0].T).sum(dim=0) + mixer.conv.bias)
        rank, b, c = mixer.select(x).split(mixer.split)
        pace = functional.softplus(mixer.step(rank))[:, None]
        state = torch.exp(-pace * mixer.a_log_IS.exp()) * state + pace * b * x[:, None]
        out.append(mixer.back((state @ c + mixer.d_I * x) * functional.silu(gate)))
    return torch.stack(out)


def test_a_mixer_is_its_recurrence_token_by_token():
    torch.manual_seed(0)
    mixer, tokens = Mixer(width=8, state=3), torch.randn(2, 10, 8)
    expected = torch.stack([naive_mixer(mixer, row) for row in tokens])
    torch.testing.assert_close(mixer(tokens), expected, rtol=1e-4, atol=1e-6)


def test_weights_start_as_published():
    torch.manual_seed(0)
    model = Mamba(vocab_size=50, width=64, layers=4, state=5)
    mixer = model.mixers[0]
    steps = functional.softplus(mixer.step.bias).detach()
    assert 0.001 <= float(steps.min()) < 0.002
    assert 0.05 < float(steps.max()) <= 0.1 + 1e-6
    torch.testing.assert_close(mixer.a_log_IS[3].exp(), torch.arange(1.0, 6.0))
    assert float(mixer.back.weight.detach().abs().max()) <= 128**-0.5 / 2
    assert float(model.embedding.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
    assert math.ceil(64 / 16) == mixer.split[0]


@pytest.mark.filterwarnings("ignore")  # what transformers warns of is its own
def test_logits_and_gradients_are_those_of_transformers():
    pytest.importorskip("transformers", reason="compared with transformers, which is not installed")
    from transformers.models.mamba.configuration_mamba import MambaConfig
    from transformers.models.mamba.modeling_mamba import MambaForCausalLM

    torch.manual_seed(0)
    ours = Mamba(vocab_size=20, width=16, layers=2, state=4)
    theirs = MambaForCausalLM(
        MambaConfig(vocab_size=20, hidden_size=16, state_size=4, num_hidden_layers=2, use_cache=False)
    )
    named, pairs = dict(theirs.named_parameters()), []
    pairs += [(ours.embedding.weight, named["backbone.embeddings.weight"])]
    pairs += [(ours.last_norm.weight, named["backbone.norm_f.weight"])]
    for idx in range(2):
        pairs += [(ours.norms[idx].weight, named[f"backbone.layers.{idx}.norm.weight"])]
        pairs += [
            (ours.mixers[idx].get_parameter(here), named[f"backbone.layers.{idx}.mixer.{there}"])
            for here, there in PARTS.items()
        ]
    assert len(pairs) == len(list(ours.parameters())) == len(named)
    for one, other in pairs:
        other.data.copy_(one.data)
    ids = torch.randint(20, (2, 9))
    logits, expected = ours(ids), theirs(input_ids=ids).logits
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    logits.square().mean().backward()
    expected.square().mean().backward()
    for one, other in pairs:
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-6)
