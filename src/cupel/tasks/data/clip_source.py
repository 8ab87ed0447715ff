"""Clips with masks from where the run's `data` setting says: random pixels, or videos from files.

A workload that takes `"data": ("synthetic", "disk")` into its settings, and `files`, `file_frames`, `file_px`, `stride`
and `workers` into its sizes, gets its clips here.
"""

from __future__ import annotations

from collections.abc import Sequence

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data.batch_stream import BatchStream, is_from_files
from cupel.tasks.data.video_masks import LONG, SHORT, MaskedClips, grid_of, masked_clips, video_mask


def masked_batches(sizes: Sizes, slot: Slot, *, rng: Seeds, slice_frames: int) -> Sequence[MaskedClips]:
    """Batches on the device: held ones, or with videos from files a stream; under masks of small and of large blocks.

    Args:
        sizes: `batches`, `batch`, `frames`, `side_px`, `patch_px`; for `disk` also `stride`, `files`, `file_frames`,
            `file_px` and `workers`.
        slot: the setting `data` (`synthetic` where there is none), the device.
        rng: the seeds.
        slice_frames: frames that a patch lasts.
    """
    shape, patch = (sizes.batch, sizes.frames, sizes.side_px), (slice_frames, sizes.patch_px)
    generator, kinds = slot.generator(rng.seed("data")), (SHORT, LONG)
    if not is_from_files(slot):
        return [masked_clips(shape, patch, kinds=kinds, generator=generator) for _ in range(sizes.batches)]
    from cupel.tasks.data.clip_batches import clip_batches

    like = {"num_clips": sizes.batch, "grid": grid_of(shape, patch), "generator": generator}
    stream = (
        MaskedClips(clips_NTCHW, [video_mask(kind, **like) for kind in kinds])
        for clips_NTCHW in clip_batches(sizes, slot, rng=rng)
    )
    return BatchStream(stream, num_batches=sizes.batches)
