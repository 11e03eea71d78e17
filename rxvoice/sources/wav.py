"""`wav`: audio in a file."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from reactivex import Observable

from rxvoice._audio.resample import SoxrResampler
from rxvoice._audio.samples import Samples
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.sources import _input
from rxvoice.sources._emit import check_blocks, emit
from rxvoice.sources._headers import Wave, mp3_says_length, read_wave

__all__ = ["Channel", "stated_seconds", "wav"]

Channel: TypeAlias = Literal["left", "right"]
"""One of two people who were recorded side by side."""

_READ = 8192
"""Frames read at once."""
_MOST_SAMPLES = 1 << 17
"""And of all channels, or after resampling."""
_MOST_HZ = 10_000_000
_MOST_TAGS = 4096
"""Bytes at the end of an MP3 that may be something else than audio."""
_MOST_CHANNELS = 1024
_WAVES = (b"RIFF", b"RF64", b"BW64", b"riff")
_KNOWN = (*_WAVES, b"RIFX", b"fLaC", b"OggS", b"ID3", b"FORM", b".snd", b"caff")
"""How files begin that libsndfile may read; an MP3 without tags begins with 11 bits set."""


def wav(
    path: str | os.PathLike[str] | _input.Stream,
    *,
    sample_rate: int = 16_000,
    block_ms: int = 32,
    realtime: bool = False,
    channel: Channel | None = None,
) -> Observable[AudioChunk]:
    """The audio in a WAV, FLAC, Ogg or MP3 file, as a microphone would give it.

    The file may have any rate and number of channels. It is opened at each subscription, read
    as it is emitted, and closed when the subscription ends. A WAV with a header that was never
    finished, as recorders and servers that stream leave it, is played to the end of the file.

    Emits: an `AudioChunk` of ``block_ms`` at a time, mono, at ``sample_rate``; the last may be
        shorter. As fast as they are taken, one per scheduled action, or with ``realtime=True``
        each when a microphone would have it: block i at ``(i + 1) * block_ms`` after the
        subscription.
    Completes: after the last block.
    Errors: `ConfigError` for a path that is no file or may not be read; `AudioFormatError` for a
        file that is not audio or has no such channel and, after everything before it, for samples
        that are not numbers and for a file that ends before its header says.
    Runs on: the scheduler given to ``subscribe``; without one, the subscribing thread, and with
        ``realtime=True`` a thread of its own for each subscription.

    Args:
        path: of a file in a format that libsndfile reads. Or a stream, such as
            ``sys.stdin.buffer`` or the path of a named pipe: it is read once, on the thread above,
            which waits for it. A WAV is heard as it comes; the other formats once all of it is
            there, in a temporary file.
        sample_rate: Hz, of the blocks; resampled by soxr where the file's differs.
        block_ms: milliseconds, 1 or more.
        realtime: whether to keep time.
        channel: ``"left"`` or ``"right"``, the one to hear of a recording with two people side by
            side; None for the mean of all.
    """
    check_blocks("wav", sample_rate, block_ms)
    if channel not in (None, "left", "right"):
        raise ConfigError(f'wav channel must be "left", "right" or None, got {channel!r}')
    source = Path(path) if isinstance(path, (str, os.PathLike)) else path

    def pieces() -> Generator[Samples]:
        return _resampled(source, sample_rate, channel)

    return emit(pieces, sample_rate=sample_rate, block_ms=block_ms, realtime=realtime)


def stated_seconds(path: Path) -> float | None:
    """How long a file is, as far as its header says so; errors as `wav`'s."""
    with ExitStack() as stack:
        opened = _open(path, stack)
        return None if opened.frames is None else opened.frames / opened.sound.samplerate


