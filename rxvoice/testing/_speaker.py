"""`FakeSpeaker`: a loudspeaker in virtual time."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
from reactivex import Observable, Subject, abc
from reactivex.disposable import SerialDisposable

from rxvoice._check import whole
from rxvoice._writing import refuse_conversation
from rxvoice.elements import Event, Samples, Speech
from rxvoice.errors import ConfigError, SinkStalled
from rxvoice.sinks._sink import Sink

__all__ = ["FakeSpeaker"]

_US = timedelta(microseconds=1)


class FakeSpeaker(Sink):
    """A loudspeaker that plays against a virtual clock, to the sample.

    It plays from the moment that it is given something; a sample counts as heard once its time is
    over. Nothing fades and nothing is ever full.

    Args:
        scheduler: the clock, such as ``marbles().scheduler``.
        sample_rate: Hz, until it is told another.
    """

    def __init__(self, scheduler: abc.SchedulerBase, *, sample_rate: int = 24_000) -> None:
        whole("FakeSpeaker sample_rate", sample_rate, 1, "Hz")
        self._clock = scheduler
        self._rate = sample_rate
        self._taken = np.empty(0, np.float32)
        self._marks: list[int] = []  # the positions at which `played` has something to say
        self._timer = SerialDisposable()
        self._before = 0  # samples heard before `_since`, the start of this stretch of playing
        self._since: datetime | None = None
        self._played: Subject[int] = Subject()
        self._events: Subject[Event] = Subject()
        self.paused = False
        self.gain = 1.0
        self.pauses = 0
        self.clears = 0
        self.flushes = 0
        self.stopped = False

    @property
    def heard(self) -> Samples:
        """The samples that were really played, in order."""
        return self._taken[: self.position]

    @property
    def position(self) -> int:
        """How many of the samples it took have been heard."""
        if self._since is None:
            return self._before
        passed = round((self._clock.now - self._since) / _US)
        return min(len(self._taken), self._before + passed * self._rate // 1_000_000)

    @property
    def written(self) -> int:
        """How many samples it took, without those that `clear` dropped."""
        return len(self._taken)

    @property
    def played(self) -> Observable[int]:
        """`position` when the first sample of a piece has been heard, and when its last one has."""
        return self._played

    @property
    def events(self) -> Subject[Event]:
        """What befalls it: for a test to say."""
        return self._events

    @property
    def queued_ms(self) -> int:
        """Milliseconds of sound taken and not yet heard."""
        return (len(self._taken) - self.position) * 1000 // self._rate

    @property
    def is_running(self) -> bool:
        """Whether sound is being played."""
        return not self.paused and self.position < len(self._taken)

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """The rate of what follows; not while something is queued."""
        if sample_rate != self._rate and self.position < len(self._taken):
            raise ConfigError(
                f"FakeSpeaker cannot go from {self._rate} to {sample_rate} Hz while it plays"
            )
        self._settle()
        self._rate = sample_rate
        self._go_on()

    def write_samples(self, samples: Samples, /) -> int:
        """Take all of them."""
        if self.stopped:
            raise SinkStalled("the FakeSpeaker has been stopped: make a new one")
        self._settle()
        start = len(self._taken)
        self._taken = np.concatenate([self._taken, np.asarray(samples, np.float32)])
        self._marks += sorted({start + 1, len(self._taken)}) if len(samples) else []
        self._go_on()
        return len(samples)

    def pause(self) -> None:
        """Play nothing until `resume`."""
        self.pauses += 1
        self._settle()
        self.paused = True
        self._go_on()

    def resume(self) -> None:
        """Go on with the next sample that was not heard."""
        self._settle()
        self.paused = False
        self._go_on()

    def duck(self, gain: float, /) -> None:
        """Noted in `gain`; what is `heard` stays as it was written."""
        self.gain = gain

    def clear(self) -> Samples:
        """Drop what is queued, and say what was never heard."""
        self.clears += 1
        self._settle()
        unheard = self._taken[self._before :]
        self._taken = self._taken[: self._before]
        self._marks.clear()
        self._go_on()
        return unheard

    def flush(self) -> None:
        """Counted only: virtual time cannot be waited for."""
        self.flushes += 1

    def stop(self) -> None:
        """End `played`."""
        if not self.stopped:
            self.clear()
            self.stopped = True
            self._played.on_completed()

    def on_next(self, value: Speech | Event) -> None:
        """Write a `Speech`; it logs no events."""
        refuse_conversation("a FakeSpeaker", value)
        if isinstance(value, Speech):
            super().on_next(value)

    def _settle(self) -> None:
        self._before = self.position
        self._since = None

    def _go_on(self) -> None:
        """Play on, if there is something to play, and wait until there is something to say."""
        if self.paused or self._before == len(self._taken):
            self._since = None
            self._timer.disposable = None
            return
        self._since = self._clock.now
        self._wait()

    def _wait(self) -> None:
        if self._since is None or not self._marks:
            return
        samples = self._marks[0] - self._before
        due = self._since + -(-samples * 1_000_000 // self._rate) * _US
        self._timer.disposable = self._clock.schedule_absolute(due, self._on_mark)

    def _on_mark(self, *_: object) -> None:
        position = self.position
        while self._marks and self._marks[0] <= position:
            del self._marks[0]
        self._wait()
        self._played.on_next(position)
