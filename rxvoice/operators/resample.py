"""`resample`: give chunks another sample rate."""

from __future__ import annotations

from rxvoice._audio.resample import SoxrResampler
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._check import whole
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError
from rxvoice.events import Event
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful

__all__ = ["resample"]


class _Run:
    """Resamples chunks of one rate without a hole between them, as one signal."""

    def __init__(self, first: AudioChunk, rate: int) -> None:
        self._from = first.sample_rate
        self._to = rate
        self._begin = round(first.start * rate / first.sample_rate)
        self._resampler = SoxrResampler(first.sample_rate, rate)
        self._start = self._next = first.start
        self._given = 0
        self._time = first.time

    def continues(self, chunk: AudioChunk) -> bool:
        return chunk.sample_rate == self._from and chunk.start == self._next

    def feed(self, chunk: AudioChunk, samples: Samples) -> AudioChunk | None:
        self._next = chunk.start + len(samples)
        if chunk.time is not None:  # when the run began, by the newest reading of the clock
            self._time = chunk.time - (chunk.start - self._start) / self._from
        return self._made(self._resampler.feed(samples))

    def end(self) -> AudioChunk | None:
        return self._made(self._resampler.end())

    def _made(self, samples: Samples) -> AudioChunk | None:
        if not len(samples):
            return None
        given, self._given = self._given, self._given + len(samples)
        time = None if self._time is None else self._time + given / self._to
        samples.setflags(write=False)
        return AudioChunk(samples, self._to, self._begin + given, time=time)


def resample(rate: int) -> Operator[AudioChunk | Event, AudioChunk | Event]:
    """Resample audio of any sample rate to this one.

    Emits: an `AudioChunk` at ``rate``, of another length, for each chunk. The filter holds back
        some milliseconds: it may emit nothing for the first chunk, and emits the rest at the end.
        The chunks, joined, are the whole signal resampled. ``start`` counts samples at ``rate``,
        ``time`` is that of the first sample. A hole in ``start`` stays, with the same duration. A
        chunk that has ``rate`` already passes unchanged. Events from upstream pass.
    Completes: with the source, after what the filter held back.
    Errors: with the source; with an `AudioFormatError` for samples that are not mono float32 in
        [-1, 1].
    Drops: ``speech``, ``probability``, ``barge_in``, ``lead_in`` and ``partial`` of the chunks,
        since their borders move: resample before `vad`. On an error, what the filter holds back.
    Runs on: the thread of the source.

    Args:
        rate: Hz, 1 or more.

    The filter is that of soxr at high quality.
    """
    whole("resample rate", rate, 1, "Hz")

    def start(out: Subscription[AudioChunk | Event]) -> Handlers[AudioChunk]:
        run: _Run | None = None

        def end_run() -> None:
            nonlocal run
            ended, run = run, None
            tail = ended.end() if ended else None
            if tail is not None:
                out.emit(tail)

        def step(chunk: AudioChunk) -> None:
            nonlocal run
            try:
                samples = audio_samples(chunk.samples)
            except AudioFormatError as error:
                out.fail(error)
                return
            if run is not None and not run.continues(chunk):
                end_run()
                if out.life.is_disposed:
                    return
            if chunk.sample_rate == rate:
                out.emit(chunk)
                return
            if run is None:
                run = _Run(chunk, rate)
            made = run.feed(chunk, samples)
            if made is not None:
                out.emit(made)

        def flush() -> None:
            end_run()
            out.complete()

        return step, flush, None

    return stateful(start)
