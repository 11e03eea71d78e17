"""`record`: write the audio that passes to a file."""

from __future__ import annotations

import logging
import os
from typing import TypeVar

import numpy as np
from reactivex.disposable import Disposable

from rxvoice._audio.samples import Samples
from rxvoice._writing import write_all
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Speech
from rxvoice.events import Event, Notice
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful_on_events

__all__ = ["record"]

T = TypeVar("T")

_log = logging.getLogger("rxvoice")

_SILENCE_AT_ONCE = 1 << 16


def record(
    path: str | os.PathLike[str], *, sample_rate: int | None = None
) -> Operator[T, T | Event]:
    """Write the audio that passes to a file, in mono and 16 bits, as a WAV or in another format.

    It writes `AudioChunk` and `Speech`. A WAV can be played whatever becomes of the process: each
    element is in the file before it goes on, samples first and then the header. A hole in the
    ``start`` of chunks, where audio was lost, becomes silence of the same length.

    An older file keeps its name until the new one is finished. Until then the new one is beside it,
    as ``talk.partial.wav`` for ``talk.wav``; it stays there if the process is killed, the source
    fails, or writing fails.

    Emits: the same elements. If the file cannot be written any further, one `Notice` that says why;
        the recording stops, and the stream goes on.
    Completes: with the source, when the file is finished.
    Errors: with the source, when the file is finished. Building the operator raises a `ConfigError`
        if the path cannot be written.
    Drops: nothing.
    Runs on: the thread of the source, which writes the file.

    Each subscription begins the file with its first audio and finishes it when it ends, also by
    disposal: the operator serves one subscription at a time.

    Args:
        path: the path of the file, .wav, .flac, .mp3, .ogg or .opus; its directory exists.
        sample_rate: Hz, of the file. None: the rate of the first audio. Audio at another rate is
            resampled by soxr.

    If a reply is interrupted, the file has more of it than was heard. `rxvoice.recorder` records
    what was heard.
    """
    from rxvoice.sinks.wav import WavSink

    WavSink(path, sample_rate)  # checks the path, and touches nothing yet
    name = str(path)

    def start(out: Subscription[T | Event]) -> Handlers[T]:
        file: WavSink | None = None
        over = False
        next_start: int | None = None

        def write(element: AudioChunk | Speech) -> None:
            nonlocal file, next_start
            if file is None:
                file = WavSink(path, sample_rate)
            file.set_sample_rate(element.sample_rate)
            samples: Samples = np.asarray(element.samples, np.float32)
            if isinstance(element, AudioChunk):
                missing = 0 if next_start is None else element.start - next_start
                while missing > 0:
                    n = min(missing, _SILENCE_AT_ONCE)
                    write_all(file, np.zeros(n, np.float32))
                    missing -= n
                next_start = element.start + len(samples)
            write_all(file, samples)

        def step(element: T) -> None:
            if isinstance(element, (AudioChunk, Speech)) and not over:
                try:
                    write(element)
                except Exception as error:
                    give_up(error)
            out.emit(element)

        def give_up(error: Exception) -> None:
            finish(error)
            message = f"the recording {name} stopped: {error}"
            _log.warning("%s", message)
            out.emit(Notice(message, error, stage="record"))

        def finish(cause: Exception | None = None) -> Exception | None:
            nonlocal over
            over = True
            try:
                if file is not None:
                    # With an error, it does not replace an older file.
                    file.__exit__(None, cause, None)
            except Exception as error:
                return error
            return None

        def close(cause: Exception | None = None) -> None:
            error = finish(cause)
            if error is not None:
                _log.warning("the recording %s could not be finished: %s", name, error)

        def flush() -> None:
            error = finish()
            if error is not None:
                give_up(error)
            out.complete()

        def fail(error: Exception) -> None:
            close(error)
            out.fail(error)

        out.life.add(Disposable(close))
        return step, flush, fail

    return stateful_on_events(start)
