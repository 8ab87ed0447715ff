"""Sound from where the run's `data` setting says: made like a voice on the device, or recordings from files.

A workload that takes `"data": ("synthetic", "disk")` into its settings, and `files`, `file_s` and `workers` into its
sizes, gets its waveforms here.

Shapes: B utterances, S samples of each.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data.batch_stream import is_from_files
from cupel.tasks.data.waveforms import waveforms

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def sounds(sizes: Sizes, slot: Slot, *, rng: Seeds, generator: torch.Generator, num_samples: int) -> Iterator[Tensor]:
    """Waveforms (B, S) in fp32 on the device, 16 000 samples a second, without an end.

    Args:
        sizes: `batch`; for `disk` also `files`, `file_s` and `workers`.
        slot: the setting `data` (`synthetic` where there is none), the device.
        rng: the seeds of the order of recordings and of the places in them.
        generator: the source of made waveforms; those of a batch are drawn when it is taken.
        num_samples: S.
    """
    if is_from_files(slot):
        from cupel.tasks.data.recording_batches import recording_batches

        return recording_batches(sizes, slot, rng=rng, num_samples=num_samples)
    return (waveforms(batch=sizes.batch, num_samples=num_samples, generator=generator) for _ in itertools.count())
