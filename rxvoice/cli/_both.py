"""Both sides of a conversation in one stereo file."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from rxvoice._audio.audio_file import AudioFile
from rxvoice._audio.pcm16 import to_pcm16
from rxvoice._audio.resample import SoxrResampler
from rxvoice._audio.samples import Samples
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Speech
from rxvoice.events import Event

_USER, _ASSISTANT = 0, 1


class BothSides:
    """Writes the user on the left channel and the assistant on the right, one after the other.

    A recording does not wait for replies. In this file, the rest of the recording waits, so that
    the two sides take turns. If the assistant says nothing, no file is left, and an old file stays.

    Args:
        to: where to write: a path, whose suffix sets the format, or a stream.
        sample_rate: the sample rate of the assistant's voice, in Hz.
    """

    def __init__(self, to: Path | BinaryIO, sample_rate: int) -> None:
        self._audio = AudioFile(to, 2)
        self._rate = self._audio.rate(sample_rate)
        self._side, self._given_rate = _USER, 0
        self._resampler: SoxrResampler | None = None
        self._replied = False
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
            if self._replied:
                self._audio.close()
            else:
                self._audio.discard()

    def user(self, chunk: AudioChunk | Event) -> None:
        """Add a chunk of the user."""
        if isinstance(chunk, AudioChunk):
            self._add(_USER, chunk.samples, chunk.sample_rate)

    def assistant(self, speech: Speech | Event) -> None:
        """Add a piece of the assistant's speech."""
        if isinstance(speech, Speech) and speech.samples.shape[0]:
            self._replied = True
            self._add(_ASSISTANT, np.asarray(speech.samples, np.float32), speech.sample_rate)

    def _add(self, side: int, samples: Samples, rate: int) -> None:
        if self._resampler is None or (side, rate) != (self._side, self._given_rate):
            self._end_run()
            self._side, self._given_rate = side, rate
            self._resampler = SoxrResampler(rate, self._rate)
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
        """Where the file is: its path, or beside the path while an old file is there."""
        return self._audio.file.where

    @property
    def seconds(self) -> float:
        """How long the file is so far."""
        return self.frames / self._rate
