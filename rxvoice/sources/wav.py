"""`wav`: audio in a file."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Generator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from reactivex import Observable

from rxvoice._resample import Resampler
from rxvoice.elements import AudioChunk, Samples
from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.sources._emit import check_blocks, emit
from rxvoice.sources._headers import WaveData, mp3_says_length, wave_data

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["wav"]

_READ = 8192
"""Frames read at once."""
_MOST_TAGS = 4096
"""Bytes at the end of an MP3 that may be something else than audio."""


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
    seekable: Callable[[], bool]

    def read(self, *, out: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def close(self) -> None: ...


def _resampled(path: Path, sample_rate: int) -> Generator[Samples]:
    with _open(path) as file:
        data = wave_data(file, file.size())
        if data is not None and data.unfinished:
            file.endless_at = data.size_at
        with closing(_sound_file(path, file)) as sound:
            resampler = Resampler(sound.samplerate, sample_rate)
            failed: AudioFormatError | None = None
            try:
                for piece in _mono(path, file, sound, data):
                    yield resampler.feed(piece)
            except AudioFormatError as error:
                failed = error
            yield resampler.end()
            if failed is not None:
                raise failed


def _mono(path: Path, file: _File, sound: _SoundFile, data: WaveData | None) -> Generator[Samples]:
    rate = sound.samplerate
    # The mean, ten times as fast as numpy's along so short an axis.
    shares = np.full(sound.channels, 1 / sound.channels, np.float32)
    done = 0
    trouble = ""
    more = True
    while more:
        # A read that fails has filled the buffer up to there, and does not say how far.
        frames = np.full((_READ, sound.channels), np.nan, np.float32)
        try:
            frames = sound.read(out=frames)
        except RuntimeError as error:
            trouble = f" (libsndfile: {str(error).strip()})"
        finite = np.isfinite(frames)
        good = len(frames) if finite.all() else int(np.argmin(finite.all(axis=1)))
        if good:
            yield frames[:good] @ shares
        done += good
        if good < len(frames) and not trouble:
            bad = frames[good, ~finite[good]][0]
            raise AudioFormatError(
                f"{path} has a sample that is {bad} at {done / rate:.2f} s: "
                "cut the file there, or write it again"
            )
        more = len(frames) > 0 and not trouble
    unread = file.unread()
    stated = _stated_frames(file, sound, data)
    if trouble or (stated is not None and done < stated):
        of = "" if stated is None else f" of {stated / rate:.2f} s"
        raise AudioFormatError(
            f"{path}: the file ends after {done / rate:.2f} s{of}{trouble}: it was cut short or is "
            "damaged; copy or record it again"
        )
    if stated is None and sound.format == "MP3" and unread > _MOST_TAGS:
        raise AudioFormatError(
            f"{path}: libsndfile reads {done / rate:.2f} s and leaves {unread} bytes of this MP3, "
            "whose header does not say how long it is: convert it to WAV or FLAC"
        )


def _stated_frames(file: _File, sound: _SoundFile, data: WaveData | None) -> int | None:
    """How long the header says that the audio is; None where it says nothing to rely on."""
    if data is not None and data.is_cut:
        # libsndfile corrects the number in silence.
        return data.size * sound.samplerate // data.byte_rate
    if sound.format == "MP3" and not mp3_says_length(file):
        return None
    # A FLAC that was streamed has no length, which libsndfile tells as the largest there is.
    return sound.frames if sound.frames < 2**62 else None


class _File(io.FileIO):
    """A file, in which the four bytes at `endless_at` read as the largest number."""

    endless_at: int | None = None

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        begin = self.tell()
        view = memoryview(buffer).cast("B")
        count = super().readinto(view)
        if self.endless_at is not None:
            for at in range(self.endless_at - begin, self.endless_at - begin + 4):
                if 0 <= at < count:
                    view[at] = 0xFF
        return count

    def size(self) -> int:
        return os.fstat(self.fileno()).st_size

    def unread(self) -> int:
        return self.size() - self.tell()


def _open(path: Path) -> _File:
    if path.is_dir():
        raise ConfigError(f"{path} is a directory: name an audio file in it")
    if not path.exists():
        where = "" if path.is_absolute() else f", looked for in {Path.cwd()}"
        raise ConfigError(f"there is no file {path}{where}: check the path")
    if not path.is_file():
        raise ConfigError(f"{path} is not a regular file: copy the audio into one")
    try:
        return _File(path)
    except OSError as error:
        raise ConfigError(f"cannot open {path}: {error.strerror}") from error


def _sound_file(path: Path, file: _File) -> _SoundFile:
    soundfile = import_module("soundfile")
    file.seek(0)
    if not file.size():
        raise AudioFormatError(f"{path} is empty: record or copy it again")
    try:
        sound = cast("_SoundFile", soundfile.SoundFile(file))
    except (RuntimeError, TypeError) as error:  # TypeError: by its name it is raw samples
        file.seek(0)
        begin = file.read(16)
        reason = getattr(error, "error_string", "raw samples without a header")
        raise AudioFormatError(
            f"{path} is not audio that libsndfile reads: {reason.rstrip('.')}; it begins with "
            f"{begin!r}. Convert it to WAV or FLAC"
        ) from error
    # soundfile seeks to where it is after each read, which fails in a FLAC of unknown length.
    sound.seekable = lambda: False
    return sound
