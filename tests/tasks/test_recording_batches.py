"""Parts of recordings are cut at random, go on with the next file, and are batched in the same way by any processes."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="batches are made by torch")
soundfile = pytest.importorskip("soundfile", reason="recordings are coded by soundfile")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, UsageError
from cupel.tasks.data.audio_files import SAMPLES_PER_S, read_audio, read_part
from cupel.tasks.data.endless_loader import Draw
from cupel.tasks.data.recording_batches import RecordingSet, recording_batches
from cupel.tasks.data.sound_source import sounds
from cupel.tasks.data.utterances import spelled_batches
from cupel.tasks.data.waveforms import waveforms

SIZES = SimpleNamespace(batch=3, batches=2, files=8, file_s=0.5, workers=0, num_samples=4000, letters=5, vocab_size=9)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("CUPEL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("CUPEL_AUDIO", raising=False)


def make_slot(**settings) -> TorchSlot:
    return TorchSlot(device="cpu", settings=settings, threads=1)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def ramp(path, *, first: int, num: int, rate: int = SAMPLES_PER_S):
    """Each sample says which one it is."""
    soundfile.write(path, np.arange(first, first + num, dtype=np.int16), rate)
    return path


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_part_is_cut_from_the_whole(tmp_path, suffix):
    path = ramp(tmp_path / f"a.{suffix}", first=0, num=1000)
    whole = read_audio(path)
    assert np.array_equal(read_part(path, num_samples=100, place=0.0), whole[:100])
    assert np.array_equal(read_part(path, num_samples=100, place=0.9999), whole[900:])
    assert np.array_equal(read_part(path, num_samples=100, place=0.5), whole[450:550])
    assert np.array_equal(read_part(path, num_samples=2000, place=0.7), whole)


def test_a_part_of_another_rate_is_as_long_as_asked_for(tmp_path):
    seconds = np.arange(44_100) / 44_100
    stereo = np.stack([np.sin(2 * np.pi * 440 * seconds), np.zeros(44_100)], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, 44_100)
    part = read_part(tmp_path / "a.wav", num_samples=1001, place=0.0)
    assert (part.shape, part.dtype) == ((1001,), np.float32)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(1001) / SAMPLES_PER_S)
    assert np.abs(part - expected)[50:-50].max() < 0.01


def test_a_part_goes_on_with_the_next_files_and_begins_again_at_the_first(tmp_path):
    paths = [ramp(tmp_path / f"{idx}.wav", first=1000 * idx, num=num) for idx, num in enumerate((300, 40, 500))]
    found = RecordingSet(paths, num_samples=1100, seed=0)[Draw(1, 0)] * 2**15
    parts = ((1000, 40), (2000, 500), (0, 300), (1000, 40), (2000, 220))
    assert np.array_equal(found, np.concatenate([np.arange(first, first + num) for first, num in parts]))


def test_places_differ_between_epochs_and_seeds_and_repeat(tmp_path):
    paths = [ramp(tmp_path / "a.wav", first=0, num=20_000)]
    one, other = (RecordingSet(paths, num_samples=10, seed=seed) for seed in (0, 1))
    first, again, later, seeded = one[Draw(0, 0)], one[Draw(0, 0)], one[Draw(0, 1)], other[Draw(0, 0)]
    assert np.array_equal(first, again)
    assert len({sound.tobytes() for sound in (first, later, seeded)}) == 3


def test_what_holds_no_sound_is_refused_in_words(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.int16), SAMPLES_PER_S)
    (tmp_path / "text.wav").write_bytes(b"RIFF but not really")
    for name, message in (("empty", "holds no sound"), ("text", "cannot be decoded: .*")):
        with pytest.raises(UsageError, match=rf"{name}\.wav {message}; replace or remove it"):
            read_part(tmp_path / f"{name}.wav", num_samples=10, place=0.5)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12 and later, where threads are running
def test_batches_do_not_depend_on_the_number_of_processes():
    def take(workers: int):
        sizes = SimpleNamespace(**(vars(SIZES) | {"workers": workers}))
        return list(itertools.islice(recording_batches(sizes, make_slot(), rng=Seeds(0), num_samples=4000), 4))

    for plain, shared in zip(take(0), take(2), strict=True):
        assert (plain.shape, plain.dtype) == ((3, 4000), torch.float32)
        assert torch.equal(plain, shared)


def test_sound_comes_from_where_the_setting_says():
    drawn, read = (
        next(sounds(SIZES, make_slot(data=data), rng=Seeds(0), generator=generator(), num_samples=4000))
        for data in ("synthetic", "disk")
    )
    assert torch.equal(drawn, waveforms(batch=3, num_samples=4000, generator=generator()))
    assert torch.equal(read, next(recording_batches(SIZES, make_slot(), rng=Seeds(0), num_samples=4000)))


def test_recordings_are_brought_to_variance_1_with_new_letters_each_time():
    sizes = SimpleNamespace(**(vars(SIZES) | {"num_samples": 16_000}))  # a second, longer than any pause
    batches = spelled_batches(sizes, make_slot(data="disk"), rng=Seeds(0), generator=generator())
    first, second = batches[0], batches[0]
    assert first.waveform_BS.mean(dim=1).tolist() == pytest.approx([0.0] * 3, abs=1e-4)
    assert first.waveform_BS.var(dim=1).tolist() == pytest.approx([1.0] * 3, abs=0.02)
    assert not torch.equal(first.waveform_BS, second.waveform_BS)
    assert not torch.equal(first.letters_BL, second.letters_BL)
