"""A recording as what was played."""

from __future__ import annotations

from rxvoice._audio.played import Sound
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._check import whole

__all__ = ["Recorded", "recorded"]


def recorded(samples: Samples, sample_rate: int, *, begins: float = 0.0) -> Recorded:
    """A known signal as a `Reference`, for echo in recordings and in tests.

    Args:
        samples: float32 of shape ``(n,)`` in [-1, 1]; silence before and after.
        sample_rate: Hz.
        begins: when its first sample left the loudspeaker, in seconds. Chunks without a time are
            counted from the subscription, at 0.

    Errors: `AudioFormatError` for samples of another type or shape.
    """
    whole("recorded sample_rate", sample_rate, 1, "Hz")
    return Recorded(audio_samples(samples), sample_rate, begins)


class Recorded:
    """Made by `recorded`."""

    def __init__(self, samples: Samples, sample_rate: int, begins: float) -> None:
        self._sound = Sound(sample_rate)
        self._sound.append(samples)
        self._begins = begins

    def at(self, time: float, n: int, sample_rate: int, /) -> Samples:
        """See `Reference`."""
        return self._sound.at(time - self._begins, n, sample_rate)
