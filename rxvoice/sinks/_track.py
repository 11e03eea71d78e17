"""`Track`: sound on its way to a device."""

from __future__ import annotations

import numpy as np

from rxvoice._audio.resample import SoxrResampler
from rxvoice._audio.samples import Samples
from rxvoice.sinks._ahead import AheadSignal
from rxvoice.sinks._in_flight import InFlight
from rxvoice.sinks._play_queue import PlayQueue


class Track:
    """Converts samples to a device's rate, queues them, and counts which of them were heard.

    Call one method at a time. Only ``queue.render`` may run beside them.

    Args:
        queue: what the device plays from.
        rate: Hz, of the device.
    """

    def __init__(self, queue: PlayQueue, rate: int) -> None:
        self.queue = queue
        self.rate = rate
        self.in_flight = InFlight()
        self._converter: SoxrResampler | AheadSignal | None = None
        self._converts: tuple[int, AheadSignal | None] | None = None

    def converter(self, rate: int, ahead: AheadSignal | None = None) -> SoxrResampler | AheadSignal:
        """Return the converter for the next samples. Ends the signal before them if it differs.

        Args:
            rate: Hz, of the samples.
            ahead: the signal that has converted them already; None: soxr converts them.
        """
        if self._converter is None or self._converts != (rate, ahead):
            self.end_signal()
            if ahead is not None:
                ahead.restart()
            self._converter = ahead or SoxrResampler(rate, self.rate)
            self._converts = rate, ahead
        return self._converter

    def add(self, samples: Samples, converted: Samples, rate: int) -> None:
        """Queue samples that a `converter` has converted."""
        self.in_flight.add(samples, len(converted), rate, self.rate)
        self.queue.append(converted)

    def put(self, samples: Samples, rate: int) -> None:
        """Convert samples by soxr and queue them."""
        self.add(samples, self.converter(rate).feed(samples), rate)

    def end_signal(self) -> None:
        """Queue what the converter holds back. The next samples are another signal."""
        if self._converter is not None:
            rest, self._converter = self._converter.end(), None
            self.in_flight.close(len(rest))
            self.queue.append(rest)

    def clear(self) -> Samples:
        """Drop what is queued, after a fade. Returns what was not heard, as it was written."""
        return self._drop(self.queue.cut())

    def _drop(self, index: int) -> Samples:
        """Drop what follows the device's sample `index`. Returns it, as it was written."""
        unheard = [samples for _, samples in self.in_flight.cut(index)]
        self._converter = None
        return np.concatenate([*unheard, np.empty(0, np.float32)])

    def change_queue(self, queue: PlayQueue, rate: int, index: int) -> None:
        """Play from another queue, from the device's sample `index` on, at another rate."""
        goes_on = self.in_flight.is_open
        pieces = self.in_flight.cut(index)
        self._converter = None
        self.queue, self.rate = queue, rate
        for given_rate, samples in pieces:
            self.put(samples, given_rate)
        if not goes_on:
            self.end_signal()
