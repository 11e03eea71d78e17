"""`TraceSound`: a sound file of a trace, as far as it was written."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rxvoice._audio.pcm16 import from_pcm16
from rxvoice.errors import ConfigError
from rxvoice.trace._growing_sound import with_rest

_AT_ONCE = 4096
_MOST = 2**30
"""Samples of a file: 6 hours at 48 kHz. A file of a few MB could claim to have many more."""


class TraceSound:
    """A sound file of a trace: 16 bits, mono. It is read when it is needed.

    What a killed process left is read to its last whole frame, with what `GrowingSound` wrote
    beside it. A file that is missing or is no
    sound is empty.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __len__(self) -> int:
        """How many samples it has."""
        return len(self.pcm16)

    @property
    def rate(self) -> int:
        """Hz; 0 if the file is missing or is no sound."""
        return self._whole[1]

    @property
    def pcm16(self) -> NDArray[np.int16]:
        """All samples as they are stored."""
        return self._whole[0]

    @property
    def why_short(self) -> str | None:
        """Why the file could not be read to its end: None if it could."""
        return self._whole[2]

    def samples(self, start: int = 0, end: int | None = None) -> NDArray[np.float32]:
        """The samples from `start` to before `end`, in [-1, 1).

        There are fewer if the file ends before.
        """
        stored = self.pcm16[max(0, start) : end]
        return from_pcm16(stored)

    @cached_property
    def _whole(self) -> tuple[NDArray[np.int16], int, str | None]:
        try:
            return self._read()
        except (OSError, RuntimeError) as error:
            return np.empty(0, np.int16), 0, str(error) or type(error).__name__

    def _read(self) -> tuple[NDArray[np.int16], int, str | None]:
        import soundfile

        class Streamed(soundfile.SoundFile):
            """A file that is read on and on: one whose length is unknown cannot be searched."""

            def seekable(self) -> bool:
                return False

        if not self.path.exists():
            return np.empty(0, np.int16), 0, "the file is missing"
        found: list[NDArray[np.int16]] = []
        with Streamed(str(self.path)) as file:
            rate: int = file.samplerate
            try:
                for block in _blocks(file):
                    found.append(block)
                    if len(found) * _AT_ONCE > _MOST:
                        raise ConfigError(
                            f"{str(self.path)!r} has more than {_MOST} samples: cut it first"
                        )
            except soundfile.LibsndfileError as error:  # the end is torn off
                return _joined(found, self.path), rate, str(error)
        return _joined(found, self.path), rate, None


def _blocks(file: Any) -> Iterator[NDArray[np.int16]]:
    while True:
        block: NDArray[np.int16] = file.read(_AT_ONCE, dtype="int16", always_2d=True)
        if not len(block):
            return
        yield np.ascontiguousarray(block[:, 0])


def _joined(found: list[NDArray[np.int16]], path: Path) -> NDArray[np.int16]:
    whole = with_rest(path, np.concatenate(found) if found else np.empty(0, np.int16))
    whole.flags.writeable = False
    return whole
