"""Utterances with what is said in them: sound that is made or from files, and random letters or words for it.

Shapes: B utterances, S samples of each, L letters or words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data.batch_stream import held_or_streamed
from cupel.tasks.data.power_law import power_law_indices
from cupel.tasks.data.sound_source import sounds


class SpelledSounds(NamedTuple):
    """A batch: waveforms in fp32, each of mean 0 and variance 1, and the letters spoken in them, from 1 on."""

    waveform_BS: Tensor
    letters_BL: Tensor


def spelled_batches(sizes: Sizes, slot: Slot, *, rng: Seeds, generator: torch.Generator) -> Sequence[SpelledSounds]:
    """Batches on the device: held ones, or with recordings from files a stream; letters are equally frequent.

    Args:
        sizes: `batches`, `batch`, `num_samples`, `letters`, `vocab_size`; for recordings `files`, `file_s`, `workers`.
        slot: the setting `data`, the device.
        rng: the seeds of what comes from files.
        generator: the source of the rest.
    """
    sound = sounds(sizes, slot, rng=rng, generator=generator, num_samples=sizes.num_samples)
    shape = (sizes.batch, sizes.letters)

    def spelled() -> Iterator[SpelledSounds]:
        for sound_BS in sound:
            letters_BL = torch.randint(1, sizes.vocab_size, shape, generator=generator, device=slot.device)
            yield SpelledSounds(F.layer_norm(sound_BS, sound_BS.shape[1:]), letters_BL)

    return held_or_streamed(spelled(), sizes, slot)


class Transcribed(NamedTuple):
    """Waveforms in fp32, ids of their words with the end of the text last, and which word may see which."""

    waveform_BS: Tensor
    labels_BL: Tensor
    may_see_11LL: Tensor


def transcribed_batches(sizes: Sizes, slot: Slot, *, rng: Seeds, num_samples: int) -> Sequence[Transcribed]:
    """Batches on the device: held ones, or with recordings from files a stream; words by Zipf's law.

    Args:
        sizes: `batches`, `batch`, `tokens`, `vocab_size`, of whose ids the last but one ends a text; for recordings
            `files`, `file_s`, `workers`.
        slot: the setting `data`, the device.
        rng: the seeds.
        num_samples: samples of each utterance.
    """
    generator, shape, end = slot.generator(rng.seed("data")), (sizes.batch, sizes.tokens), sizes.vocab_size - 2
    may_see_LL = torch.ones(sizes.tokens, sizes.tokens, dtype=torch.bool, device=slot.device).tril()
    sound = sounds(sizes, slot, rng=rng, generator=generator, num_samples=num_samples)

    def transcribed() -> Iterator[Transcribed]:
        for waveform_BS in sound:
            labels_BL = power_law_indices(shape, num_values=end, exponent=1.0, generator=generator)
            labels_BL[:, -1] = end
            yield Transcribed(waveform_BS, labels_BL, may_see_LL[None, None])

    return held_or_streamed(transcribed(), sizes, slot)
