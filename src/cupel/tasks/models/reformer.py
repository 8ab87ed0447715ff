"""The Reformer, written by hand: attention within buckets of similar tokens, local attention, reversible layers.

Decisions:
- Parameters and outputs are those of the `transformers` library's `ReformerForMaskedLM`, whose own code reads numbers
  back from the device and seeds the process's generator from the clock in every step of training.
- Layers alternate: local attention, then attention by locality-sensitive hashing. Both cut the sequence into chunks
  that see themselves and the chunk before; the first sees the last. Hashed tokens are sorted by bucket before the cut,
  share queries and keys, and see themselves only in want of others.
- Positions are axial: a row's and a column's numbers side by side. Dropout falls on the sum of word and position.
- Buckets are drawn anew in every pass, from torch's own generator.

Shapes: B sequences, T tokens, D width, H heads, W numbers of a head, R rounds of hashing, S = R T, C tokens of a chunk,
K chunks.

Source: Kitaev et al. 2020, Reformer: The Efficient Transformer, sections 2 and 3.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Sizes
from cupel.tasks.models.reversible import run_reversibly

HIDDEN_SCORE = -1e4
"""Score of a token with itself: too low to count beside any other, yet finite."""


def with_chunk_before(x_BHKCW: Tensor) -> Tensor:
    """Each chunk behind the one before it: (B, H, K, 2 C, W)."""
    return torch.cat([x_BHKCW.roll(1, dims=2), x_BHKCW], dim=3)


class Attention(nn.Module):
    """What the two kinds of attention share: norm, heads, output."""

    def __init__(self, sizes: Sizes, *, num_projections: int) -> None:
        super().__init__()
        inner = sizes.heads * sizes.head_dim
        self.heads, self.chunk, self.dropout = sizes.heads, sizes.chunk, sizes.dropout
        self.norm = nn.LayerNorm(sizes.width, eps=1e-12)
        self.projections = nn.ModuleList(nn.Linear(sizes.width, inner, bias=False) for _ in range(num_projections))
        self.output = nn.Linear(inner, sizes.width, bias=False)

    def heads_of(self, x_BTD: Tensor, num: int) -> list[Tensor]:
        """The first projections of the normed input, each (B, H, T, W)."""
        normed_BTD, shape = self.norm(x_BTD), (*x_BTD.shape[:2], self.heads, -1)
        return [project(normed_BTD).view(shape).transpose(1, 2) for project in self.projections[:num]]

    def in_chunks(self, x_BHSW: Tensor) -> Tensor:
        """Cut into chunks, (B, H, K, C, W)."""
        return x_BHSW.reshape(*x_BHSW.shape[:2], -1, self.chunk, x_BHSW.shape[3])

    def merged(self, x_BHTW: Tensor) -> Tensor:
        """The heads side by side, through the output layer."""
        return F.dropout(self.output(x_BHTW.transpose(1, 2).flatten(2)), self.dropout, self.training)


class LocalAttention(Attention):
    """Chunks of neighbours see themselves and the chunk before."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes, num_projections=3)

    def note(self, x_BTD: Tensor) -> None:
        """Nothing to note."""

    def forward(self, x_BTD: Tensor, note: None = None) -> Tensor:
        """The attention's output, (B, T, D)."""
        del note
        query, key, value = (self.in_chunks(part) for part in self.heads_of(x_BTD, 3))
        scores = query @ (with_chunk_before(key) * key.shape[-1] ** -0.5).transpose(3, 4)
        shares = F.dropout(scores.softmax(dim=4), self.dropout, self.training)
        return self.merged((shares.to(value.dtype) @ with_chunk_before(value)).flatten(2, 3))


