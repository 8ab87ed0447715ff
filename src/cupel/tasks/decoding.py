"""Writing texts with a decoder: the prompt in one pass, then a token at a time, keys and values kept.

Decisions: the cache has a place for every position from the start, so that no shape depends on how far the text has
come; what a text before left in it is masked until it is written over. Keys and values are kept in the dtype of the
values: at mixed precision rotation leaves keys in fp32. Texts end by their length alone. Nothing is read back from the
device.

Shapes: B texts, P tokens of a prompt, N new tokens, T = P + N, Q tokens read in one pass, V ids, K candidates, H heads,
D numbers of a head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

Choose: TypeAlias = Callable[[Tensor], Tensor]
"""From logits (B, V) in fp32 to ids (B), int64."""


def likeliest(logits_BV: Tensor) -> Tensor:
    """The id of the highest logit."""
    return logits_BV.argmax(dim=1)


@dataclass(frozen=True)
class Sampler:
    """Draws ids with the probabilities of the logits, by the exponential race (the Gumbel-max trick).

    Args:
        generator: the random generator, on the device of the logits.
        top: how many of the likeliest ids are candidates; 0 for all.
        temperature: divides the logits.

    Source:
        Fan et al. 2018, Hierarchical Neural Story Generation, section 5.4 (top-k).
    """

    generator: torch.Generator
    top: int = 0
    temperature: float = 1.0

    def __call__(self, logits_BV: Tensor) -> Tensor:
        """An id for each text."""
        logits_BK, ids_BK = logits_BV.topk(self.top, dim=1) if self.top else (logits_BV, None)
        waits_BK = torch.empty_like(logits_BK).exponential_(generator=self.generator)
        picked_B1 = (logits_BK / self.temperature - waits_BK.log()).argmax(dim=1, keepdim=True)
        return (picked_B1 if ids_BK is None else ids_BK.gather(1, picked_B1)).squeeze(1)


class Written(NamedTuple):
    """Texts.

    Args:
        ids_BT: prompts and what was written after them.
        logits_BNV: what each new token was chosen from, in fp32; None where it was not asked for.
        surprise: mean of -ln p over the new tokens, p being the model's probability of the token at temperature 1.
    """

    ids_BT: Tensor
    logits_BNV: Tensor | None
    surprise: Tensor


class KeyValues:
    """Keys and values of T tokens in every layer, in the form that decoders of the `transformers` library ask for.

    Args:
        num_tokens: places for tokens.
    """

    is_compileable = True

    def __init__(self, num_tokens: int) -> None:
        self.num_tokens = num_tokens
        self.place_Q = torch.empty(0, dtype=torch.int64)
        self.layers: dict[int, tuple[Tensor, Tensor]] = {}

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Places, taken or not."""
        del layer_idx
        return self.num_tokens

    def update(self, key_BHQD: Tensor, value_BHQD: Tensor, layer_idx: int, *_: Any) -> tuple[Tensor, Tensor]:
        """Keep what was made of the tokens at `place_Q`; returns what is kept of all T."""
        if layer_idx not in self.layers:
            shape = (*value_BHQD.shape[:2], self.num_tokens, value_BHQD.shape[3])
            self.layers[layer_idx] = value_BHQD.new_zeros(shape), value_BHQD.new_zeros(shape)
        for kept, fresh in zip(self.layers[layer_idx], (key_BHQD, value_BHQD), strict=True):
            kept.index_copy_(2, self.place_Q, fresh.to(kept.dtype))
        return self.layers[layer_idx]


class Writer:
    """A decoder with a cache for texts of one length.

    Args:
        model: a causal language model of the `transformers` library.
        num_prompt: tokens of a prompt.
        num_new: tokens to write.
    """

    def __init__(self, model: Any, *, num_prompt: int, num_new: int) -> None:
        self._model = model
        self._num_prompt, self._num_new = num_prompt, num_new
        self._cache = KeyValues(num_prompt + num_new)

    def _logits(self, ids_BQ: Tensor, *, position_Q: Tensor, may_see_QT: Tensor) -> Tensor:
        """Logits (B, V) after tokens that stand at these places."""
        self._cache.place_Q = position_Q
        output = self._model(
            input_ids=ids_BQ,
            attention_mask=may_see_QT[None, None].expand(len(ids_BQ), -1, -1, -1),
            position_ids=position_Q[None],
            past_key_values=self._cache,
            logits_to_keep=1,
        )
        logits_BV: Tensor = output.logits[:, -1].float()
        return logits_BV

    @torch.no_grad()
    def write(self, prompts_BP: Tensor, choose: Choose, *, keep_logits: bool = False) -> Written:
        """Go on with each prompt; the last token written is not read again.

        Cost: one pass over the prompts, and num_new - 1 passes over one token of each text.
        """
        ids, logits, surprises, fresh_BQ, start = [prompts_BP], [], [], prompts_BP, 0
        position_T = torch.arange(self._num_prompt + self._num_new, device=prompts_BP.device)
        may_see_TT = position_T[:, None] >= position_T
        for _ in range(self._num_new):
            places = slice(start, start + fresh_BQ.shape[1])
            logits_BV = self._logits(fresh_BQ, position_Q=position_T[places], may_see_QT=may_see_TT[places])
            start = places.stop
            fresh_BQ = choose(logits_BV)[:, None]
            ids.append(fresh_BQ)
            surprises.append(-logits_BV.log_softmax(dim=1).gather(1, fresh_BQ))
            if keep_logits:
                logits.append(logits_BV)
        kept_BNV = torch.stack(logits, dim=1) if keep_logits else None
        return Written(torch.cat(ids, dim=1), kept_BNV, torch.stack(surprises).mean())
