"""Rewards of tokens and their advantages agree with loops over the papers' equations."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the parts are written in torch")

from cupel.tasks.policy_gradient import clipped_loss
from cupel.tasks.response_feedback import Feedback, response_samples, taken, token_rewards

NUM_TEXTS, NUM_PROMPT, NUM_NEW, VOCAB = 3, 2, 5, 7


def make_feedback() -> Feedback:
    generator = torch.Generator().manual_seed(0)
    return Feedback(
        *torch.randn(3, NUM_TEXTS, NUM_NEW, generator=generator), torch.randn(NUM_TEXTS, generator=generator)
    )


def make_ids() -> torch.Tensor:
    return torch.randint(VOCAB, (NUM_TEXTS, NUM_PROMPT + NUM_NEW), generator=torch.Generator().manual_seed(1))


def test_the_score_comes_with_the_last_token_and_divergence_costs_with_each():
    feedback = make_feedback()
    rewards = token_rewards(feedback, divergence_weight=0.1)
    for b in range(NUM_TEXTS):
        for r in range(NUM_NEW):
            expected = -0.1 * float(feedback.log_prob_BR[b, r] - feedback.reference_BR[b, r])
            expected += float(feedback.score_B[b]) if r == NUM_NEW - 1 else 0.0
            assert float(rewards[b, r]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("decay", [0.95, 1.0])
def test_advantages_agree_with_the_sum_that_defines_them(decay):
    feedback, ids = make_feedback(), make_ids()
    samples = response_samples(ids, feedback, divergence_weight=0.1, decay=decay)
    rewards = token_rewards(feedback, divergence_weight=0.1)
    for b in range(NUM_TEXTS):
        for r in range(NUM_NEW):
            total = 0.0
            for k in range(r, NUM_NEW):
                later = float(feedback.value_BR[b, k + 1]) if k + 1 < NUM_NEW else 0.0
                total += decay ** (k - r) * (float(rewards[b, k]) + later - float(feedback.value_BR[b, k]))
            assert float(samples.advantage_M[b, r]) == pytest.approx(total, rel=1e-4, abs=1e-5)
    torch.testing.assert_close(samples.return_M, samples.advantage_M + feedback.value_BR)


def test_samples_are_whole_texts_with_their_responses():
    feedback, ids = make_feedback(), make_ids()
    samples = response_samples(ids, feedback, divergence_weight=0.1, decay=0.95)
    assert torch.equal(samples.state_MS, ids)
    assert torch.equal(samples.action_M, ids[:, NUM_PROMPT:])
    assert torch.equal(samples.log_prob_M, feedback.log_prob_BR)


def test_the_clipped_loss_takes_such_samples():
    feedback, ids = make_feedback(), make_ids()
    samples = response_samples(ids, feedback, divergence_weight=0.1, decay=0.95)
    log_probs = torch.log_softmax(torch.randn(NUM_TEXTS, VOCAB, NUM_NEW), dim=1)
    assert torch.equal(taken(log_probs, ids)[1, 2], log_probs[1, ids[1, NUM_PROMPT + 2], 2])
    samples = samples._replace(log_prob_M=taken(log_probs, ids))
    loss = clipped_loss(
        lambda _: (log_probs, feedback.value_BR), samples, clip=0.2, value_weight=0.5, entropy_weight=0.0
    )
    # all ratios are 1 and advantages are normalised, so that only the values are left
    assert float(loss) == pytest.approx(0.5 * float(samples.advantage_M.square().mean()), rel=1e-4)
