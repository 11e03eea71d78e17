"""What the tests of the echo defence share: a loudspeaker, a clock and a room, all made up."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray
from reactivex import Subject

from rxvoice import offline

RATE = 16_000
Array = NDArray[np.float32]


class Clock:
    """Seconds, as told."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class Loudspeaker:
    """A sink that plays by a made-up clock: what it takes, at its rate, from the first write on.

    Args:
        step: samples that its position is told in.
    """

    clock: Clock
    rate: int = 24_000
    step: int = 1
    calls: list[Any] = field(default_factory=list[Any])
    played: Subject[int] = field(default_factory=Subject[int])

    def __post_init__(self) -> None:
        self.taken = 0
        self._heard = 0.0
        self._since = self.clock()
        self._paused = False

    def _go_on(self) -> None:
        passed, self._since = self.clock() - self._since, self.clock()
        if not self._paused:
            self._heard = min(self.taken, self._heard + passed * self.rate)

    @property
    def position(self) -> int:
        self._go_on()
        return int(round(self._heard, 6) // self.step * self.step)

    @property
    def is_running(self) -> bool:
        return self.position < self.taken and not self._paused

    def set_sample_rate(self, sample_rate: int) -> None:
        self._go_on()
        self.calls.append(sample_rate)
        self.rate = sample_rate

    def write_samples(self, samples: Array) -> int:
        self._go_on()
        self.taken += len(samples)
        return len(samples)

    def pause(self) -> None:
        self._go_on()
        self.calls.append("pause")
        self._paused = True

    def resume(self) -> None:
        self._go_on()
        self.calls.append("resume")
        self._paused = False

    def flush(self) -> None:
        self.calls.append("flush")

    def clear(self) -> Array:
        unheard = self.taken - self.position
        self.taken -= unheard
        self.calls.append("clear")
        return np.zeros(unheard, np.float32)

    def stop(self) -> None:
        self.calls.append("stop")


def room(samples: Array, *, delay_ms: float = 120, db: float = -12) -> Array:
    """What a microphone hears of a loudspeaker: later, softer, with the walls of a small room."""
    rng = np.random.default_rng(1)
    n = int(0.03 * RATE)
    walls = rng.standard_normal(n) * np.exp(-np.arange(n) / (0.006 * RATE))
    walls[0] = 1.5
    walls *= 10 ** (db / 20) / np.linalg.norm(walls)
    late = np.zeros(round(delay_ms * RATE / 1000))
    return np.concatenate([late, np.convolve(samples, walls)])[: len(samples)].astype(np.float32)


@cache
def say(text: str, voice: str = "en-us", peak: float = 0.8) -> Array:
    """Speech at 16 kHz."""
    tts = offline.tts(f"espeak:{voice}")
    made = np.concatenate(list(tts.synthesize_stream(text)))
    at_rate = soxr.resample(made, tts.sample_rate, RATE)
    return (at_rate / np.abs(at_rate).max() * peak).astype(np.float32)


def db(samples: Array) -> float:
    """The level, in dB of full scale."""
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2) + 1e-12))
