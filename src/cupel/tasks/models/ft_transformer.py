"""A transformer over the features of a table (FT-Transformer), written by hand.

Decisions:
- Every number becomes a token: its value times a learned vector, plus another. A token [CLS] is read at the end.
- Pre-norm layers, the first without its first norm; ReGLU in the feed-forward part; layer norm, ReLU and a linear layer
  at the output. Dropout of attention weights and of the feed-forward's units, none of the residual.
- Weights as in the authors' code: tokens uniform in +-1/sqrt(width), linear layers as torch has them.
- Numerical features only, as the tables here have; categorical ones would be embeddings beside them.

Shapes: B rows, F features, T = F + 1 tokens, W width, H heads, D width of a head, K outputs.

Source: Gorishniy et al. 2021, Revisiting Deep Learning Models for Tabular Data, section 3.3 and appendix E.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)


class Tokenizer(nn.Module):
    """A token for each feature, and [CLS] as the last one."""

    def __init__(self, num_features: int, width: int) -> None:
        super().__init__()
        bound = width**-0.5
        self.scale_FW = nn.Parameter(torch.empty(num_features, width).uniform_(-bound, bound))
        self.shift_FW = nn.Parameter(torch.empty(num_features, width).uniform_(-bound, bound))
        self.cls_W = nn.Parameter(torch.empty(width).uniform_(-bound, bound))

    def forward(self, x_BF: Tensor) -> Tensor:
        """Tokens (B, T, W)."""
        tokens_BFW = x_BF[:, :, None] * self.scale_FW + self.shift_FW
        return torch.cat([tokens_BFW, self.cls_W.expand(len(x_BF), 1, -1)], dim=1)


class Attention(nn.Module):
    """Multi-head attention of every token to all tokens of its row."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def split(self, x_BTW: Tensor) -> Tensor:
        """Heads apart, shape (B, H, T, D)."""
        return x_BTW.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def forward(self, x_BTW: Tensor, context_BTW: Tensor) -> Tensor:
        """What the tokens `x` find in `context`."""
        found_BHTD = F.scaled_dot_product_attention(
            self.split(self.query(x_BTW)),
            self.split(self.key(context_BTW)),
            self.split(self.value(context_BTW)),
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.out(found_BHTD.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Attention and feed-forward part, each beside a shortcut."""

    def __init__(self, width: int, *, heads: int, hidden: int, dropouts: tuple[float, float], is_first: bool) -> None:
        super().__init__()
        self.attention_norm = nn.Identity() if is_first else nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropouts[0])
        self.norm = nn.LayerNorm(width)
        self.gated = nn.Linear(width, 2 * hidden)
        self.dropout = nn.Dropout(dropouts[1])
        self.back = nn.Linear(hidden, width)

    def forward(self, x_BTW: Tensor, num_read: int) -> Tensor:
        """The last `num_read` tokens after the layer."""
        normed_BTW = self.attention_norm(x_BTW)
        x_BTW = x_BTW[:, -num_read:] + self.attention(normed_BTW[:, -num_read:], normed_BTW)
        value, gate = self.gated(self.norm(x_BTW)).chunk(2, dim=-1)
        return x_BTW + self.back(self.dropout(value * torch.relu(gate)))


class FtTransformer(nn.Module):
    """Tokenizer, layers, and an output that reads [CLS].

    Args:
        num_features: numbers in a row.
        width: of a token.
        layers: number of layers.
        heads: attention heads of each; the hidden width of the feed-forward part is 4/3 of `width`.
        dropouts: of attention weights and of the feed-forward's units.
    """

    def __init__(
        self, *, num_features: int, width: int, layers: int, heads: int, dropouts: tuple[float, float]
    ) -> None:
        super().__init__()
        self.tokenizer = Tokenizer(num_features, width)
        hidden = 4 * width // 3
        self.layers = nn.ModuleList(
            Layer(width, heads=heads, hidden=hidden, dropouts=dropouts, is_first=idx == 0) for idx in range(layers)
        )
        self.head = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, x_BF: Tensor) -> Tensor:
        """Logits, shape (B)."""
        tokens_BTW = self.tokenizer(x_BF)
        for layer in self.layers[:-1]:
            tokens_BTW = layer(tokens_BTW, tokens_BTW.shape[1])
        cls_B1W = self.layers[-1](tokens_BTW, 1)  # nothing else of the last layer is read
        return self.head(cls_B1W[:, 0]).squeeze(1)
