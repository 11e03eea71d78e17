"""`wav`: the audio in a file."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from reactivex import Observable

from rxvoice._audio.resample import SoxrResampler
from rxvoice._audio.samples import Samples
from rxvoice._check import file_path
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.sources._emit import check_blocks, emit
from rxvoice.sources._input import Stream
from rxvoice.sources._opening import OpenedFile, open_audio

__all__ = ["Channel", "stated_seconds", "wav"]

Channel: TypeAlias = Literal["left", "right"]
"""One side of a recording with two people side by side."""

_READ = 8192
"""Frames read at once."""
_MOST_SAMPLES = 1 << 17
"""Samples at once, of all channels together or after resampling."""
_LOUDEST = 1e6
"""Of a sample, where full scale is 1. A louder one is no sound, and overflows when resampled."""
_MOST_TAGS = 4096
"""Bytes at the end of an MP3 that may be something else than audio."""


def wav(
    path: str | os.PathLike[str] | Stream,
    *,
    sample_rate: int = 16_000,
    block_ms: int = 32,
    realtime: bool = False,
    channel: Channel | None = None,
) -> Observable[AudioChunk]:
    """Play a WAV, FLAC, Ogg or MP3 file, as a microphone would give it.

    The file may have any rate and number of channels. Each subscription opens it, reads it as it
    emits, and closes it at the end. Recorders and servers that stream leave WAV files with an
    unfinished header; such a file is played to its end.

    Emits: an `AudioChunk` of ``block_ms`` at a time, mono, at ``sample_rate``. The last one may be
        shorter. They come as fast as they are taken, one for each scheduled action. With
        ``realtime=True`` they come when a microphone would have them: block i at
        ``(i + 1) * block_ms`` after the subscription.
    Completes: after the last block.
    Errors: `ConfigError` for a path that is not a file or may not be read; `AudioFormatError` for a
        file that is not audio or has no such channel. Also `AudioFormatError`, after all audio
        before, for samples that are not numbers or more than a million times full scale, and for a
        file that ends too early for its header.
    Runs on: the scheduler given to ``subscribe``; without one, the subscribing thread, and with
        ``realtime=True`` a thread of its own for each subscription.

    Args:
        path: of a file in a format that libsndfile reads. Or a stream, such as
            ``sys.stdin.buffer`` or the path of a named pipe. It is read once, on the thread above,
            which waits for it. A WAV plays as it comes. Another format plays once all of it is
            there, in a temporary file.
        sample_rate: Hz, of the blocks. soxr resamples if the file has another rate.
        block_ms: milliseconds, 1 or more.
        realtime: whether to keep time.
        channel: ``"left"`` or ``"right"``, for a recording with two people side by side; None for
            the mean of all channels.
    """
    check_blocks("wav", sample_rate, block_ms)
    if channel not in (None, "left", "right"):
        raise ConfigError(f'wav channel must be "left", "right" or None, got {channel!r}')
    source = path if isinstance(path, Stream) else file_path("wav path", path)

    def pieces() -> Generator[Samples]:
        return _resampled(source, sample_rate, channel)

    return emit(pieces, sample_rate=sample_rate, block_ms=block_ms, realtime=realtime)


def stated_seconds(path: Path) -> float | None:
    """How long a file is by its header; None where it does not say. Errors as for `wav`."""
    with ExitStack() as stack:
        opened = open_audio(path, stack)
        return None if opened.frames is None else opened.frames / opened.sound.samplerate


def _resampled(
    source: Path | Stream, sample_rate: int, channel: Channel | None
) -> Generator[Samples]:
    with ExitStack() as stack:
        opened = open_audio(source, stack)
        resampler = SoxrResampler(opened.sound.samplerate, sample_rate)
        failed: AudioFormatError | None = None
        try:
            for piece in _mono(opened, sample_rate, channel):
                yield resampler.feed(piece)
        except AudioFormatError as error:
            failed = error
        yield resampler.end()
        if failed is not None:
            raise failed


def _mono(opened: OpenedFile, sample_rate: int, channel: Channel | None) -> Generator[Samples]:
    name, sound = opened.name, opened.sound
    rate, channels = sound.samplerate, sound.channels
    shares = _shares(name, channels, channel)
    at_once = min(_READ, _MOST_SAMPLES // channels, _MOST_SAMPLES * rate // sample_rate)
    done = 0
    trouble = ""
    more = True
    while more:
        # A read that fails has filled a part of the buffer, and does not say how much.
        frames = np.full((max(1, at_once), channels), np.nan, np.float32)
        try:
            frames = sound.read(out=frames)
        except RuntimeError as error:
            trouble = f" (libsndfile: {str(error).strip()})"
        is_sound = np.abs(frames) <= _LOUDEST  # NaN is not
        good = len(frames) if is_sound.all() else int(np.argmin(is_sound.all(axis=1)))
        if good:
            yield frames[:good] @ shares
        done += good
        if good < len(frames) and not trouble:
            bad = frames[good, ~is_sound[good]][0]
            raise AudioFormatError(
                f"{name} has a sample that is {bad} at {done / rate:.2f} s: "
                "cut the file there, or write it again"
            )
        more = len(frames) > 0 and not trouble
    if trouble or (opened.frames is not None and done < opened.frames):
        of = "" if opened.frames is None else f" of {opened.frames / rate:.2f} s"
        raise AudioFormatError(
            f"{name}: the file ends after {done / rate:.2f} s{of}{trouble}: it was cut short or is "
            "damaged; copy or record it again"
        )
    if opened.frames is None and sound.format == "MP3" and opened.unread() > _MOST_TAGS:
        raise AudioFormatError(
            f"{name}: libsndfile reads {done / rate:.2f} s and leaves {opened.unread()} bytes of "
            "this MP3: it is damaged there, or holds something else; convert it to WAV or FLAC"
        )


def _shares(name: str, channels: int, channel: Channel | None) -> NDArray[np.float32]:
    """The share of each channel in the mono signal."""
    if channel is None:
        # This mean takes a tenth of the time of numpy's along so short an axis.
        return np.full(channels, 1 / channels, np.float32)
    if channels < 2:
        raise AudioFormatError(
            f"{name} has one channel, and wanted is its {channel} one: leave the channel out to "
            "hear it"
        )
    shares = np.zeros(channels, np.float32)
    shares[("left", "right").index(channel)] = 1
    return shares
