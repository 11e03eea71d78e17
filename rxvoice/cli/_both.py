"""Both sides of a conversation in one stereo file."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np

from rxvoice._resample import Resampler
from rxvoice.elements import AudioChunk, Event, Samples, Speech
from rxvoice.errors import ConfigError

__all__ = ["BothSides"]


class BothSides:
    """A WAV of the user on the left and the assistant on the right, one after the other.

    A recording does not wait for the answer to its question: here the rest of it does, so that
    the two take turns as they would have.

    Args:
        path: where to write; PCM16 at the assistant's sample rate.
        sample_rate: Hz, the assistant's.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        import soundfile

        self._rate = sample_rate
        try:
            self._file = soundfile.SoundFile(path, "w", sample_rate, 2, "PCM_16", format="WAV")
        except (OSError, RuntimeError) as error:
            raise ConfigError(f"cannot write {path}: {error}") from error
        self._user: Resampler | None = None
        self.frames = 0

    def __enter__(self) -> BothSides:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end_user()
        self._file.close()

    def user(self, chunk: AudioChunk | Event) -> None:
        """Add a chunk of the user's."""
        if not isinstance(chunk, AudioChunk):
            return
        if self._user is None:
            self._user = Resampler(chunk.sample_rate, self._rate)
        self._write(0, self._user.feed(chunk.samples))

    def assistant(self, speech: Speech | Event) -> None:
        """Add a piece of the assistant's."""
        if isinstance(speech, Speech) and speech.samples.shape[0]:
            self._end_user()
            self._write(1, np.asarray(speech.samples, np.float32))

    def _end_user(self) -> None:
        if self._user is not None:
            self._write(0, self._user.end())
            self._user = None

    def _write(self, side: int, samples: Samples) -> None:
        stereo = np.zeros((len(samples), 2), np.float32)
        stereo[:, side] = samples
        self._file.write(stereo)
        self.frames += len(samples)

    @property
    def seconds(self) -> float:
        """Length so far."""
        return self.frames / self._rate
