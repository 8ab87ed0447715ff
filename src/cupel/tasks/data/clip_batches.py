"""Batches of clips from videos: frames at a stride from a random place, one random crop for all of them.

Processes of a `torch.utils.data.DataLoader` read and decode (PyAV) from the last key frame on, crop, resize and mirror;
uint8 pixels go to the device, which normalises them.

Shapes: N clips, T frames, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data.endless_loader import Draw, endless_loader, to_device
from cupel.tasks.data.file_cache import need_media, note_owner
from cupel.tasks.data.photo_batches import MEAN, STD, normaliser
from cupel.tasks.data.photo_views import cut, random_crop
from cupel.tasks.data.video_files import ENVIRONMENT, Frames, count_frames, read_clip, videos

AREA = (0.3, 1.0)
"""Range of the crop's share of the frame."""


class ClipSet(torch.utils.data.Dataset[Frames]):
    """Videos by clips: `clip_set[Draw(file_idx, epoch)]` is uint8 (T, H, W, 3).

    Args:
        paths: the videos.
        sizes: `frames` of a clip, `stride` from one to the next, `side_px`.
        seed: of places and crops.

    Source:
        Bardes et al. 2024, Revisiting Feature Prediction for Learning Visual Representations from Video, appendix (the
        range of areas).
    """

    def __init__(self, paths: Sequence[Path], sizes: Sizes, *, seed: int) -> None:
        self.paths = list(paths)
        self.num_frames, self.stride, self.side_px = sizes.frames, sizes.stride, sizes.side_px
        self.seed = seed

    def __len__(self) -> int:
        """Number of videos."""
        return len(self.paths)

    def __getitem__(self, draw: Draw) -> Frames:
        """Read, decode and augment one clip."""
        from PIL import Image

        path, rng = self.paths[draw.file_idx], draw.rng(self.seed)
        num_spanned = (self.num_frames - 1) * self.stride + 1
        first = int(rng.integers(max(0, count_frames(path) - num_spanned) + 1))
        clip = read_clip(path, first=first, num_frames=self.num_frames, stride=self.stride)
        crop = random_crop(clip.shape[2], clip.shape[1], rng, area=AREA)
        return np.stack([cut(Image.fromarray(frame), crop, self.side_px) for frame in clip])


def collate_clips(samples: Sequence[Frames]) -> list[Tensor]:
    """A batch: uint8 (N, T, H, W, 3)."""
    return [torch.stack([torch.from_numpy(clip) for clip in samples])]


def clip_batches(sizes: Sizes, slot: Slot, *, rng: Seeds) -> Iterator[Tensor]:
    """Clips (N, T, 3, H, W) in fp32 on the device, normalised, without an end; the processes start at once.

    Args:
        sizes: `batch`, `frames`, `stride`, `side_px`; of made videos `files`, `file_frames` of each and `file_px`,
            their width, three quarters of which they are high; `workers`, the number of processes (0: this one does
            it all).
        slot: the device; ranks get different videos.
        rng: seeds for the order, the places and the crops.

    Raises:
        MissingExtraError: PyAV is not installed.
        UsageError: the user's folder has no videos.
    """
    need_media("Videos need PyAV")
    height_px = 2 * round(3 * sizes.file_px / 8)
    paths = videos(num_files=sizes.files, num_frames=sizes.file_frames, width_px=sizes.file_px, height_px=height_px)
    note_owner(slot, ENVIRONMENT, num_files=len(paths))
    clip_set: Any = ClipSet(paths, sizes, seed=rng.seed("augmentation"))
    loader = endless_loader(clip_set, collate_clips, sizes=sizes, slot=slot, rng=rng)
    normalised = normaliser(slot, mean=MEAN, std=STD)
    return (normalised(pixels[0].flatten(0, 1)).unflatten(0, (-1, sizes.frames)) for pixels in to_device(loader, slot))
