"""A recorder that aligns both sides of a conversation in time."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from rxvoice._audio.audio_file import sound_format
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._audio.stereo_wav import StereoWav
from rxvoice._check import whole
from rxvoice._files.output import OutputFile
from rxvoice.chunks import AudioChunk
from rxvoice.errors import ConfigError, SinkStalled
from rxvoice.recorder._recorded_sink import RecordedSink
from rxvoice.recorder._side import Side
from rxvoice.slots import AudioSink

_log = logging.getLogger("rxvoice")

_MIC_JUMP_S = 0.1
"""A gap between two chunks beyond what clocks and buffers may differ by: the device was gone."""
_SNAP_S = 0.06
"""Sound that is timed within this of the end of the sound before follows it without a gap."""


class StereoRecorder:
    """Writes a WAV file of 16 bits: the microphone on the left, the assistant on the right.

    ```python
    recorder = rxv.recorder.StereoRecorder("talk.wav")
    speaker = recorder.tap(rxv.speaker())
    pipe = rxv.microphone().pipe(ops.do_action(recorder.mic), ..., vox.play(speaker))
    ```

    The microphone keeps the time: its chunks follow each other. A hole in their ``start``, or a
    time without a microphone, is silence. The assistant's sound is where it was heard. Nothing is
    held back: sound that becomes known late is written to its place.

    The first sound begins the file. After each call it can be played, whatever becomes of the
    process: the samples are written first, then the header. If the path names an old file, that
    one stays until `close`. The new one grows beside it, as ``talk.partial.wav`` for ``talk.wav``,
    and `where` says where it is. It stays there when the process is killed, the ``with`` block
    ends with an error, or writing fails.

    Runs on: the calling thread, any. Calls wait for each other, and each writes to the file.

    Errors: `ConfigError` here, when the path cannot be written. When writing fails later, or the
        file is full (4 GiB), the recording stops and the conversation goes on. `error` and a
        warning of the logger "rxvoice" say why.

    Args:
        path: of the WAV file. Its directory exists.
        sample_rate: Hz, of the file. soxr resamples sound at another rate.
    """

    def __init__(self, path: str | os.PathLike[str], sample_rate: int = 24_000) -> None:
        whole("StereoRecorder sample_rate", sample_rate, 1, "Hz")
        self._output = OutputFile(path)
        self._path = self._output.path
        if sound_format(self._path) or self._output.is_special:
            raise ConfigError(
                f"cannot write {path}: both sides are put together in a WAV, in a regular file"
            )
        self._rate = sample_rate
        self._lock = threading.RLock()
        self._closed = self._failed = False
        self._taps: list[RecordedSink] = []
        self._wav = StereoWav(self._output, sample_rate)
        self._mic, self._assistant = (Side(self._wav, it, sample_rate) for it in (0, 1))
        self._error: Exception | None = None
        self._anchor: tuple[float, int] | None = None  # a time, and the frame at that time
        self._mic_next = 0  # `start` of the next chunk
        self._mic_until: float | None = None
        weakref.finalize(self, self._output.close)

    @property
    def path(self) -> Path:
        """The path of the file."""
        return self._path

    @property
    def where(self) -> Path:
        """Where the file is now: at its path, or beside it while an old file is there."""
        return self._output.where

    @property
    def frames(self) -> int:
        """How many frames the file holds."""
        return self._wav.frames

    def mic(self, chunk: AudioChunk) -> None:
        """Write a chunk of the microphone behind the one before. Its ``time`` places it.

        A chunk without a time ends now. After `close` this does nothing.
        """
        samples = audio_samples(chunk.samples)
        now = time.monotonic()
        with self._recording() as is_open:
            if is_open:
                self._write_mic(samples, chunk, now)
        for tap in self._taps:
            tap.catch_up()

    def _write_mic(self, samples: Samples, chunk: AudioChunk, now: float) -> None:
        side = self._mic
        lasts = len(samples) / chunk.sample_rate
        captured = now - lasts if chunk.time is None else chunk.time
        hole = 0.0
        if side.begun:
            hole = max(0, chunk.start - self._mic_next) / chunk.sample_rate
            if chunk.time is not None and self._mic_until is not None:
                gone = chunk.time - self._mic_until
                hole = gone if gone > hole + _MIC_JUMP_S else hole
        elif self._anchor is not None:
            hole = captured - self._anchor[0]
        if hole > 0:
            side.end_run()
            side.move(side.end + round(hole * self._rate))
        at = side.end
        side.write(samples, chunk.sample_rate)
        self._mic_next = chunk.start + len(samples)
        self._anchor = captured, at
        self._mic_until = None if chunk.time is None else chunk.time + lasts

    def assistant(self, samples: Samples, sample_rate: int, time: float) -> None:
        """Write what was heard of the assistant. After `close` this does nothing.

        Args:
            samples: float32 of shape ``(n,)`` in [-1, 1]; numpy or ``mx.array``.
            sample_rate: Hz.
            time: when the first sample left the loudspeaker, in seconds of ``time.monotonic()``.
                If that is within 60 ms of the end of the samples before, or earlier, these follow
                without a gap.
        """
        heard = audio_samples(np.asarray(samples, np.float32))
        with self._recording() as is_open:
            if not is_open:
                return
            if self._anchor is None:
                self._anchor = time, 0
            side = self._assistant
            at = self._anchor[1] + round((time - self._anchor[0]) * self._rate)
            if not side.begun or at - side.end > _SNAP_S * self._rate:
                side.move(at)
            side.write(heard, sample_rate)

    def tap(self, sink: AudioSink) -> RecordedSink:
        """Return a sink that plays on `sink` and is recorded as it is heard.

        The sink's ``position`` says what was heard; each chunk of the microphone looks at it. Of a
        sink without a position, all that it took counts as heard. What `clear` drops is not
        recorded.
        """
        tap = RecordedSink(sink, self.assistant)
        self._taps.append(tap)
        return tap

    def close(self) -> None:
        """Finish the file. Again does nothing."""
        for tap in self._taps:
            tap.catch_up()
        with self._recording() as is_open:
            if is_open:
                self._mic.end_run()
                self._assistant.end_run()
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._failed = self._failed or error is not None
        self.close()

    @property
    def error(self) -> Exception | None:
        """What stopped the recording before it was closed; None if nothing did."""
        return self._error

    @contextmanager
    def _recording(self) -> Generator[bool]:
        """Hold the lock, and end the recording if the disk fails. Gives whether it is open."""
        with self._lock:
            try:
                yield not self._closed
            except (OSError, SinkStalled) as error:
                self._error = error
                self._failed = True
                _log.warning("the recording %s stopped: %s", self._path, error)
                self._end()

    def _end(self) -> None:
        with self._lock:
            self._closed = True
            self._output.complete = not self._failed
            try:
                self._output.close()
            except OSError as error:
                self._error = self._error or error
                _log.warning("the recording %s could not be finished: %s", self._path, error)
