"""What the networks say of a response is what reading the text token by token says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="the networks need torch")
pytest.importorskip("transformers", reason="the decoders are of transformers")

from cupel.tasks.models.gpt_neox import Judge, Writing, gpt_neox

SIZES = SimpleNamespace(layers=2, width=16, heads=2, feedforward=32, vocab_size=30)
NUM_PROMPT, NUM_NEW = 3, 4


def make_model() -> Writing:
    torch.manual_seed(0)
    return Writing(gpt_neox(SIZES), Judge(SIZES), num_new=NUM_NEW, temperature=0.5)


def test_each_token_is_judged_by_the_text_before_it():
    model, ids = make_model(), torch.randint(30, (2, NUM_PROMPT + NUM_NEW))
    with torch.no_grad():
        log_probs, values = model(ids)
        assert log_probs.shape == (2, 30, NUM_NEW)
        for r in range(NUM_NEW):
            before = ids[:, : NUM_PROMPT + r]
            expected = torch.log_softmax(model.writer(input_ids=before).logits[:, -1] / 0.5, dim=1)
            torch.testing.assert_close(log_probs[:, :, r], expected, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(values[:, r], model.judge(before)[:, -1], rtol=1e-4, atol=1e-5)


def test_rotation_is_of_a_quarter_of_each_head():
    rotary = make_model().writer.gpt_neox.rotary_emb
    assert 2 * len(rotary.inv_freq) == SIZES.width // SIZES.heads // 4
