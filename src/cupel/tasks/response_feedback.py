"""From rewards of whole texts to samples that a policy over tokens learns from.

Shapes: B texts, T tokens of each, R of them the response at the end, V ids.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cupel.tasks.policy_gradient import Rollout, Samples, Transition, advantages


class Feedback(NamedTuple):
    """What is known of responses, every number in fp32.

    Args:
        log_prob_BR: log probability of each token under the policy that wrote it.
        reference_BR: the same under the policy that training started from.
        value_BR: value of the text before each token.
        score_B: reward of the whole text.
    """

    log_prob_BR: Tensor
    reference_BR: Tensor
    value_BR: Tensor
    score_B: Tensor


def taken(log_probs_BVR: Tensor, ids_BT: Tensor) -> Tensor:
    """Log probabilities (B, R) of the tokens that the responses have."""
    response_B1R = ids_BT[:, None, -log_probs_BVR.shape[2] :]
    return log_probs_BVR.gather(1, response_B1R).squeeze(1)


def token_rewards(feedback: Feedback, *, divergence_weight: float) -> Tensor:
    """Rewards (B, R): minus the weighted log ratio of policy and reference, and the score with the last token.

    Source:
        Ziegler et al. 2019, Fine-Tuning Language Models from Human Preferences, equation 2.
    """
    reward_BR = -divergence_weight * (feedback.log_prob_BR - feedback.reference_BR)
    reward_BR[:, -1] += feedback.score_B
    return reward_BR


def response_samples(ids_BT: Tensor, feedback: Feedback, *, divergence_weight: float, decay: float) -> Samples:
    """A sample for each text: a response is an episode of a step a token that ends with the last; no discount.

    Returns:
        Samples whose fields are (B, R), the state being the whole text (B, T).
    """
    num_new = feedback.value_BR.shape[1]
    response_BR = ids_BT[:, -num_new:]
    is_last_RB = torch.zeros_like(response_BR.T, dtype=torch.bool)
    is_last_RB[-1] = True
    transition = Transition(
        reached_NS=response_BR.T,
        reward_N=token_rewards(feedback, divergence_weight=divergence_weight).T,
        terminated_N=is_last_RB,
        truncated_N=torch.zeros_like(is_last_RB),
        steps_N=torch.arange(1, num_new + 1, device=ids_BT.device)[:, None].expand_as(is_last_RB),
    )
    rollout = Rollout(
        state_TNS=response_BR.T,
        action_TN=response_BR.T,
        log_prob_TN=feedback.log_prob_BR.T,
        value_TN=feedback.value_BR.T,
        next_value_TN=feedback.value_BR.T.roll(-1, dims=0),  # what stands after the last token does not count
        transition=transition,
    )
    advantage_BR = advantages(rollout, discount=1.0, decay=decay).T
    return Samples(ids_BT, response_BR, feedback.log_prob_BR, advantage_BR, advantage_BR + feedback.value_BR)
