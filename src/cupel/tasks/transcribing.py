"""Writing down speech with an encoder-decoder: the sound in one pass, then a token at a time, keys and values kept.

Decisions: greedy, the likeliest token each time. Texts end by their length alone, since a model with random weights
ends them nowhere; nothing is read back from the device. Keys and values of the sound are computed once.

Shapes: B utterances, M mel bins, T frames, Q tokens of a prompt, L tokens of a text, V ids.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Transcript(NamedTuple):
    """Texts.

    Args:
        ids_BL: the prompt and what was written after it.
        logits_BNV: what each new token was chosen from, in fp32; None where it was not asked for.
        surprise: mean of -ln p over the new tokens, p being the model's probability of the token.
    """

    ids_BL: Tensor
    logits_BNV: Tensor | None
    surprise: Tensor


class Scribe:
    """A Whisper model of the `transformers` library with places for the keys and values of texts of one length.

    Args:
        model: a `WhisperForConditionalGeneration`, as it is to be called (compiled or not).
        config: its configuration, with as many layers in the decoder as in the encoder.
        num_prompt: tokens of the prompt.
        num_new: tokens to write.
    """

    def __init__(self, model: Any, config: Any, *, num_prompt: int, num_new: int) -> None:
        from transformers.cache_utils import EncoderDecoderCache, StaticCache

        self._model, self._num_new = model, num_new
        self._num_all = num_prompt + num_new
        self._cache = EncoderDecoderCache(
            StaticCache(config=config, max_cache_len=self._num_all),
            StaticCache(config=config, max_cache_len=config.max_source_positions),
        )

    def _logits(self, sound: tuple[Tensor], ids_BQ: Tensor, *, position_Q: Tensor, may_see_QL: Tensor) -> Tensor:
        """Logits (B, V) after tokens that stand at these places."""
        output = self._model(
            encoder_outputs=sound,
            decoder_input_ids=ids_BQ,
            decoder_attention_mask=may_see_QL[None, None].expand(len(ids_BQ), -1, -1, -1),
            decoder_position_ids=position_Q[None].expand(len(ids_BQ), -1),
            past_key_values=self._cache,
            use_cache=True,
        )
        logits_BV: Tensor = output.logits[:, -1].float()
        return logits_BV

    @torch.no_grad()
    def write(self, sound: tuple[Tensor], prompt_BQ: Tensor, *, keep_logits: bool = False) -> Transcript:
        """Write down each utterance; the last token written is not read again.

        Args:
            sound: what the encoder says of the utterances (B, T / 2, width), alone in a tuple.
            prompt_BQ: ids that the text begins with.
            keep_logits: whether to return what each token was chosen from.

        Cost: one pass over the prompt, and num_new - 1 passes over one token of each text.
        """
        self._cache.reset()
        ids, logits, surprises, fresh_BQ, start = [prompt_BQ], [], [], prompt_BQ, 0
        position_L = torch.arange(self._num_all, device=prompt_BQ.device)
        may_see_LL = position_L[:, None] >= position_L
        for _ in range(self._num_new):
            places = slice(start, start + fresh_BQ.shape[1])
            logits_BV = self._logits(sound, fresh_BQ, position_Q=position_L[places], may_see_QL=may_see_LL[places])
            start = places.stop
            fresh_BQ = logits_BV.argmax(dim=1, keepdim=True)
            ids.append(fresh_BQ)
            surprises.append(-logits_BV.log_softmax(dim=1).gather(1, fresh_BQ))
            if keep_logits:
                logits.append(logits_BV)
        kept_BNV = torch.stack(logits, dim=1) if keep_logits else None
        return Transcript(torch.cat(ids, dim=1), kept_BNV, torch.stack(surprises).mean())
