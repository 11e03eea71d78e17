"""Both sides of a conversation in one file, aligned in time."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import numpy as np

from rxvoice._audio.audio_file import sound_format
from rxvoice._audio.pcm16 import to_pcm16
from rxvoice._audio.resample import SoxrResampler
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._audio.wav import HEADER_BYTES, MOST_BYTES, header
from rxvoice._check import whole
from rxvoice._files.output import OutputFile
from rxvoice.chunks import AudioChunk
from rxvoice.errors import ConfigError, SinkStalled
from rxvoice.slots import AudioSink

__all__ = ["RecordedSink", "StereoRecorder"]

_log = logging.getLogger("rxvoice")

_FRAME = 4  # bytes: two sides of 16 bits
_MOST_FRAMES = MOST_BYTES // _FRAME
_MIC, _ASSISTANT = 0, 1
_MIC_JUMP_S = 0.1
"""Between two chunks of the microphone, beyond what clocks and buffers are off by: it was gone."""
_SNAP_S = 0.06
"""How far from the end of what came before sound may be timed and still follow on it."""
_BLOCK = 1 << 16


class StereoRecorder:
    """Writes a WAV file of 16 bits: the microphone on the left, the assistant on the right.

    ```python
    recorder = rxv.recorder.StereoRecorder("talk.wav")
    speaker = recorder.tap(rxv.speaker())
    pipe = rxv.microphone().pipe(ops.do_action(recorder.mic), ..., vox.play(speaker))
    ```

    The microphone keeps the time: its chunks follow each other, a hole in their ``start``, or a
    time in which it was gone, is silence. The assistant's sound is where it was heard; what it
    says late is put in its place, so nothing is held back. After each call the file holds all that
    is known, samples first and then the header: whatever becomes of the process, it can be played.
    The file is begun with the first sound. One that was there before keeps its name until `close`:
    until then the new one is beside it, as ``talk.partial.wav`` for ``talk.wav``, and stays there
    when the process is killed, when the ``with`` block ends with an error, or when writing fails;
    `where` says where it is.

    Runs on: the calling thread, any; calls wait for each other. Each writes to the file.

    Errors: `ConfigError` when it is made and the path cannot be written. When writing fails later,
        or the file is full, at 4 GiB, the recording stops and the conversation goes on: `error`
        says why, and so does a warning of the logger "rxvoice".

    Args:
        path: of the file, a WAV; its directory exists.
        sample_rate: Hz, of the file; what comes at another rate is resampled by soxr.
    """

    def __init__(self, path: str | os.PathLike[str], sample_rate: int = 24_000) -> None:
        whole("StereoRecorder sample_rate", sample_rate, 1, "Hz")
        self._path = Path(path)
        self._output = OutputFile(path)
        if sound_format(self._path) or self._output.is_special:
            raise ConfigError(
                f"cannot write {path}: both sides are put together in a WAV, in a regular file"
            )
        self._rate = sample_rate
        self._lock = threading.RLock()
        self._closed = self._failed = False
        self._frames = 0
        self._taps: list[RecordedSink] = []
        self._sides = (_Side(sample_rate), _Side(sample_rate))
        self._error: Exception | None = None
        self._anchor: tuple[float, int] | None = None  # a time, and the frame of it
        self._mic_next = 0  # `start` of the chunk to come
        self._mic_until: float | None = None
        weakref.finalize(self, self._output.close)

    @property
    def path(self) -> Path:
        """Of the file."""
        return self._path

    @property
    def where(self) -> Path:
        """Where the file is now: its path, or beside it while an old file is there."""
        return self._output.where

    @property
    def frames(self) -> int:
        """How many it holds."""
        return self._frames

    def mic(self, chunk: AudioChunk) -> None:
        """Write a chunk of the microphone, after the one before; its ``time`` places it.

        A chunk without a time is taken to end now. After `close` it does nothing.
        """
        samples = audio_samples(chunk.samples)
        now = time.monotonic()
        with self._recording():
            side = self._sides[_MIC]
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
                self._place(_MIC, side.end_run())
                side.next += round(hole * self._rate)
            at = side.next + side.pending
            self._place(_MIC, side.feed(samples, chunk.sample_rate))
            self._mic_next = chunk.start + len(samples)
            self._anchor = captured, at
            self._mic_until = None if chunk.time is None else chunk.time + lasts
        for tap in self._taps:
            tap.catch_up()

    def assistant(self, samples: Samples, sample_rate: int, time: float) -> None:
        """Write what was heard of the assistant.

        Args:
            samples: float32 of shape ``(n,)`` in [-1, 1]; numpy or ``mx.array``.
            sample_rate: Hz.
            time: when the first of them left the loudspeaker, in seconds of ``time.monotonic()``.
                Within 60 ms of the end of what came before, they follow on it without a gap; what
                would begin earlier than that follows on it too. After `close` it does nothing.
        """
        heard = audio_samples(np.asarray(samples, np.float32))
        with self._recording():
            if self._anchor is None:
                self._anchor = time, 0
            side = self._sides[_ASSISTANT]
            at = self._anchor[1] + round((time - self._anchor[0]) * self._rate)
            if not side.begun or at - side.next - side.pending > _SNAP_S * self._rate:
                self._place(_ASSISTANT, side.end_run())
                side.next = max(side.next, at, 0)
            self._place(_ASSISTANT, side.feed(heard, sample_rate))

    def tap(self, sink: AudioSink) -> RecordedSink:
        """The same sink, whose sound is recorded as it is heard.

        What was heard is known by the sink's ``position``, looked at with each chunk of the
        microphone; a sink without one counts as heard what it has taken. What `clear` drops is
        not recorded.
        """
        tap = RecordedSink(sink, self)
        self._taps.append(tap)
        return tap

    def close(self) -> None:
        """Finish the file; again does nothing."""
        for tap in self._taps:
            tap.catch_up()
        with self._recording():
            for which, side in enumerate(self._sides):
                self._place(which, side.end_run())
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
        """What stopped the recording before it was closed."""
        return self._error

    @contextmanager
    def _recording(self) -> Generator[None]:
        """Work on the file; an error of the disk ends the recording, and nothing else."""
        with self._lock:
            try:
                yield
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

    def _place(self, which: int, samples: Samples) -> None:
        """Put samples on a side where its last ones ended."""
        if self._closed or not len(samples):
            return
        if not self._output.is_begun:
            self._write_header()
        file, side = self._output.open(), self._sides[which]
        given = to_pcm16(samples)
        for i in range(0, len(given), _BLOCK):
            block = given[i : i + _BLOCK]
            at, until = side.next, side.next + len(block)
            if until > _MOST_FRAMES:
                raise SinkStalled(f"{self._path} is full, at 4 GiB: go on in another file")
            # What the other side has there stays; beyond the end of the file there is silence.
            frames = np.zeros((len(block), 2), "<i2")
            file.seek(HEADER_BYTES + _FRAME * at)
            there = np.frombuffer(file.read(_FRAME * len(block)), "<i2").reshape(-1, 2)
            frames[: len(there)] = there
            frames[:, which] = block
            file.seek(HEADER_BYTES + _FRAME * at)
            file.write(frames.tobytes())
            side.next = until
            if until > self._frames:
                self._frames = until
                self._write_header()

    def _write_header(self) -> None:
        file = self._output.open()
        file.seek(0)
        file.write(header(2, self._rate, _FRAME * self._frames))


class _Side:
    """One channel: where its next frame goes, and its resampler."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._given_rate = 0
        self._resampler: SoxrResampler | None = None
        self._fed = self._made = 0
        self.begun = False
        self.next = 0

    @property
    def pending(self) -> int:
        """Frames that the resampler still owes."""
        if self._resampler is None:
            return 0
        return round(self._fed * self._rate / self._given_rate) - self._made

    def feed(self, samples: Samples, rate: int) -> Samples:
        """What can be written of it, after what has been."""
        self.begun = True
        tail = np.empty(0, np.float32)
        if rate != self._given_rate:
            tail = self.end_run()
            self._given_rate = rate
        if self._resampler is None:
            self._resampler = SoxrResampler(rate, self._rate)
        made = self._resampler.feed(samples)
        self._fed += len(samples)
        self._made += len(made)
        return np.concatenate((tail, made)) if len(tail) else made

    def end_run(self) -> Samples:
        """What the resampler held back: a gap follows."""
        ended, self._resampler = self._resampler, None
        self._fed = self._made = 0
        return np.empty(0, np.float32) if ended is None else ended.end()


