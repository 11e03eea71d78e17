"""What the loudspeaker plays, as an echo canceller or detector asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from rxvoice._audio.samples import Samples

__all__ = ["Reference", "ReferenceSlot"]


class Reference(Protocol):
    """Knows what leaves the loudspeaker, and when."""

    def at(self, time: float, n: int, sample_rate: int, /) -> Samples:
        """`n` samples at that rate: what left, or will leave, the loudspeaker from `time` on.

        Args:
            time: in seconds of the clock that `AudioChunk.time` is read from.
        """
        ...


ReferenceSlot: TypeAlias = Reference | Callable[[float, int, int], Samples]
"""A `Reference`, or a callable of the shape of its `Reference.at`."""
