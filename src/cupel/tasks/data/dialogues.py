"""Questions about images with their answers: random words around random images or photographs.

Shapes: B dialogues, C channels, H height, W width, T words of a dialogue, S positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data.batch_stream import held_or_streamed
from cupel.tasks.data.image_source import whole_images
from cupel.tasks.data.power_law import power_law_indices


class Dialogues(NamedTuple):
    """A batch: images, the words around them, and which position may attend to which."""

    images_BCHW: Tensor
    words_BT: Tensor
    may_see_11SS: Tensor


def dialogue_batches(sizes: Sizes, slot: Slot, *, rng: Seeds, num_image_tokens: int) -> Sequence[Dialogues]:
    """Batches on the device: held ones, or with photographs from files a stream; words by Zipf's law, none of padding.

    Args:
        sizes: `batches`, `batch`, `image_px`, `vocab_size`; `before`, `question` and `answer`, words before the image
            and after it; for photographs `files`, `file_px` and `workers`.
        slot: the setting `data`, the device.
        rng: the seeds.
        num_image_tokens: positions that an image takes.
    """
    generator = slot.generator(rng.seed("data"))
    num_words = sizes.before + sizes.question + sizes.answer
    num_all = num_words + num_image_tokens
    may_see_SS = torch.ones(num_all, num_all, dtype=torch.bool, device=slot.device).tril()
    like = {"num_values": sizes.vocab_size, "exponent": 1.0, "generator": generator}
    dialogues = (
        Dialogues(images_BCHW, power_law_indices((sizes.batch, num_words), **like), may_see_SS[None, None])
        for images_BCHW in whole_images(sizes, slot, rng=rng, generator=generator)
    )
    return held_or_streamed(dialogues, sizes, slot)
