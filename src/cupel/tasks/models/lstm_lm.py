"""A language model of stacked LSTM layers, from torch's own parts.

Decisions:
- Embedding, layers and output are of one width and not tied, dropout on every connection but the recurrent ones.
- Weights uniform in +-`init_range`, as published; torch keeps two biases for each gate, which add up to one.

Shapes: B sequences, T tokens of each, L layers, W width, V vocabulary.

Source: Zaremba et al. 2014, Recurrent Neural Network Regularization, section 4.1.
"""

from __future__ import annotations

from torch import Tensor, nn

State = tuple[Tensor, Tensor]
"""Hidden and cell state, each (L, B, W)."""


class LstmLanguageModel(nn.Module):
    """Reads tokens and predicts the next one of each.

    Args:
        vocab_size: number of words.
        width: of the embedding and of each layer.
        layers: number of LSTM layers.
        dropout: share of units that is dropped before, between and after the layers.
        init_range: bound of the uniform law of the weights.
    """

    def __init__(self, *, vocab_size: int, width: int, layers: int, dropout: float, init_range: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, width)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(width, width, layers, batch_first=True, dropout=dropout)
        self.output = nn.Linear(width, vocab_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -init_range, init_range)

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B, T, V), and the state after the last token."""
        x_BTW = self.dropout(self.embedding(ids_BT))
        x_BTW, state = self.lstm(x_BTW, state)
        return self.output(self.dropout(x_BTW)), state
