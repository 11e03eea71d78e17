"""Opens audio files and streams for libsndfile."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.sources._headers import Wave, mp3_says_length, read_wave
from rxvoice.sources._input import ByteSource, Endless, RawSamples, Stream, Unfailing

_MOST_HZ = 10_000_000
_MOST_CHANNELS = 1024
_WAVES = (b"RIFF", b"RF64", b"BW64", b"riff")
_KNOWN = (*_WAVES, b"RIFX", b"fLaC", b"OggS", b"ID3", b"FORM", b".snd", b"caff")
"""How files begin that libsndfile may read. An MP3 without tags begins with 11 bits set."""


class SoundFile(Protocol):
    """The part of ``soundfile.SoundFile`` that is used."""

    samplerate: int
    channels: int
    frames: int
    format: str
    seekable: Callable[[], bool]

    def read(self, *, out: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class OpenedFile:
    """A file that libsndfile reads.

    Args:
        name: for errors.
        sound: the file, as libsndfile has it.
        frames: how many frames there are by the header; None where that cannot be relied on.
        unread: how many bytes libsndfile has not read.
    """

    name: str
    sound: SoundFile
    frames: int | None
    unread: Callable[[], int] = lambda: 0


def open_audio(source: Path | Stream, stack: ExitStack) -> OpenedFile:
    """Open a file or a stream; `stack` closes it. Errors as for `wav`."""
    if not isinstance(source, Path):
        name = getattr(source, "name", None)
        return _from_stream(name if isinstance(name, str) else "the stream", source, stack)
    file = stack.enter_context(_file(source))
    if not source.is_file():
        return _from_stream(str(source), file, stack)
    data = ByteSource(file)
    if not data.peek(1):
        raise AudioFormatError(f"{source} is empty: record or copy it again")
    wave = read_wave(data)
    if wave is not None and wave.subtype is not None:
        return _from_wave(str(source), data, wave, wave.subtype, stack)
    return _from_file(str(source), cast("BinaryIO", file), stack)


def _file(path: Path) -> io.FileIO:
    if path.is_dir():
        raise ConfigError(f"{path} is a directory: name an audio file in it")
    if not path.exists():
        where = "" if path.is_absolute() else f", looked for in {Path.cwd()}"
        raise ConfigError(f"there is no file {path}{where}: check the path")
    try:
        return io.FileIO(path)
    except OSError as error:
        raise ConfigError(f"cannot open {path}: {error.strerror}") from error


def _from_stream(name: str, stream: Stream, stack: ExitStack) -> OpenedFile:
    data = ByteSource(stream)
    begin = data.peek(40)
    if not begin:
        raise AudioFormatError(f"{name} is empty: see what should have written to it")
    if not begin.startswith(_KNOWN) and not (begin[0] == 0xFF and begin[1:] >= b"\xe0"):
        raise _no_audio(name, begin, "Format not recognised")
    if not begin.startswith(_WAVES):
        return _from_file(name, stack.enter_context(data.spooled()), stack)
    wave = read_wave(data)
    if wave is None or wave.subtype is None:
        raise _no_audio(name, begin, "a stream of WAV has samples that are not compressed")
    return _from_wave(name, data, wave, wave.subtype, stack)


def _from_wave(
    name: str, data: ByteSource, wave: Wave, subtype: str, stack: ExitStack
) -> OpenedFile:
    if wave.sample_rate > _MOST_HZ or wave.channels > _MOST_CHANNELS:
        raise AudioFormatError(
            f"{name} has {wave.channels} channels at {wave.sample_rate} Hz, as its header says: "
            "it is damaged; copy or record it again"
        )
    samples = RawSamples(data, wave.frame, wave.size)
    make = cast("Callable[..., SoundFile]", import_module("soundfile").SoundFile)
    sound = make(
        samples, "r", wave.sample_rate, wave.channels, subtype, endian="LITTLE", format="RAW"
    )
    _keep_open(sound, stack)
    size = wave.size if wave.is_sure else None
    return OpenedFile(name, sound, None if size is None else size // wave.frame)


def _from_file(name: str, file: BinaryIO, stack: ExitStack) -> OpenedFile:
    size = os.fstat(file.fileno()).st_size
    sound = _sound_file(name, Unfailing(file), file)
    if sound.format == "MP3":
        here = file.tell()
        says = mp3_says_length(file)
        file.seek(here)
        if not says:
            sound.close()
            whole = Endless(file, size)
            sound = _keep_open(_sound_file(name, whole, file), stack)
            return OpenedFile(name, sound, None, lambda: size - whole.tell())
    _keep_open(sound, stack)
    # A streamed FLAC has no length: libsndfile gives the largest number there is.
    return OpenedFile(name, sound, sound.frames if sound.frames < 2**62 else None)


def _sound_file(name: str, opened: object, file: BinaryIO) -> SoundFile:
    file.seek(0)
    try:
        return cast("SoundFile", import_module("soundfile").SoundFile(opened))
    except (RuntimeError, TypeError) as error:  # TypeError: its name says that it is raw samples
        file.seek(0)
        reason = getattr(error, "error_string", "raw samples without a header")
        raise _no_audio(name, file.read(16), reason) from error


def _keep_open(sound: SoundFile, stack: ExitStack) -> SoundFile:
    stack.callback(sound.close)
    # soundfile seeks after each read, which fails in a FLAC of unknown length.
    sound.seekable = lambda: False
    return sound


def _no_audio(name: str, begin: bytes, reason: str) -> AudioFormatError:
    return AudioFormatError(
        f"{name} is not audio that libsndfile reads: {reason.rstrip('.')}; it begins with "
        f"{begin[:16]!r}. Convert it to WAV or FLAC"
    )
