"""`FarSpeaker`: a loudspeaker at the client, whose playback is assumed to go in real time."""

from __future__ import annotations

from math import ceil

import numpy as np
from reactivex import Observable, Subject, abc
from reactivex.disposable import SerialDisposable

from rxvoice._audio.samples import Samples

_FIRST_S = 0.02
"""Seconds after which the first sample counts as heard."""
_SOONEST_S = 0.001


class FarSpeaker:
    """The sink of a dialogue. The sound itself goes to the client as fast as it is made.

    The client plays it in the order in which it came, from the moment of the first sample on. It
    does not pause while a candidate is judged, so `pause` does nothing. What the client stops is
    said by `stop_now`.

    Args:
        scheduler: has the time, and tells `played`.
    """

    def __init__(self, scheduler: abc.SchedulerBase) -> None:
        self._scheduler = scheduler
        self._rate = 24_000
        self._base = 0  # all before this sample was heard
        self._written = 0
        self._until = scheduler.now.timestamp()
        self._timer = SerialDisposable()
        self._played: Subject[int] = Subject()
        self.keeps_playing = False
        """Whether the client goes on playing what it has when the next `clear` comes."""

    @property
    def _now(self) -> float:
        return self._scheduler.now.timestamp()

    @property
    def seconds_left(self) -> float:
        """How long the client still plays."""
        return max(0.0, self._until - self._now)

    @property
    def position(self) -> int:
        """How many samples were heard."""
        return max(self._base, self._written - ceil(self.seconds_left * self._rate - 1e-3))

    @property
    def written(self) -> int:
        """How many samples were written, without those that were cleared."""
        return self._written

    @property
    def played(self) -> Observable[int]:
        """`position`, when a reply begins to be heard and when it was heard."""
        return self._played

    @property
    def queued_ms(self) -> int:
        """Milliseconds that wait for playback."""
        return round(1000 * self.seconds_left)

    @property
    def is_running(self) -> bool:
        """Whether the client plays."""
        return self.seconds_left > 0

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """Set the rate of what follows, in Hz."""
        self._base = self._written if not self.seconds_left else self.position
        self._rate = sample_rate

    def write_samples(self, samples: Samples, /) -> int:
        """Take all samples: they are sent elsewhere, and counted here."""
        idle = not self.seconds_left
        if idle:
            self._until = self._now
            self._base = self._written
        count = samples.shape[0]
        self._written += count
        self._until += count / self._rate
        self._tick(_FIRST_S if idle else self.seconds_left)
        return count

    def end_reply(self) -> None:
        """Wake `played` at the end of the sound."""
        self._tick(self.seconds_left)

    def flush(self) -> None:
        """Return at once: the loop must not wait."""

    def clear(self) -> Samples:
        """Drop what was not heard, and return as many samples."""
        unheard = self._written - self.position
        self._written -= unheard
        self._base = self._written
        if not self.keeps_playing:
            self._until = self._now
        self.keeps_playing = False
        return np.zeros(unheard, np.float32)

    def pause(self) -> None:
        """Do nothing: the client goes on until it is told that the user speaks."""

    def resume(self) -> None:
        """Do nothing: the client never paused."""

    def stop(self) -> None:
        """Tell nothing more."""
        self._timer.dispose()

    def _tick(self, seconds: float) -> None:
        def ring(*_: object) -> None:
            self._played.on_next(self.position)
            if self.seconds_left:
                self._tick(self.seconds_left)

        # Not less: a clock may be coarser than the rest.
        due = max(_SOONEST_S, seconds)
        self._timer.disposable = self._scheduler.schedule_relative(due, ring)
