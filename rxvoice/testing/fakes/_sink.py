"""`FakeSink`: a sink that keeps what it is given."""

from __future__ import annotations

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice._check import whole


class FakeSink:
    """A sink that plays nothing and keeps everything.

    Args:
        take: the most samples that it takes per write; 0 stalls; None takes everything.
        stalls_after: how many writes it takes before it stalls; None never stalls.
    """

    def __init__(self, *, take: int | None = None, stalls_after: int | None = None) -> None:
        if take is not None:
            whole("FakeSink take", take, 0, "samples")
        if stalls_after is not None:
            whole("FakeSink stalls_after", stalls_after, 0, "writes")
        self._take = take
        self._stalls_after = stalls_after
        self._unheard = 0
        self.is_running = False
        self.writes: list[Samples] = []
        """The samples that it took, write by write."""
        self.offered: list[int] = []
        """How many samples it was offered, write by write."""
        self.rates: list[int] = []
        """The sample rates that it was told, in Hz."""
        self.flushes = 0
        self.clears = 0
        self.stopped = False

    @property
    def samples(self) -> Samples:
        """All samples that it took, in one piece."""
        return np.concatenate([np.empty(0, np.float32), *self.writes])

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """Keep the rate in ``rates``."""
        self.rates.append(sample_rate)

    def write_samples(self, samples: Samples, /) -> int:
        self.offered.append(len(samples))
        if self._stalls_after is not None and len(self.offered) > self._stalls_after:
            return 0
        taken = np.array(samples[: self._take], np.float32)
        self.writes.append(taken)
        self._unheard += len(taken)
        return len(taken)

    def flush(self) -> None:
        self.flushes += 1
        self._unheard = 0

    def clear(self) -> Samples:
        """Return everything since the last flush: this sink plays nothing."""
        self.clears += 1
        kept = self.samples
        unheard = kept[len(kept) - self._unheard :]
        self._unheard = 0
        return unheard

    def stop(self) -> None:
        self.stopped = True
