"""`QueuedSink`: the base of sinks that play without a device of their own."""

from __future__ import annotations

import threading
from abc import abstractmethod

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice._check import whole, within
from rxvoice.errors import SinkStalled
from rxvoice.sinks._sink import Sink
from rxvoice.sinks._written import as_written


class QueuedSink(Sink):
    """A sink that queues what it takes, within a bound, and plays it later.

    A piece is taken whole. While more than `max_buffer_ms` are queued, the next piece waits. While
    the sink is paused no piece waits, because the thread that writes may be the one that resumes.

    `_put`, `_cut`, `_queued`, `_pause` and `_duck` are called with the lock `_changed`.

    Args:
        name: for errors.
        waits: whether its time can be waited for. If not, nothing waits: a piece is taken at once,
            `flush` returns, and a stream that completes stops the sink once all was heard.
        max_buffer_ms: milliseconds, 1 or more.
    """

    def __init__(self, name: str, *, waits: bool, max_buffer_ms: int) -> None:
        whole(f"{name} max_buffer_ms", max_buffer_ms, 1, "ms")
        self._name = name
        self._waits = waits
        self._max_buffer_ms = max_buffer_ms
        self._changed = threading.Condition(threading.RLock())
        self._writing = threading.RLock()  # one piece at a time, in order
        self._waiting: Samples | None = None
        self._era = 0  # counts the calls of `clear`
        self._paused = self._ending = self._stopped = False

    @abstractmethod
    def _put(self, samples: Samples) -> None:
        """Queue samples. Nobody changes them."""

    @abstractmethod
    def _cut(self) -> Samples:
        """Drop what is queued. Returns what was never heard."""

    @abstractmethod
    def _queued(self) -> float:
        """How many milliseconds were not yet heard."""

    @abstractmethod
    def _patience(self) -> float:
        """Seconds after which to check again whether there is room."""

    def _wake(self) -> None:
        """Called without the lock when something has changed."""

    def _check(self) -> None:
        """Raise if nothing will be played any more."""

    def _end_signal(self) -> None:
        """Called with the lock: what was written so far is complete."""

    @property
    def queued_ms(self) -> float:
        """Milliseconds of sound that it took and that were not yet heard."""
        with self._changed:
            return self._queued()

    def write_samples(self, samples: Samples, /) -> int:
        """Take all of the samples, once there is room.

        If another thread calls `clear` or `stop` during the wait, they are taken and never heard.

        Raises:
            AudioFormatError: for samples that are not mono audio in [-1, 1].
            SinkStalled: the sink has been stopped.
        """
        written = as_written(samples)
        with self._writing, self._changed:
            if self._stopped:
                raise SinkStalled(f"the {self._name} has been stopped: make a new one")
            era, self._waiting = self._era, written
            try:
                self._wait_for_room(era)
                if era == self._era and not self._stopped and len(written):
                    self._put(written)
            finally:
                self._waiting = None
        self._wake()
        return len(written)

    def _wait_for_room(self, era: int) -> None:
        while (
            self._waits
            and not (self._stopped or self._paused)
            and era == self._era
            and self._queued() > self._max_buffer_ms
        ):
            self._check()
            self._changed.wait(self._patience())
        if not self._stopped:
            self._check()

    def flush(self) -> None:
        """Block until all samples taken have been heard or cleared, or the sink is stopped.

        While the sink is paused, this waits for `resume`. On a scheduler's time it returns at once.
        """
        with self._changed:
            self._end_signal()
        self._wake()
        with self._changed:
            era = self._era
            while self._waits and not self._stopped and era == self._era and self._queued():
                self._check()
                self._changed.wait(self._patience())

    def pause(self) -> None:
        """Play nothing until `resume`."""
        self._set_paused(True)

    def resume(self) -> None:
        """Go on with the next sample that was not heard."""
        self._set_paused(False)

    def _set_paused(self, paused: bool) -> None:
        with self._changed:
            self._paused = paused
            self._pause(paused)
            self._changed.notify_all()
        self._wake()

    def _pause(self, paused: bool) -> None:
        """Pause or resume."""

    def duck(self, gain: float) -> None:
        """Play at this gain.

        Args:
            gain: 0 (silence) to 1 (as written).
        """
        within(f"the {self._name} duck gain", gain, 0, 1, "of full loudness")
        with self._changed:
            self._duck(float(gain))

    def _duck(self, gain: float) -> None:
        """Play at this gain."""

    def clear(self) -> Samples:
        """Drop what is queued. Returns what was never heard, as it was written."""
        with self._changed:
            unheard = self._cut()
            if self._waiting is not None:
                unheard = np.concatenate([unheard, self._waiting])
                self._waiting = None
            self._era += 1
            self._changed.notify_all()
        self._wake()
        return unheard

    def stop(self) -> None:
        """Stop for good: the sound ends. Again does nothing."""
        with self._changed:
            if self._stopped:
                return
            self._cut()
            self._stopped = True
            self._changed.notify_all()
        self._end()

    def _end(self) -> None:
        """Called once, by `stop`, without the lock."""

    def on_completed(self) -> None:
        """Stop once all has been heard."""
        if self._waits:
            super().on_completed()
            return
        with self._changed:
            self._ending = True
        self.flush()
        self._stop_if_over()

    def _stop_if_over(self) -> None:
        """Stop if the stream has completed and all was heard."""
        with self._changed:
            over = self._ending and not self._queued()
        if over:
            self.stop()
