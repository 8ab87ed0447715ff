"""GPT-NeoX decoders of the `transformers` library, from a configuration, with random weights, and heads for feedback.

Shapes: B texts, T tokens of each, R of them the response at the end, V ids, D width.

Source: Biderman et al. 2023, Pythia: A Suite for Analyzing Large Language Models Across Training and Scaling, table 1;
Black et al. 2022, GPT-NeoX-20B.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cupel.spec import Sizes


def config_of(sizes: Sizes) -> Any:
    """The configuration of `layers`, `width`, `heads`, `feedforward` and `vocab_size`; no dropout, as published."""
    from transformers.models.gpt_neox.configuration_gpt_neox import GPTNeoXConfig

    return GPTNeoXConfig(
        vocab_size=sizes.vocab_size,
        hidden_size=sizes.width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.feedforward,
        max_position_embeddings=2048,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25},
        use_parallel_residual=True,
        attn_implementation="sdpa",
        use_cache=False,
    )


def gpt_neox(sizes: Sizes) -> Any:
    """A decoder with its output layer, on torch's default device."""
    from transformers.models.gpt_neox.modeling_gpt_neox import GPTNeoXForCausalLM

    return GPTNeoXForCausalLM(config_of(sizes))


def earlier_only(ids_BT: Tensor) -> Tensor:
    """Which token sees which, (B, 1, T, T): the library's own way of finding that out reads a number back."""
    num_tokens = ids_BT.shape[1]
    may_see_TT = torch.ones(num_tokens, num_tokens, dtype=torch.bool, device=ids_BT.device).tril()
    return may_see_TT.expand(len(ids_BT), 1, -1, -1)


class Judge(nn.Module):
    """A decoder that gives a number after each token, in fp32: a value, or at the end of a text its reward."""

    def __init__(self, sizes: Sizes) -> None:
        from transformers.models.gpt_neox.modeling_gpt_neox import GPTNeoXModel

        super().__init__()
        self.decoder = GPTNeoXModel(config_of(sizes))
        self.head = nn.Linear(sizes.width, 1, bias=False)
        nn.init.normal_(self.head.weight, std=(sizes.width + 1) ** -0.5)

    def forward(self, ids_BT: Tensor) -> Tensor:
        """A number after each token, (B, T)."""
        state_BTD = self.decoder(input_ids=ids_BT, attention_mask=earlier_only(ids_BT)).last_hidden_state
        numbers_BT: Tensor = self.head(state_BTD).squeeze(2).float()
        return numbers_BT


class Writing(nn.Module):
    """A policy over the tokens of a response, and the value of the text before each of them.

    Args:
        writer: the decoder that writes.
        judge: the network of the values.
        num_new: tokens of a response.
        temperature: divides the logits, as it does when responses are drawn.
    """

    further_calls = ("read",)

    def __init__(self, writer: Any, judge: Judge, *, num_new: int, temperature: float) -> None:
        super().__init__()
        self.writer, self.judge = writer, judge
        self.num_new, self.temperature = num_new, temperature

    def forward(self, ids_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Log probabilities (B, V, R) of what may stand at each place of the response, and values (B, R), in fp32."""
        return self.log_probs(self.writer, ids_BT), self.judge(ids_BT)[:, -self.num_new - 1 : -1]

    def read(self, **words: Any) -> Any:
        """One pass of the writer alone, in the words of the `transformers` library."""
        return self.writer(**words)

    def log_probs(self, writer: Any, ids_BT: Tensor) -> Tensor:
        """The same log probabilities (B, V, R) for any decoder."""
        output = writer(input_ids=ids_BT, attention_mask=earlier_only(ids_BT), logits_to_keep=self.num_new + 1)
        logits_BRV = output.logits[:, :-1]
        return torch.log_softmax(logits_BRV.float() / self.temperature, dim=2).transpose(1, 2)
