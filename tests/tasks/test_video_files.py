"""Made videos move smoothly, and clips have the frames that were asked for."""

from __future__ import annotations

import numpy as np
import pytest

av = pytest.importorskip("av", reason="videos are coded by PyAV")

from cupel.spec import UsageError
from cupel.tasks.data.video_files import count_frames, film_like, read_clip, videos, write_video

SHAPE = (48, 64)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CUPEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CUPEL_VIDEO", raising=False)
    return tmp_path


def make(num_files: int = 1, num_frames: int = 30):
    return videos(num_files=num_files, num_frames=num_frames, width_px=SHAPE[1], height_px=SHAPE[0])


def all_frames(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def numbered_video(path, num_frames: int) -> None:
    """Frame k is grey of brightness 40 + 3k, with a key frame every 12 frames at least (so that seeking matters)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, options={"qmin": "1", "qmax": "1"})
        stream.height, stream.width, stream.pix_fmt = *SHAPE, "yuv420p"
        for number in range(num_frames):
            frame = np.full((*SHAPE, 3), 40 + 3 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def test_a_film_moves_smoothly():
    frames = np.stack(list(film_like(26, (120, 160), np.random.default_rng(0)))).astype(float)
    assert frames.shape == (26, 120, 160, 3)
    step = np.abs(np.diff(frames, axis=0)).mean()
    far = np.abs(frames[25] - frames[0]).mean()
    assert 1.0 < step < 0.6 * far
    assert frames.std() > 20


def test_videos_are_made_once_and_can_be_told_apart():
    paths = make(num_files=2)
    assert [count_frames(path) for path in paths] == [30, 30]
    first, second = (all_frames(path) for path in paths)
    assert first.shape == second.shape == (30, *SHAPE, 3)
    assert np.abs(first.astype(int) - second).mean() > 10
    assert make(num_files=2) == paths


def test_a_codec_can_predict_a_made_video_and_leaves_it_recognisable(cache):
    frames = np.stack(list(film_like(20, SHAPE, np.random.default_rng(3))))
    write_video(cache / "film.mp4", iter(frames), SHAPE)
    assert np.abs(all_frames(cache / "film.mp4").astype(int) - frames).mean() < 12
    noise = np.random.default_rng(0).integers(0, 256, frames.shape, np.uint8)
    write_video(cache / "noise.mp4", iter(noise), SHAPE)
    assert (cache / "film.mp4").stat().st_size < 0.25 * (cache / "noise.mp4").stat().st_size


@pytest.mark.parametrize(("first", "stride"), [(0, 1), (0, 4), (7, 3), (13, 2), (37, 5)])
def test_a_clip_has_the_frames_that_were_asked_for(cache, first, stride):
    numbered_video(cache / "numbers.mp4", 60)
    clip = read_clip(cache / "numbers.mp4", first=first, num_frames=4, stride=stride)
    assert (clip.shape, clip.dtype) == ((4, *SHAPE, 3), np.uint8)
    whole = all_frames(cache / "numbers.mp4")
    assert len({frame.tobytes() for frame in whole}) == 60
    assert np.array_equal(clip, whole[first::stride][:4])


def test_a_clip_of_a_made_video_is_cut_from_the_whole():
    (path,) = make()
    whole = all_frames(path)
    assert np.array_equal(read_clip(path, first=11, num_frames=6, stride=3), whole[11:29:3])


def test_a_gap_is_filled_with_the_next_frame(cache):
    with av.open(str(cache / "gap.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = *SHAPE, "yuv420p"
        for number in (0, 1, 4, 5):
            frame = av.VideoFrame.from_ndarray(np.full((*SHAPE, 3), 40 * number, np.uint8), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    whole = all_frames(cache / "gap.mp4")
    clip = read_clip(cache / "gap.mp4", first=1, num_frames=4)
    assert clip.shape[0] == 4
    assert np.array_equal(clip[0], whole[1])
    assert np.array_equal(clip[-1], whole[2])


def test_a_video_that_ends_too_early_ends_with_its_last_frame():
    (path,) = make(num_frames=10)
    clip = read_clip(path, first=6, num_frames=4, stride=2)
    whole = all_frames(path)
    assert np.array_equal(clip, whole[[6, 8, 8, 8]])
    with pytest.raises(UsageError, match=r"ends before frame 50; ask for an earlier one"):
        read_clip(path, first=50, num_frames=1)


def test_a_users_folder_is_read_or_refused_in_words(cache, monkeypatch):
    (cache / "own" / "clips").mkdir(parents=True)
    monkeypatch.setenv("CUPEL_VIDEO", str(cache / "own"))
    with pytest.raises(UsageError, match=r"no videos; expected files that end in \.avi"):
        make()
    numbered_video(cache / "own" / "clips" / "a.mp4", 5)
    assert [path.name for path in make()] == ["a.mp4"]
    assert count_frames(make()[0]) == 5


def test_what_is_no_video_is_refused_in_words(cache):
    (cache / "text.mp4").write_text("no video")
    with pytest.raises(UsageError, match=r"text\.mp4 cannot be opened: .*; replace or remove it"):
        read_clip(cache / "text.mp4", first=0, num_frames=1)
