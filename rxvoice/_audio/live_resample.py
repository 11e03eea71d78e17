"""Resamples a live signal, and holds back as little of it as can be."""

from __future__ import annotations

import math

import numpy as np

from rxvoice._audio.samples import Samples

_REACH = 96
"""The reach of soxr's filter to either side, in samples of the lower rate: 120 dB down beyond."""


class LiveResampler:
    """Resamples one signal. The pieces, joined, are the whole signal resampled by soxr.

    A stream of soxr's computes in large blocks: from 48 kHz it holds back between 6 and 36 ms, from
    8 kHz up to 116 ms. This one always holds back `delay`, which is 6 ms for 16 kHz.

    Args:
        rate: Hz, of the samples fed.
        sample_rate: Hz, of the result. If it is the same, the result is the samples themselves.
    """

    __slots__ = ("_begin", "_end", "_given", "_held", "_rate", "_reach", "_sample_rate", "_step")

    def __init__(self, rate: int, sample_rate: int) -> None:
        self._rate = rate
        self._sample_rate = sample_rate
        # The samples of the two rates meet every so many samples of the signal.
        self._step = rate // math.gcd(rate, sample_rate)
        lower = min(rate, sample_rate)
        self._reach = 0 if rate == sample_rate else -(-_REACH * rate // lower)
        self._held = np.empty(0, np.float32)
        self._begin = 0  # index of the first sample held
        self._end = 0
        self._given = 0  # samples of the result

    @property
    def delay(self) -> int:
        """How many samples of the result are held back."""
        return -(-self._reach * self._sample_rate // self._rate)

    def feed(self, samples: Samples) -> Samples:
        """Feed a piece. Returns what is ready."""
        if not self._reach:
            return samples
        self._held = np.concatenate([self._held, samples])
        self._end += len(samples)
        ready = (self._end - self._reach) * self._sample_rate // self._rate
        if ready <= self._given:
            return np.empty(0, np.float32)
        return self._made(ready - self._given)

    def end(self) -> Samples:
        """Return what was held back. Call this once, after the last piece."""
        return self._made(None) if self._end else np.empty(0, np.float32)

    def _made(self, count: int | None) -> Samples:
        import soxr

        made = soxr.resample(self._held, self._rate, self._sample_rate)
        skip = self._given - self._begin * self._sample_rate // self._rate
        given = made[skip:] if count is None else made[skip : skip + count]
        self._given += len(given)
        # What the filter reaches back to from the next sample, from where the samples meet.
        reached = self._given * self._rate // self._sample_rate - self._reach
        begin = max(0, reached // self._step * self._step)
        self._held = self._held[begin - self._begin :]
        self._begin = begin
        return given
