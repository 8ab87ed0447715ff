"""A graph transformer over trees of fragments, written by hand; a policy that grows them, and a reward for them.

Decisions:
- Attention along the bonds of a tree, each fragment to itself, and to and from one more token that stands for the tree;
  what two are to each other (self, parent, child, tree) adds a trained number to each head's attention.
- Pre-norm layers, 4 times the width within, leaky ReLU; no positions: a fragment knows its type and its slot.
- The policy scores every type for every slot of a fragment, every type for a root, and to stop; actions that are not
  there have probability 0. Its logarithm of the total flow is a parameter times 100: it has a long way to go.

Shapes: B trees, N fragments, L = N + 1 tokens, the tree first, H width, K heads, A actions.

Source: the policy of Bengio et al. 2021 (`cupel.tasks.fragment_trees`) with the attention of Shi et al. 2021, Masked
Label Prediction: Unified Message Passing Model for Semi-Supervised Classification.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.tasks.fragment_trees import Space, Trees

NONE, SELF, PARENT, CHILD, TREE, MEMBER = range(6)
LOG_FLOW_SCALE = 100.0


def relations(trees: Trees, exists_BN: Tensor) -> Tensor:
    """What token j is to token i, shape (B, L, L), int64."""
    num = exists_BN.shape[1]
    node_N = torch.arange(num, device=exists_BN.device)
    is_parent_BNN = (trees.parent_BN[:, :, None] == node_N) & exists_BN[:, :, None] & (node_N > 0)[:, None]
    between_BNN = PARENT * is_parent_BNN + CHILD * is_parent_BNN.transpose(1, 2)
    between_BNN = between_BNN + SELF * torch.eye(num, dtype=torch.int64, device=exists_BN.device)
    members_B1N = (MEMBER * exists_BN)[:, None]
    first_B1L = torch.cat([torch.full_like(members_B1N[..., :1], SELF), members_B1N], dim=2)
    rest_BNL = torch.cat([torch.full_like(between_BNN[..., :1], TREE), between_BNN], dim=2)
    return torch.cat([first_B1L, rest_BNL], dim=1)


class Layer(nn.Module):
    """Attention and two linear layers, each with a skip."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mixed = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.bias = nn.Embedding(6, num_heads)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x_BLH: Tensor, relation_BLL: Tensor) -> Tensor:
        """Tokens (B, L, H)."""
        num, length, width = x_BLH.shape
        parts = self.mixed(self.first_norm(x_BLH)).view(num, length, 3, self.num_heads, -1)
        query_BKLD, key_BKLD, value_BKLD = parts.permute(2, 0, 3, 1, 4)
        bias_BKLL = self.bias(relation_BLL).permute(0, 3, 1, 2)
        bias_BKLL = bias_BKLL.masked_fill((relation_BLL == NONE)[:, None], float("-inf")).to(query_BKLD.dtype)
        seen_BKLD = F.scaled_dot_product_attention(query_BKLD, key_BKLD, value_BKLD, attn_mask=bias_BKLL)
        x_BLH = x_BLH + self.out(seen_BKLD.transpose(1, 2).reshape(num, length, width))
        grown_BLH: Tensor = x_BLH + self.narrow(F.leaky_relu(self.wide(self.second_norm(x_BLH))))
        return grown_BLH


class GraphTransformer(nn.Module):
    """Tokens of the fragments and of the tree.

    Args:
        space: of the trees.
        width: of a token.
        depth: layers.
        num_heads: of the attention.
    """

    def __init__(self, space: Space, *, width: int, depth: int, num_heads: int) -> None:
        super().__init__()
        self.space = space
        self.types = nn.Embedding(space.num_types + 1, width)
        self.slots = nn.Embedding(space.num_slots + 1, width)
        self.tree = nn.Parameter(torch.randn(width))
        self.layers = nn.ModuleList(Layer(width, num_heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, trees: Trees) -> Tensor:
        """Tokens (B, L, H), the tree first."""
        node_BNH = self.types(trees.type_BN) + self.slots(trees.slot_BN)
        x_BLH = torch.cat([self.tree.expand(len(node_BNH), 1, -1), node_BNH], dim=1)
        relation_BLL = relations(trees, self.space.exists(trees))
        for layer in self.layers:
            x_BLH = layer(x_BLH, relation_BLL)
        tokens_BLH: Tensor = self.norm(x_BLH)
        return tokens_BLH


class GrowthPolicy(nn.Module):
    """Probabilities of the actions on a tree, and the total flow."""

    def __init__(self, space: Space, *, width: int, depth: int, num_heads: int) -> None:
        super().__init__()
        self.space = space
        self.trunk = GraphTransformer(space, width=width, depth=depth, num_heads=num_heads)
        self.add = nn.Linear(width, space.num_slots * space.num_types)
        self.root = nn.Linear(width, space.num_types)
        self.stop = nn.Linear(width, 1)
        self.log_flow = nn.Parameter(torch.zeros(()))

    def forward(self, trees: Trees) -> tuple[Tensor, Tensor]:
        """Log probabilities (B, A), -inf for what is not allowed, and the logarithm of the total flow; fp32."""
        tokens_BLH = self.trunk(trees)
        add_BA = self.add(tokens_BLH[:, 1:]).flatten(1)
        root_BA = F.pad(self.root(tokens_BLH[:, 0]), (0, add_BA.shape[1] - self.space.num_types))
        add_BA = torch.where((trees.count_B == 0)[:, None], root_BA, add_BA)
        scores_BA = torch.cat([add_BA, self.stop(tokens_BLH[:, 0])], dim=1).float()
        scores_BA = scores_BA.masked_fill(~self.space.allowed(trees), float("-inf"))
        return scores_BA.log_softmax(dim=1), LOG_FLOW_SCALE * self.log_flow


class Reward(nn.Module):
    """A reward for trees: the sigmoid of what a network with random weights says of them, to a power.

    Args:
        space: of the trees.
        power: the larger, the fewer trees have nearly all of the reward.
        width: of a token.
        depth: layers.
        num_heads: of the attention.
    """

    def __init__(self, space: Space, power: float, *, width: int, depth: int, num_heads: int) -> None:
        super().__init__()
        self.power = power
        self.trunk = GraphTransformer(space, width=width, depth=depth, num_heads=num_heads)
        self.score = nn.Linear(width, 1)
        self.register_buffer("centre", torch.zeros(()))
        self.register_buffer("spread", torch.ones(()))
        self.centre: Tensor
        self.spread: Tensor

    def scores(self, trees: Trees) -> Tensor:
        """What the network says (B), fp32."""
        score_B1: Tensor = self.score(self.trunk(trees)[:, 0])
        return score_B1.float().squeeze(1)

    @torch.no_grad()
    def standardise(self, trees: Trees) -> None:
        """From here on, scores of such trees have mean 0 and standard deviation 1."""
        score_B = self.scores(trees)
        self.centre.copy_(score_B.mean())
        self.spread.copy_(score_B.std().clamp_min(1e-6))

    def forward(self, trees: Trees) -> Tensor:
        """Logarithms of the rewards (B), fp32; 0 where the score is the mean."""
        return self.power * (F.logsigmoid((self.scores(trees) - self.centre) / self.spread) + math.log(2.0))
