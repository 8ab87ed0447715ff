"""Sound files that are like speech, and the user's own recordings.

A made recording has syllables with a gliding pitch and the resonances of a throat, hisses, pauses, and the 1/f noise of
a room; its length lies between 5 and 15 s, as of utterances in LibriSpeech. Like speech it is compressed by FLAC to a
half or so, which noise or a plain tone would not be.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import scipy.fft
import scipy.signal

from cupel.spec import UsageError
from cupel.tasks.data.file_cache import cached_folder, users_folder

Samples: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]
ENVIRONMENT = "CUPEL_AUDIO"
VERSION = 1
"""Part of the folder's name: changed with anything that changes a sample."""
SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".opus"})
SAMPLES_PER_S = 16000
LOWEST_HZ, HIGHEST_HZ = 80.0, 250.0
"""Range of the pitch of human voices."""
RESONANCES_HZ, WIDTHS_HZ = ((250, 850), (850, 2300), (2300, 3200)), (80, 110, 160)
"""Where the first three resonances of a vowel lie, and how wide they are."""
SPEECH_RMS, ROOM_RMS = 0.08, 0.001
VOICED_FRAC, HISS_FRAC = 0.6, 0.15
"""Share of sounds that have a pitch, and of those that hiss; the rest are pauses."""


def recordings(*, num_files: int, shortest_s: float = 5.0, longest_s: float = 15.0) -> list[Path]:
    """The user's recordings where `$CUPEL_AUDIO` names a folder of them, else made ones in FLAC.

    Args:
        num_files: files to make; the user's own are all taken.
        shortest_s: shortest length of a made one in s.
        longest_s: longest length of a made one in s.

    Raises:
        UsageError: the user's folder has no recordings.
    """
    own = users_folder(ENVIRONMENT, "a folder with recordings, at any depth")
    return find_recordings(own or audio_folder(num_files=num_files, shortest_s=shortest_s, longest_s=longest_s))


def audio_folder(*, num_files: int, shortest_s: float, longest_s: float, suffix: str = ".flac") -> Path:
    """The folder of made recordings, mono in 16 bits at 16 kHz; suffix `.flac` or `.wav`."""

    def make(folder: Path) -> None:
        import soundfile  # type: ignore[import-untyped]

        def write(index: int) -> None:
            rng = np.random.default_rng((VERSION, index))
            samples = (32767 * speech_like(rng.uniform(shortest_s, longest_s), rng)).round().astype(np.int16)
            soundfile.write(folder / f"recording_{index:06}{suffix}", samples, SAMPLES_PER_S)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(write, range(num_files)))

    name = f"audio-v{VERSION}-{num_files}x{shortest_s:g}to{longest_s:g}s{suffix.replace('.', '-')}"
    return cached_folder(name, make)


def find_recordings(root: Path) -> list[Path]:
    """All recordings of a folder, at any depth, by name.

    Raises:
        UsageError: there are none.
    """
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise UsageError(f"{root} has no recordings; expected files that end in {', '.join(sorted(SUFFIXES))}.")
    return found


def read_audio(path: Path, *, samples_per_s: int = SAMPLES_PER_S) -> Samples:
    """A file's sound, in one channel (the mean of all) and at the rate that is asked for: float32 within [-1, 1].

    Raises:
        UsageError: it is no sound file, or damaged; the message names it.
    """
    import soundfile

    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise UsageError(f"{path} cannot be decoded: {error}; replace or remove it.") from error
    return _in_one_channel(samples, rate, samples_per_s)


