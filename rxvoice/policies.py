"""When a turn ends, and what counts as an interruption."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rxvoice._check import at_least, within
from rxvoice.elements import Samples

__all__ = ["energy", "rms", "silence"]


@dataclass(frozen=True, slots=True)
class Silence:
    """An end-of-turn policy: see `silence`."""

    ms: int

    def user_finished(self, audio: Samples, silence_ms: int, /) -> bool:
        """Whether the silence has lasted long enough."""
        return silence_ms >= self.ms


@dataclass(frozen=True, slots=True)
class Energy:
    """A barge-in detector: see `energy`."""

    threshold: float

    def detect(self, samples: Samples, playing: bool, /) -> bool:
        """Whether the assistant is playing and the chunk is loud enough."""
        return playing and rms(samples) > self.threshold


def silence(ms: int = 1600) -> Silence:
    """A turn ends once the user has been silent this long.

    Args:
        ms: milliseconds of silence, 0 or more. Default as ``turn_max_incomplete_silence_ms`` of
            mlx-audio's ``VoicePipelineConfig``.
    """
    at_least("silence ms", ms, 0, "ms")
    return Silence(ms)


def energy(threshold: float = 0.02) -> Energy:
    """Speech interrupts when the assistant is playing and the chunk is louder than this.

    Args:
        threshold: root mean square, 0 to 1; 0.02 is about -34 dBFS, above a quiet room.
    """
    within("energy threshold", threshold, 0.0, 1.0, "RMS")
    return Energy(threshold)


def rms(samples: Samples) -> float:
    """Root mean square of the samples; 0 for none."""
    return math.sqrt(float(samples.dot(samples)) / len(samples)) if len(samples) else 0.0
