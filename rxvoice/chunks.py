"""`AudioChunk`: what the microphone, and the operators up to `turn_window`, emit."""

from __future__ import annotations

from dataclasses import dataclass

from rxvoice._audio.samples import Samples
from rxvoice._value import Value, quick

__all__ = ["AudioChunk"]


@quick
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AudioChunk(Value):
    """A piece of the microphone's signal.

    Args:
        samples: float32 of shape ``(n,)`` in [-1, 1], mono.
        sample_rate: Hz.
        start: index of the first sample, counted from the subscription.
        speech: whether the user speaks in the chunk; `vad` sets it. None before.
        probability: the probability of speech, 0 to 1. None if the detector gives no probability.
        barge_in: whether the user speaks over the assistant; `barge_in` sets it.
        lead_in: the samples just before a run of speech, on its first chunk; `preroll` sets it.
        partial: whether this is the last chunk of a stream and shorter than the others. No
            detector judges it.
        time: when the first sample was captured, in seconds of ``time.monotonic()``. None if that
            is unknown, as in a file.
    """

    samples: Samples
    sample_rate: int = 16_000
    start: int = 0
    speech: bool | None = None
    probability: float | None = None
    barge_in: bool = False
    lead_in: Samples | None = None
    partial: bool = False
    time: float | None = None

    @property
    def ms(self) -> int:
        """Whole milliseconds of audio."""
        return len(self.samples) * 1000 // self.sample_rate
