"""`GrowingSound`: a sound file of a trace while it is written, and what its encoder holds back."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rxvoice._audio.audio_file import SoundWriter
from rxvoice._files.output import OutputFile
from rxvoice._files.whole import replace_file

__all__ = ["GrowingSound", "with_rest"]

Pcm = NDArray[np.int16]

_HELD = 8_192
"""Samples that the encoder has not written, at most: FLAC writes 4096 at once."""
_INDEX_BYTES = 8


class GrowingSound:
    """Writes a FLAC file. What a killed process cannot lose is a moment old.

    FLAC encodes 4096 samples at once, and holds fewer back until more come. So `rest` writes these
    to a file beside it when nothing more has come, and `with_rest` reads them.

    Args:
        path: of the FLAC file.
        rate: Hz.
    """

    def __init__(self, path: Path, rate: int) -> None:
        self._file = OutputFile(path)
        self._sound = SoundWriter(self._file.open(), rate, 1, "FLAC", "PCM_16")
        self._path = path
        self._last: deque[Pcm] = deque()
        self._kept = 0  # samples in `_last`
        self._end = 0
        self._has_grown = self._is_owed = False

    def write(self, samples: Pcm) -> None:
        """Add samples."""
        self._sound.write(samples)
        self._end += len(samples)
        self._last.append(samples)
        self._kept += len(samples)
        while self._kept - len(self._last[0]) >= _HELD:
            self._kept -= len(self._last.popleft())
        self._has_grown = self._is_owed = True

    def rest(self) -> None:
        """Write what the encoder may hold back, if nothing was added since the last call."""
        if self._is_owed and not self._has_grown:
            last = np.concatenate(self._last)[-_HELD:]
            index = (self._end - len(last)).to_bytes(_INDEX_BYTES, "little")
            replace_file(_rest_of(self._path), index + last.astype("<i2").tobytes())
            self._is_owed = False
        self._has_grown = False

    def close(self) -> None:
        """Finish the file."""
        try:
            self._sound.end()
        finally:
            self._file.close()
        _rest_of(self._path).unlink(missing_ok=True)


def with_rest(path: Path, samples: Pcm) -> Pcm:
    """The samples that were read from a file, with those that its encoder had held back."""
    beside = _rest_of(path)
    if beside.is_symlink() or not beside.is_file():
        return samples
    with beside.open("rb") as file:
        data = file.read(_INDEX_BYTES + 2 * _HELD)
    begin = int.from_bytes(data[:_INDEX_BYTES], "little")
    last = np.frombuffer(data[_INDEX_BYTES : len(data) & ~1], "<i2").astype(np.int16)
    if not begin <= len(samples) < begin + len(last):
        return samples
    return np.concatenate([samples, last[len(samples) - begin :]])


def _rest_of(path: Path) -> Path:
    return path.with_suffix(".rest")
