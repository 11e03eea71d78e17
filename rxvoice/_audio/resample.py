"""Resampling by soxr, piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rxvoice._audio.samples import Samples

if TYPE_CHECKING:
    from soxr import ResampleStream

__all__ = ["SoxrResampler"]


class SoxrResampler:
    """One signal, from one rate to another: the pieces joined are the whole signal resampled.

    Args:
        rate: Hz, of what is fed.
        sample_rate: Hz, of what comes out; the samples themselves where it is the same.
    """

    __slots__ = ("_stream",)

    def __init__(self, rate: int, sample_rate: int) -> None:
        self._stream: ResampleStream | None = None
        if rate != sample_rate:
            import soxr

            self._stream = soxr.ResampleStream(rate, sample_rate, 1)

    def feed(self, samples: Samples) -> Samples:
        """What can be told so far: some milliseconds are held back."""
        if self._stream is None:
            return samples
        return self._stream.resample_chunk(samples, last=False)

    def end(self) -> Samples:
        """What was held back. Once, after everything."""
        nothing = np.empty(0, np.float32)
        return nothing if self._stream is None else self._stream.resample_chunk(nothing, last=True)
