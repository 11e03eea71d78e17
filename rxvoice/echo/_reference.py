"""What the loudspeaker plays, for echo cancellers and detectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from rxvoice._audio.samples import Samples


class Reference(Protocol):
    """Knows what leaves the loudspeaker, and when."""

    def at(self, time: float, n: int, sample_rate: int, /) -> Samples:
        """Return the `n` samples that left, or will leave, the loudspeaker from `time` on.

        Args:
            time: in seconds of the clock that `AudioChunk.time` is read from.
            n: how many samples.
            sample_rate: Hz, of the samples to return.
        """
        ...


ReferenceSlot: TypeAlias = Reference | Callable[[float, int, int], Samples]
"""A `Reference`, or a callable with the arguments of `Reference.at`."""
