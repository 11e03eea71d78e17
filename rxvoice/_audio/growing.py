"""Samples that grow."""

from __future__ import annotations

import numpy as np

from rxvoice._audio.samples import Samples

__all__ = ["Growing"]


class Growing:
    """Samples in one buffer that doubles: n appended samples cost O(n) copies in all."""

    __slots__ = ("_buffer", "_shown", "_used")

    def __init__(self) -> None:
        self._used = 0
        self._hold(np.empty(16_384, np.float32))

    def _hold(self, buffer: Samples) -> None:
        self._buffer = buffer
        self._shown = buffer.view()
        self._shown.setflags(write=False)

    def append(self, samples: Samples) -> None:
        """Add samples at the end."""
        used = self._used + len(samples)
        if used > len(self._buffer):
            grown = np.empty(max(used, 2 * len(self._buffer)), np.float32)
            grown[: self._used] = self._buffer[: self._used]
            # Views given out before keep the old buffer, whose content never changes again.
            self._hold(grown)
        self._buffer[self._used : used] = samples
        self._used = used

    def __len__(self) -> int:
        return self._used

    def view(self) -> Samples:
        """All samples so far, read-only, not copied."""
        used = self._used  # before the buffer: another thread may append in between
        return self._shown[:used]