class _SoundFile(Protocol):
    """What is used of ``soundfile.SoundFile``."""

    samplerate: int
    channels: int
    frames: int
    format: str
    seekable: Callable[[], bool]

    def read(self, *, out: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class _Opened:
    """A file to read.

    Args:
        sound: libsndfile's.
        frames: how many the header says that there are; None where it says nothing to rely on.
        unread: how many bytes libsndfile has left.
    """

    name: str
    sound: _SoundFile
    frames: int | None
    unread: Callable[[], int] = lambda: 0


def _resampled(
    source: Path | _input.Stream, sample_rate: int, channel: Channel | None
) -> Generator[Samples]:
    with ExitStack() as stack:
        opened = _open(source, stack)
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


def _mono(opened: _Opened, sample_rate: int, channel: Channel | None) -> Generator[Samples]:
    name, sound = opened.name, opened.sound
    rate, channels = sound.samplerate, sound.channels
    shares = _shares(name, channels, channel)
    at_once = min(_READ, _MOST_SAMPLES // channels, _MOST_SAMPLES * rate // sample_rate)
    done = 0
    trouble = ""
    more = True
    while more:
        # A read that fails has filled the buffer up to there, and does not say how far.
        frames = np.full((max(1, at_once), channels), np.nan, np.float32)
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
    """What each channel contributes."""
    if channel is None:
        # The mean, ten times as fast as numpy's along so short an axis.
        return np.full(channels, 1 / channels, np.float32)
    if channels < 2:
        raise AudioFormatError(
            f"{name} has one channel, and wanted is its {channel} one: leave the channel out to "
            "hear it"
        )
    shares = np.zeros(channels, np.float32)
    shares[("left", "right").index(channel)] = 1
    return shares


def _open(source: Path | _input.Stream, stack: ExitStack) -> _Opened:
    """Open what there is; `stack` closes it."""
    if not isinstance(source, Path):
        name = getattr(source, "name", None)
        return _from_stream(name if isinstance(name, str) else "the stream", source, stack)
    file = stack.enter_context(_file(source))
    if not source.is_file():
        return _from_stream(str(source), file, stack)
    data = _input.ByteSource(file)
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


def _from_stream(name: str, stream: _input.Stream, stack: ExitStack) -> _Opened:
    data = _input.ByteSource(stream)
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
    name: str, data: _input.ByteSource, wave: Wave, subtype: str, stack: ExitStack
) -> _Opened:
    if wave.sample_rate > _MOST_HZ or wave.channels > _MOST_CHANNELS:
        raise AudioFormatError(
            f"{name} has {wave.channels} channels at {wave.sample_rate} Hz, as its header says: "
            "it is damaged; copy or record it again"
        )
    samples = _input.RawSamples(data, wave.frame, wave.size)
    make = cast("Callable[..., _SoundFile]", import_module("soundfile").SoundFile)
    sound = make(
        samples, "r", wave.sample_rate, wave.channels, subtype, endian="LITTLE", format="RAW"
    )
    _keep_open(sound, stack)
    size = wave.size if wave.is_sure else None
    return _Opened(name, sound, None if size is None else size // wave.frame)


def _from_file(name: str, file: BinaryIO, stack: ExitStack) -> _Opened:
    size = os.fstat(file.fileno()).st_size
    sound = _sound_file(name, file, file)
    if sound.format == "MP3":
        here = file.tell()
        says = mp3_says_length(file)
        file.seek(here)
        if not says:
            sound.close()
            whole = _input.Endless(file, size)
            sound = _keep_open(_sound_file(name, whole, file), stack)
            return _Opened(name, sound, None, lambda: size - whole.tell())
    _keep_open(sound, stack)
    # A FLAC that was streamed has no length, which libsndfile tells as the largest there is.
    return _Opened(name, sound, sound.frames if sound.frames < 2**62 else None)


def _sound_file(name: str, opened: object, file: BinaryIO) -> _SoundFile:
    file.seek(0)
    try:
        return cast("_SoundFile", import_module("soundfile").SoundFile(opened))
    except (RuntimeError, TypeError) as error:  # TypeError: by its name it is raw samples
        file.seek(0)
        reason = getattr(error, "error_string", "raw samples without a header")
        raise _no_audio(name, file.read(16), reason) from error


def _keep_open(sound: _SoundFile, stack: ExitStack) -> _SoundFile:
    stack.callback(sound.close)
    # soundfile seeks to where it is after each read, which fails in a FLAC of unknown length.
    sound.seekable = lambda: False
    return sound


def _no_audio(name: str, begin: bytes, reason: str) -> AudioFormatError:
    return AudioFormatError(
        f"{name} is not audio that libsndfile reads: {reason.rstrip('.')}; it begins with "
        f"{begin[:16]!r}. Convert it to WAV or FLAC"
    )
