"""Video files that are like films of real scenes, and the user's own videos.

A made video is a picture like a photograph (`cupel.tasks.data.photo_files`) over which the camera moves, with a thing
in front that moves by itself, and the grain of a sensor in each frame; encoded with H.264 as videos of data sets are.
Random noise, which no codec can predict, would make files many times larger and decoding a different kind of work.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from cupel.spec import UsageError
from cupel.tasks.data.file_cache import cached_folder, users_folder
from cupel.tasks.data.photo_files import photo_like

Frames: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
ENVIRONMENT = "CUPEL_VIDEO"
VERSION = 1
"""Part of the folder's name: changed with anything that changes a pixel."""
SUFFIXES = frozenset({".mp4", ".webm", ".mkv", ".avi", ".mov"})
FRAMES_PER_S = 25
CODECS = ("libx264", "mpeg4")
"""The first that PyAV was built with is taken."""
QUALITY = {"crf": "23", "preset": "veryfast"}
MARGIN = 1.3
"""Sides of the picture by the sides of a frame: how far the camera can move."""
GRAIN = 2.0
"""Standard deviation of the grain, of 255."""


def videos(*, num_files: int, num_frames: int, width_px: int, height_px: int) -> list[Path]:
    """The user's videos where `$CUPEL_VIDEO` names a folder of them, else made ones.

    Args:
        num_files: files to make; the user's own are all taken.
        num_frames: frames of a made one, 25 a second.
        width_px: width of a made one, even.
        height_px: height of a made one, even.

    Raises:
        UsageError: the user's folder has no videos.
    """
    own = users_folder(ENVIRONMENT, "a folder with videos, at any depth")
    if own is not None:
        return find_videos(own)

    def make(folder: Path) -> None:
        def write(index: int) -> None:
            frames = film_like(num_frames, (height_px, width_px), np.random.default_rng((VERSION, index)))
            write_video(folder / f"video_{index:05}.mp4", frames, (height_px, width_px))

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(write, range(num_files)))

    name = f"videos-v{VERSION}-{num_files}x{num_frames}frames-{width_px}x{height_px}px"
    return find_videos(cached_folder(name, make))


def find_videos(root: Path) -> list[Path]:
    """All videos of a folder, at any depth, by name.

    Raises:
        UsageError: there are none.
    """
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise UsageError(f"{root} has no videos; expected files that end in {', '.join(sorted(SUFFIXES))}.")
    return found


def film_like(num_frames: int, shape: tuple[int, int], rng: np.random.Generator) -> Iterator[Frames]:
    """Frames uint8 (height, width, 3) of one scene; `shape` is (height, width) in px."""
    height_px, width_px = shape
    scene = photo_like(round(height_px * MARGIN), round(width_px * MARGIN), rng)
    thing = photo_like(height_px // 3, width_px // 3, rng)
    rows, columns = np.ogrid[-1 : 1 : thing.shape[0] * 1j, -1 : 1 : thing.shape[1] * 1j]
    is_thing = (rows**2 + columns**2 < 1)[..., None]
    grain = GRAIN * rng.standard_normal((8, *shape, 1), dtype=np.float32)
    camera_T2, thing_T2 = _path(num_frames, rng), _path(num_frames, rng)
    for camera, place in zip(camera_T2, thing_T2, strict=True):
        top, left = (camera * (scene.shape[0] - height_px, scene.shape[1] - width_px)).astype(int)
        frame = scene[top : top + height_px, left : left + width_px].astype(np.float32)
        top, left = (place * (height_px - thing.shape[0], width_px - thing.shape[1])).astype(int)
        behind = frame[top : top + thing.shape[0], left : left + thing.shape[1]]
        behind[:] = np.where(is_thing, thing, behind)
        frame += grain[rng.integers(len(grain))]
        yield frame.clip(0, 255).astype(np.uint8)


def _path(num_frames: int, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A smooth path (frame, (down, right)) within [0, 1], there and back in 4 to 12 s."""
    seconds = np.arange(num_frames)[:, None] / FRAMES_PER_S
    turns = seconds / rng.uniform(4.0, 12.0, 2) + rng.random(2)
    return 0.5 + 0.5 * np.sin(2 * np.pi * turns)


def write_video(path: Path, frames: Iterator[Frames], shape: tuple[int, int]) -> None:
    """Encode frames of a shape (height, width), both even."""
    import av

    codec = next(name for name in CODECS if name in av.codecs_available)
    with av.open(str(path), "w") as container:
        options = QUALITY if codec == CODECS[0] else {}
        stream: Any = container.add_stream(codec, rate=FRAMES_PER_S, options=options)
        stream.height, stream.width = shape
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def count_frames(path: Path) -> int:
    """Frames of a video, as its header says or, where it does not, as they are counted."""
    with _opened(path) as container:
        stream = container.streams.video[0]
        return int(stream.frames) or sum(1 for packet in container.demux(stream) if packet.pts is not None)


def read_clip(path: Path, *, first: int, num_frames: int, stride: int = 1) -> Frames:
    """Frames `first`, `first + stride`, ... of a video: uint8 (num_frames, height, width, 3).

    Decoding starts at the last key frame before the first one. A video that ends too early ends with its last frame,
    repeated.

    Raises:
        UsageError: it is no video, is damaged, or ends before the first frame; the message names it.
    """
    wanted = [first + stride * number for number in range(num_frames)]
    clip: list[Frames] = []
    last: Frames | None = None
    try:
        for idx, frame in _frames_from(path, first):
            num_due = sum(idx >= number for number in wanted[len(clip) :])
            if num_due:  # more than one where the video has a gap
                last = frame.to_ndarray(format="rgb24")
                clip += [last] * num_due
            if len(clip) == num_frames:
                break
    except _decoding_errors() as error:
        raise UsageError(f"{path} cannot be decoded: {error}; replace or remove it.") from error
    if last is None:
        raise UsageError(f"{path} ends before frame {first}; ask for an earlier one, or remove it.")
    return np.stack(clip + [last] * (num_frames - len(clip)))


def _frames_from(path: Path, first: int) -> Iterator[tuple[int, Any]]:
    """Numbered frames from the last key frame before `first` on."""
    with _opened(path) as container:
        stream = container.streams.video[0]
        rate = Fraction(stream.average_rate or FRAMES_PER_S)
        begin = stream.start_time or 0
        if first:
            container.seek(begin + int(first / rate / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            yield round((frame.pts - begin) * stream.time_base * rate), frame


def _opened(path: Path) -> Any:
    """An open container with a video in it."""
    import av

    try:
        container = av.open(str(path))
    except av.FFmpegError as error:
        raise UsageError(f"{path} cannot be opened: {error}; replace or remove it.") from error
    if not container.streams.video:
        container.close()
        raise UsageError(f"{path} holds no pictures; replace or remove it.")
    return container


def _decoding_errors() -> type[Exception]:
    """What PyAV raises for a damaged file."""
    import av

    return av.FFmpegError
