"""`QueuedSink`: what the sinks that play share: room, waiting for it, and the end."""

from __future__ import annotations

import threading
from abc import abstractmethod

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice._check import whole, within
from rxvoice.errors import SinkStalled
from rxvoice.sinks._sink import Sink
from rxvoice.sinks._written import as_written

__all__ = ["QueuedSink"]


class QueuedSink(Sink):
    """A sink that plays what it takes later, with a bound on how much waits.

    Each piece is taken whole. One that comes when more than `max_buffer_ms` are queued waits until
    no more are; not while it is paused, for the one who writes may be the one to resume it.

    `_put`, `_cut` and `_queued` are called with `_changed` held.

    Args:
        name: for errors.
        waits: whether there is a time that can be waited for. Without, nothing waits: a piece is
            taken at once, `flush` returns, and a stream that completes ends it once all was heard.
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
        self._era = 0  # counts what was cleared
        self._paused = self._ending = self._stopped = False

    @abstractmethod
    def _put(self, samples: Samples) -> None:
        """Take samples, which stay as they are."""

    @abstractmethod
    def _cut(self) -> Samples:
        """Drop what is queued; what was never heard."""

    @abstractmethod
    def _queued(self) -> float:
        """Milliseconds that have not been heard."""

    @abstractmethod
    def _patience(self) -> float:
        """Seconds after which to look again whether there is room."""

    def _look(self) -> None:
        """Something has changed; called without `_changed`."""

    def _check(self) -> None:
        """Raise where nothing will be played any more."""

    def _end_signal(self) -> None:
        """What was written so far is complete; called with `_changed`."""

    @property
    def queued_ms(self) -> float:
        """Milliseconds of sound taken and not yet heard."""
        with self._changed:
            return self._queued()

    def write_samples(self, samples: Samples, /) -> int:
        """Take all of them, once there is room.

        What another thread clears while it waits is taken, and never heard; likewise at `stop`.

        Raises:
            AudioFormatError: for samples that are not mono audio in [-1, 1].
            SinkStalled: it has been stopped.
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
            self._changed.notify_all()
        self._look()
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
        """Block until everything taken has been heard, or cleared, or the sink is stopped.

        While it is paused, it waits for `resume`. By a scheduler it returns at once.
        """
        with self._changed:
            self._end_signal()
        self._look()
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
        self._look()

    def _pause(self, paused: bool) -> None:
        """Stop or go on; called with `_changed`."""

    def duck(self, gain: float) -> None:
        """Play more softly.

        Args:
            gain: 0, silence, to 1, as it is written.
        """
        within(f"the {self._name} duck gain", gain, 0, 1, "of full loudness")
        with self._changed:
            self._duck(float(gain))

    def _duck(self, gain: float) -> None:
        """Play at that gain; called with `_changed`."""

    def clear(self) -> Samples:
        """Drop what is queued, and say what was never heard, as it was written."""
        with self._changed:
            unheard = self._cut()
            if self._waiting is not None:
                unheard = np.concatenate([unheard, self._waiting])
                self._waiting = None
            self._era += 1
            self._changed.notify_all()
        self._look()
        return unheard

    def stop(self) -> None:
        """End it for good: sound ceases. Again does nothing."""
        with self._changed:
            if self._stopped:
                return
            self._cut()
            self._stopped = True
            self._changed.notify_all()
        self._end()

    def _end(self) -> None:
        """Called once, by `stop`."""

    def on_completed(self) -> None:
        """Stop, once all has been heard."""
        if self._waits:
            super().on_completed()
            return
        with self._changed:
            self._ending = True
        self.flush()
        self._stop_if_over()

    def _stop_if_over(self) -> None:
        """To be called when something has been heard."""
        with self._changed:
            over = self._ending and not self._queued()
        if over:
            self.stop()
