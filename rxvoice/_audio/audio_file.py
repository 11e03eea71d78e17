"""Audio files, in the format that their suffix says."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from rxvoice._audio.wav import HEADER_BYTES, MOST_BYTES, UNKNOWN, header
from rxvoice._files.output import output
from rxvoice.errors import ConfigError, MissingDependency, SinkStalled

_WAVS = ("", ".wav", ".wave")
_FORMATS = {
    ".flac": ("FLAC", "PCM_16"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
}
_RATES = {
    ".mp3": (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    ".opus": (8_000, 12_000, 16_000, 24_000, 48_000),
}
_AT_ONCE = 8192
"""Frames written at once. libvorbis puts them on the stack; a WAV loses no more than these."""


def sound_format(path: Path) -> str:
    """The suffix that decides the format of a file; ``""`` for WAV.

    Raises:
        ConfigError: the suffix belongs to no format that can be written.
        MissingDependency: this libsndfile cannot write the format.
    """
    suffix = path.suffix.lower()
    if suffix in _WAVS:
        return ""
    if suffix not in _FORMATS:
        raise ConfigError(
            f"cannot write {path}: sound is written to .wav, {', '.join(_FORMATS)}, and not to "
            f"{suffix}; choose one of these"
        )
    name = _FORMATS[suffix][0]
    if name not in cast("dict[str, str]", import_module("soundfile").available_formats()):
        raise MissingDependency(
            f"cannot write {path}: libsndfile here is without {name}; write .wav or .flac, or "
            "pip install -U soundfile"
        )
    return suffix


def nearest_rate(form: str, rate: int) -> int:
    """The sample rate, in Hz, that such a file can have: the next higher one, or the highest."""
    rates = _RATES.get(form, (rate,))
    return next((it for it in rates if it >= rate), rates[-1])


class AudioFile:
    """Writes sound of 16 bits to an `OutputFile` or a stream. `begin` creates the file.

    A WAV can be played at every moment: `write` writes the samples first, then the header. A
    compressed file can be played as far as its encoder has written.

    Args:
        to: the path of the file. Its suffix is the format: .wav, .flac, .mp3, .ogg or .opus. A
            stream gets a WAV.
        channels: how many a frame has.

    Raises:
        ConfigError: it cannot be written, or not in this format.
    """

    def __init__(self, to: str | os.PathLike[str] | BinaryIO, channels: int) -> None:
        self.file = output(to)
        self._form = sound_format(Path(to)) if isinstance(to, (str, os.PathLike)) else ""
        if self._form and self.file.is_special:
            raise ConfigError(
                f"cannot write {to}: only WAV can be written to what is no regular file"
            )
        self._channels = channels
        self._writer: WavWriter | SoundWriter | None = None
        self._frames = 0

    @property
    def frames(self) -> int:
        """How many frames it holds."""
        return self._frames if self._writer is None else self._writer.frames

    def rate(self, wanted: int) -> int:
        """The sample rate, in Hz, that the file can have instead of the wanted one."""
        return nearest_rate(self._form, wanted)

    def begin(self, rate: int) -> WavWriter | SoundWriter:
        """Create the file, unless that was done, at a rate in Hz that it can have."""
        if self._writer is None:
            file = self.file.open()
            if self._form:
                self._writer = SoundWriter(file, rate, self._channels, *_FORMATS[self._form])
            else:
                self._writer = WavWriter(file, rate, self._channels)
        return self._writer

    def close(self) -> None:
        """Finish the file. It replaces an old file if ``file.complete`` is set."""
        try:
            if self._writer is not None:
                self._writer.end()
        except BaseException:
            self.file.complete = False
            raise
        finally:
            self._frames, self._writer = self.frames, None
            self.file.close()

    def discard(self) -> None:
        """Delete the file."""
        with suppress(OSError):
            if self._writer is not None:
                self._writer.end()
        self._writer = None
        self.file.discard()


class WavWriter:
    """Writes a WAV. After each piece its header says how long it is, if the file can seek.

    Args:
        file: open for writing, unbuffered, and at the place where the WAV begins.
        rate: Hz.
        channels: how many a frame has.
    """

    def __init__(self, file: BinaryIO, rate: int, channels: int) -> None:
        self._file, self._rate, self._channels = file, rate, channels
        self._base = _place(file)
        self._size = 0
        self.frames = 0
        self._head()

    def write(self, frames: NDArray[np.int16]) -> None:
        """Add frames.

        Raises:
            SinkStalled: a WAV cannot hold more.
        """
        for i in range(0, len(frames), _AT_ONCE):
            self._write(frames[i : i + _AT_ONCE].astype("<i2", copy=False).tobytes())

    def _write(self, data: bytes) -> None:
        if self._base is not None:
            if self._size + len(data) > MOST_BYTES:
                raise SinkStalled(f"{self._file.name} is full, at 4 GiB: go on in another file")
            self._file.seek(self._base + HEADER_BYTES + self._size)
        self._file.write(data)
        self._file.flush()
        self._size += len(data)
        self.frames += len(data) // (2 * self._channels)
        if self._base is not None:
            # In one write, after the samples: the header never says more than there is.
            self._head()

    def end(self) -> None:
        """Do nothing: the file is complete."""

    def _head(self) -> None:
        if self._base is not None:
            self._file.seek(self._base)
        size = UNKNOWN if self._base is None else self._size
        self._file.write(header(self._channels, self._rate, size))
        self._file.flush()


class SoundWriter:
    """Writes a compressed file, by libsndfile.

    Args:
        file: open for reading and writing, and empty.
        rate: Hz, one that the format has.
        channels: how many a frame has.
        form: libsndfile's name of the format.
        subtype: libsndfile's name of the encoding.
    """

    def __init__(self, file: BinaryIO, rate: int, channels: int, form: str, subtype: str) -> None:
        self._guarded = _Guarded(file)
        self._failed = False
        self.frames = 0
        make = cast("Callable[..., Any]", import_module("soundfile").SoundFile)
        self._sound = make(self._guarded, "w", rate, channels, subtype, format=form)

    def write(self, frames: NDArray[np.int16]) -> None:
        """Add frames."""
        for i in range(0, len(frames), _AT_ONCE):
            piece = frames[i : i + _AT_ONCE]
            self._do(self._sound.write, piece)
            self.frames += len(piece)

    def end(self) -> None:
        """Write what the encoder has held back. Does not raise an error for a second time."""
        if not self._sound.closed:
            with suppress(*(OSError,) if self._failed else ()):
                self._do(self._sound.close)

    def _do(self, call: Callable[..., None], *arguments: object) -> None:
        try:
            call(*arguments)
        except RuntimeError as error:
            if self._guarded.error is None:
                raise OSError(f"{self._guarded.name} cannot be written: {error}") from error
        if self._guarded.error is not None:
            self._failed = True
            raise self._guarded.error


class _Guarded:
    """A file that keeps its errors, because libsndfile's callbacks cannot raise."""

    def __init__(self, file: BinaryIO) -> None:
        self.name = file.name
        self.error: OSError | None = None
        self.read, self.seek, self.tell = file.read, file.seek, file.tell
        self._file = file

    def write(self, data: bytes) -> int:
        if self.error is None:
            try:
                return self._file.write(data)
            except OSError as error:
                self.error = error
        return len(data)  # libsndfile goes on, and nothing is written


def _place(file: BinaryIO) -> int | None:
    """The place in a file that can seek; None if it cannot."""
    if not file.seekable():
        return None
    try:
        flags = fcntl.fcntl(file.fileno(), fcntl.F_GETFL)
    except OSError:  # it is in memory
        flags = 0
    return None if flags & os.O_APPEND else file.tell()
