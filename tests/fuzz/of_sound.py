"""Sound that comes from outside: files, streams, and what a recorder is given."""

from __future__ import annotations

import io
import json
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from reactivex import operators as ops

import rxvoice as rxv
from rxvoice._audio.wav import HEADER_BYTES
from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.recorder import StereoRecorder
from rxvoice.sources.wav import stated_seconds

_MOST = 300_000
"""Samples that are taken of a file: a file of some bytes may have hours of silence."""


def audio_file(data: bytes, folder: Path) -> None:
    """A file of any kind: its sound, or an error that says what is wrong."""
    path = folder / "sound.wav"
    path.write_bytes(data)
    _played(path)
    with suppress(AudioFormatError, ConfigError):
        stated_seconds(path)


def audio_stream(data: bytes, folder: Path) -> None:
    """The same from a pipe, in pieces of any size."""
    _played(_Pipe(data))


class _Pipe:
    """A stream that gives less than it is asked for, and cannot seek."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)
        self._n = 0

    def read(self, size: int, /) -> bytes:
        self._n = self._n % 5 + 1
        return self._data.read(min(size, (1, 3, 4096, 2, 65_536)[self._n - 1]))


def _played(source: Any) -> None:
    failed: list[Exception] = []
    taken: list[int] = []

    def take(chunk: rxv.AudioChunk) -> None:
        assert chunk.samples.dtype == np.float32
        assert chunk.samples.ndim == 1
        assert np.isfinite(chunk.samples).all()
        assert chunk.start == sum(taken)
        taken.append(len(chunk.samples))

    played = rxv.sources.wav(source, sample_rate=16_000).pipe(ops.take(_MOST // 512))
    played.subscribe(take, failed.append)
    for error in failed:
        if not isinstance(error, (AudioFormatError, ConfigError)):
            raise error


def recorder(data: bytes, folder: Path) -> None:
    """Chunks and speech with any times and rates: a WAV that can be played comes of it."""
    try:
        told = [json.loads(it) for it in data.splitlines()]
    except (ValueError, RecursionError):
        return
    path = folder / "both.wav"
    with StereoRecorder(path, 8_000) as it:
        for line in told:
            if isinstance(line, dict):
                _record(it, line)
    if path.exists():
        size = path.stat().st_size
        assert (size - HEADER_BYTES) % 4 == 0
        assert size <= 2**32


def _record(into: StereoRecorder, line: dict[str, Any]) -> None:
    count, rate, start, time = (line.get(it) for it in ("n", "rate", "start", "time"))
    samples = np.full(_whole(count, 2_000), 0.25, np.float32)
    hz = max(1_000, _whole(rate, 96_000))
    moment = float(time) if isinstance(time, int | float) and abs(time) < 1e300 else None
    with suppress(AudioFormatError, ConfigError):
        if line.get("side") == "assistant":
            into.assistant(samples, hz, moment or 0.0)
        else:
            at = _whole(start, 2**53)
            into.mic(rxv.AudioChunk(samples, hz, at, time=moment))


def _whole(value: object, most: int) -> int:
    """A number that a chunk may have."""
    if not isinstance(value, int | float) or not math.isfinite(value if abs(value) < 1e300 else 0):
        return 0
    return int(min(most, max(0, value)))
