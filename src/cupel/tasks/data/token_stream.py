"""A long text, cut into rows that are read side by side, window by window.

Shapes: B rows, T tokens of a window.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data.batch_stream import held_or_streamed, is_from_files
from cupel.tasks.data.text_source import words_of

if TYPE_CHECKING:
    from torch import Tensor

    from cupel.tasks.data.power_law import Words


class Window(NamedTuple):
    """Ids to read and the ids that follow each of them, both int64 of shape (B, T)."""

    ids_BT: Tensor
    next_BT: Tensor


def window_batches(sizes: Sizes, slot: Slot, rng: Seeds) -> Sequence[Window]:
    """Windows of `batch` rows of `sequence` tokens on the device: `batches` held ones, or a stream of `disk`."""
    ids, generator = range(sizes.vocab_size), slot.generator(rng.seed("data"))
    words = words_of(slot, rng, ids=ids, generator=generator)

    num_windows = 1 if is_from_files(slot) else sizes.batches
    shape = {"rows": sizes.batch, "window": sizes.sequence, "num_windows": num_windows}
    texts = (token_windows(**shape, words=words) for _ in itertools.count())
    return held_or_streamed(itertools.chain.from_iterable(texts), sizes, slot)


def token_windows(*, rows: int, window: int, num_windows: int, words: Words) -> list[Window]:
    """Take a text and cut it; a row of a window goes on in the same row of the next one.

    Args:
        rows: parts of the text that are read side by side.
        window: tokens that are read at a time.
        num_windows: windows until the text ends.
        words: gives the text.
    """
    text = words((rows, window * num_windows + 1))
    starts = range(0, window * num_windows, window)
    return [
        Window(text[:, start : start + window].contiguous(), text[:, start + 1 : start + 1 + window].contiguous())
        for start in starts
    ]
