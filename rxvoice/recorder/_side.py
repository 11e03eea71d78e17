"""One channel of a recording."""

from __future__ import annotations

from rxvoice._audio.resample import SoxrResampler
from rxvoice._audio.samples import Samples
from rxvoice._audio.stereo_wav import StereoWav


class Side:
    """Writes samples to one channel, at the file's rate, and knows where the next ones go.

    Args:
        file: to write to.
        channel: 0 or 1.
        rate: Hz, of the file.
    """

    def __init__(self, file: StereoWav, channel: int, rate: int) -> None:
        self._file = file
        self._channel = channel
        self._rate = rate
        self._given_rate = 0
        self._resampler: SoxrResampler | None = None
        self._fed = self._made = 0
        self._next = 0
        self.begun = False

    @property
    def end(self) -> int:
        """The frame behind all samples so far, with those that the resampler holds back."""
        if self._resampler is None:
            return self._next
        return self._next + round(self._fed * self._rate / self._given_rate) - self._made

    def move(self, frame: int) -> None:
        """Go on at `frame`, after what the resampler holds back, and never backwards."""
        self.end_run()
        self._next = max(self._next, frame)

    def write(self, samples: Samples, rate: int) -> None:
        """Write samples at `rate` Hz behind those before."""
        self.begun = True
        if rate != self._given_rate:
            self.end_run()
            self._given_rate = rate
        if self._resampler is None:
            self._resampler = SoxrResampler(rate, self._rate)
        made = self._resampler.feed(samples)
        self._fed += len(samples)
        self._made += len(made)
        self._put(made)

    def end_run(self) -> None:
        """Write what the resampler holds back: a gap follows."""
        ended, self._resampler = self._resampler, None
        self._fed = self._made = 0
        if ended is not None:
            self._put(ended.end())

    def _put(self, samples: Samples) -> None:
        if len(samples):
            self._file.write(self._channel, self._next, samples)
            self._next += len(samples)
