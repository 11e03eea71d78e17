"""The offset between two clocks, one of which jitters."""

from __future__ import annotations

import math

_SLACK_S = 0.004
_SLIP_S = 1 / 16_000


class SteadyOffset:
    """The offset between two clocks of nearly the same pace, when readings of one clock jitter.

    An echo canceller loses 40 dB when the offset jumps by a millisecond. So the offset keeps its
    value. When the mean of the readings differs by more than 4 ms, the offset moves by one sample
    at a time.
    """

    __slots__ = ("_off", "value")

    def __init__(self, value: float) -> None:
        self.value = value
        self._off = 0.0

    def read(self, value: float) -> None:
        """Take a reading of the offset, in seconds."""
        self._off += (value - self.value - self._off) / 64
        if abs(self._off) > _SLACK_S:
            slip = math.copysign(_SLIP_S, self._off)
            self.value += slip
            self._off -= slip
