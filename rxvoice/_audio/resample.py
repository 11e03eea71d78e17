"""Resamples by soxr, piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rxvoice._audio.samples import Samples

if TYPE_CHECKING:
    from soxr import ResampleStream


class SoxrResampler:
    """Resamples one signal. The pieces, joined, are the whole signal resampled.

    Args:
        rate: Hz, of the samples fed.
        sample_rate: Hz, of the result. If it is the same, the result is the samples themselves.
    """

    __slots__ = ("_stream",)

    def __init__(self, rate: int, sample_rate: int) -> None:
        self._stream: ResampleStream | None = None
        if rate != sample_rate:
            import soxr

            self._stream = soxr.ResampleStream(rate, sample_rate, 1)

    def feed(self, samples: Samples) -> Samples:
        """Feed a piece. Returns what is ready; some milliseconds are held back."""
        if self._stream is None:
            return samples
        return self._stream.resample_chunk(samples, last=False)

    def end(self) -> Samples:
        """Return what was held back. Call this once, after the last piece."""
        nothing = np.empty(0, np.float32)
        return nothing if self._stream is None else self._stream.resample_chunk(nothing, last=True)
