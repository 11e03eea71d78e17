"""What a loudspeaker played, and when."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from threading import Lock

import numpy as np

from rxvoice._audio.piecewise_signal import PiecewiseSignal
from rxvoice._audio.samples import Samples
from rxvoice._audio.steady_offset import SteadyOffset

_STALLED_S = 0.06
"""A position that is later than expected by more than this means that playback stands still."""


@dataclass(slots=True)
class _Written:
    """Samples that were written at one sample rate, one after the other."""

    sound: PiecewiseSignal
    position: int  # how many samples were written before
    begins: float  # how many seconds of sound were written before

    @property
    def ends(self) -> float:
        return self.begins + self.sound.end / self.sound.sample_rate


@dataclass(slots=True)
class _PlayedStretch:
    """A stretch of time in which sound played without a break."""

    begins: float
    ends: float  # infinity while it goes on
    ahead: SteadyOffset  # seconds of sound played, minus the time


class PlayHistory:
    """Which samples were heard at which time, or will be.

    Call `write` with the samples that the loudspeaker takes, and `observe` with its position now
    and then. Between two observations, sound plays at its own rate or not at all. All methods may
    be called from any thread.

    Args:
        sample_rate: Hz, of the samples written before `set_sample_rate` is called.
        seconds: how long to remember.
    """

    def __init__(self, sample_rate: int, seconds: float) -> None:
        self._seconds = seconds
        self._written: deque[_Written] = deque([_Written(PiecewiseSignal(sample_rate), 0, 0.0)])
        self._runs: deque[_PlayedStretch] = deque()
        self._last = (-math.inf, 0.0)  # the time, and the seconds of sound played by then
        self._lock = Lock()

    def set_sample_rate(self, sample_rate: int) -> None:
        """Set the sample rate, in Hz, of the samples that are written next."""
        with self._lock:
            last = self._written[-1]
            if sample_rate != last.sound.sample_rate:
                position = last.position + last.sound.end
                self._written.append(_Written(PiecewiseSignal(sample_rate), position, last.ends))

    def write(self, samples: Samples) -> None:
        """Note samples that the loudspeaker has taken. They are copied."""
        with self._lock:
            self._written[-1].sound.append(np.array(samples, np.float32))

    def clear(self, unheard: int) -> None:
        """Note that the last `unheard` samples will never be heard."""
        with self._lock:
            last = self._written[-1]
            end = last.position + last.sound.end - unheard
            rate = last.sound.sample_rate
            while len(self._written) > 1 and self._written[-1].position > end:
                self._written.pop()
            last = self._written[-1]
            last.sound.cut(max(0, end - last.position))
            if rate != last.sound.sample_rate:
                self._written.append(_Written(PiecewiseSignal(rate), end, last.ends))

    def observe(self, time: float, position: int) -> None:
        """Note that `position` samples had been heard at `time`."""
        with self._lock:
            self._observe(time, self._seconds_of(position))
            self._forget(time)

    def pause(self, time: float) -> None:
        """Note that playback stands still from `time` on, until the position grows."""
        with self._lock:
            if self._runs:
                self._runs[-1].ends = min(time, self._runs[-1].ends)

    def at(self, time: float, n: int, sample_rate: int) -> Samples:
        """Return `n` samples at `sample_rate`: what was heard from `time` on.

        Where nothing was heard there is silence. For a time to come, this is what will be heard if
        playback goes on as it does.
        """
        heard = np.zeros(n, np.float32)
        with self._lock:
            for run in self._runs:
                for written in self._written:
                    # The time in which this stretch played these samples.
                    first = max(run.begins, written.begins - run.ahead.value)
                    last = min(run.ends, written.ends - run.ahead.value)
                    low = max(0, round((first - time) * sample_rate))
                    high = math.ceil(min(n, (last - time) * sample_rate))
                    if low < high:
                        start = time + run.ahead.value - written.begins + low / sample_rate
                        heard[low:high] = written.sound.at(start, high - low, sample_rate)
        return heard

    def _seconds_of(self, position: int) -> float:
        for written in reversed(self._written):
            if position >= written.position:
                break
        else:
            written = self._written[0]
        return written.begins + (position - written.position) / written.sound.sample_rate

    def _observe(self, time: float, played: float) -> None:
        before, played_before = self._last
        if time < before:  # another thread was faster
            return
        self._last = (time, played)
        run = self._runs[-1] if self._runs and self._runs[-1].ends == math.inf else None
        if run is not None:
            behind = time + run.ahead.value - played
            if abs(behind) <= _STALLED_S:
                run.ahead.read(played - time)
                return
            if behind > 0:
                run.ends = played - run.ahead.value
                return
            run.ends = before
        if played > played_before:
            # Playback goes on. It began when none of this had been played.
            begins = max(before, time - (played - played_before))
            self._runs.append(_PlayedStretch(begins, math.inf, SteadyOffset(played - time)))

    def _forget(self, time: float) -> None:
        oldest = time - self._seconds
        while self._runs and self._runs[0].ends < oldest:
            self._runs.popleft()
        needed = min(self._last[1], oldest + self._runs[0].ahead.value if self._runs else math.inf)
        while len(self._written) > 1 and self._written[0].ends < needed:
            self._written.popleft()
        first = self._written[0]
        first.sound.forget(int((needed - first.begins) * first.sound.sample_rate))
