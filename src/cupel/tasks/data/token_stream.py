"""A long text, cut into rows that are read side by side, window by window.

Shapes: B rows, T tokens of a window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cupel.tasks.data.power_law import power_law_indices

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Window(NamedTuple):
    """Ids to read and the ids that follow each of them, both int64 of shape (B, T)."""

    ids_BT: Tensor
    next_BT: Tensor


def token_windows(
    *, rows: int, window: int, num_windows: int, vocab_size: int, generator: torch.Generator
) -> list[Window]:
    """Draw a text by Zipf's law and cut it; a row of a window goes on in the same row of the next one.

    Args:
        rows: parts of the text that are read side by side.
        window: tokens that are read at a time.
        num_windows: windows until the text ends.
        vocab_size: size of the vocabulary.
        generator: the random generator; the text is on its device.
    """
    shape = (rows, window * num_windows + 1)
    text = power_law_indices(shape, num_values=vocab_size, exponent=1.0, generator=generator)
    starts = range(0, window * num_windows, window)
    return [
        Window(text[:, start : start + window].contiguous(), text[:, start + 1 : start + 1 + window].contiguous())
        for start in starts
    ]
