"""`wav`: audio in a file."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from reactivex import Observable

from rxvoice.elements import AudioChunk, Samples
from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.sources._emit import check_blocks, emit

__all__ = ["wav"]

_READ = 8192
"""Frames read at once."""


def wav(
    path: str | os.PathLike[str],
    *,
    sample_rate: int = 16_000,
    block_ms: int = 32,
    realtime: bool = False,
) -> Observable[AudioChunk]:
    """The audio in a WAV, FLAC or MP3 file, as a microphone would give it.

    The file may have any rate and number of channels. It is opened at each subscription, read
    as it is emitted, and closed when the subscription ends. A WAV with a header that was never
    finished, as recorders that stream leave it, is played to the end of the file.

    Emits: an `AudioChunk` of ``block_ms`` at a time, mono, at ``sample_rate``; the last may be
        shorter. As fast as they are taken, one per scheduled action, or with ``realtime=True``
        each when a microphone would have it: block i at ``(i + 1) * block_ms`` after the
        subscription.
    Completes: after the last block.
    Errors: `ConfigError` for a path that is no file or may not be read; `AudioFormatError` for a
        file that is not audio and, after everything before it, for samples that are not numbers
        and for a file that ends before its header says.
    Runs on: the scheduler given to ``subscribe``; without one, the subscribing thread, and with
        ``realtime=True`` a thread of its own for each subscription.

    Args:
        path: of a file in a format that libsndfile reads.
        sample_rate: Hz, of the blocks; resampled by soxr where the file's differs.
        block_ms: milliseconds, 1 or more.
        realtime: whether to keep time.
    """
    check_blocks("wav", sample_rate, block_ms)
    file = Path(path)

    def pieces() -> Generator[Samples]:
        return _resampled(file, sample_rate)

    return emit(pieces, sample_rate=sample_rate, block_ms=block_ms, realtime=realtime)


class _SoundFile(Protocol):
    """What is used of ``soundfile.SoundFile``."""

    samplerate: int
    channels: int
    frames: int
    format: str

    def read(self, *, out: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def close(self) -> None: ...


def _resampled(path: Path, sample_rate: int) -> Generator[Samples]:
    with _open(path) as file:
        wave = _wave_data(file)
        file.endless = wave if wave is not None and wave.unfinished else None
        with closing(_sound_file(path, file)) as sound:
            convert = _converter(sound.samplerate, sample_rate)
            failed: AudioFormatError | None = None
            try:
                for piece in _mono(path, file, sound, wave):
                    yield convert(piece, False)
            except AudioFormatError as error:
                failed = error
            yield convert(np.empty(0, np.float32), True)
            if failed is not None:
                raise failed


def _converter(rate: int, sample_rate: int) -> Callable[[Samples, bool], Samples]:
    if rate == sample_rate:
        return lambda samples, last: samples
    import soxr

    return soxr.ResampleStream(rate, sample_rate, 1).resample_chunk


def _mono(
    path: Path, file: _File, sound: _SoundFile, wave: _WaveData | None
) -> Generator[Samples]:
    rate = sound.samplerate
    done = 0
    trouble = ""
    while not trouble:
        # A read that fails has filled the buffer up to there, and does not say how far.
        frames = np.full((_READ, sound.channels), np.nan, np.float32)
        try:
            frames = sound.read(out=frames)
        except RuntimeError as error:
            trouble = f" (libsndfile: {error})"
        finite = np.isfinite(frames).all(axis=1)
        good = len(frames) if finite.all() else int(np.argmin(finite))
        if good:
            yield frames[:good].mean(axis=1)
        done += good
        if good < len(frames) and not trouble:
            channel = int(np.argmin(np.isfinite(frames[good])))
            raise AudioFormatError(
                f"{path} has a sample that is {frames[good, channel]} at {done / rate:.2f} s: "
                "cut the file there, or write it again"
            )
        if not len(frames):
            break
    seconds = _stated_seconds(file, sound, wave)
    if trouble or (seconds is not None and done < int(seconds * rate)):
        of = "" if seconds is None else f" of {seconds:.2f} s"
        raise AudioFormatError(
            f"{path}: the file ends after {done / rate:.2f} s{of}{trouble}: it was cut short or is "
            "damaged; copy or record it again"
        )


def _stated_seconds(file: _File, sound: _SoundFile, wave: _WaveData | None) -> float | None:
    """How long the header says that the audio is; None where it says nothing to rely on."""
    if wave is not None:
        return wave.missing_from if wave.missing_from else None
    if sound.format == "MP3" and not _mp3_has_length(file):
        return None
    # A FLAC that was streamed has no length, which libsndfile tells as the largest there is.
    return sound.frames / sound.samplerate if sound.frames < 2**62 else None
