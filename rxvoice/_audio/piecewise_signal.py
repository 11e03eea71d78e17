"""A signal in pieces."""

from __future__ import annotations

import math
from bisect import bisect_right

import numpy as np

from rxvoice._audio.samples import Samples

_MARGIN_S = 0.01
"""Read on either side for the resampler, whose filter is 120 dB down beyond that."""


class PiecewiseSignal:
    """A signal that grows piece by piece. Any stretch can be read, at any sample rate.

    Before and after the signal there is silence.

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
        """Add samples at the end. The caller must not change them afterwards."""
        self._pieces.append(samples)
        self._at.append(self.end)
        self.end += len(samples)

    def cut(self, end: int) -> None:
        """Drop the sample `end` and all after it."""
        while self._at and self._at[-1] >= end:
            self._at.pop()
            self._pieces.pop()
        if self._at:
            self._pieces[-1] = self._pieces[-1][: end - self._at[-1]]
        self.end = min(self.end, end)

    def forget(self, before: int) -> None:
        """Drop the pieces that end before the sample `before`."""
        gone = max(0, bisect_right(self._at, before) - 1)
        del self._pieces[:gone], self._at[:gone]

    def at(self, start: float, n: int, sample_rate: int) -> Samples:
        """Return `n` samples at `sample_rate`, from `start` seconds on, to the nearest sample."""
        first = round(start * sample_rate)
        if sample_rate == self.sample_rate:
            return self._slice(first, first + n)
        import soxr

        # The grids of the two rates meet every `step` samples of this signal.
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
