"""A feed-forward layer of which each token goes through one of several experts (Switch), written by hand.

Decisions:
- Top 1, at a fixed capacity: an expert takes the first `capacity_factor` x tokens / experts tokens of the whole batch
  that choose it; a token beyond that is left out, and the shortcut around the layer carries it on. Shapes then do
  not depend on the routing, and nothing waits for the device.
- Tokens are copied to the places of their experts, which work as one batch of products, and copied back.
- The router computes in fp32 at every precision, on inputs that are jittered by 1 % in training, both as published.
- Weights normal with variance 0.1 / inputs, as published (a tenth of what is usual).

Shapes: B sequences, T tokens, N = B T, W width, E experts, C capacity, H hidden width.

Source: Fedus et al. 2021, Switch Transformers: Scaling to Trillion Parameter Models with Simple and Efficient Sparsity,
section 2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

JITTER = 0.01
"""Largest relative change of the router's input."""


class SwitchFeedForward(nn.Module):
    """Router and experts; `balance` holds the load-balancing loss of the last call.

    Args:
        width: of a token.
        hidden: units of an expert.
        num_experts: number of experts.
        capacity_factor: places of an expert for each that an even spread would need.
        dropout: share of the hidden units that is dropped.
    """

    balance: Tensor

    def __init__(self, *, width: int, hidden: int, num_experts: int, capacity_factor: float, dropout: float) -> None:
        super().__init__()
        self.capacity_factor, self.jitter = capacity_factor, JITTER
        self.router_EW = nn.Parameter(torch.empty(num_experts, width).normal_(std=(0.1 / width) ** 0.5))
        self.into_EWH = nn.Parameter(torch.empty(num_experts, width, hidden).normal_(std=(0.1 / width) ** 0.5))
        self.back_EHW = nn.Parameter(torch.empty(num_experts, hidden, width).normal_(std=(0.1 / hidden) ** 0.5))
        self.dropout = nn.Dropout(dropout)

    def route(self, x_NW: Tensor) -> tuple[Tensor, Tensor]:
        """For each token the probability of its expert, and its place (E C for none); notes the balance."""
        num_experts = len(self.router_EW)
        capacity = math.ceil(self.capacity_factor * len(x_NW) / num_experts)
        seen_NW = x_NW.float()
        if self.training:
            seen_NW = seen_NW * torch.empty_like(seen_NW).uniform_(1 - self.jitter, 1 + self.jitter)
        # a sum of products and not a matrix product, which autocast would do in the lower precision
        logits_NE = torch.stack([(seen_NW * router_W).sum(dim=1) for router_W in self.router_EW], dim=1)
        probs_NE = torch.softmax(logits_NE, dim=1)
        gate_N, expert_N = probs_NE.max(dim=1)
        is_chosen_NE = expert_N[:, None] == torch.arange(num_experts, device=x_NW.device)
        self.balance = num_experts * (is_chosen_NE.float().mean(dim=0) * probs_NE.mean(dim=0)).sum()
        queue_N = (is_chosen_NE.cumsum(dim=0) * is_chosen_NE).sum(dim=1) - 1
        place_N = torch.where(queue_N < capacity, expert_N * capacity + queue_N, num_experts * capacity)
        return gate_N, place_N

    def forward(self, x_BTW: Tensor) -> Tensor:
        """What the experts say, weighted by the router's probability; zero for a token that found no place."""
        x_NW = x_BTW.flatten(0, 1)
        num_experts, width = self.router_EW.shape
        gate_N, place_N = self.route(x_NW)
        capacity = math.ceil(self.capacity_factor * len(x_NW) / num_experts)
        # one row more than there are places: tokens without one end there, and nobody reads it
        places = x_NW.new_zeros(num_experts * capacity + 1, width).index_copy(0, place_N, x_NW)
        hidden_ECH = torch.relu(torch.bmm(places[:-1].view(num_experts, capacity, width), self.into_EWH))
        out = torch.bmm(self.dropout(hidden_ECH), self.back_EHW).flatten(0, 1)
        out = torch.cat([out, out.new_zeros(1, width)])
        return (out[place_N] * gate_N[:, None]).view(x_BTW.shape)


def one_by_one(layer: SwitchFeedForward, x_NW: Tensor) -> Tensor:
    """What the layer says without jitter and dropout, by a loop over tokens: slow, waits for the device, for checks."""
    num_experts = len(layer.router_EW)
    capacity = math.ceil(layer.capacity_factor * len(x_NW) / num_experts)
    num_taken, said = [0] * num_experts, []
    for token_W in x_NW:
        probs_E = torch.softmax(layer.router_EW @ token_W, dim=0)
        expert = int(probs_E.argmax())
        num_taken[expert] += 1
        out_W = torch.relu(token_W @ layer.into_EWH[expert]) @ layer.back_EHW[expert]
        said.append(probs_E[expert] * out_W * (num_taken[expert] <= capacity))
    return torch.stack(said)


def sparse_layers(model: nn.Module) -> list[SwitchFeedForward]:
    """The layers of a model that have experts."""
    return [part for part in model.modules() if isinstance(part, SwitchFeedForward)]