def read_part(path: Path, *, num_samples: int, place: float) -> Samples:
    """A part of a file's sound, in one channel and at 16 kHz; nothing else of the file is decoded, where it can seek.

    Args:
        path: the file.
        num_samples: samples of the part; the whole file is read, and fewer returned, where it has fewer.
        place: which of all such parts, from 0, the first, to below 1.

    Raises:
        UsageError: it is no sound file, is damaged, or holds no sound; the message names it.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            num_wanted = math.ceil(num_samples * rate / SAMPLES_PER_S)
            file.seek(int(place * (max(0, file.frames - num_wanted) + 1)))
            samples = file.read(num_wanted, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise UsageError(f"{path} cannot be decoded: {error}; replace or remove it.") from error
    if not len(samples):
        raise UsageError(f"{path} holds no sound; replace or remove it.")
    return _in_one_channel(samples, rate, SAMPLES_PER_S)[:num_samples]


def _in_one_channel(samples: Samples, rate: int, samples_per_s: int) -> Samples:
    """The mean of all channels (samples, channels), at another rate where that differs."""
    mono: Samples = samples.mean(axis=1)
    if rate == samples_per_s:
        return mono
    divisor = np.gcd(rate, samples_per_s)
    return np.asarray(scipy.signal.resample_poly(mono, samples_per_s // divisor, rate // divisor), np.float32)


def speech_like(seconds: float, rng: np.random.Generator) -> Samples:
    """A recording of that length."""
    num_samples = round(seconds * SAMPLES_PER_S)
    speech = np.zeros(num_samples, np.float32)
    pitch_hz = float(np.exp(rng.uniform(*np.log([LOWEST_HZ, HIGHEST_HZ * 0.75]))))
    start = 0
    while start < num_samples:
        kind = rng.random()
        sound = _pause(rng)
        if kind < VOICED_FRAC:
            sound = _vowel(pitch_hz, rng)
        elif kind < VOICED_FRAC + HISS_FRAC:
            sound = _hiss(rng)
        end = min(start + len(sound), num_samples)
        speech[start:end] = sound[: end - start]
        start = end
    loudness = SPEECH_RMS / max(float(np.sqrt((speech**2).mean())), 1e-6)
    return (loudness * speech + ROOM_RMS * _room(num_samples, rng)).clip(-1.0, 1.0).astype(np.float32)


def _pause(rng: np.random.Generator) -> Samples:
    """Silence of 0.03 to 0.4 s."""
    return np.zeros(int(SAMPLES_PER_S * rng.uniform(0.03, 0.4)), np.float32)


def _vowel(pitch_hz: float, rng: np.random.Generator) -> Samples:
    """Harmonics of a gliding pitch, stronger near the resonances, rising and falling in 0.08 to 0.3 s."""
    num_samples = int(SAMPLES_PER_S * rng.uniform(0.08, 0.3))
    glide = np.linspace(0.0, rng.uniform(-0.2, 0.2), num_samples)
    hz = pitch_hz * np.exp(glide + 0.1 * rng.standard_normal()).clip(0.5, 1.33)
    phase = 2 * np.pi * (np.cumsum(hz) / SAMPLES_PER_S)
    harmonics = np.arange(1, int(4000 / hz.mean()) + 1)
    strength = harmonics**-1.0 * _resonance(harmonics * hz.mean(), [rng.uniform(*span) for span in RESONANCES_HZ])
    waves = np.sin(harmonics[:, None] * phase.astype(np.float32))
    return np.asarray(rng.uniform(0.5, 1.5) * np.hanning(num_samples) * (strength @ waves), np.float32)


def _resonance(hz: np.ndarray[Any, Any], centres_hz: list[float]) -> np.ndarray[Any, Any]:
    """How much a throat lets through at each frequency, a little everywhere."""
    peaks = [1 / (1 + ((hz - centre) / width) ** 2) for centre, width in zip(centres_hz, WIDTHS_HZ, strict=True)]
    return np.asarray(0.05 + np.sum(peaks, axis=0))


def _hiss(rng: np.random.Generator) -> Samples:
    """Noise with its low tones taken away, 0.04 to 0.12 s."""
    noise = rng.standard_normal(int(SAMPLES_PER_S * rng.uniform(0.04, 0.12)))
    return np.asarray(0.05 * np.hanning(len(noise)) * np.diff(noise, prepend=0.0), np.float32)


def _room(num_samples: int, rng: np.random.Generator) -> Samples:
    """Noise whose power falls as 1/f, of variance 1."""
    padded = scipy.fft.next_fast_len(num_samples, real=True)
    hz = np.maximum(np.fft.rfftfreq(padded, 1 / SAMPLES_PER_S), 20.0)
    noise = rng.standard_normal((len(hz), 2)).view(np.complex128)[:, 0]
    room = scipy.fft.irfft(noise / np.sqrt(hz), n=padded)[:num_samples]
    return np.asarray(room / room.std(), np.float32)
