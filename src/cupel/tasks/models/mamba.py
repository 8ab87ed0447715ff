"""Mamba: a language model of selective state spaces, written by hand in torch.

Decisions:
- The scan is `cupel.tasks.linear_scan`, in fp32 at every precision. As in the authors' kernel its states (16 numbers
  for each inner channel and token) are not kept for the backward pass but worked out again.
- Layers are a norm and a mixer beside a shortcut, which stays in fp32; the output is tied to the embedding.
- Weights as in the authors' code: embedding normal with 0.02, A = -(1, ..., S) in every channel, D = 1, time steps
  log-uniform from 0.001 to 0.1, output layers divided by the root of the number of layers.

Shapes: B sequences, T tokens, W width, I = 2 W inner channels, R rank of the time step, S state of a channel,
V vocabulary.

Source: Gu & Dao 2023, Mamba: Linear-Time Sequence Modeling with Selective State Spaces, section 3 and appendix E.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)
from torch.utils.checkpoint import checkpoint

from cupel.tasks.linear_scan import linear_scan

EXPANSION = 2
"""Inner channels of a mixer for each of its outer ones."""
KERNEL = 4
"""Tokens that the short convolution sees."""
LEAST, LARGEST = 0.001, 0.1
"""Bounds of the time step at the start."""


def selective_scan(x_BTI: Tensor, step_BTI: Tensor, a_IS: Tensor, b_BTS: Tensor, c_BTS: Tensor) -> Tensor:
    """Let each channel's state decay by exp(step a), take in step b x, and be read by c; fp32, shape (B, T, I)."""
    decay_BTIS = torch.exp(step_BTI[..., None] * a_IS)
    taken_BTIS = (step_BTI * x_BTI)[..., None] * b_BTS[:, :, None]
    # a sum of products and not a matrix product, which autocast would do in the lower precision
    return (linear_scan(decay_BTIS, taken_BTIS) * c_BTS[:, :, None]).sum(dim=3)


class Mixer(nn.Module):
    """Short convolution and selective scan, gated."""

    def __init__(self, width: int, state: int) -> None:
        super().__init__()
        inner, rank = EXPANSION * width, math.ceil(width / 16)
        self.split = rank, state, state
        self.expand = nn.Linear(width, 2 * inner, bias=False)
        self.conv = nn.Conv1d(inner, inner, KERNEL, padding=KERNEL - 1, groups=inner)
        self.select = nn.Linear(inner, rank + 2 * state, bias=False)
        self.step = nn.Linear(rank, inner)
        self.a_log_IS = nn.Parameter(torch.log(torch.arange(1.0, state + 1)).repeat(inner, 1))
        self.d_I = nn.Parameter(torch.ones(inner))
        self.back = nn.Linear(inner, width, bias=False)
        nn.init.uniform_(self.step.weight, -(rank**-0.5), rank**-0.5)
        first = torch.exp(torch.rand(inner) * math.log(LARGEST / LEAST) + math.log(LEAST))
        self.step.bias = nn.Parameter(first + torch.log(-torch.expm1(-first)))  # softplus of it is `first`

    def forward(self, x_BTW: Tensor) -> Tensor:
        """What the tokens up to each one say about it."""
        x_BTI, gate_BTI = self.expand(x_BTW).chunk(2, dim=2)
        x_BTI = F.silu(self.conv(x_BTI.transpose(1, 2))[:, :, : x_BTW.shape[1]].transpose(1, 2))
        rank_BTR, b_BTS, c_BTS = self.select(x_BTI).split(self.split, dim=2)
        step_BTI = F.softplus(self.step(rank_BTR).float())
        operands = x_BTI.float(), step_BTI, -torch.exp(self.a_log_IS), b_BTS.float(), c_BTS.float()
        y_BTI = checkpoint(selective_scan, *operands, use_reentrant=False, preserve_rng_state=False)
        y_BTI = (y_BTI + self.d_I * operands[0]).to(gate_BTI.dtype)
        return self.back(y_BTI * F.silu(gate_BTI))


class Mamba(nn.Module):
    """A decoder that predicts the next token.

    Args:
        vocab_size: number of tokens.
        width: of a token.
        layers: number of layers.
        state: numbers that an inner channel remembers.
    """

    def __init__(self, *, vocab_size: int, width: int, layers: int, state: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.norms = nn.ModuleList(nn.RMSNorm(width, eps=1e-5) for _ in range(layers))
        self.mixers = nn.ModuleList(Mixer(width, state) for _ in range(layers))
        with torch.no_grad():
            for name, parameter in self.mixers.named_parameters():
                if name.endswith("back.weight"):
                    parameter.div_(layers**0.5)
        self.last_norm = nn.RMSNorm(width, eps=1e-5)

    def forward(self, ids_BT: Tensor) -> Tensor:
        """Logits, shape (B, T, V)."""
        x_BTW = self.embedding(ids_BT)
        for norm, mixer in zip(self.norms, self.mixers, strict=True):
            x_BTW = x_BTW + mixer(norm(x_BTW)).float()
        return F.linear(self.last_norm(x_BTW), self.embedding.weight)