class RecordedSink:
    """A sink that is recorded, made by `StereoRecorder.tap`; has all that the sink has."""

    def __init__(self, sink: AudioSink, recorder: StereoRecorder) -> None:
        self._sink = sink
        self._recorder = recorder
        self._lock = threading.RLock()
        self._rate = 24_000
        self._queued: deque[tuple[Samples, int]] = deque()  # taken, not known to be heard
        self._heard = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    @property
    def is_running(self) -> bool:
        """Whether sound is being played."""
        return self._sink.is_running

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """The rate, in Hz, of the samples that follow."""
        self._rate = sample_rate
        tell = cast("Callable[[int], None] | None", getattr(self._sink, "set_sample_rate", None))
        if tell is not None:
            tell(sample_rate)

    def write_samples(self, samples: Samples, /) -> int:
        """As the sink's."""
        taken = self._sink.write_samples(samples)
        with self._lock:
            self._queued.append((np.array(samples[:taken], np.float32), self._rate))
        if not self._has_position:
            self.catch_up()
        return taken

    def flush(self) -> None:
        """As the sink's."""
        self._sink.flush()
        self.catch_up()

    def clear(self) -> Samples:
        """As the sink's; what it dropped is not recorded."""
        self.catch_up()
        dropped = self._sink.clear()
        self.catch_up()
        with self._lock:
            # Some of what is left is still being heard: the fade.
            keep = sum(len(samples) for samples, _ in self._queued) - len(dropped)
            self._queued = deque(_first(self._queued, keep))
        return dropped

    def stop(self) -> None:
        """As the sink's; the recorder goes on."""
        self.catch_up()
        self._sink.stop()

    def catch_up(self) -> None:
        """Record what has been heard since the last time: it ended just now."""
        now = time.monotonic()
        with self._lock:
            heard = sum(len(samples) for samples, _ in self._queued)
            if self._has_position:
                position = int(cast(Any, self._sink).position)
                heard, self._heard = position - self._heard, position
            pieces = list(_first(self._queued, heard))
            for samples, rate in pieces:
                first, _ = self._queued.popleft()
                if len(first) > len(samples):
                    self._queued.appendleft((first[len(samples) :], rate))
        began = now - sum(len(samples) / rate for samples, rate in pieces)
        for samples, rate in pieces:
            self._recorder.assistant(samples, rate, began)
            began += len(samples) / rate

    @property
    def _has_position(self) -> bool:
        return hasattr(self._sink, "position")


def _first(pieces: Iterable[tuple[Samples, int]], samples: int) -> Generator[tuple[Samples, int]]:
    """The pieces up to that many samples, the last one cut."""
    for piece, rate in pieces:
        if samples <= 0:
            return
        yield piece[:samples], rate
        samples -= len(piece)
