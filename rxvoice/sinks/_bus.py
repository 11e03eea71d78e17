"""`Bus`: one of the sinks that share a loudspeaker."""

from __future__ import annotations

import logging
import math
from typing import Protocol

import numpy as np
from reactivex import Observable, Subject

from rxvoice._audio.samples import Samples
from rxvoice._check import whole
from rxvoice.events import Event
from rxvoice.sinks._play_queue import PlayQueue
from rxvoice.sinks._queued import QueuedSink
from rxvoice.sinks._track import Track

_log = logging.getLogger("rxvoice")

_FADE_MS = 5
_RAMP_MS = 50
"""How long ducking takes from full loudness to silence."""
_RUN_OUT_MS = 25
"""How long before the queue runs out the rest of a signal is queued."""


class Desk(Protocol):
    """What a bus needs of its mixer."""

    events: Observable[Event]

    def heard(self) -> int:
        """How many samples of the mix have left the loudspeaker."""
        ...

    def wake(self) -> None:
        """Say that there may be something to mix."""
        ...

    def check(self) -> None:
        """Raise the error that has ended the mixer, if there is one."""
        ...


class Bus(QueuedSink):
    """A sink of a mixer, made by `Mixer.bus`. Its position is as exact as the loudspeaker's."""

    def __init__(
        self,
        desk: Desk,
        name: str,
        *,
        sample_rate: int,
        duck_to: float | None,
        waits: bool,
        max_buffer_ms: int,
    ) -> None:
        super().__init__(f"bus {name!r}", waits=waits, max_buffer_ms=max_buffer_ms)
        self.name = name
        self.duck_to = duck_to
        self._desk = desk
        self._mix_rate = self._rate = sample_rate
        # The clock of the queue counts samples of the mix, so a position has no rounding error.
        self._queue = PlayQueue(
            1,
            start_samples=0,
            fade_samples=max(1, sample_rate * _FADE_MS // 1000),
            gap_limit=math.inf,
        )
        self._track = Track(self._queue, sample_rate)
        self._under = 1.0  # the gain under speech
        self._told: int | None = 0  # None: the position is told again
        self._over = True
        self._played: Subject[int] = Subject()

    @property
    def sample_rate(self) -> int:
        """Hz, of the mix."""
        return self._mix_rate

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """Set the sample rate, in Hz, of the samples that follow. soxr converts them."""
        whole(f"{self._name} sample_rate", sample_rate, 1, "Hz")
        with self._changed:
            self._rate = sample_rate

    @property
    def position(self) -> int:
        """How many of the samples that it took have left the loudspeaker."""
        with self._changed:
            return self._position()

    def _position(self) -> int:
        return self._track.in_flight.position(self._queue.heard(self._desk.heard()))

    @property
    def written(self) -> int:
        """How many samples it took, without those that `clear` dropped."""
        with self._changed:
            return self._track.in_flight.written

    @property
    def played(self) -> Observable[int]:
        """`position`, from time to time while there is sound, and at its end.

        Also after `clear`. Completes at `stop`.
        """
        return self._played

    @property
    def events(self) -> Observable[Event]:
        """The events of the loudspeaker."""
        return self._desk.events

    @property
    def is_running(self) -> bool:
        """Whether its sound is being played. False while it is paused."""
        with self._changed:
            return not self._paused and self._position() < self._track.in_flight.written

    def end_reply(self) -> None:
        """Say that the reply is complete: silence may follow."""
        with self._changed:
            self._end_signal()
        self._wake()

    # As a queue

    def _queued(self) -> float:
        return 0.0 if self._stopped else self._track.in_flight.left_ms(self._position())

    def _put(self, samples: Samples) -> None:
        self._track.put(samples, self._rate)
        self._over = False

    def _end_signal(self) -> None:
        self._track.end_signal()
        self._over = True

    def _cut(self) -> Samples:
        self._over = True
        self._told = None
        return self._track.clear()

    def _pause(self, paused: bool) -> None:
        (self._queue.pause if paused else self._queue.resume)()

    def _duck(self, gain: float) -> None:
        self._queue.duck(gain)

    def _patience(self) -> float:
        return 1.0  # the mixer notifies when there is room

    def _wake(self) -> None:
        self._desk.wake()

    def _check(self) -> None:
        self._desk.check()

    def _end(self) -> None:
        self._desk.wake()
        self._played.on_completed()

    # For the mixer, on its thread

    @property
    def is_over(self) -> bool:
        """Whether nothing follows, as far as it was told."""
        return self._over

    @property
    def is_stopped(self) -> bool:
        """Whether it has been stopped."""
        return self._stopped

    @property
    def is_gone(self) -> bool:
        """Whether it has been stopped, and its last sound has faded."""
        with self._changed:
            return self._stopped and not self._queue.left

    @property
    def speaks(self) -> bool:
        """Whether other buses are to be ducked: it has speech to play, even if it is paused."""
        with self._changed:
            return self.duck_to is None and self._queue.left > 0

    def ready(self) -> int:
        """How many samples can be mixed now."""
        with self._changed:
            if self._queue.left * 1000 < _RUN_OUT_MS * self._mix_rate and self._waiting is None:
                over = self._over
                self._end_signal()
                self._over = over
            if self._paused and not self._queue.is_playing:
                return 0
            return self._queue.left

    def add_to(self, mix: Samples, at: int, *, ducked: bool) -> None:
        """Add its next samples to the mix, whose first sample is number `at`."""
        own = np.empty_like(mix)
        with self._changed:
            self._queue.render(own, at)
        target = self.duck_to if ducked and self.duck_to is not None else 1.0
        if self._under != 1.0 or target != 1.0:
            own *= self._gains(len(own), target)
        mix += own

    def _gains(self, count: int, target: float) -> Samples:
        step = np.arange(1, count + 1) * (1000 / (_RAMP_MS * self._mix_rate))
        gains = np.clip(target, self._under - step, self._under + step)
        self._under = float(gains[-1])
        return gains.astype(np.float32)

    def wake_up(self) -> None:
        """Wake the threads that wait for it: `check` has an error to raise."""
        with self._changed:
            self._changed.notify_all()

    def tell(self) -> None:
        """Emit the position on `played` if it has changed."""
        with self._changed:
            position = self._position()
            told, self._told = self._told, position
            self._changed.notify_all()
        if position != told:
            try:
                self._played.on_next(position)
            except Exception:
                _log.exception("a subscriber of the %s raised", self._name)
        self._stop_if_over()
