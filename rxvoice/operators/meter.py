"""`meter`: measure how loud the audio is."""

from __future__ import annotations

from math import sqrt
from typing import TypeVar

import numpy as np

from rxvoice._check import whole
from rxvoice.chunks import AudioChunk
from rxvoice.events import Event, Level
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful_on_events

__all__ = ["meter"]

T = TypeVar("T")


def meter(every_ms: int = 100) -> Operator[T, T | Event]:
    """Measure how loud the audio is, for an app's level meter.

    Emits: the same elements; and a `Level` after the chunk that completes ``every_ms`` of audio
        since the last `Level`. A `Level` covers whole chunks, and says how many milliseconds.
    Completes: with the source.
    Errors: with the source.
    Drops: nothing. The audio after the last `Level` is not reported.
    Runs on: the thread of the source.

    Args:
        every_ms: milliseconds of audio between two `Level`, 1 or more. Only `AudioChunk` counts.

    Time is counted in samples, so that audio in a burst gives the same levels.
    """
    whole("meter every_ms", every_ms, 1, "ms")

    def start(out: Subscription[T | Event]) -> Handlers[T]:
        power: float
        peak: float
        samples: int
        rate: int | None = None  # nothing is measured yet

        def level(rate: int) -> Level:
            nonlocal power, peak, samples
            measured = Level(sqrt(power / samples), peak, samples * 1000 // rate)
            power, peak, samples = 0.0, 0.0, 0
            return measured

        def step(element: T) -> None:
            nonlocal power, peak, samples, rate
            out.emit(element)
            if not isinstance(element, AudioChunk) or not len(element.samples):
                return
            if element.sample_rate != rate:
                power, peak, samples, rate = 0.0, 0.0, 0, element.sample_rate
            power += float(element.samples.dot(element.samples))
            peak = max(peak, float(np.abs(element.samples).max()))
            samples += len(element.samples)
            if samples * 1000 >= every_ms * element.sample_rate:
                out.emit(level(element.sample_rate))

        return step, None, None

    return stateful_on_events(start)
