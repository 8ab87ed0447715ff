"""Batches of recordings from files: decoded, cut at a random place, in one channel at 16 kHz; for models of speech.

Processes of a `torch.utils.data.DataLoader` read and decode (libsndfile) as much of a recording as is taken. Where a
recording ends before the part does, the next file follows, so that every second that is counted is sound.

Shapes: B utterances, S samples of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data.audio_files import ENVIRONMENT, Samples, read_part, recordings
from cupel.tasks.data.endless_loader import Draw, endless_loader, to_device
from cupel.tasks.data.file_cache import need_media, note_owner

SPREAD = 0.5
"""By which share of the mean the lengths of made recordings differ at most."""


class RecordingSet(torch.utils.data.Dataset[Samples]):
    """Recordings by parts: `recording_set[Draw(file_idx, epoch)]` begins at a random place of a file; float32 (S)."""

    def __init__(self, paths: Sequence[Path], *, num_samples: int, seed: int) -> None:
        self.paths = list(paths)
        self.num_samples = num_samples
        self.seed = seed

    def __len__(self) -> int:
        """Number of recordings."""
        return len(self.paths)

    def __getitem__(self, draw: Draw) -> Samples:
        """Read and decode one part, and the next files where it needs them."""
        parts = [read_part(self.paths[draw.file_idx], num_samples=self.num_samples, place=draw.rng(self.seed).random())]
        file_idx, num_missing = draw.file_idx, self.num_samples - len(parts[0])
        while num_missing > 0:
            file_idx = (file_idx + 1) % len(self.paths)
            parts.append(read_part(self.paths[file_idx], num_samples=num_missing, place=0.0))
            num_missing -= len(parts[-1])
        return np.concatenate(parts)


def collate_sounds(samples: Sequence[Samples]) -> list[Tensor]:
    """A batch: float32 (B, S)."""
    return [torch.stack([torch.from_numpy(sound) for sound in samples])]


def recording_batches(sizes: Sizes, slot: Slot, *, rng: Seeds, num_samples: int) -> Iterator[Tensor]:
    """Waveforms (B, S) in fp32 on the device, 16 000 samples a second, without an end; the processes start at once.

    Args:
        sizes: `batch`; `files` and `file_s` of made recordings, their number and mean length; `workers`, the number of
            processes (0: this one does it all).
        slot: the device; ranks get different recordings.
        rng: seeds for the order and for the places.
        num_samples: S.

    Raises:
        MissingExtraError: soundfile is not installed.
        UsageError: the user's folder has no recordings.
    """
    need_media("Recordings need soundfile")
    lengths_s = [sizes.file_s * (1 + sign * SPREAD) for sign in (-1, 1)]
    paths = recordings(num_files=sizes.files, shortest_s=lengths_s[0], longest_s=lengths_s[1])
    note_owner(slot, ENVIRONMENT, num_files=len(paths))
    recording_set: Any = RecordingSet(paths, num_samples=num_samples, seed=rng.seed("augmentation"))
    loader = endless_loader(recording_set, collate_sounds, sizes=sizes, slot=slot, rng=rng)
    return (sounds[0] for sounds in to_device(loader, slot))
