"""The track of a loudspeaker, across a change of device."""

from __future__ import annotations

import math
import time

from rxvoice._audio.samples import Samples
from rxvoice.sinks._play_queue import PlayQueue
from rxvoice.sinks._track import Track

_FADE_S = 0.005
_TICK_S = 0.02
_GAP_S = 1.0
_RUN_OUT_S = 0.025
"""How long before the queue runs out the rest of a signal is queued."""

_OVER_S = 0.1
"""How long after the last piece a signal ends when the queue is empty."""


class SpeakerTrack(Track):
    """A `Track` that goes on when another device plays, at another rate.

    Args:
        rate: Hz, of the device.
        start_buffer_ms: as in `speaker`.
    """

    def __init__(self, rate: int, start_buffer_ms: int) -> None:
        self._start_buffer_ms = start_buffer_ms
        self._knows_ends = False
        self._silent_before = self._late_before = 0
        self.being_written: Samples | None = None
        """The piece that a thread is writing and that is not yet queued."""
        self.written_at = 0.0
        """When the last piece was written, in seconds of ``time.monotonic()``."""
        self.left: float | None = None
        """When the device that is being given up was heard last; None while none is."""
        super().__init__(self._new_queue(rate, 0), rate)

    def _new_queue(self, rate: int, index: int) -> PlayQueue:
        return PlayQueue(
            rate,
            start_samples=rate * self._start_buffer_ms // 1000,
            fade_samples=max(1, round(rate * _FADE_S)),
            gap_limit=math.inf if self._knows_ends else rate * _GAP_S,
            index=index,
        )

    def expect_ends(self) -> None:
        """Count any silence as an underrun until `PlayQueue.end`: the writer tells of the ends."""
        self._knows_ends = True
        self.queue.gap_limit = math.inf

    def change_device(self, rate: int) -> None:
        """Play what is queued on a device that is about to start at `rate` Hz."""
        if rate == self.rate and self.left is None:
            return
        old = self.queue
        self._silent_before += old.silent
        self._late_before += old.lost
        was_playing = old.is_playing
        heard = self.heard(time.monotonic())
        index = old.cut(fade=False)
        if self.left is not None:
            # The next device plays what this one had taken and not played.
            index, self.left = heard, None
        queue = self._new_queue(rate, index)
        if old.is_paused:
            queue.pause()
        queue.duck(old.loudness)
        self.change_queue(queue, rate, index)
        if old.is_ended:
            queue.end()
        if was_playing:
            queue.start()

    def clear(self) -> Samples:
        """Drop what is queued. Returns what was not heard, as it was written."""
        if self.left is None:
            return super().clear()
        # No device plays, so nothing fades.
        self.queue.cut(fade=False)
        return self._drop(self.heard(self.left))

    def heard(self, now: float) -> int:
        """How many of the device's samples had been heard at `now`."""
        return self.queue.heard(now if self.left is None else min(now, self.left))

    def position(self, now: float) -> int:
        """How many samples, as written, had been heard at `now`."""
        return self.in_flight.position(self.heard(now))

    @property
    def silent(self) -> int:
        """Samples of silence in the middle of replies, because speech came too late."""
        return self._silent_before + self.queue.silent

    @property
    def late(self) -> int:
        """Samples of silence because the device was not served in time."""
        return self._late_before + self.queue.lost

    def until_run_out(self, now: float) -> float | None:
        """Seconds until the open signal must end, so that its rest follows without a gap.

        None where no signal is open, or where it is unknown.
        """
        if not self.in_flight.is_open or self.being_written is not None or self.queue.is_paused:
            return None
        if self.queue.is_playing:
            return max(0.0, self.queue.left / self.rate - _RUN_OUT_S)
        return None if self.queue.left else max(0.0, self.written_at + _OVER_S - now)

    def until_heard(self, now: float) -> float | None:
        """Seconds until the position should be looked at again; None while nothing plays."""
        if self.left is not None:
            return None  # until another device plays
        queue = self.queue
        heard = queue.heard(now)
        if heard >= queue.rendered:
            return _TICK_S if queue.is_playing else None
        first, last = (queue.time_of(at) - now for at in (heard, queue.rendered - 1))
        sample = 1 / self.rate
        return max(0.0005, first + sample, min(_TICK_S, last + sample))
