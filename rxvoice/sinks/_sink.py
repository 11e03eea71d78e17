"""`Sink`: the base of all sinks, which makes an audio sink an observer as well."""

from __future__ import annotations

import logging
from abc import abstractmethod
from threading import Lock
from types import TracebackType
from typing import Self, cast

import numpy as np
from reactivex import abc

from rxvoice._audio.resample import SoxrResampler
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._check import whole
from rxvoice._writing import SpeechWriter, refuse_conversation
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Speech
from rxvoice.errors import ConfigError, SinkStalled
from rxvoice.events import Event, TurnFailed
from rxvoice.turn import turn_name

_log = logging.getLogger("rxvoice")


class Sink(abc.ObserverBase[AudioChunk | Speech | Event]):
    """The base of all sinks, and of sinks of your own. Works with `play` and with ``subscribe``.

    A sink of your own says what becomes of the samples:

    ```python
    class Meter(Sink):
        \"\"\"Prints how loud each piece is.\"\"\"

        def write_samples(self, samples):
            taken = np.asarray(samples, np.float32)
            print(f"{np.sqrt(np.mean(taken**2)):.2f}")
            return len(taken)

        def flush(self):
            \"\"\"Nothing waits to be played.\"\"\"

        def clear(self):
            return np.empty(0, np.float32)

        def stop(self):
            \"\"\"Nothing to release.\"\"\"

        @property
        def is_running(self):
            return False


    speech.subscribe(Meter())
    ```

    It may also have ``set_sample_rate(hz)``, which is called when the sample rate changes. Without
    that method, a sink does not learn the rate. `AudioSink` lists more such methods.

    As an observer it writes each `Speech` and each `AudioChunk`, whole. It logs a `TurnFailed` as a
    warning to the logger ``rxvoice``, and any other event as information. When the stream
    completes, it is flushed once and stopped. When the stream fails, it is flushed and stopped too,
    and then raises the error, as RxPY does for an observer without ``on_error``. It also logs the
    error, since some sources of RxPY swallow it. So a sink serves one subscription. `play` flushes
    it and does not stop it.

    A ``with`` block stops it at the end.
    """

    _writer: SpeechWriter | None = None

    @property
    @abstractmethod
    def is_running(self) -> bool:
        """Whether sound is being played."""

    @abstractmethod
    def write_samples(self, samples: Samples, /) -> int:
        """Take samples. Returns how many; the rest is offered again.

        Waits until there is room for at least one.

        Args:
            samples: float32 of shape ``(n,)`` in [-1, 1], mono; numpy or ``mx.array``.
        """

    @abstractmethod
    def flush(self) -> None:
        """Block until all samples taken have been played."""

    @abstractmethod
    def clear(self) -> Samples:
        """Drop what is queued, with a short fade. Returns what was never heard."""

    @abstractmethod
    def stop(self) -> None:
        """Stop for good: release the device, finish the file. Again does nothing."""

    def on_next(self, value: AudioChunk | Speech | Event) -> None:
        """Write all of a `Speech` or an `AudioChunk`. SinkStalled if the sink takes nothing."""
        element = cast("object", value)
        refuse_conversation("a sink", element)
        if isinstance(element, (AudioChunk, Speech)):
            if self._writer is None:
                self._writer = SpeechWriter(self)
            self._writer.write(element)
        elif isinstance(element, TurnFailed):
            _log.warning("turn %s was not spoken: %s", turn_name(element.turn), element.error)
        elif isinstance(element, Event):
            _log.info("%s", element)
        else:
            raise ConfigError(
                f"a sink takes Speech or AudioChunk, got {type(element).__name__}: subscribe it to "
                "what synthesize() or speak() gives, or to a source"
            )

    def on_error(self, error: Exception) -> None:
        """Flush, stop, log the error and raise it."""
        _log.error("the stream into the sink has failed: %s: %s", type(error).__name__, error)
        try:
            self.on_completed()
        except Exception:
            _log.exception("the sink could not be finished after %r", error)
        raise error

    def on_completed(self) -> None:
        """Flush, then stop."""
        try:
            self.flush()
        finally:
            self.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class KeepingSink(Sink):
    """A sink that keeps what it takes, at one sample rate: its own, or the first that is set.

    Samples at another rate are resampled. The pieces of a run are one signal. A run ends with a
    change of rate, `flush` or `stop`; until then its last milliseconds are held back. What is taken
    counts as heard at once.
    """

    def __init__(self, name: str, sample_rate: int | None) -> None:
        if sample_rate is not None:
            whole(f"{name} sample_rate", sample_rate, 1, "Hz")
        self._name = name
        self._kept_rate = sample_rate
        self._given_rate: int | None = None
        self._resampler: SoxrResampler | None = None
        self._stopped = False
        self._lock = Lock()

    @property
    def is_running(self) -> bool:
        """False: nothing is being played."""
        return False

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """Set the sample rate, in Hz, of the samples that follow."""
        whole(f"{self._name} sample_rate", sample_rate, 1, "Hz")
        with self._lock:
            if sample_rate == self._given_rate:
                return
            self._end_run()
            self._given_rate = sample_rate
            self._kept_rate = self._kept_rate or self._possible_rate(sample_rate)

    def write_samples(self, samples: Samples, /) -> int:
        """Take all of the samples.

        Raises:
            AudioFormatError: for samples that are not mono audio in [-1, 1].
            SinkStalled: the sink has been stopped.
        """
        given = audio_samples(np.asarray(samples, np.float32))
        with self._lock:
            if self._stopped:
                raise SinkStalled(f"{self._name} has been stopped: make a new one")
            if self._given_rate is None or self._given_rate == self._kept_rate:
                self._keep(given)
            else:
                self._keep(self._resample(given, self._given_rate))
        return len(given)

    def flush(self) -> None:
        """End the run. There is nothing to wait for."""
        with self._lock:
            self._end_run()

    def clear(self) -> Samples:
        """Return nothing: all that was taken counts as heard."""
        return np.empty(0, np.float32)

    def stop(self) -> None:
        """Stop for good. What it has kept stays. Again does nothing."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            try:
                self._end_run()
            finally:
                self._finish()

    @abstractmethod
    def _keep(self, samples: Samples) -> None:
        """Keep samples, at the kept rate. The caller may change them afterwards."""

    def _possible_rate(self, sample_rate: int) -> int:
        """The rate, in Hz, at which samples of this rate are kept."""
        return sample_rate

    def _finish(self) -> None:
        """Called once, by `stop`."""

    def _resample(self, samples: Samples, rate: int) -> Samples:
        if self._resampler is None:
            self._resampler = SoxrResampler(rate, self._kept_rate or rate)
        return self._resampler.feed(samples)

    def _end_run(self) -> None:
        if self._resampler is not None:
            resampler, self._resampler = self._resampler, None
            self._keep(resampler.end())
