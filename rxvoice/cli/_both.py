"""Both sides of a conversation in one stereo file."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from rxvoice._audio.audio_file import AudioFile
from rxvoice._audio.pcm16 import to_pcm16
from rxvoice._audio.resample import Resampler
from rxvoice._audio.samples import Samples
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Speech
from rxvoice.events import Event

_USER, _ASSISTANT = 0, 1


class BothSides:
    """A recording of the user on the left and the assistant on the right, one after the other.

    A recording does not wait for the answer to its question: here the rest of it does, so that
    the two take turns as they would have. Without an answer there is nothing to keep: no file is
    left, and one that was there stays.

    Args:
        to: where to write: a path, whose suffix is the format, or a stream.
        sample_rate: Hz, the assistant's.
    """

    def __init__(self, to: Path | BinaryIO, sample_rate: int) -> None:
        self._audio = AudioFile(to, 2)
        self._rate = self._audio.rate(sample_rate)
        self._side, self._given_rate = _USER, 0
        self._resampler: Resampler | None = None
        self._answered = False
        self.frames = 0

    def __enter__(self) -> BothSides:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._end_run()
            self._audio.file.complete = error is None
        finally:
            if self._answered:
                self._audio.close()
            else:
                self._audio.discard()

    def user(self, chunk: AudioChunk | Event) -> None:
        """Add a chunk of the user's."""
        if isinstance(chunk, AudioChunk):
            self._add(_USER, chunk.samples, chunk.sample_rate)

    def assistant(self, speech: Speech | Event) -> None:
        """Add a piece of the assistant's."""
        if isinstance(speech, Speech) and speech.samples.shape[0]:
            self._answered = True
            self._add(_ASSISTANT, np.asarray(speech.samples, np.float32), speech.sample_rate)

    def _add(self, side: int, samples: Samples, rate: int) -> None:
        if self._resampler is None or (side, rate) != (self._side, self._given_rate):
            self._end_run()
            self._side, self._given_rate = side, rate
            self._resampler = Resampler(rate, self._rate)
        self._write(self._resampler.feed(samples))

    def _end_run(self) -> None:
        ended, self._resampler = self._resampler, None
        if ended is not None:
            self._write(ended.end())

    def _write(self, samples: Samples) -> None:
        stereo = np.zeros((len(samples), 2), np.int16)
        stereo[:, self._side] = to_pcm16(samples)
        self._audio.begin(self._rate).write(stereo)
        self.frames += len(samples)

    @property
    def where(self) -> Path:
        """Where the file is now: its path, or beside it while an old file is there."""
        return self._audio.file.where

    @property
    def seconds(self) -> float:
        """Length so far."""
        return self.frames / self._rate
