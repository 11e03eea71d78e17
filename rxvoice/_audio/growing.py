"""A buffer of samples that grows."""

from __future__ import annotations

import numpy as np

from rxvoice._audio.samples import Samples


class Growing:
    """Samples in one buffer, which doubles when it is full. Appending n samples copies O(n)."""

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
            # Earlier views keep the old buffer, whose content does not change.
            self._hold(grown)
        self._buffer[self._used : used] = samples
        self._used = used

    def __len__(self) -> int:
        return self._used

    def view(self) -> Samples:
        """All samples so far: read-only, not copied."""
        used = self._used  # read first, because another thread may append
        return self._shown[:used]
