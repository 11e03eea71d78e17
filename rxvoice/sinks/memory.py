"""`memory`: keeps speech in memory."""

from __future__ import annotations

from itertools import pairwise

from rxvoice._audio.growing import Growing
from rxvoice._audio.samples import Samples
from rxvoice.sinks._sink import KeepingSink

__all__ = ["MemorySink", "memory"]


def memory(*, sample_rate: int | None = None) -> MemorySink:
    """Make a sink that keeps everything it is given.

    Args:
        sample_rate: Hz, of the samples kept; None for the rate of the first speech. soxr resamples
            speech at another rate. It is complete after `flush` or `stop`.
    """
    return MemorySink(sample_rate)


class MemorySink(KeepingSink):
    """A sink that keeps what it is given, made by `memory`."""

    def __init__(self, sample_rate: int | None = None) -> None:
        super().__init__("the memory sink", sample_rate)
        self._kept = Growing()
        self._ends = [0]
        self._flushes = 0

    @property
    def sample_rate(self) -> int | None:
        """Hz, of `samples`; None until it is known."""
        return self._kept_rate

    @property
    def samples(self) -> Samples:
        """All samples so far, shape ``(n,)``: a read-only view, not a copy."""
        with self._lock:
            return self._kept.view()

    @property
    def pieces(self) -> list[Samples]:
        """The same samples, in pieces as they were written."""
        ends = self._ends.copy()
        samples = self.samples
        return [samples[a:b] for a, b in pairwise(ends)]

    @property
    def flushes(self) -> int:
        """How many times `flush` was called."""
        return self._flushes

    def flush(self) -> None:
        """End the run, and count the call."""
        super().flush()
        self._flushes += 1

    def _keep(self, samples: Samples) -> None:
        if not len(samples):
            return
        self._kept.append(samples)
        self._ends.append(len(self._kept))
