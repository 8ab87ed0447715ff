"""The graph transformer sees the tree and not the order in which it was built."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="the model is written in torch")

from cupel.tasks.fragment_trees import Space, joined
from cupel.tasks.models.graph_transformer import (
    CHILD,
    MEMBER,
    NONE,
    PARENT,
    SELF,
    TREE,
    GrowthPolicy,
    Reward,
    relations,
)

SPACE = Space([2, 1], 4, device=torch.device("cpu"))


def grown(*actions: int):
    trees = SPACE.empty(1)
    for action in actions:
        trees = SPACE.extend(trees, torch.tensor([action]))
    return trees


def test_relations_are_those_of_the_tree():
    trees = grown(0, 3, 4)  # a root, one in its slot 1, one in that one's slot 0
    assert relations(trees, SPACE.exists(trees))[0].tolist() == [
        [SELF, MEMBER, MEMBER, MEMBER, NONE],
        [TREE, SELF, CHILD, NONE, NONE],
        [TREE, PARENT, SELF, CHILD, NONE],
        [TREE, NONE, PARENT, SELF, NONE],
        [TREE, NONE, NONE, NONE, SELF],
    ]


def test_rewards_do_not_depend_on_the_order_of_building_but_on_types_and_slots():
    torch.manual_seed(0)
    reward = Reward(SPACE, 4.0, width=16, depth=2, num_heads=2)
    first, again, other = reward(grown(0, 0, 3)), reward(grown(0, 3, 0)), reward(grown(0, 1, 2))
    torch.testing.assert_close(first, again)
    assert (first - other).abs() > 1e-4


def test_probabilities_are_of_what_is_allowed_and_add_to_one():
    torch.manual_seed(0)
    policy = GrowthPolicy(SPACE, width=16, depth=1, num_heads=2)
    for trees in (SPACE.empty(2), grown(0), grown(0, 3, 4, 0)):
        log_probs, log_flow = policy(trees)
        assert torch.equal(log_probs.isfinite(), SPACE.allowed(trees))
        torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(len(log_probs)))
    assert float(log_flow.detach()) == 0.0


def test_scores_are_standardised_and_a_power_scales_the_logarithm_of_rewards():
    torch.manual_seed(0)
    reward = Reward(SPACE, 1.0, width=16, depth=1, num_heads=2)
    few = joined([grown(0, 1), grown(1), grown(0, 3, 4), grown(0)])
    reward.standardise(few)
    standard = (reward.scores(few) - reward.centre) / reward.spread
    assert float(standard.mean().detach()) == pytest.approx(0.0, abs=1e-4)
    assert float(standard.std().detach()) == pytest.approx(1.0, rel=1e-4)
    once = reward(few)
    torch.testing.assert_close(once, torch.sigmoid(standard).log() + math.log(2))
    reward.power = 3.0
    torch.testing.assert_close(reward(few), 3 * once)
