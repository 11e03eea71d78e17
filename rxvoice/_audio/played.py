"""What a loudspeaker has played, by time: told from what was written and how far it has come."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from threading import Lock

import numpy as np

from rxvoice._audio.samples import Samples

__all__ = ["Played", "Sound", "Steady"]

_STALLED_S = 0.06
"""Behind by more, it stands still; by less, its position is told in steps."""

_SLACK_S = 0.004
_SLIP_S = 1 / 16_000
_MARGIN_S = 0.01
"""On either side, for a resampler: beyond it, its filter is 120 dB down."""


class Steady:
    """The difference of two clocks of nearly one pace, one of which is read with jitter.

    An echo canceller loses 40 dB where what it is told jumps by a millisecond. So this stays as it
    is, and moves by one sample at a time once the mean of what is read is off by four.
    """

    __slots__ = ("_off", "value")

    def __init__(self, value: float) -> None:
        self.value = value
        self._off = 0.0

    def read(self, value: float) -> None:
        """Take a reading, in seconds."""
        self._off += (value - self.value - self._off) / 64
        if abs(self._off) > _SLACK_S:
            slip = math.copysign(_SLIP_S, self._off)
            self.value += slip
            self._off -= slip


class Sound:
    """A signal in pieces, of which any stretch can be had at any rate; silence around it.

    Args:
        sample_rate: Hz.
    """

    __slots__ = ("_at", "_pieces", "end", "sample_rate")

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.end = 0  # samples appended so far
        self._pieces: list[Samples] = []
        self._at: list[int] = []  # of each piece's first sample

    def append(self, samples: Samples) -> None:
        """Add samples at the end; they must not change afterwards."""
        self._pieces.append(samples)
        self._at.append(self.end)
        self.end += len(samples)

    def cut(self, end: int) -> None:
        """Forget all from that sample on."""
        while self._at and self._at[-1] >= end:
            self._at.pop()
            self._pieces.pop()
        if self._at:
            self._pieces[-1] = self._pieces[-1][: end - self._at[-1]]
        self.end = min(self.end, end)

    def forget(self, before: int) -> None:
        """Forget the pieces that end before that sample."""
        gone = max(0, bisect_right(self._at, before) - 1)
        del self._pieces[:gone], self._at[:gone]

    def at(self, start: float, n: int, sample_rate: int) -> Samples:
        """`n` samples at that rate from `start` seconds on, to the nearest sample."""
        first = round(start * sample_rate)
        if sample_rate == self.sample_rate:
            return self._slice(first, first + n)
        import soxr

        # Both grids meet every `step` samples of this one.
        common = math.gcd(sample_rate, self.sample_rate)
        step, steps = self.sample_rate // common, sample_rate // common
        margin = math.ceil(_MARGIN_S * common) + 1
        begin, end = first // steps - margin, -(-(first + n) // steps) + margin
        if end * step <= 0 or begin * step >= self.end:
            return np.zeros(n, np.float32)
        made = soxr.resample(self._slice(begin * step, end * step), self.sample_rate, sample_rate)
        skip = first - begin * steps
        return made[skip : skip + n]

    def _slice(self, begin: int, end: int) -> Samples:
        found = np.zeros(end - begin, np.float32)
        for index in range(max(0, bisect_right(self._at, begin) - 1), len(self._at)):
            piece, at = self._pieces[index], self._at[index]
            if at >= end:
                break
            low, high = max(begin, at), min(end, at + len(piece))
            if low < high:
                found[low - begin : high - begin] = piece[low - at : high - at]
        return found


@dataclass(slots=True)
class _Written:
    """A run of samples written at one rate."""

    sound: Sound
    position: int  # of its first sample, among all that were written
    begins: float  # seconds of sound before it

    @property
    def ends(self) -> float:
        return self.begins + self.sound.end / self.sound.sample_rate


@dataclass(slots=True)
class _Run:
    """A stretch of time in which sound was played without a break."""

    begins: float
    ends: float  # infinity while it goes on
    ahead: Steady  # seconds of sound played, less the time


class Played:
    """What was written, where it was heard, and so what was, or will be, heard at a time.

    Told the position now and then, it draws the line between: sound is played at its own rate, or
    not at all. May be used from any thread.

    Args:
        sample_rate: Hz, of what is written until `set_sample_rate` says otherwise.
        seconds: how long it remembers.
    """

    def __init__(self, sample_rate: int, seconds: float) -> None:
        self._seconds = seconds
        self._written: deque[_Written] = deque([_Written(Sound(sample_rate), 0, 0.0)])
        self._runs: deque[_Run] = deque()
        self._last = (-math.inf, 0.0)  # the time, and the seconds of sound played by then
        self._lock = Lock()

    def set_sample_rate(self, sample_rate: int) -> None:
        """The rate, in Hz, of what is written next."""
        with self._lock:
            last = self._written[-1]
            if sample_rate != last.sound.sample_rate:
                position = last.position + last.sound.end
                self._written.append(_Written(Sound(sample_rate), position, last.ends))

    def write(self, samples: Samples) -> None:
        """Samples were taken by the loudspeaker; they are copied."""
        with self._lock:
            self._written[-1].sound.append(np.array(samples, np.float32))

    def clear(self, unheard: int) -> None:
        """The last `unheard` samples will never be heard."""
        with self._lock:
            last = self._written[-1]
            end = last.position + last.sound.end - unheard
            rate = last.sound.sample_rate
            while len(self._written) > 1 and self._written[-1].position > end:
                self._written.pop()
            last = self._written[-1]
            last.sound.cut(max(0, end - last.position))
            if rate != last.sound.sample_rate:
                self._written.append(_Written(Sound(rate), end, last.ends))

    def observe(self, time: float, position: int) -> None:
        """At that time so many samples had been heard."""
        with self._lock:
            self._observe(time, self._seconds_of(position))
            self._forget(time)

    def pause(self, time: float) -> None:
        """It stands still from that time on, until the position grows."""
        with self._lock:
            if self._runs and time < self._runs[-1].ends:
                self._runs[-1].ends = time

    def at(self, time: float, n: int, sample_rate: int) -> Samples:
        """`n` samples at that rate: what was heard from that time on; silence where nothing was.

        Of the time to come, what will be heard if it goes on as now.
        """
        heard = np.zeros(n, np.float32)
        with self._lock:
            for run in self._runs:
                for written in self._written:
                    # In time: where what was written in one run was heard in the other.
                    first = max(run.begins, written.begins - run.ahead.value)
                    last = min(run.ends, written.ends - run.ahead.value)
                    low = max(0, round((first - time) * sample_rate))
                    high = min(n, math.ceil(min(last - time, n / sample_rate) * sample_rate))
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
        if time < before:  # another thread was quicker
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
            # It has played until now, and began when it had played nothing of this.
            begins = max(before, time - (played - played_before))
            self._runs.append(_Run(begins, math.inf, Steady(played - time)))

    def _forget(self, time: float) -> None:
        oldest = time - self._seconds
        while self._runs and self._runs[0].ends < oldest:
            self._runs.popleft()
        needed = min(self._last[1], oldest + self._runs[0].ahead.value if self._runs else math.inf)
        while len(self._written) > 1 and self._written[0].ends < needed:
            self._written.popleft()
        first = self._written[0]
        first.sound.forget(int((needed - first.begins) * first.sound.sample_rate))
