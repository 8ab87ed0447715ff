"""Two encoders that put queries and passages into one space, and the loss that brings pairs together.

Decisions: BERT encoders of the `transformers` library from a configuration with random weights, without pooler, one for
queries and one for passages with no weights shared; a text is its first token's last state; similarity is the dot
product. The negatives of a query are all passages of the batch but its own.

Shapes: B queries, N passages, the first B of them the queries' own in order; T tokens of a text, D width.

Source: Karpukhin et al. 2020, Dense Passage Retrieval for Open-Domain Question Answering, sections 3.1 and 3.2.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Sizes
from cupel.tasks.data.retrieval_pairs import Texts


def encoder(sizes: Sizes) -> Any:
    """An encoder of `layers`, `width`, `heads`, `feedforward`, `vocab_size`, `positions` and `dropout`."""
    from transformers.models.bert.configuration_bert import BertConfig
    from transformers.models.bert.modeling_bert import BertModel

    config = BertConfig(
        vocab_size=sizes.vocab_size,
        hidden_size=sizes.width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.feedforward,
        max_position_embeddings=sizes.positions,
        hidden_dropout_prob=sizes.dropout,
        attention_probs_dropout_prob=sizes.dropout,
        attn_implementation="sdpa",
    )
    return BertModel(config, add_pooling_layer=False)


class BiEncoder(nn.Module):
    """Similarities of queries and passages."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.queries = encoder(sizes)
        self.passages = encoder(sizes)

    def forward(self, queries: Texts, passages: Texts) -> Tensor:
        """Dot products (B, N)."""
        query_BD, passage_ND = (
            part(input_ids=texts.ids_BT, attention_mask=texts.may_see_B1TT).last_hidden_state[:, 0]
            for part, texts in ((self.queries, queries), (self.passages, passages))
        )
        scores_BN: Tensor = query_BD @ passage_ND.T
        return scores_BN


def in_batch_loss(scores_BN: Tensor) -> Tensor:
    """Mean of -ln of each query's own passage's share, the shares being the softmax over all passages; in fp32."""
    own_B = torch.arange(len(scores_BN), device=scores_BN.device)
    return F.cross_entropy(scores_BN.float(), own_B)
