"""`HeardTrack`: what the loudspeaker played, on the time axis of the microphone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import soxr

from rxvoice._audio.samples import Samples

__all__ = ["HeardTrack"]

_JITTER_S = 0.15
"""A position that the sink tells this late is no gap: most tell it ten times a second."""
_MOST_S = 600
"""Silence that is put in at once, at most."""


class HeardTrack:
    """Takes what is written to a sink, and places it where the sink says that it was heard.

    Args:
        put: takes the next samples of the track, and their sample rate.
    """

    def __init__(self, put: Callable[[Samples, int], object]) -> None:
        self._put = put
        self._rate = 0  # of the track: that of the first sound
        self._given_rate = 24_000  # of what is written
        self._waiting: deque[Samples] = deque()
        self._position = 0  # of the sink, in samples as they were written
        self._length = 0  # of the track

    @property
    def rate(self) -> int:
        """Hz, of the track."""
        return self._rate or self._given_rate

    def set_rate(self, sample_rate: int) -> None:
        """What is written from here on has this rate, in Hz."""
        self._given_rate = sample_rate

    def write(self, samples: Samples) -> None:
        """The sink took these samples."""
        self._rate = self._rate or self._given_rate
        kept = np.asarray(samples, np.float32)
        if self._given_rate != self._rate:
            kept = soxr.resample(kept, self._given_rate, self._rate).astype(np.float32)
        self._waiting.append(kept)

    def clear(self, unheard: int) -> None:
        """The sink dropped its last samples, so many."""
        left = unheard * (self._rate or 1) // self._given_rate
        while self._waiting and left > 0:
            last = self._waiting.pop()
            if len(last) > left:
                self._waiting.append(last[: len(last) - left])
            left -= len(last)

    def heard(self, position: int, seconds: float) -> None:
        """The sink says its position.

        Args:
            position: in samples as they were written, from its beginning.
            seconds: since the first sample of the microphone.
        """
        count = (position - self._position) * (self._rate or 1) // self._given_rate
        self._position = max(position, self._position)
        if count > 0 and self._waiting:
            self.play(count, seconds)

    def play(self, count: int | None, seconds: float) -> None:
        """So many of the waiting samples were heard by then; None for all of them."""
        taken: list[Samples] = []
        left = sum(map(len, self._waiting)) if count is None else count
        while self._waiting and left > 0:
            first = self._waiting.popleft()
            if len(first) > left:
                self._waiting.appendleft(first[left:])
                first = first[:left]
            taken.append(first)
            left -= len(first)
        if not taken:
            return
        now = np.concatenate(taken)
        late = int(seconds * self._rate) - len(now) - self._length
        if late > _JITTER_S * self._rate:
            gap = min(late, _MOST_S * self._rate)
            self._put(np.zeros(gap, np.float32), self._rate)
            self._length += gap
        self._put(now, self._rate)
        self._length += len(now)
