"""`energy`: the detector of barge-in."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rxvoice._audio.samples import Samples
from rxvoice._check import within

__all__ = ["Energy", "energy", "rms"]


@dataclass(frozen=True, slots=True)
class Energy:
    """A barge-in detector: see `energy`."""

    threshold: float

    def detect(self, samples: Samples, playing: bool, /) -> bool:
        """Whether the assistant is playing and the chunk is loud enough."""
        return playing and rms(samples) > self.threshold


def energy(threshold: float = 0.02) -> Energy:
    """Speech counts as barge-in while the assistant is playing, if the chunk is louder than this.

    Args:
        threshold: root mean square, 0 to 1. 0.02 is about -34 dBFS, above a quiet room.
    """
    within("energy threshold", threshold, 0.0, 1.0, "RMS")
    return Energy(threshold)


def rms(samples: Samples) -> float:
    """The root mean square of the samples; 0 if there are none."""
    return math.sqrt(float(samples.dot(samples)) / len(samples)) if len(samples) else 0.0
