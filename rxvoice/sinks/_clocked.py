"""`ClockedSink`: a loudspeaker by the clock, without a device."""

from __future__ import annotations

import logging
from collections import deque
from datetime import datetime, timedelta

import numpy as np
from reactivex import Observable, Subject, abc
from reactivex.disposable import SerialDisposable

from rxvoice._audio.samples import Samples
from rxvoice._check import whole
from rxvoice.events import Event
from rxvoice.sinks._monotonic_loop import MonotonicLoop
from rxvoice.sinks._queued import QueuedSink

_log = logging.getLogger("rxvoice")

_US = timedelta(microseconds=1)


class ClockedSink(QueuedSink):
    """Plays by the clock, exact to the sample. A sample was heard once its time is over.

    Args:
        name: for errors.
        scheduler: the clock; None for real time, on a thread that lasts while there is sound.
        sample_rate: Hz, until `set_sample_rate` is called.
        max_buffer_ms: as in `QueuedSink`. With a scheduler nothing waits.
        told_ms: how often `played` emits, in milliseconds. It always emits at the first and the
            last sample of each piece; None for these only.
    """

    def __init__(
        self,
        name: str,
        scheduler: abc.SchedulerBase | None,
        *,
        sample_rate: int,
        max_buffer_ms: int,
        told_ms: int | None,
    ) -> None:
        whole(f"{name} sample_rate", sample_rate, 1, "Hz")
        super().__init__(name, waits=scheduler is None, max_buffer_ms=max_buffer_ms)
        self._clock = MonotonicLoop("rxvoice-null") if scheduler is None else scheduler
        self._told_ms = told_ms
        self._rate = sample_rate
        self._pieces: deque[tuple[int, int, Samples]] = deque()  # position, rate; not all heard
        self._written = 0
        # The current stretch of playing: since when, from which position, and of which samples.
        self._since: datetime | None = None
        self._before = 0
        self._runs: list[tuple[int, int]] = []  # sample rate, samples
        self._marks: deque[int] = deque()  # positions at which `played` emits
        self._timer = SerialDisposable()
        self._played: Subject[int] = Subject()
        self._events: Subject[Event] = Subject()

    @property
    def sample_rate(self) -> int:
        """Hz, of the samples that follow."""
        return self._rate

    @property
    def position(self) -> int:
        """How many of the samples that it took have been heard."""
        with self._changed:
            return self._position()

    def _position(self) -> int:
        if self._since is None:
            return self._before
        passed, position = round((self._clock.now - self._since) / _US), self._before
        for rate, count in self._runs:
            heard = passed * rate // 1_000_000
            if heard < count:
                return position + heard
            position += count
            passed -= _us(count, rate)
        return position

    @property
    def written(self) -> int:
        """How many samples it took, without those that `clear` dropped."""
        with self._changed:
            return self._written

    @property
    def played(self) -> Observable[int]:
        """`position`, from time to time while there is sound. Completes at `stop`."""
        return self._played

    @property
    def events(self) -> Observable[Event]:
        """Emits nothing: there is no device. Completes at `stop`."""
        return self._events

    def _queued(self) -> float:
        position = self._position()
        left = sum(
            1000 * max(0, at + len(samples) - max(at, position)) / rate
            for at, rate, samples in self._pieces
        )
        return 0.0 if self._stopped else left

    @property
    def is_running(self) -> bool:
        """Whether sound is being played."""
        with self._changed:
            return not self._paused and self._position() < self._written

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """Set the sample rate, in Hz, of the samples that follow."""
        whole(f"{self._name} sample_rate", sample_rate, 1, "Hz")
        with self._changed:
            self._rate = sample_rate

    def _put(self, samples: Samples) -> None:
        position = self._position()
        self._forget(position)
        if position == self._written:
            self._since = None
        start, rate, count = self._written, self._rate, len(samples)
        self._pieces.append((start, rate, samples))
        self._written += count
        self._marks.extend(self._marks_of(start, count))
        if self._since is None:
            self._go_on(position)
        else:
            self._add_run(rate, count)
            self._wait()

    def _marks_of(self, start: int, count: int) -> list[int]:
        marks = {start + 1, start + count}
        if self._told_ms is not None:
            step = max(1, self._rate * self._told_ms // 1000)
            marks |= set(range(start + step, start + count, step))
        return sorted(marks)

    def _add_run(self, rate: int, count: int) -> None:
        if self._runs and self._runs[-1][0] == rate:
            count += self._runs.pop()[1]
        self._runs.append((rate, count))

    def _forget(self, position: int) -> None:
        while self._pieces and self._pieces[0][0] + len(self._pieces[0][2]) <= position:
            self._pieces.popleft()

    def _go_on(self, position: int) -> None:
        """Play on from this position, if there is sound, and wait for the next mark."""
        self._before, self._since = position, None
        self._runs.clear()
        if self._paused or position == self._written:
            self._timer.disposable = None
            return
        for at, rate, samples in self._pieces:
            if heard := at + len(samples) - max(at, position):
                self._add_run(rate, heard)
        self._since = self._clock.now
        self._wait()

    def _pause(self, paused: bool) -> None:
        position = self._position()
        self._forget(position)
        self._go_on(position)

    def _cut(self) -> Samples:
        position = self._position()
        self._forget(position)
        unheard = [samples[max(0, position - at) :] for at, _, samples in self._pieces]
        self._pieces.clear()
        self._marks.clear()
        self._written = position
        self._go_on(position)
        return np.concatenate([*unheard, np.empty(0, np.float32)])

    def _patience(self) -> float:
        over = self._queued() - self._max_buffer_ms
        return max(0.001, (over if over > 0 else self._queued()) / 1000)

    def _wait(self) -> None:
        """Schedule `_on_mark` for the next mark."""
        if self._since is None or not self._marks:
            return
        due, position = self._since, self._before
        for rate, count in self._runs:
            if self._marks[0] <= position + count:
                due += _us(self._marks[0] - position, rate) * _US
                break
            position += count
            due += _us(count, rate) * _US
        self._timer.disposable = self._clock.schedule_absolute(due, self._on_mark)

    def _on_mark(self, *_: object) -> None:
        with self._changed:
            position = self._position()
            while self._marks and self._marks[0] <= position:
                self._marks.popleft()
            self._wait()
            self._changed.notify_all()
        self._tell(position)
        self._stop_if_over()

    def _tell(self, position: int) -> None:
        try:
            self._played.on_next(position)
        except Exception:
            if not self._waits:  # the owner of the scheduler sees it
                raise
            _log.exception("a subscriber of the %s raised", self._name)

    def _end(self) -> None:
        self._timer.dispose()
        self._played.on_completed()
        self._events.on_completed()


def _us(count: int, rate: int) -> int:
    """How long so many samples last, in microseconds, rounded up."""
    return -(-count * 1_000_000 // rate)
