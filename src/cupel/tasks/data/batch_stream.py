"""Batches from where a run's `data` setting says: a few that are drawn once and held, or a stream from files.

A workload that takes `"data": ("synthetic", "disk")` into its settings makes its batches by one generator for both,
which draws the next batch or has it from files, hands it to `held_or_streamed`, and goes round by `in_rotation`. Its
`sane` holds one round by `list`, since what comes from files never comes twice in the same form.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar, overload

from cupel.spec import Sizes, Slot

T = TypeVar("T")


class BatchStream(Sequence[T]):
    """Batches that are new at each look: an item is the next batch of the stream, whatever its index.

    Args:
        stream: batches without an end.
        num_batches: how many are one round; `list(batch_stream)` takes as many and holds them.
    """

    def __init__(self, stream: Iterator[T], *, num_batches: int) -> None:
        self.stream = stream
        self.num_batches = num_batches

    def __len__(self) -> int:
        """Batches of one round."""
        return self.num_batches

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        """The next batch; for a slice, as many as it is long."""
        if isinstance(index, slice):
            return [self[idx] for idx in range(*index.indices(self.num_batches))]
        if not 0 <= index < self.num_batches:
            raise IndexError(f"index {index} was asked of a round of {self.num_batches} batches")
        return next(self.stream)


def is_from_files(slot: Slot) -> bool:
    """Whether the run's data come from files: its `data` setting is `disk` (`synthetic` where there is none)."""
    return bool(slot.settings.get("data", "synthetic") == "disk")


def held_or_streamed(batches: Iterator[T], sizes: Sizes, slot: Slot) -> Sequence[T]:
    """The first `sizes.batches` batches, drawn now and held; of files all of them, as they come.

    Args:
        batches: batches without an end.
        sizes: `batches`, their number in one round.
        slot: the setting `data`.
    """
    if is_from_files(slot):
        return BatchStream(batches, num_batches=sizes.batches)
    return list(itertools.islice(batches, sizes.batches))


def in_rotation(batches: Iterable[T]) -> Iterator[T]:
    """The batches round after round without an end; `itertools.cycle` would keep the first round of a stream."""
    while True:
        yield from batches