class HashedAttention(Attention):
    """Tokens sorted by bucket; chunks of them see themselves and the chunk before."""

    further_calls = ("note",)

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes, num_projections=2)
        self.rounds, self.buckets = sizes.hashes, sizes.buckets

    @torch.no_grad()
    def note(self, x_BTD: Tensor) -> Tensor:
        """Tokens of all rounds in the order of their buckets, (B, H, S); the queries are projected once more for it."""
        (shared_BHTW,) = self.heads_of(x_BTD, 1)
        rotations = self.rotations(shared_BHTW)
        rotated = torch.einsum("bhtw,hwrn->bhrtn", shared_BHTW, rotations)
        bucket_BHRT = torch.cat([rotated, -rotated], dim=-1).argmax(dim=-1)
        round_R1 = torch.arange(self.rounds, device=x_BTD.device)[:, None]
        num_tokens = bucket_BHRT.shape[3]
        place_T = torch.arange(num_tokens, device=x_BTD.device)
        rank_BHRT = (bucket_BHRT + round_R1 * self.buckets) * num_tokens + place_T
        order_BHS: Tensor = rank_BHRT.flatten(2).argsort(dim=2)
        return order_BHS

    def rotations(self, like_BHTW: Tensor) -> Tensor:
        """Random directions (H, W, R, buckets / 2); a bucket is the nearest of them and of their opposites."""
        shape = (self.heads, like_BHTW.shape[3], self.rounds, self.buckets // 2)
        return torch.randn(shape, device=like_BHTW.device, dtype=like_BHTW.dtype)

    def forward(self, x_BTD: Tensor, note: Tensor | None = None) -> Tensor:
        """The attention's output, (B, T, D); a note from another pass over the same input gives the same buckets."""
        order_BHS = self.note(x_BTD) if note is None else note
        place_BHS1 = (order_BHS % x_BTD.shape[1])[..., None]
        query, value = (
            self.in_chunks(part.gather(2, place_BHS1.expand(-1, -1, -1, part.shape[3])))
            for part in self.heads_of(x_BTD, 2)
        )
        place_BHKC1 = self.in_chunks(place_BHS1)
        scores = query @ with_chunk_before(unit(query)).transpose(3, 4)
        scores = scores.masked_fill(place_BHKC1 == with_chunk_before(place_BHKC1).transpose(3, 4), HIDDEN_SCORE).float()
        total_BHKC1 = scores.logsumexp(dim=4, keepdim=True)
        shares = (scores - total_BHKC1).exp().to(value.dtype)
        found_BHSW = (shares @ with_chunk_before(value)).flatten(2, 3)
        back_BHS1 = order_BHS.argsort(dim=2)[..., None]
        by_round = (*order_BHS.shape[:2], self.rounds, x_BTD.shape[1], -1)
        found_BHRTW = found_BHSW.gather(2, back_BHS1.expand_as(found_BHSW)).view(by_round)
        weight_BHRT1 = total_BHKC1.flatten(2, 3).gather(2, back_BHS1).view(by_round).softmax(dim=2)
        return self.merged((found_BHRTW * weight_BHRT1.to(found_BHRTW.dtype)).sum(dim=2))


def unit(x: Tensor) -> Tensor:
    """Vectors of length 1, by their mean square in fp32."""
    mean_square = x.float().square().mean(dim=-1, keepdim=True)
    scale: Tensor = (mean_square + 1e-6).rsqrt() * x.shape[-1] ** -0.5
    return x * scale.to(x.dtype)


class FeedForward(nn.Module):
    """Two layers with a ramp between them."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.dropout = sizes.dropout
        self.norm = nn.LayerNorm(sizes.width, eps=1e-12)
        self.inner = nn.Linear(sizes.width, sizes.feedforward)
        self.output = nn.Linear(sizes.feedforward, sizes.width)

    def note(self, x_BTD: Tensor) -> None:
        """Nothing to note."""

    def forward(self, x_BTD: Tensor, note: None = None) -> Tensor:
        """The output, (B, T, D)."""
        del note
        inner = F.dropout(self.inner(self.norm(x_BTD)), self.dropout, self.training).relu()
        return F.dropout(self.output(inner), self.dropout, self.training)


class Reformer(nn.Module):
    """An encoder with a head for masked words.

    Args:
        sizes: `layers`, `width`, `heads`, `head_dim`, `feedforward`, `vocab_size`, `rows` x `columns` tokens,
            `row_dim` numbers of a position that tell its row, `chunk`, `hashes`, `buckets`, `dropout`.

    Attributes:
        run: how the layers are run; another one is set to check this one.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.run = run_reversibly
        self.dropout = sizes.dropout
        self.words = nn.Embedding(sizes.vocab_size, sizes.width)
        self.rows = nn.Parameter(torch.randn(sizes.rows, 1, sizes.row_dim))
        self.columns = nn.Parameter(torch.randn(1, sizes.columns, sizes.width - sizes.row_dim))
        kinds = (LocalAttention, HashedAttention)
        self.attentions = nn.ModuleList(kinds[idx % 2](sizes) for idx in range(sizes.layers))
        self.feedforwards = nn.ModuleList(FeedForward(sizes) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(2 * sizes.width, eps=1e-12)
        self.head = nn.Linear(2 * sizes.width, sizes.vocab_size)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, ids_BT: Tensor) -> Tensor:
        """Logits (B, T, vocabulary)."""
        rows, columns = self.rows, self.columns
        axes = [rows.expand(-1, columns.shape[1], -1), columns.expand(rows.shape[0], -1, -1)]
        x_BTD = self.words(ids_BT) + torch.cat(axes, dim=2).flatten(0, 1)
        x_BTD = F.dropout(x_BTD, self.dropout, self.training)
        layers: list[Any] = list(zip(self.attentions, self.feedforwards, strict=True))
        y_BTE = torch.cat(self.run(x_BTD, x_BTD, layers), dim=2)
        logits_BTV: Tensor = self.head(F.dropout(self.norm(y_BTE), self.dropout, self.training))
        return logits_BTV
